// The rows of families with rotary positions and gated units.
#include "formats/hf_families.h"

namespace tamis {

namespace {

constexpr KeyRow kModernBertKeys[] = {
    honored("norm_eps"),
    honored("norm_bias"),
    honored("attention_bias"),
    honored("mlp_bias"),
    honored("decoder_bias"),
    honored("hidden_activation"),
    honored("classifier_pooling"),
    honored("classifier_bias"),
    honored("classifier_activation"),
    honored("local_attention"),
    honored("sliding_window"),
    honored("global_attn_every_n_layers"),
    honored("layer_types"),
    honored("global_rope_theta"),
    honored("local_rope_theta"),
    honored("rope_parameters"),
    honored("rope_scaling"),
    // Of the class's flash attention and losses; positions are rotary whatever their type says.
    harmless("position_embedding_type"),
    harmless("deterministic_flash_attn"),
    harmless("reference_compile"),
    harmless("repad_logits_with_grad"),
    harmless("sparse_prediction"),
    harmless("sparse_pred_ignore_index"),
    harmless("initializer_cutoff_factor"),
    harmless("embedding_dropout"),
    harmless("mlp_dropout"),
};
static_assert(keys_are_distinct(kModernBertKeys));

constexpr std::string_view kOtherBlocks = "other blocks than NomicBERT's own are not built";
constexpr std::string_view kOtherExperts =
    "other mixtures of experts than nomic-embed-text-v2-moe's are not built";

// Names of the code beside the first checkpoints, then of transformers' class.
constexpr KeyRow kNomicBertKeys[] = {
    honored("auto_map"),
    honored("n_embd"),
    honored("n_layer"),
    honored("n_head"),
    honored("n_inner"),
    honored("n_positions"),
    honored("layer_norm_epsilon"),
    honored("max_trained_positions"),
    honored("rotary_emb_base"),
    honored("rotary_emb_fraction"),
    honored("rotary_scaling_factor"),
    honored("head_dim"),
    honored("original_max_position_embeddings"),
    honored("rope_theta"),
    honored("rope_parameters"),
    honored("rope_scaling"),
    refused("activation_function", "other units than SwiGLU and GELU are not built",
            {"\"swiglu\"", "\"gelu\""}),
    refused("causal", "only encoders are built", {"false"}),
    refused("prenorm", kOtherBlocks, {"false"}),
    refused("parallel_block", kOtherBlocks, {"false"}),
    refused("parallel_block_tied_norm", kOtherBlocks, {"false"}),
    refused("use_rms_norm", kOtherBlocks, {"false"}),
    honored("qkv_proj_bias"),
    honored("mlp_fc1_bias"),
    honored("mlp_fc2_bias"),
    refused("scale_attn_by_inverse_layer_idx", kOtherBlocks, {"false"}),
    refused("scale_attn_weights", kOtherBlocks, {"true"}),
    honored("rotary_emb_interleaved"),
    refused("rotary_emb_scale_base", kOtherBlocks),
    honored("num_experts"),
    honored("moe_top_k"),
    honored("moe_every_n_layers"),
    refused("moe_impl", kOtherExperts, {"\"megablocks\""}),
    refused("expert_choice_router", "experts that choose their tokens are not built", {"false"}),
    refused("num_shared_experts", "experts that all tokens share are not built", {"0"}),
    refused("ffn_div", kOtherExperts, {"1", "1.0"}),
    // The code beside the checkpoint does not read it; what trains one divides by the sum.
    refused("moe_normalize_expert_weights", kOtherExperts, {"false"}),
    harmless("moe_resid_pdrop"),
    harmless("router_aux_loss_coef"),
    harmless("attn_pdrop"),
    harmless("embd_pdrop"),
    harmless("resid_pdrop"),
    harmless("summary_first_dropout"),
    harmless("summary_proj_to_labels"),
    harmless("dense_seq_parallelism"),
    harmless("fused_bias_fc"),
    harmless("fused_dropout_add_ln"),
    harmless("pad_vocab_size_multiple"),
    harmless("pad_vocab_to_multiple_of"),
    harmless("reorder_and_upcast_attn"),
    harmless("use_flash_attn"),
    harmless("use_xentropy"),
};
constexpr KeyAlias kNomicBertAliases[] = {
    {"hidden_size", "n_embd"},
    {"num_hidden_layers", "n_layer"},
    {"num_attention_heads", "n_head"},
    {"intermediate_size", "n_inner"},
    {"max_position_embeddings", "n_positions"},
    {"layer_norm_eps", "layer_norm_epsilon"},
};
static_assert(keys_are_distinct(kNomicBertKeys));

constexpr KeyRow kGteKeys[] = {
    honored("auto_map"),
    honored("original_max_position_embeddings"),
    honored("rope_theta"),
    honored("rope_scaling"),
    honored("rope_parameters"),
    refused("position_embedding_type", "other positions than rotary ones are not built",
            {"\"rope\""}),
    refused("layer_norm_type", "other norms than LayerNorm are not built", {"\"layer_norm\""}),
    refused("logn_attention_scale", "scores scaled by the length are not built", {"false"}),
    refused("logn_attention_clip1", "scores scaled by the length are not built", {"false"}),
    // Which tensors there are says how queries, keys and values are packed.
    harmless("pack_qkv"),
    harmless("unpad_inputs"),
    harmless("use_memory_efficient_attention"),
};
static_assert(keys_are_distinct(kGteKeys));

constexpr KeyRow kEuroBertKeys[] = {
    honored("auto_map"),        honored("num_key_value_heads"),
    honored("head_dim"),        honored("rms_norm_eps"),
    honored("rope_theta"),      honored("rope_scaling"),
    honored("rope_parameters"), honored("attention_bias"),
    honored("mlp_bias"),        honored("classifier_pooling"),
    honored("clf_pooling"),     harmless("pretraining_tp"),
    harmless("mask_token_id"),  honored("original_max_position_embeddings"),
};
static_assert(keys_are_distinct(kEuroBertKeys));

constexpr KeyRow kNeoBertKeys[] = {
    honored("auto_map"),
    honored("norm_eps"),
    honored("max_length"),
    // hidden_size / num_attention_heads, whatever it says.
    harmless("dim_head"),
    harmless("embedding_init_range"),
    harmless("decoder_init_range"),
    harmless("classifier_init_range"),
    harmless("kwargs"),
};
constexpr KeyRow kEsmKeys[] = {
    honored("position_embedding_type"),
    honored("rope_theta"),
    honored("token_dropout"),
    honored("mask_token_id"),
    honored("emb_layer_norm_before"),
    refused("is_folding_model", "folding is not built", {"false"}),
    harmless("esmfold_config"),
    harmless("vocab_list"),
};
static_assert(keys_are_distinct(kEsmKeys));

constexpr KeyRow kJinaV3Keys[] = {
    honored("original_max_position_embeddings"),
    honored("rope_theta"),
    honored("rope_scaling"),
    honored("rope_parameters"),
};
static_assert(keys_are_distinct(kJinaV3Keys));

constexpr KeyRow kJinaBertKeys[] = {
    honored("auto_map"),
    honored("feed_forward_type"),
    refused("position_embedding_type", "other positions than ALiBi's are not built", {"\"alibi\""}),
    refused("emb_pooler", "other poolings of its own than the mean are not built", {"\"mean\""}),
};
static_assert(keys_are_distinct(kJinaBertKeys));

constexpr KeyAlias kNeoBertAliases[] = {{"max_position_embeddings", "max_length"}};
static_assert(keys_are_distinct(kNeoBertKeys));

constexpr FamilyConfig kFamilies[] = {
    {.model_type = "modernbert",
     .vocab_size = 50368,
     .num_hidden_layers = 22,
     .intermediate_size = 1152,
     .max_position_embeddings = 8192,
     .type_vocab_size = 0,
     .pad_token_id = 50283,
     .keys = kModernBertKeys},
    {.model_type = "nomic_bert",
     .vocab_size = 30528,
     .max_position_embeddings = 2048,
     .hidden_act = "silu",
     .keys = kNomicBertKeys,
     .aliases = kNomicBertAliases},
    {.model_type = "gte",
     .vocab_size = 250048,
     .max_position_embeddings = 8192,
     .type_vocab_size = 1,
     .pad_token_id = 1,
     .keys = kGteKeys},
    {.model_type = "new", .max_position_embeddings = 2048, .type_vocab_size = 1, .keys = kGteKeys},
    {.model_type = "eurobert",
     .vocab_size = 128256,
     .max_position_embeddings = 8192,
     .type_vocab_size = 0,
     .pad_token_id = 128001,
     .hidden_act = "silu",
     .keys = kEuroBertKeys},
    {.model_type = "jina_embeddings_v3",
     .vocab_size = 250002,
     .hidden_size = 1024,
     .num_hidden_layers = 24,
     .num_attention_heads = 16,
     .intermediate_size = 4096,
     .max_position_embeddings = 8194,
     .type_vocab_size = 1,
     .pad_token_id = 1,
     .layer_norm_eps = 1e-5,
     .keys = kJinaV3Keys},
    {.model_type = "esm",
     .vocab_size = 33,
     .max_position_embeddings = 1026,
     .type_vocab_size = 0,
     .pad_token_id = 1,
     .keys = kEsmKeys},
    {.model_type = "jina_bert", .max_position_embeddings = 512, .keys = kJinaBertKeys},
    {.model_type = "neobert",
     .num_hidden_layers = 28,
     .max_position_embeddings = 1024,
     .type_vocab_size = 0,
     .keys = kNeoBertKeys,
     .aliases = kNeoBertAliases},
};

}  // namespace

std::span<const FamilyConfig> rotary_family_configs() { return kFamilies; }

}  // namespace tamis
