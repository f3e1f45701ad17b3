// The rows of decoders that run for embeddings and classes, and of T5.
#include "formats/hf_families.h"

namespace tamis {

namespace {

constexpr KeyRow kLlamaKeys[] = {
    honored("original_max_position_embeddings"),
    honored("is_causal"),
    // Decoders see what is before them whatever it says.
    harmless("is_decoder"),
    honored("token_classification_bias"),
    honored("num_key_value_heads"),
    honored("head_dim"),
    honored("rms_norm_eps"),
    honored("attention_bias"),
    honored("mlp_bias"),
    honored("rope_theta"),
    honored("rope_scaling"),
    honored("rope_parameters"),
    harmless("pretraining_tp"),
};
static_assert(keys_are_distinct(kLlamaKeys));

constexpr KeyRow kMistralKeys[] = {
    honored("original_max_position_embeddings"),
    honored("is_causal"),
    // Decoders see what is before them whatever it says.
    harmless("is_decoder"),
    honored("token_classification_bias"),
    honored("num_key_value_heads"),
    honored("head_dim"),
    honored("rms_norm_eps"),
    honored("rope_theta"),
    honored("rope_scaling"),
    honored("rope_parameters"),
    honored("sliding_window"),
    refused("layer_types", "transformers makes a Ministral of it, which is not built"),
};
static_assert(keys_are_distinct(kMistralKeys));

constexpr KeyRow kQwen2Keys[] = {
    honored("original_max_position_embeddings"),
    honored("is_causal"),
    // Decoders see what is before them whatever it says.
    harmless("is_decoder"),
    honored("token_classification_bias"),
    honored("num_key_value_heads"),
    honored("head_dim"),
    honored("rms_norm_eps"),
    honored("rope_theta"),
    honored("rope_scaling"),
    honored("rope_parameters"),
    honored("use_sliding_window"),
    honored("sliding_window"),
    honored("max_window_layers"),
    honored("layer_types"),
    refused("use_mrope", "positions of pictures are not built", {"false"}),
};
static_assert(keys_are_distinct(kQwen2Keys));

constexpr KeyRow kQwen3Keys[] = {
    honored("original_max_position_embeddings"),
    honored("is_causal"),
    // Decoders see what is before them whatever it says.
    harmless("is_decoder"),
    honored("token_classification_bias"),
    honored("num_key_value_heads"),
    honored("head_dim"),
    honored("rms_norm_eps"),
    honored("attention_bias"),
    honored("rope_theta"),
    honored("rope_scaling"),
    honored("rope_parameters"),
    honored("use_sliding_window"),
    honored("sliding_window"),
    honored("max_window_layers"),
    honored("layer_types"),
};
static_assert(keys_are_distinct(kQwen3Keys));

constexpr KeyRow kGemma3Keys[] = {
    honored("num_key_value_heads"),
    honored("head_dim"),
    honored("rms_norm_eps"),
    honored("attention_bias"),
    honored("hidden_activation"),
    honored("query_pre_attn_scalar"),
    honored("rope_theta"),
    honored("rope_local_base_freq"),
    honored("rope_scaling"),
    honored("rope_parameters"),
    honored("sliding_window"),
    honored("sliding_window_pattern"),
    // What the class makes of that and layer_types, and does not read.
    harmless("_sliding_window_pattern"),
    honored("layer_types"),
    honored("use_bidirectional_attention"),
    refused("is_causal", "use_bidirectional_attention is what the class reads", {"true"}),
    harmless("is_decoder"),
    honored("token_classification_bias"),
    refused("attn_logit_softcapping", "scores with a soft limit are not built"),
    // Refused where scores of next words are asked for; embeddings and classes do not pass it.
    honored("final_logit_softcapping"),
};
static_assert(keys_are_distinct(kGemma3Keys));

// The encoder alone is run, but for classes of sequences.
constexpr KeyRow kT5Keys[] = {
    honored("d_model"),
    honored("d_kv"),
    honored("d_ff"),
    honored("num_layers"),
    honored("num_heads"),
    honored("relative_attention_num_buckets"),
    honored("relative_attention_max_distance"),
    honored("layer_norm_epsilon"),
    honored("feed_forward_proj"),
    // What the class makes of feed_forward_proj, and then takes from the file if it is there.
    honored("dense_act_fn"),
    honored("is_gated_act"),
    honored("num_decoder_layers"),
    honored("decoder_start_token_id"),
    honored("eos_token_id"),
    harmless("is_encoder_decoder"),
    harmless("scale_decoder_outputs"),
    harmless("dropout_rate"),
    // Read by no class: positions are relative.
    harmless("n_positions"),
    harmless("output_past"),
};
constexpr KeyAlias kT5Aliases[] = {
    {"hidden_size", "d_model"},
    {"num_hidden_layers", "num_layers"},
    {"num_attention_heads", "num_heads"},
    {"intermediate_size", "d_ff"},
    {"layer_norm_eps", "layer_norm_epsilon"},
};
static_assert(keys_are_distinct(kT5Keys));

constexpr int64_t kNone = FamilyConfig::kNoPadding;

constexpr FamilyConfig kFamilies[] = {
    {.model_type = "llama",
     .vocab_size = 32000,
     .hidden_size = 4096,
     .num_hidden_layers = 32,
     .num_attention_heads = 32,
     .intermediate_size = 11008,
     .max_position_embeddings = 2048,
     .type_vocab_size = 0,
     .pad_token_id = kNone,
     .hidden_act = "silu",
     .tie_word_embeddings = false,
     .keys = kLlamaKeys},
    {.model_type = "mistral",
     .vocab_size = 32000,
     .hidden_size = 4096,
     .num_hidden_layers = 32,
     .num_attention_heads = 32,
     .intermediate_size = 14336,
     .max_position_embeddings = 4096 * 32,
     .type_vocab_size = 0,
     .pad_token_id = kNone,
     .hidden_act = "silu",
     .tie_word_embeddings = false,
     .own_head_size = true,
     .keys = kMistralKeys},
    {.model_type = "qwen2",
     .vocab_size = 151936,
     .hidden_size = 4096,
     .num_hidden_layers = 32,
     .num_attention_heads = 32,
     .intermediate_size = 22016,
     .max_position_embeddings = 32768,
     .type_vocab_size = 0,
     .pad_token_id = kNone,
     .hidden_act = "silu",
     .tie_word_embeddings = false,
     .own_head_size = true,
     .keys = kQwen2Keys},
    {.model_type = "qwen3",
     .vocab_size = 151936,
     .hidden_size = 4096,
     .num_hidden_layers = 32,
     .num_attention_heads = 32,
     .intermediate_size = 22016,
     .max_position_embeddings = 32768,
     .type_vocab_size = 0,
     .pad_token_id = kNone,
     .hidden_act = "silu",
     .tie_word_embeddings = false,
     .own_head_size = true,
     .keys = kQwen3Keys},
    {.model_type = "gemma3_text",
     .vocab_size = 262208,
     .hidden_size = 2304,
     .num_hidden_layers = 26,
     .num_attention_heads = 8,
     .intermediate_size = 9216,
     .max_position_embeddings = 131072,
     .type_vocab_size = 0,
     .hidden_act = "gelu_pytorch_tanh",
     .own_head_size = true,
     .keys = kGemma3Keys},
    {.model_type = "t5",
     .vocab_size = 32128,
     .hidden_size = 512,
     .num_hidden_layers = 6,
     .num_attention_heads = 8,
     .intermediate_size = 2048,
     .max_position_embeddings = 1 << 20,
     .type_vocab_size = 0,
     .layer_norm_eps = 1e-6,
     .own_head_size = true,
     .keys = kT5Keys,
     .aliases = kT5Aliases},
    {.model_type = "mt5",
     .vocab_size = 250112,
     .hidden_size = 512,
     .num_hidden_layers = 8,
     .num_attention_heads = 6,
     .intermediate_size = 1024,
     .max_position_embeddings = 1 << 20,
     .type_vocab_size = 0,
     .layer_norm_eps = 1e-6,
     .own_head_size = true,
     .keys = kT5Keys,
     .aliases = kT5Aliases},
};

}  // namespace

std::span<const FamilyConfig> decoder_family_configs() { return kFamilies; }

}  // namespace tamis
