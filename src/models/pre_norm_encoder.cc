#include "models/pre_norm_encoder.h"

#include "base/error.h"
#include "models/bert_encoder.h"

namespace tamis::models {

using graph::ValueId;

namespace {

ValueId sum(Builder& b, ValueId residual, ValueId x, std::string_view module,
            const PreNormPaths& paths) {
  return paths.residual_first ? b.add(residual, x, module) : b.add(x, residual, module);
}

ValueId layer(Builder& b, ValueId x, const std::string& module, const PreNormPaths& paths) {
  const ModelConfig& config = b.config();
  const std::string attention = module + ".attention";
  const ValueId normed = b.layer_norm(x, cat(module, paths.attention), config.layer_norm_eps);
  const ValueId context = bert_self_attention(b, normed, attention);
  const std::string output = attention + ".output";
  const ValueId projected = b.linear(context, output + ".dense", config.hidden_size);
  const ValueId attended = sum(b, x, projected, output, paths);

  const ValueId again =
      b.layer_norm(attended, cat(module, paths.feed_forward), config.layer_norm_eps);
  const std::string intermediate = module + ".intermediate";
  const ValueId wide = b.linear(again, intermediate + ".dense", config.intermediate_size);
  const ValueId active =
      b.activation(wide, config.hidden_act, intermediate + ".intermediate_act_fn");
  const ValueId narrow = b.linear(active, module + ".output.dense", config.hidden_size);
  return sum(b, attended, narrow, module + ".output", paths);
}

}  // namespace

ValueId pre_norm_layers(Builder& b, ValueId hidden, const PreNormPaths& paths) {
  for (int64_t i = 0; i < b.config().num_hidden_layers; ++i) {
    hidden = layer(b, hidden, b.path(cat("encoder.layer.", i)), paths);
  }
  return b.layer_norm(hidden, b.path(paths.last), b.config().layer_norm_eps);
}

}  // namespace tamis::models
