// SetFit's head behind an embedding.
#include "base/error.h"
#include "models/models.h"

namespace tamis::models {

using graph::OpKind;
using graph::ValueId;

namespace {

ValueId embedding_of(const graph::Graph& graph) {
  for (const graph::GraphOutput& output : graph.outputs()) {
    if (output.name == kSentenceEmbedding) return output.value;
  }
  TAMIS_CHECK(false);
}

}  // namespace

BuiltModel with_setfit_head(BuiltModel model, const SetFitHead& head) {
  graph::Graph& graph = model.graph;
  ValueId x = embedding_of(graph);
  if (head.weight->shape()[1] != model.output_size) {
    fail(ErrorCode::kCorruptData, kSetFitHead, ": coef_ of ", head.weight->shape()[1],
         " features behind an embedding of ", model.output_size);
  }
  if (model.normalize || head.normalize) {
    x = graph.add_node(OpKind::kTokenNormalize, {x}, graph::NoAttributes{}, "normalize");
  }
  const ValueId weight = graph.add_constant(kSetFitWeight, head.weight);
  x = graph.add_node(OpKind::kMatMul, {x, weight}, graph::MatMulAttributes{}, "model_head");
  const ValueId bias = graph.add_constant("model_head.bias", head.bias);
  x = graph.add_node(OpKind::kAdd, {x, bias}, graph::NoAttributes{}, "model_head");
  graph.add_output(kLogits, x);
  const std::string kept(kLogits);
  graph.keep_outputs({&kept, 1});
  model.head = HeadKind::kSequenceClassification;
  model.labels = head.labels;
  model.problem_type = ProblemType::kSingleLabel;
  model.output_size = graph.value(x).shape[1].size;
  model.normalize = false;
  graph::verify(graph);
  return model;
}

}  // namespace tamis::models
