// What each family's configuration class says where config.json is silent, and the keys that only
// it has.
//
// Is: one row a family of models/families.inc. Is not: the reading of a config.json (hf_config.h),
// or what a family makes of its own keys (models/<family>.cc). May use: base.
// Source: transformers, models/*/configuration_*.py
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/key_table.h"

namespace tamis {

/// A family's own name for a key of ModelConfig; it wins, as in transformers' attribute_map.
struct KeyAlias {
  std::string_view key;
  std::string_view alias;
};

struct FamilyConfig {
  /// 0 of type_vocab_size, hidden_size of embedding_size, unless the file says otherwise.
  static constexpr int64_t kUnlessSaid = -1;
  /// Of pad_token_id: the class has none by itself, and takes -1 for none.
  static constexpr int64_t kNoPadding = -1;

  std::string_view model_type;
  int64_t vocab_size = 30522;
  int64_t hidden_size = 768;
  int64_t num_hidden_layers = 12;
  int64_t num_attention_heads = 12;
  int64_t intermediate_size = 3072;
  int64_t max_position_embeddings = 512;
  int64_t type_vocab_size = 2;  ///< 0: the class has no segments
  int64_t embedding_size = 0;   ///< 0: hidden_size
  int64_t pad_token_id = 0;
  std::string_view hidden_act = "gelu";
  /// The class's name for the key; one of another name is passed over.
  std::string_view activation_key = "hidden_act";
  int64_t num_labels = 2;
  double layer_norm_eps = 1e-12;
  bool tie_word_embeddings = true;
  bool own_head_size = false;  ///< num_attention_heads need not divide hidden_size
  /// Keys beside those of hf_config_keys.h, or in place of its row for the same key. What is
  /// honored here is read by the family's file in models, through ModelConfig::fields.
  std::span<const KeyRow> keys = {};
  std::span<const KeyAlias> aliases = {};
};

/// Rows of families with rotary positions and gated units.
[[nodiscard]] std::span<const FamilyConfig> rotary_family_configs();

/// Rows of decoders.
[[nodiscard]] std::span<const FamilyConfig> decoder_family_configs();

/// Rows of families whose decoder runs once, over the encoder's tokens.
[[nodiscard]] std::span<const FamilyConfig> encoder_decoder_family_configs();

/// The family's row; null if there is none.
[[nodiscard]] const FamilyConfig* find_family_config(std::string_view model_type);

}  // namespace tamis
