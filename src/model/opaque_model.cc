#include "model/opaque_model.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "models/outside_graphs.h"
#include "onnx/export/export_onnx.h"
#include "onnx/rules/padding_rule.h"

namespace tamis::api {

namespace fs = std::filesystem;
using engine::RowUnit;
using models::HeadKind;

namespace {

// The outputs of a file by name and shape.
class FileOutputs {
 public:
  FileOutputs(const onnx::ModelProto& model, const fs::path& file) : model_(model), file_(file) {}

  [[nodiscard]] const onnx::ValueProto* find(std::string_view name) const {
    for (const onnx::ValueProto& output : model_.graph.outputs) {
      if (output.name == name) return &output;
    }
    return nullptr;
  }
  /// The answer: of a known name, or the only one.
  [[nodiscard]] const onnx::ValueProto& answer() const {
    for (const std::string_view name :
         {"logits", "sentence_embedding", "token_embeddings", "last_hidden_state"}) {
      if (const onnx::ValueProto* found = find(name)) return *found;
    }
    if (model_.graph.outputs.size() == 1) return model_.graph.outputs[0];
    fail(ErrorCode::kUnsupported, file_.string(), ": ", model_.graph.outputs.size(),
         " outputs, none called logits, sentence_embedding, token_embeddings or "
         "last_hidden_state");
  }
  /// Whether it has a row for each token.
  [[nodiscard]] bool has_tokens(const onnx::ValueProto& output) const {
    if (output.dims && output.dims->size() == 2) return false;
    if (output.dims && output.dims->size() == 3) return true;
    fail(ErrorCode::kUnsupported, file_.string(), ": output ",
         json_quote(output.name.substr(0, 100)),
         ": its rank is not said, or neither 2 nor 3: rows of sequences or of tokens are expected");
  }
  /// Its columns; `otherwise` if the file leaves them open.
  [[nodiscard]] int64_t columns(const onnx::ValueProto& output, int64_t otherwise) const {
    (void)has_tokens(output);  // its rank is said
    const int64_t said = output.dims->back().value.value_or(otherwise);
    if (said > 0) return said;
    fail(ErrorCode::kUnsupported, file_.string(), ": output ",
         json_quote(output.name.substr(0, 100)),
         ": neither the file nor config.json beside it says how many columns it has");
  }

