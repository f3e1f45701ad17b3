// Rotary positions as config.json describes them.
//
// Is: frequencies by transformers' scaling rules and the Rotary nodes that turn by them. Is not: an
// attention. May use: graph, formats.
// Source: transformers, modeling_rope_utils.py
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/builder.h"

namespace tamis::models {

/// How the heads of some layers turn.
struct RotaryPositions {
  std::vector<float> frequencies;  ///< of the pairs: angle = place * frequency
  /// Those of texts of more than `long_from` tokens; empty: the same.
  std::vector<float> long_frequencies = {};
  int64_t long_from = 0;
  bool interleaved = false;  ///< pairs are neighbors, not halves
  float scale = 1;           ///< of cosines and sines
  /// Of the constant that holds the frequencies, made once.
  std::string name = "rotary_emb.inv_freq";
};

/// 1 / theta^(2 i / size), i below size / 2, in float32 as PyTorch computes it.
[[nodiscard]] std::vector<float> rotary_frequencies(double theta, int64_t size);

/// What a rule of positions takes from outside its own object.
struct RotarySizes {
  double theta = 10000;       ///< where the object has no rope_theta
  int64_t size = 0;           ///< columns of a head that turn
  int64_t max_positions = 0;  ///< tokens of the longest text
  /// Tokens of the longest text before the rule stretched it; 0: as the object says.
  int64_t original_positions = 0;
  /// The object is of one kind of layers, where transformers passes over yarn's truncate.
  bool of_a_kind = false;
};

/// `parameters` is the object that newer files call rope_parameters and older ones rope_scaling,
/// possibly null or absent. Throws Error naming `what`: kUnsupported for a rope_type that is not
/// built, kCorruptData for numbers that lack or are out of their limits.
[[nodiscard]] RotaryPositions read_rotary(const JsonView& parameters, std::string_view what,
                                          const RotarySizes& sizes);

/// As the file's rope_scaling says, or its rope_parameters where that is absent or empty: in this
/// order, as transformers has it; original_max_position_embeddings beside them wins over the one
/// inside. Throws what the other throws, naming the key.
[[nodiscard]] RotaryPositions read_rotary(const ModelConfig& config, double theta, int64_t size);

/// The file's rope_theta, or `otherwise`.
[[nodiscard]] double rope_theta(const ConfigFields& fields, double otherwise);

/// x [T, n] with its first `heads` heads of `head_size` columns turned.
graph::ValueId rotary(Builder& b, graph::ValueId x, const RotaryPositions& positions, int64_t heads,
                      int64_t head_size, std::string_view scope);

}  // namespace tamis::models
