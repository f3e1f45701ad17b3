// The modules Pooling, LayerNorm and LogitScore, each from its own folder's files.
//
// Is: their keys, numbers and tensors. Is not: which follows which. May use: base, tensor.
// Source: https://github.com/huggingface/sentence-transformers, the modules' config_keys.
#pragma once

#include <filesystem>
#include <string_view>

#include "formats/config_file.h"
#include "formats/sentence_transformers.h"

namespace tamis {

/// Each throws Error{kCorruptData, kUnsupported, kNotFound} naming file and key or tensor.
[[nodiscard]] PoolingConfig read_pooling(const ConfigObject& file);
/// `name` is the folder's as modules.json has it.
[[nodiscard]] LayerNormConfig read_layer_norm(const std::filesystem::path& folder,
                                              std::string_view name);
[[nodiscard]] LogitScoreConfig read_logit_score(const ConfigObject& file);

}  // namespace tamis
