#include "models/decoder_heads.h"

#include "base/error.h"
#include "base/json.h"

namespace tamis::models {

using graph::ValueId;

ValueId last_token_classifier(Builder& b, ValueId hidden) {
  return b.linear(b.last_token(hidden, "score"), "score", b.num_labels(), Bias::kNone);
}

ValueId embedding_by_class(Builder& b, ValueId hidden) {
  const std::vector<std::string>& classes = b.config().architectures;
  const bool causal = !classes.empty() && classes.front().ends_with("ForCausalLM") &&
                      b.config().fields.flag("is_causal", true);
  if (!causal) return b.mean_of_tokens(hidden, "pooling");
  return b.graph().add_node(graph::OpKind::kSequencePool, {hidden},
                            graph::PoolAttributes{{Pooling::kLastToken}}, "pooling");
}

ValueId end_of_text_classifier(Builder& b, ValueId hidden, int64_t end_of_text) {
  const std::string module = "classification_head";
  graph::PoolAttributes pool{{Pooling::kLastToken}};
  pool.token = end_of_text;
  const ValueId last = b.graph().add_node(graph::OpKind::kSequencePool, {hidden, b.input_ids()},
                                          std::move(pool), module);
  const ValueId dense = b.linear(last, module + ".dense", b.config().hidden_size);
  const ValueId active = b.activation(dense, Activation::kTanh, module);
  return b.linear(active, module + ".out_proj", b.num_labels());
}

std::string words_of_half(Builder& b, const std::string& own,
                          std::initializer_list<std::string> others) {
  const Weights& weights = b.weights();
  const bool has_own = weights.has(own);
  for (const std::string& other : others) {
    if (other == own || !weights.has(other) || (has_own && !weights.same(own, other))) continue;
    if (has_own) b.leave(own);
    return other;
  }
  return own;
}

int64_t read_token(const ModelConfig& config, std::string_view key, std::optional<int64_t> usual) {
  const ConfigFields& fields = config.fields;
  const JsonView given = fields.view().get(key);
  const bool is_missing = given ? given.is_null() : !usual.has_value();
  if (is_missing) fields.refuse(key, given ? "null" : "absent", "an id of the vocabulary");
  return fields.integer(key, usual.value_or(0), 0, config.vocab_size - 1);
}

}  // namespace tamis::models
