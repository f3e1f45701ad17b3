// ERNIE: BERT with, in newer checkpoints, an embedding of the task that a text is for.
// Source: transformers, models/ernie/modeling_ernie.py
#include "models/bert_encoder.h"

namespace tamis::models {

using graph::ValueId;

namespace {

constexpr int64_t kMaxTasks = 65536;

// The task is always 0, which transformers takes where a caller names none.
ValueId embeddings(Builder& b) {
  const ValueId sum = bert_embedding_sum(b, {});
  const ConfigFields& fields = b.config().fields;
  if (!fields.flag("use_task_id", false)) {
    return b.layer_norm(sum, b.path("embeddings.LayerNorm"), b.config().layer_norm_eps);
  }
  const int64_t tasks = fields.integer("task_type_vocab_size", 3, 1, kMaxTasks);
  const std::string module = b.path("embeddings");
  const ValueId task =
      b.table_row(module + ".task_type_embeddings", Shape{tasks, b.config().embedding_size}, 0);
  return b.layer_norm(b.add(sum, task, module), module + ".LayerNorm", b.config().layer_norm_eps);
}

ValueId encoder(Builder& b) { return bert_layers(b, embeddings(b)); }

}  // namespace

constinit const FamilyParts kErnie = {
    .encoder = encoder,
    .classifier = bert_classifier,
    .pooler = bert_pooler,
    .masked_lm = bert_masked_lm,
    .classifier_weights = {"ernie.pooler.dense.weight", "classifier.weight"},
    .masked_lm_weight = "cls.predictions.transform.dense.weight",
    .decoder = "cls.predictions.decoder",
};

}  // namespace tamis::models
