// A feed-forward layer of several experts, of which a router picks some for each token.
//
// Is: the layer of NomicBERT v2, and which layers have one. Is not: the rest of a layer. May use:
// graph, formats. Source: the code beside nomic-embed-text-v2-moe (modeling_hf_nomic_bert.py)
#pragma once

#include <cstdint>
#include <string>

#include "models/builder.h"

namespace tamis::models {

/// The experts that the file asks for; count 0: none.
struct Experts {
  int64_t count = 0;
  int64_t top_k = 1;  ///< experts of a token
  int64_t every = 0;  ///< layers from one with experts to the next; 0: none has them

  /// Whether the layer has experts: of every two the second, of every three the second, and so on.
  [[nodiscard]] bool in_layer(int64_t layer) const {
    return count > 0 && every > 0 && layer % every == 1;
  }
};

/// num_experts, moe_top_k and moe_every_n_layers. Throws Error{kCorruptData} naming the key of a
/// value outside its limits.
[[nodiscard]] Experts read_experts(const ConfigFields& fields);

/// The sum over the first top_k experts e of x [R, hidden], by softmax(x router^T) = p, of
/// p_e * (act(x w1_e^T) w2_e), plus experts.bias. `module` has the parameters
/// "router.layer.weight" [count, hidden], "experts.mlp.w1" and ".w2" [count * intermediate, hidden]
/// and "experts.bias".
graph::ValueId mixture_of_experts(Builder& b, graph::ValueId x, const Experts& experts,
                                  Activation activation, const std::string& module);

}  // namespace tamis::models
