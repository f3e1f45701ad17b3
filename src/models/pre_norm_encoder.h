// BERT's layers with the norms before attention and feed-forward, not behind.
//
// Is: the layers that Megatron-BERT, RoBERTa-PreLayerNorm and XLM-RoBERTa-XL share. Is not: a
// family. May use: graph, formats.
#pragma once

#include <string_view>

#include "models/builder.h"

namespace tamis::models {

/// Where the norms lie, as paths behind the layer's or the encoder's.
struct PreNormPaths {
  std::string_view attention;     ///< behind `encoder.layer.<i>`
  std::string_view feed_forward;  ///< behind `encoder.layer.<i>`
  std::string_view last;          ///< behind the family's prefix
  /// The residual is the first operand of its sums, which names the sums' quantizers.
  bool residual_first = false;
};

/// `encoder.layer.0` and on, applied to hidden [T, hidden], and the norm behind the last of them.
graph::ValueId pre_norm_layers(Builder& b, graph::ValueId hidden, const PreNormPaths& paths);

}  // namespace tamis::models
