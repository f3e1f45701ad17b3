// BigBird: BERT with heads of its own, in which long texts attend by blocks of tokens.
// Source: transformers, models/big_bird/modeling_big_bird.py
#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "models/bert_encoder.h"

namespace tamis::models {

using graph::GlobalRule;
using graph::OpKind;
using graph::ValueId;

namespace {

// Far from the end of what attention counts in; longer texts than this have no positions.
constexpr int64_t kMostBlocks = 1 << 20;

bool answers_questions(const Builder& b) { return b.head() == HeadKind::kQuestionAnswering; }

// Rows of `x`, and those of `question` for the tokens up to the first separator.
ValueId by_question(Builder& b, ValueId x, ValueId question, const std::string& scope) {
  const ModelConfig& config = b.config();
  const int64_t separator = config.fields.integer("sep_token_id", 66, 0, config.vocab_size - 1);
  return b.graph().add_node(OpKind::kMergeGlobal, {x, question, b.input_ids()},
                            graph::MergeGlobalAttributes{GlobalRule::kThroughSeparator, separator},
                            scope);
}

// The class for answers takes segments from the separator.
ValueId with_segments(Builder& b, ValueId words, const std::string& module) {
  const ModelConfig& config = b.config();
  const int64_t n = config.hidden_size;
  if (!answers_questions(b)) return b.add(words, b.token_type_embedding(module, n), module);
  if (config.type_vocab_size < 2) {
    config.fields.refuse("type_vocab_size", cat(config.type_vocab_size),
                         "2 and more for question answering");
  }
  const std::string types = module + ".token_type_embeddings";
  const Shape table{config.type_vocab_size, n};
  const ValueId context = b.add(words, b.table_row(types, table, 1), types);
  return by_question(b, context, b.add(words, b.table_row(types, table, 0), types), module);
}

ValueId embeddings(Builder& b) {
  const std::string module = b.path("embeddings");
  const int64_t n = b.config().hidden_size;
  ValueId x = b.word_embedding(module + ".word_embeddings", n);
  if (b.config().fields.flag("rescale_embeddings", false)) {
    x = b.scaled(x, static_cast<float>(std::sqrt(static_cast<double>(n))), module);
  }
  x = with_segments(b, x, module);
  x = b.add(x, b.position_embedding(module, n, {}), module);
  return b.layer_norm(x, module + ".LayerNorm", b.config().layer_norm_eps);
}

bool attends_by_blocks(const ConfigFields& fields) {
  constexpr std::string_view kKey = "attention_type";
  const std::string type = fields.text(kKey, "block_sparse");
  if (type != "block_sparse" && type != "original_full") {
    fields.refuse(kKey, type, "block_sparse and original_full");
  }
  return type == "block_sparse";
}

graph::AttentionAttributes attention_fields(const Builder& b) {
  const ConfigFields& fields = b.config().fields;
  const bool causal = fields.flag("is_decoder", false);
  graph::AttentionAttributes attributes =
      b.attention_attributes(b.config().hidden_size / b.config().num_attention_heads);
  if (!attends_by_blocks(fields)) {
    if (causal) attributes.right = 0;
    return attributes;
  }
  if (causal) fields.refuse("is_decoder", "true", "false beside attention_type block_sparse");
  attributes.block_size = fields.integer("block_size", 64, 1, kMostBlocks);
  attributes.random_blocks = fields.integer("num_random_blocks", 3, 0, kMostBlocks);
  if (attributes.random_blocks == 0) {
    fields.refuse("num_random_blocks", "0", "numbers from 1 on beside attention_type block_sparse");
  }
  return attributes;
}

ValueId layer(Builder& b, ValueId x, const std::string& module) {
  const ModelConfig& config = b.config();
  const std::string attention = module + ".attention";
  const std::string self = attention + ".self";
  const Bias bias = config.fields.flag("use_bias", true) ? Bias::kAdded : Bias::kNone;
  AttentionOperands operands;
  operands.q = b.linear(x, self + ".query", config.hidden_size, bias);
  operands.k = b.linear(x, self + ".key", config.hidden_size, bias);
  operands.v = b.linear(x, self + ".value", config.hidden_size, bias);
  const graph::AttentionAttributes fields = attention_fields(b);
  const bool plain = fields.block_size == 0 && fields.right < 0;
  const ValueId context = plain ? b.attention(operands.q, operands.k, operands.v, self)
                                : b.attention(operands, fields, self);
  return bert_feed_forward(b, bert_output(b, context, x, attention + ".output"), module);
}

ValueId encoder(Builder& b) {
  ValueId hidden = embeddings(b);
  for (int64_t i = 0; i < b.config().num_hidden_layers; ++i) {
    hidden = layer(b, hidden, b.path(cat("encoder.layer.", i)));
  }
  const graph::AttentionAttributes fields = attention_fields(b);
  const int64_t most = (5 + 2 * fields.random_blocks) * fields.block_size;
  if (fields.block_size > 0 && b.config().max_position_embeddings > most) {
    log(LogLevel::kInfo, cat("big_bird: texts of more than ", most,
                             " tokens attend by blocks, at the cost of full attention"));
  }
  return hidden;
}

ValueId pooler(Builder& b, ValueId hidden) {
  const std::string module = b.path("pooler");
  const ValueId first = b.first_token(hidden, module);
  const ValueId dense = b.linear(first, module, b.config().hidden_size);
  return b.activation(dense, Activation::kTanh, b.path("activation"));
}

ValueId classifier(Builder& b, ValueId hidden) {
  const ValueId first = b.first_token(hidden, "classifier");
  const ValueId dense = b.linear(first, "classifier.dense", b.config().hidden_size);
  const ValueId active = b.activation(dense, b.config().hidden_act, "classifier");
  return b.linear(active, "classifier.out_proj", b.num_labels());
}

// The class for answers has one more feed-forward layer.
ValueId token_head(Builder& b, ValueId hidden) {
  return answers_questions(b) ? bert_feed_forward(b, hidden, "qa_classifier") : hidden;
}

// No answer lies in the question; the first token stands for none.
ValueId answers(Builder& b, ValueId logits) {
  const std::string scope = "qa_classifier";
  constexpr float kFar[] = {-1e6F, -1e6F};
  const ValueId far = b.graph().add_constant(
      scope + ".question", std::make_shared<const Tensor>(Tensor::from(Shape{2}, kFar)));
  const ValueId hidden = b.add(logits, far, scope);
  const ValueId outside = by_question(b, logits, hidden, scope);
  return b.graph().add_node(OpKind::kMergeGlobal, {outside, logits, b.input_ids()},
                            graph::MergeGlobalAttributes{GlobalRule::kFirst, 0}, scope);
}

}  // namespace

constinit const FamilyParts kBigBird = {
    .encoder = encoder,
    .classifier = classifier,
    .pooler = pooler,
    .masked_lm = bert_masked_lm,
    .token_head = token_head,
    .answers = answers,
    .classifier_weights = {"classifier.dense.weight", "classifier.out_proj.weight"},
    .masked_lm_weight = "cls.predictions.transform.dense.weight",
    .question_answering = "qa_classifier.qa_outputs",
    .decoder = "cls.predictions.decoder",
};

}  // namespace tamis::models
