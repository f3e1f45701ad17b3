// Llama, Mistral, Qwen2 and Qwen3: decoders that run for embeddings and classes, never for text. A
// token sees those before it, in some layers a window of them. Source: transformers,
// models/{llama,mistral,qwen2,qwen3}/modeling_*.py
#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "models/decoder_heads.h"
#include "models/rms_encoder.h"

namespace tamis::models {

using graph::ValueId;

namespace {

// Before it a window counts the token itself; of both directions it does not.
LayerKind window_of(const LayerKind& full, int64_t tokens) {
  LayerKind kind = full;
  const bool causal = full.after == 0;
  kind.before = causal ? tokens - 1 : tokens;
  kind.after = causal ? 0 : tokens;
  return kind;
}

RmsEncoder read_decoder(const ModelConfig& config, const RmsDefaults& defaults) {
  RmsEncoder options = read_rms_encoder(config, defaults);
  options.full.positions = read_rotary(config, rope_theta(config.fields, 10000), options.head_size);
  options.full.after = config.fields.flag("is_causal", true) ? 0 : -1;
  return options;
}

ValueId llama_encoder(Builder& b) { return rms_encoder(b, read_decoder(b.config(), {})); }

// All layers slide unless sliding_window is null.
ValueId mistral_encoder(Builder& b) {
  const ConfigFields& fields = b.config().fields;
  RmsEncoder options = read_decoder(b.config(), {.kv_heads = 8});
  options.projection_bias = options.output_bias = options.mlp_bias = Bias::kNone;
  const JsonView window = fields.view().get("sliding_window");
  if (!window || !window.is_null()) {
    options.full = window_of(options.full, fields.integer("sliding_window", 4096, 1, kMostWindow));
  }
  return rms_encoder(b, options);
}

// Layers from max_window_layers on slide, where use_sliding_window is set.
void read_qwen_window(const ModelConfig& config, RmsEncoder& options) {
  const ConfigFields& fields = config.fields;
  const JsonView window = fields.view().get("sliding_window");
  const bool slides = fields.flag("use_sliding_window", false) && !(window && window.is_null());
  const int64_t first = fields.integer("max_window_layers", 28, 0, 1 << 20);
  std::vector<bool> usual;
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) usual.push_back(slides && i >= first);
  options.slides = read_sliding_layers(config, std::move(usual));
  const bool any = std::ranges::find(options.slides, true) != options.slides.end();
  if (any && !slides) {
    fields.refuse("layer_types", "\"sliding_attention\" without a window",
                  "full_attention, or use_sliding_window true with a sliding_window");
  }
  options.sliding = window_of(options.full, fields.integer("sliding_window", 4096, 1, kMostWindow));
}

ValueId qwen2_encoder(Builder& b) {
  RmsEncoder options = read_decoder(b.config(), {.kv_heads = 32});
  options.projection_bias = Bias::kAdded;
  options.output_bias = options.mlp_bias = Bias::kNone;
  read_qwen_window(b.config(), options);
  return rms_encoder(b, options);
}

ValueId qwen3_encoder(Builder& b) {
  RmsEncoder options = read_decoder(b.config(), {.kv_heads = 32, .head_size = 128});
  options.mlp_bias = Bias::kNone;
  options.normalizes_heads = true;
  read_qwen_window(b.config(), options);
  return rms_encoder(b, options);
}

constexpr FamilyParts parts_of(ValueId (*encoder)(Builder&)) {
  FamilyParts parts = {.encoder = encoder};
  parts.embedding = embedding_by_class;
  parts.classifier = last_token_classifier;
  parts.classifier_weights = {"score.weight"};
  parts.token_classifier = "score";
  parts.decoder = "lm_head";
  return parts;
}

}  // namespace

constinit const FamilyParts kLlama = parts_of(llama_encoder);
constinit const FamilyParts kMistral = parts_of(mistral_encoder);
constinit const FamilyParts kQwen2 = parts_of(qwen2_encoder);
constinit const FamilyParts kQwen3 = parts_of(qwen3_encoder);

}  // namespace tamis::models
