#include "models/decoder_heads.h"

namespace tamis::models {

using graph::ValueId;

ValueId last_token_classifier(Builder& b, ValueId hidden) {
  return b.linear(b.last_token(hidden, "score"), "score", b.num_labels(), Bias::kNone);
}

ValueId decoder_embedding(Builder& b, ValueId hidden) {
  const std::vector<std::string>& classes = b.config().architectures;
  const bool causal = !classes.empty() && classes.front().ends_with("ForCausalLM") &&
                      b.config().fields.flag("is_causal", true);
  if (!causal) return b.mean_of_tokens(hidden, "pooling");
  return b.graph().add_node(graph::OpKind::kSequencePool, {hidden},
                            graph::PoolAttributes{{graph::PoolMode::kLastToken}}, "pooling");
}

}  // namespace tamis::models
