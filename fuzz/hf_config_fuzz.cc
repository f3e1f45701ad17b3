// Any bytes as config.json, as a pooling configuration and as those of sparse and multi-vector
// models: a config within its limits, or kCorruptData, or kUnsupported.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "formats/config_file.h"
#include "formats/hf_config.h"
#include "formats/retrieval_modules.h"
#include "formats/sentence_transformers.h"

namespace {

template <typename Action>
void allow_refusal(Action action) {
  try {
    action();
  } catch (const tamis::Error& error) {
    if (error.code() != tamis::ErrorCode::kCorruptData &&
        error.code() != tamis::ErrorCode::kUnsupported) {
      throw;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  allow_refusal([text] {
    const tamis::ModelConfig config = tamis::ModelConfig::parse(text, "fuzz");
    // Of another family only the names are read.
    if (config.num_hidden_layers == 0) {
      TAMIS_CHECK(config.vocab_size == 0 && config.hidden_size == 0 && config.id2label.empty());
      return;
    }
    TAMIS_CHECK(config.hidden_size > 0 && config.hidden_size % config.num_attention_heads == 0);
    TAMIS_CHECK(static_cast<int64_t>(config.id2label.size()) == config.num_labels);
    TAMIS_CHECK(!config.pad_token_id || *config.pad_token_id < config.vocab_size);
    TAMIS_CHECK(config.layer_norm_eps >= 0 && config.layer_norm_eps <= 1);
  });
  allow_refusal([text] {
    const tamis::PoolingConfig pooling = tamis::parse_pooling_config(text, "fuzz");
    TAMIS_CHECK(!pooling.modes.empty());
  });
  allow_refusal([text] {
    const tamis::ConfigFile file(text, "fuzz");
    const tamis::LateInteractionConfig late = tamis::read_pylate(file.root());
    TAMIS_CHECK(late.query.length > 0 && late.document.length >= 0);
  });
  allow_refusal([text] {
    const tamis::ConfigFile file(text, "fuzz");
    tamis::LateInteractionConfig late;
    tamis::read_query_expansion(file.root(), late);
    TAMIS_CHECK(!late.expand_queries || late.query.length > 0);
  });
  allow_refusal([text] {
    const tamis::ConfigFile file(text, "fuzz");
    static_cast<void>(tamis::read_multi_vector_mask(file.root()));
    static_cast<void>(tamis::read_splade(file.root()));
  });
  return 0;
}
