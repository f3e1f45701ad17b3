// Longformer: RoBERTa's encoder, in which a token sees those in a window around it, and a few
// tokens, which the head decides, see all and are seen by all, through projections of their own.
// Source: transformers, models/longformer/modeling_longformer.py
#include "base/error.h"
#include "base/log.h"
#include "models/bert_encoder.h"
#include "models/roberta_heads.h"

namespace tamis::models {

using graph::GlobalRule;
using graph::OpKind;
using graph::ValueId;

namespace {

int64_t max_positions(const ModelConfig& config) {
  return roberta_max_positions(config, roberta_padding_idx(config));
}

// Of all layers, one number; or one for each.
int64_t attention_window(const ModelConfig& config, int64_t layer) {
  constexpr std::string_view kKey = "attention_window";
  constexpr int64_t kMost = 1 << 20;
  const ConfigFields& fields = config.fields;
  const JsonView value = fields.get(kKey);
  int64_t window = 0;
  if (value && value.is_array()) {
    if (static_cast<int64_t>(value.size()) != config.num_hidden_layers) {
      fields.refuse(kKey, cat("of ", value.size(), " layers"),
                    cat("lists of ", config.num_hidden_layers));
    }
    window = value.at(static_cast<size_t>(layer)).as_int(fields.what(kKey));
  } else {
    window = fields.integer(kKey, 512, 0, kMost);
  }
  if (window < 2 || window > kMost || window % 2 != 0) {
    fields.refuse(kKey, cat(window), cat("even numbers from 2 to ", kMost));
  }
  return window;
}

// What the classes put in global_attention_mask where a caller gives none.
GlobalRule global_rule(const Builder& b) {
  switch (b.head()) {
    case HeadKind::kSequenceClassification:
      return b.scores_choices() ? GlobalRule::kBehindSeparator : GlobalRule::kFirst;
    case HeadKind::kQuestionAnswering:
      return GlobalRule::kBeforeSeparator;
    default:
      return GlobalRule::kNone;
  }
}

// Of the rules that have one.
int64_t separator(const ModelConfig& config, GlobalRule rule) {
  if (rule == GlobalRule::kFirst) return 0;
  return config.fields.integer("sep_token_id", 2, 0, config.vocab_size - 1);
}

// The projections of the tokens that all see, which heads without such leave.
void leave_global(Builder& b, const std::string& self) {
  for (const std::string_view name : {".query_global", ".key_global", ".value_global"}) {
    b.leave(cat(self, name, ".weight"));
    b.leave(cat(self, name, ".bias"));
  }
}

ValueId self_attention(Builder& b, ValueId x, const std::string& self, int64_t layer) {
  const int64_t n = b.config().hidden_size;
  const GlobalRule rule = global_rule(b);
  const graph::AttentionAttributes all = b.attention_attributes(n / b.config().num_attention_heads);
  graph::AttentionAttributes window = all;
  window.left = window.right = attention_window(b.config(), layer) / 2;
  AttentionOperands operands = bert_projections(b, x, self);
  if (rule == GlobalRule::kNone) {
    leave_global(b, self);
    return b.attention(operands, window, self);
  }
  window.global = rule;
  window.separator = separator(b.config(), rule);
  operands.ids = b.input_ids();
  const ValueId local = b.attention(operands, window, self);
  AttentionOperands global;
  global.q = b.linear(x, self + ".query_global", n);
  global.k = b.linear(x, self + ".key_global", n);
  global.v = b.linear(x, self + ".value_global", n);
  const ValueId seen_by_all = b.attention(global, all, self + ".global");
  return b.graph().add_node(OpKind::kMergeGlobal, {local, seen_by_all, b.input_ids()},
                            graph::MergeGlobalAttributes{rule, window.separator}, self);
}

ValueId encoder(Builder& b) {
  ValueId hidden =
      bert_embeddings(b, {graph::PositionRule::kRoberta, roberta_padding_idx(b.config())});
  for (int64_t i = 0; i < b.config().num_hidden_layers; ++i) {
    const std::string module = b.path(cat("encoder.layer.", i));
    const std::string attention = module + ".attention";
    const ValueId context = self_attention(b, hidden, attention + ".self", i);
    hidden = bert_feed_forward(b, bert_output(b, context, hidden, attention + ".output"), module);
  }
  if (global_rule(b) != GlobalRule::kNone) {
    log(LogLevel::kInfo,
        "longformer: tokens of this head that see all others make its attention cost as much as "
        "full attention, twice");
  }
  return hidden;
}

}  // namespace

constinit const FamilyParts kLongformer = {
    .encoder = encoder,
    .classifier = roberta_classifier,
    .pooler = bert_pooler,
    .masked_lm = roberta_masked_lm,
    .max_positions = max_positions,
    .classifier_weights = {"classifier.dense.weight", "classifier.out_proj.weight"},
    .masked_lm_weight = "lm_head.dense.weight",
    .decoder = "lm_head.decoder",
};

}  // namespace tamis::models