 private:
  const onnx::ModelProto& model_;
  const fs::path& file_;
};

HeadKind head_of(const FileOutputs& outputs, const std::optional<ModelConfig>& config) {
  if (outputs.find("start_logits") != nullptr && outputs.find("end_logits") != nullptr) {
    return HeadKind::kQuestionAnswering;
  }
  const onnx::ValueProto& answer = outputs.answer();
  if (answer.name != "logits") return HeadKind::kEmbedding;
  if (!outputs.has_tokens(answer)) return HeadKind::kSequenceClassification;
  const bool words = config && answer.dims->back().value.value_or(0) == config->vocab_size;
  return words ? HeadKind::kMaskedLM : HeadKind::kTokenClassification;
}

// Pooling alone can follow the file's rows here.
std::vector<Pooling> pooling_of(const SentenceTransformerConfig& config, int64_t columns) {
  graph::Graph graph;
  const graph::ValueId rows = graph.add_input(
      "rows", DType::kF32, {graph::Dim::of(graph::Symbol::kTokens), graph::Dim::of(columns)});
  (void)models::add_sentence_embedding(graph, rows, config);
  const graph::Node& node = graph.nodes().front();
  if (graph.nodes().size() != 1 || node.op != graph::OpKind::kSequencePool) {
    fail(ErrorCode::kUnsupported,
         "modules.json has more than Pooling and Normalize; ONNX Runtime is given none of it");
  }
  return node.attribute<graph::PoolAttributes>().modes;
}

engine::OpaqueOutput logits_output(const models::BuiltModel& built) {
  const RowUnit unit = built.head == HeadKind::kSequenceClassification ? RowUnit::kSequence
                       : built.head == HeadKind::kMaskedLM             ? RowUnit::kSelectedToken
                                                                       : RowUnit::kToken;
  engine::OpaqueOutput output{{std::string(models::kLogits), unit, built.output_size}, {"logits"}};
  if (built.head == HeadKind::kQuestionAnswering) output.parts = {"start_logits", "end_logits"};
  return output;
}

engine::OpaqueOutput embedding_output(models::BuiltModel& built, const FileOutputs& outputs,
                                      const models::BuildOptions& options) {
  const SentenceTransformerConfig modules =
      options.sentence_transformer.value_or(SentenceTransformerConfig{});
  const onnx::ValueProto* const sentence = outputs.find("sentence_embedding");
  const onnx::ValueProto& answer = sentence != nullptr ? *sentence : outputs.answer();
  const int64_t columns = outputs.columns(answer, built.hidden_size);
  engine::OpaqueOutput output{
      {std::string(models::kSentenceEmbedding), RowUnit::kSequence, columns}, {answer.name}};
  built.truncate_dim = modules.truncate_dim;
  if (outputs.has_tokens(answer)) {
    output.pooling = pooling_of(modules, columns);
    output.output.width *= static_cast<int64_t>(output.pooling.size());
  }
  // Of a file that ends in unit length it is that of a vector cut shorter.
  built.normalize = modules.normalize;
  built.output_size = output.output.width;
  return output;
}

engine::BatchLimits limits_of(const models::BuiltModel& built) {
  engine::BatchLimits limits;
  limits.vocab_size = built.vocab_size;
  limits.type_vocab_size = built.type_vocab_size;
  if (built.max_positions > 0) limits.max_seqlen = built.max_positions;
  return limits;
}

// Of a graph whose answer may be the row of a token that each sequence has.
engine::BatchLimits limits_of_graph(const models::BuiltModel& built) {
  engine::BatchLimits limits = limits_of(built);
  for (const graph::Node& node : built.graph.nodes()) {
    if (node.op != graph::OpKind::kSequencePool) continue;
    const int64_t token = node.attribute<graph::PoolAttributes>().token;
    if (token >= 0) limits.required_token = token;
  }
  return limits;
}

// Files that no mask is given, or that do nothing with it where they attend.
void find_padding(const onnx::ModelProto& proto, engine::OpaqueModel& opaque) {
  std::vector<std::string> answers;
  for (const engine::OpaqueOutput& output : opaque.outputs) {
    answers.insert(answers.end(), output.parts.begin(), output.parts.end());
  }
  opaque.masks_padding = onnx::masks_padding(proto.graph, "attention_mask", answers);
  if (opaque.masks_padding) return;
  log(LogLevel::kInfo, cat(opaque.path.string(),
                           ": its attention reads no attention_mask; texts of one number of "
                           "tokens alone are run together"));
}

void check_head(const models::BuiltModel& built, const models::BuildOptions& options,
                const fs::path& file) {
  if (!options.head || *options.head == built.head) return;
  fail(ErrorCode::kUnsupported, file.string(), ": was exported for ", models::head_name(built.head),
       ", not for ", models::head_name(*options.head));
}

}  // namespace

SourceModel read_opaque_model(const fs::path& file, const fs::path& folder,
                              const models::BuildOptions& options) {
  refuse_modules(options, file);
  std::optional<ModelConfig> config;
  if (file_exists(folder / "config.json")) config = ModelConfig::read(folder / "config.json");
  const onnx::ModelProto proto = onnx::read_onnx(file);
  const FileOutputs outputs(proto, file);
  SourceModel model;
  models::BuiltModel& built = model.built;
  built.family = config ? config->model_type : "onnx";
  built.head = head_of(outputs, config);
  check_head(built, options, file);
  if (config) {
    built.vocab_size = config->vocab_size;
    built.hidden_size = config->hidden_size;
    built.max_positions = models::max_positions(*config);
  }
  const bool segments = std::ranges::any_of(proto.graph.inputs, [](const onnx::ValueProto& input) {
    return input.name == "token_type_ids";
  });
  const int64_t types = config ? config->type_vocab_size : 0;
  if (segments) built.type_vocab_size = types > 0 ? types : 2;
  engine::OpaqueModel opaque{file, {}, limits_of(built)};
  if (built.head == HeadKind::kEmbedding) {
    opaque.outputs = {embedding_output(built, outputs, options)};
  } else {
    const bool spans = built.head == HeadKind::kQuestionAnswering;
    const auto labels = config ? static_cast<int64_t>(config->id2label.size()) : 0;
    built.output_size = spans ? 2 : outputs.columns(outputs.answer(), labels);
    opaque.outputs = {logits_output(built)};
  }
  find_padding(proto, opaque);
  add_config(model, config, file);
  model.opaque = std::move(opaque);
  return model;
}

engine::OpaqueModel export_opaque_model(const models::BuiltModel& built, const fs::path& name) {
  engine::OpaqueModel opaque{name, {}, limits_of_graph(built)};
  opaque.bytes = std::make_shared<const std::string>(
      onnx::onnx_bytes(onnx::export_onnx(built.graph, {output_of(built.head, true), false})));
  if (built.head != HeadKind::kEmbedding) {
    opaque.outputs = {logits_output(built)};
    return opaque;
  }
  for (const graph::GraphOutput& output : built.graph.outputs()) {
    const graph::SymbolicShape& shape = built.graph.value(output.value).shape;
    const bool tokens = shape[0].symbol == graph::Symbol::kTokens;
    opaque.outputs.push_back(
        {{output.name, tokens ? RowUnit::kToken : RowUnit::kSequence, shape[1].size},
         {output.name}});
  }
  return opaque;
}

}  // namespace tamis::api
