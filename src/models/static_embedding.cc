// The graph of sentence-transformers' StaticEmbedding.
#include "formats/static_embedding.h"

#include <algorithm>

#include "base/error.h"
#include "models/models.h"
#include "models/outside_graphs.h"

namespace tamis::models {

using graph::OpKind;
using graph::ValueId;

namespace {

template <typename Element>
Tensor with_zeros(const Tensor& table) {
  Tensor longer(table.dtype(), Shape{table.shape()[0] + 1, table.shape()[1]});
  const auto out = longer.mutable_as<Element>();
  const auto end = std::ranges::copy(table.as<Element>(), out.begin()).out;
  std::fill(end, out.end(), Element{});  // zero in all three float types
  return longer;
}

// The table, and a row of zeros behind it.
std::shared_ptr<const Tensor> with_zero_row(const std::shared_ptr<const Tensor>& table) {
  Tensor longer =
      table->dtype() == DType::kF32 ? with_zeros<float>(*table) : with_zeros<uint16_t>(*table);
  table->release_pages();
  return std::make_shared<const Tensor>(std::move(longer));
}

// Of folders without a transformer `head` is the only one.
void check_head(const BuildOptions& options, HeadKind head, std::string_view module,
                const std::filesystem::path& folder) {
  TAMIS_CHECK(options.sentence_transformer.has_value());
  const HeadKind asked = options.head.value_or(head);
  if (asked == head) return;
  fail(ErrorCode::kUnsupported, folder.string(), ": a ", module, " has no head for ",
       head_name(asked), "; accepted is ", head_name(head));
}

ValueId add_ids(graph::Graph& graph) {
  return graph.add_input(graph::kInputIds, DType::kI32, {graph::Dim::of(graph::Symbol::kTokens)});
}

}  // namespace

BuiltModel build_token_weights(const std::filesystem::path& folder, const BuildOptions& options) {
  check_head(options, HeadKind::kSparseEmbedding, "SparseStaticEmbedding", folder);
  const auto& weights = options.sentence_transformer->sparse->query_weights;
  BuiltModel model;
  model.family = "sparse_static_embedding";
  model.head = HeadKind::kSparseEmbedding;
  model.vocab_size = weights->shape()[0];
  model.hidden_size = 1;
  auto table = std::make_shared<Tensor>(DType::kF32, Shape{model.vocab_size, 1});
  const Tensor values = to_float32(weights->view());
  std::ranges::copy(values.as<float>(), table->mutable_as<float>().begin());
  graph::Graph& graph = model.graph;
  const ValueId ids = add_ids(graph);
  const ValueId rows = graph.add_constant("weight", std::move(table));
  const ValueId found =
      graph.add_node(OpKind::kGather, {rows, ids}, graph::NoAttributes{}, "weight");
  graph.add_output(kSparseEmbedding, found);
  graph.add_output(kQueryWeights, found);
  model.output_size = 1;
  graph::verify(graph);
  return model;
}

BuiltModel build_static_embedding(const std::filesystem::path& folder,
                                  const BuildOptions& options) {
  check_head(options, HeadKind::kEmbedding, "StaticEmbedding", folder);
  const SentenceTransformerConfig& modules = *options.sentence_transformer;
  const std::shared_ptr<const Tensor> table = read_static_embedding(folder);
  BuiltModel model;
  model.family = "static_embedding";
  model.vocab_size = table->shape()[0];
  model.hidden_size = table->shape()[1];
  model.empty_text_id = static_cast<int32_t>(model.vocab_size);
  model.normalize = modules.normalize;
  model.truncate_dim = modules.truncate_dim;
  graph::Graph& graph = model.graph;
  const ValueId ids =
      graph.add_input(graph::kInputIds, DType::kI32, {graph::Dim::of(graph::Symbol::kTokens)});
  const ValueId rows = graph.add_constant("embedding.weight", with_zero_row(table));
  const ValueId tokens =
      graph.add_node(OpKind::kGather, {rows, ids}, graph::NoAttributes{}, "embedding");
  graph.add_output(kTokenEmbeddings, tokens);
  const ValueId result = add_sentence_embedding(graph, tokens, modules);
  graph.add_output(kSentenceEmbedding, result);
  model.output_size = graph.value(result).shape[1].size;
  graph::verify(graph);
  return model;
}

}  // namespace tamis::models
