#include "formats/hf_families.h"

namespace tamis {

namespace {

constexpr KeyAlias kDistilBertAliases[] = {
    {"hidden_size", "dim"},
    {"num_hidden_layers", "n_layers"},
    {"num_attention_heads", "n_heads"},
    {"intermediate_size", "hidden_dim"},
};

// Attention over the tokens up to its own, without an encoder to attend to; positions by distance.
constexpr KeyRow kBertKeys[] = {honored("is_decoder"), honored("position_embedding_type")};
// transformers' class has no form with is_decoder.
constexpr KeyRow kAlbertKeys[] = {honored("position_embedding_type")};
static_assert(keys_are_distinct(kBertKeys) && keys_are_distinct(kAlbertKeys));

constexpr std::string_view kOtherBuckets = "MPNet's class computes 32 buckets whatever it says";
constexpr KeyRow kMpnetKeys[] = {
    refused("relative_attention_num_buckets", kOtherBuckets, {"32"}),
};
constexpr KeyRow kDebertaKeys[] = {
    honored("relative_attention"),
    honored("max_relative_positions"),
    honored("position_biased_input"),
    honored("pos_att_type"),
    honored("pooler_hidden_size"),
    honored("pooler_hidden_act"),
    honored("legacy"),
    refused("talking_head", "heads that are mixed are not built", {"false"}),
    harmless("pooler_dropout"),
    harmless("cls_dropout"),
    harmless("padding_idx"),
};
constexpr KeyRow kDebertaV2Keys[] = {
    honored("relative_attention"),
    honored("max_relative_positions"),
    honored("position_biased_input"),
    honored("pos_att_type"),
    honored("position_buckets"),
    honored("norm_rel_ebd"),
    honored("share_att_key"),
    honored("attention_head_size"),
    honored("pooler_hidden_size"),
    honored("pooler_hidden_act"),
    honored("legacy"),
    honored("conv_kernel_size"),
    honored("conv_act"),
    refused("conv_groups", "grouped convolutions are not built", {"1"}),
    harmless("pooler_dropout"),
    harmless("cls_dropout"),
    harmless("padding_idx"),
};
constexpr KeyRow kErnieKeys[] = {
    honored("is_decoder"),
    honored("position_embedding_type"),
    honored("use_task_id"),
    honored("task_type_vocab_size"),
};
constexpr KeyRow kDprKeys[] = {
    honored("is_decoder"),
    honored("position_embedding_type"),
    honored("projection_dim"),
};
static_assert(keys_are_distinct(kErnieKeys) && keys_are_distinct(kDprKeys) &&
              keys_are_distinct(kDebertaKeys) && keys_are_distinct(kDebertaV2Keys));

constexpr KeyRow kLongformerKeys[] = {
    honored("attention_window"),
    honored("sep_token_id"),
    // Of the first release's own code.
    harmless("attention_mode"),
    harmless("ignore_attention_mask"),
    harmless("onnx_export"),
};
static_assert(keys_are_distinct(kLongformerKeys));

constexpr KeyRow kBigBirdKeys[] = {
    honored("attention_type"),     honored("block_size"), honored("num_random_blocks"),
    honored("rescale_embeddings"), honored("use_bias"),   honored("is_decoder"),
    honored("sep_token_id"),
};
static_assert(keys_are_distinct(kBigBirdKeys));

constexpr FamilyConfig kFamilies[] = {
    {.model_type = "bert", .keys = kBertKeys},
    {.model_type = "distilbert",
     .num_hidden_layers = 6,
     .type_vocab_size = 0,
     .activation_key = "activation",
     .aliases = kDistilBertAliases},
    {.model_type = "roberta", .vocab_size = 50265, .pad_token_id = 1, .keys = kBertKeys},
    {.model_type = "camembert", .pad_token_id = 1, .keys = kBertKeys},
    {.model_type = "xlm-roberta", .pad_token_id = 1, .keys = kBertKeys},
    {.model_type = "albert",
     .vocab_size = 30000,
     .hidden_size = 4096,
     .num_attention_heads = 64,
     .intermediate_size = 16384,
     .embedding_size = 128,
     .hidden_act = "gelu_new",
     .keys = kAlbertKeys},
    {.model_type = "electra",
     .hidden_size = 256,
     .num_attention_heads = 4,
     .intermediate_size = 1024,
     .embedding_size = 128,
     .keys = kBertKeys},
    {.model_type = "mpnet",
     .vocab_size = 30527,
     .type_vocab_size = 0,
     .pad_token_id = 1,
     .keys = kMpnetKeys},
    {.model_type = "deberta",
     .vocab_size = 50265,
     .type_vocab_size = FamilyConfig::kUnlessSaid,
     .embedding_size = FamilyConfig::kUnlessSaid,
     .layer_norm_eps = 1e-7,
     .keys = kDebertaKeys},
    {.model_type = "deberta-v2",
     .vocab_size = 128100,
     .hidden_size = 1536,
     .num_hidden_layers = 24,
     .num_attention_heads = 24,
     .intermediate_size = 6144,
     .type_vocab_size = FamilyConfig::kUnlessSaid,
     .embedding_size = FamilyConfig::kUnlessSaid,
     .layer_norm_eps = 1e-7,
     .keys = kDebertaV2Keys},
    {.model_type = "ernie", .keys = kErnieKeys},
    {.model_type = "megatron-bert",
     .vocab_size = 29056,
     .hidden_size = 1024,
     .num_hidden_layers = 24,
     .num_attention_heads = 16,
     .intermediate_size = 4096,
     .keys = kBertKeys},
    {.model_type = "roberta-prelayernorm",
     .vocab_size = 50265,
     .pad_token_id = 1,
     .keys = kBertKeys},
    {.model_type = "xlm-roberta-xl",
     .vocab_size = 250880,
     .hidden_size = 2560,
     .num_hidden_layers = 36,
     .num_attention_heads = 32,
     .intermediate_size = 10240,
     .max_position_embeddings = 514,
     .type_vocab_size = 1,
     .pad_token_id = 1,
     .layer_norm_eps = 1e-5,
     .keys = kBertKeys},
    {.model_type = "data2vec-text", .pad_token_id = 1, .keys = kBertKeys},
    {.model_type = "dpr", .keys = kDprKeys},
    {.model_type = "longformer", .pad_token_id = 1, .keys = kLongformerKeys},
    {.model_type = "big_bird",
     .vocab_size = 50358,
     .max_position_embeddings = 4096,
     .hidden_act = "gelu_new",
     .keys = kBigBirdKeys},
};

}  // namespace

const FamilyConfig* find_family_config(std::string_view model_type) {
  for (const std::span<const FamilyConfig> rows :
       {std::span<const FamilyConfig>(kFamilies), rotary_family_configs(), decoder_family_configs(),
        encoder_decoder_family_configs()}) {
    for (const FamilyConfig& row : rows) {
      if (row.model_type == model_type) return &row;
    }
  }
  return nullptr;
}

}  // namespace tamis
