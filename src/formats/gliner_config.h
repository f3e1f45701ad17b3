// gliner_config.json: how a GLiNER model finds entities over labels that come with the text.
//
// Is: the fields of models that score spans of words against labels in one encoder (markerV0), with
// the package's defaults; other kinds are refused by name. Is not: the encoder's own config, which
// lies under encoder_config or beside it. May use: base.
// Source: gliner/config.py of https://github.com/urchade/GLiNER
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "formats/hf_config.h"

namespace tamis {

inline constexpr std::string_view kGlinerConfig = "gliner_config.json";
/// What the encoder's tensors begin with.
inline constexpr std::string_view kGlinerEncoder = "token_rep_layer.bert_layer.model.";

/// A value type.
struct GlinerConfig {
  int64_t hidden_size = 512;  ///< of words and labels, whatever the encoder's is; even
  int64_t num_rnn_layers = 1;
  int64_t max_width = 12;  ///< words of the longest span
  int64_t max_len = 384;   ///< words of a text that are read
  int64_t max_types = 25;  ///< labels in training
  int64_t class_token_index = 0;
  bool embed_ent_token = true;  ///< a label's vector is that of its mark, not of the token behind
  std::string ent_token = "<<ENT>>";
  std::string sep_token = "<<SEP>>";

  /// Throws Error: kUnsupported naming file, key and value for what is not built, kCorruptData.
  [[nodiscard]] static GlinerConfig of(const ConfigFields& fields);
};

/// Whether the folder is a GLiNER model's.
[[nodiscard]] bool is_gliner(const std::filesystem::path& folder);

/// The keys of gliner_config.json.
[[nodiscard]] ConfigFields read_gliner_fields(const std::filesystem::path& folder);

/// The encoder's config: encoder_config, else config.json beside the file. `family` as
/// ModelConfig::parse(). Throws what that throws, and Error{kUnsupported} where there is neither.
[[nodiscard]] ModelConfig read_gliner_encoder(const ConfigFields& fields,
                                              const std::filesystem::path& folder,
                                              std::string_view family);

}  // namespace tamis
