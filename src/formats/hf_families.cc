#include "formats/hf_families.h"

namespace tamis {

namespace {

constexpr KeyAlias kDistilBertAliases[] = {
    {"hidden_size", "dim"},
    {"num_hidden_layers", "n_layers"},
    {"num_attention_heads", "n_heads"},
    {"intermediate_size", "hidden_dim"},
};

constexpr FamilyConfig kFamilies[] = {
    {.model_type = "bert"},
    {.model_type = "distilbert",
     .num_hidden_layers = 6,
     .type_vocab_size = 0,
     .aliases = kDistilBertAliases},
    {.model_type = "roberta", .vocab_size = 50265, .pad_token_id = 1},
    {.model_type = "camembert", .pad_token_id = 1},
    {.model_type = "xlm-roberta", .pad_token_id = 1},
    {.model_type = "albert",
     .vocab_size = 30000,
     .hidden_size = 4096,
     .num_attention_heads = 64,
     .intermediate_size = 16384,
     .embedding_size = 128,
     .hidden_act = "gelu_new"},
    {.model_type = "electra",
     .hidden_size = 256,
     .num_attention_heads = 4,
     .intermediate_size = 1024,
     .embedding_size = 128},
};

}  // namespace

const FamilyConfig* find_family_config(std::string_view model_type) {
  for (const std::span<const FamilyConfig> rows :
       {std::span<const FamilyConfig>(kFamilies), rotary_family_configs()}) {
    for (const FamilyConfig& row : rows) {
      if (row.model_type == model_type) return &row;
    }
  }
  return nullptr;
}

}  // namespace tamis
