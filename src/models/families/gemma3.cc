// Gemma 3's text model, as EmbeddingGemma has it: windows of both directions where
// use_bidirectional_attention is set, else of those before. Source: transformers,
// models/gemma3/modeling_gemma3.py
#include <cmath>

#include "base/error.h"
#include "base/json.h"
#include "models/decoder_heads.h"
#include "models/rms_encoder.h"

namespace tamis::models {

using graph::ValueId;

namespace {

// Every so many layers see all tokens, unless the file says which.
std::vector<bool> read_slides(const ModelConfig& config) {
  const ConfigFields& fields = config.fields;
  const int64_t every = fields.integer("sliding_window_pattern", 6, 1, 1024);
  std::vector<bool> slides;
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) slides.push_back((i + 1) % every != 0);
  return read_sliding_layers(config, std::move(slides));
}

// Newer files have an object for each kind of layers; older ones a theta for each, and a
// rope_scaling that is of the full layers whatever the others have.
RotaryPositions read_positions(const ModelConfig& config, std::string_view kind,
                               const RotarySizes& sizes) {
  const ConfigFields& fields = config.fields;
  const JsonView older = kind == "full_attention" ? fields.get("rope_scaling") : JsonView();
  const JsonView newer = fields.get("rope_parameters");
  if (newer && older) {
    fields.refuse("rope_scaling", "beside rope_parameters", "either of the two alone");
  }
  const std::string key = newer ? cat("rope_parameters.", kind) : "rope_scaling";
  RotaryPositions positions = read_rotary(newer ? newer.get(kind) : older, fields.what(key), sizes);
  positions.name = cat("rotary_emb.", kind, "_inv_freq");
  return positions;
}

RmsEncoder read_gemma3(const ModelConfig& config) {
  const ConfigFields& fields = config.fields;
  RmsEncoder options = read_rms_encoder(config, {.kv_heads = 4, .head_size = 256});
  options.is_gemma = true;
  options.normalizes_heads = true;
  options.mlp_bias = Bias::kNone;
  options.activation = fields.activation("hidden_activation", "gelu_pytorch_tanh");
  const double scalar = fields.number("query_pre_attn_scalar", 256, 1e-6, 1e6);
  options.scale = static_cast<float>(1.0 / std::sqrt(scalar));
  const auto positions = [&](std::string_view kind, std::string_view key, double theta) {
    return read_positions(config, kind,
                          {.theta = fields.number(key, theta, 1e-3, 1e12),
                           .size = options.head_size,
                           .max_positions = config.max_position_embeddings,
                           .of_a_kind = fields.has("rope_parameters")});
  };
  options.full.positions = positions("full_attention", "rope_theta", 1e6);
  options.sliding.positions = positions("sliding_attention", "rope_local_base_freq", 10000);
  options.slides = read_slides(config);
  int64_t window = fields.integer("sliding_window", 4096, 1, kMostWindow);
  const bool both = fields.flag("use_bidirectional_attention", false);
  if (both) window = window / 2 + 1;
  options.sliding.before = window - 1;
  options.sliding.after = both ? window - 1 : 0;
  options.full.after = both ? -1 : 0;
  return options;
}

ValueId encoder(Builder& b) { return rms_encoder(b, read_gemma3(b.config())); }

}  // namespace

constinit const FamilyParts kGemma3 = {
    .encoder = encoder,
    .embedding = embedding_by_class,
    .classifier = last_token_classifier,
    .classifier_weights = {"score.weight"},
    .token_classifier = "score",
    .decoder = "lm_head",
};

}  // namespace tamis::models
