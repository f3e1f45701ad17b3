// The rows of BART and mBART, whose decoder runs once over the encoder's tokens.
#include <array>

#include "formats/hf_families.h"

namespace tamis {

namespace {

constexpr std::string_view kOtherTables = "other tables of positions are not built";
constexpr std::string_view kOtherBlocks = "layers of another order are not built";

// `norms_first`: the value of the keys that say where the norms are.
constexpr auto keys_of(const KeyRow& start, std::string_view norms_first) {
  return std::to_array<KeyRow>({
      honored("d_model"),
      honored("encoder_layers"),
      honored("decoder_layers"),
      honored("encoder_ffn_dim"),
      honored("decoder_ffn_dim"),
      honored("encoder_attention_heads"),
      honored("decoder_attention_heads"),
      honored("activation_function"),
      honored("scale_embedding"),
      honored("eos_token_id"),
      refused("is_encoder_decoder", "one half alone is not built", {"true"}),
      refused("tie_encoder_decoder", "layers that both halves share are not built", {"false"}),
      refused("intermediate_size", "encoder_ffn_dim is what the class reads"),
      refused("static_position_embeddings", kOtherTables, {"false"}),
      refused("extra_pos_embeddings", kOtherTables, {"2"}),
      refused("normalize_embedding", kOtherBlocks, {"true"}),
      start,
      refused("normalize_before", kOtherBlocks, {norms_first}),
      refused("add_final_layer_norm", kOtherBlocks, {norms_first}),
      // The class has no such keys: its activation has another name, its norms one epsilon.
      harmless("hidden_act"),
      harmless("layer_norm_eps"),
      harmless("add_bias_logits"),
      harmless("force_bos_token_to_be_generated"),
      harmless("init_std"),
      harmless("activation_dropout"),
      harmless("classif_dropout"),
      harmless("encoder_layerdrop"),
      harmless("decoder_layerdrop"),
  });
}

constexpr auto kBartKeys = keys_of(honored("decoder_start_token_id"), "false");
// The decoder starts with the language, the last id of the text, whatever the key says.
constexpr auto kMbartKeys = keys_of(harmless("decoder_start_token_id"), "true");
static_assert(keys_are_distinct(kBartKeys) && keys_are_distinct(kMbartKeys));

constexpr KeyAlias kAliases[] = {
    {"hidden_size", "d_model"},
    {"num_hidden_layers", "encoder_layers"},
    {"num_attention_heads", "encoder_attention_heads"},
    {"intermediate_size", "encoder_ffn_dim"},
};

constexpr FamilyConfig mbart() {
  return {.model_type = "mbart",
          .vocab_size = 50265,
          .hidden_size = 1024,
          .num_hidden_layers = 12,
          .num_attention_heads = 16,
          .intermediate_size = 4096,
          .max_position_embeddings = 1024,
          .type_vocab_size = 0,
          .pad_token_id = 1,
          .activation_key = "activation_function",
          .keys = kMbartKeys,
          .aliases = kAliases};
}

constexpr FamilyConfig bart() {
  FamilyConfig family = mbart();
  family.model_type = "bart";
  family.num_labels = 3;
  family.keys = kBartKeys;
  return family;
}

constexpr FamilyConfig kFamilies[] = {bart(), mbart()};

}  // namespace

std::span<const FamilyConfig> encoder_decoder_family_configs() { return kFamilies; }

}  // namespace tamis
