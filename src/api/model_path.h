// Which folder a MODEL argument means.
#pragma once

#include <filesystem>
#include <string_view>

namespace tamis::api {

enum class ModelKind { kCheckpoint, kBundle };

struct ModelPath {
  std::filesystem::path folder;
  ModelKind kind = ModelKind::kCheckpoint;
};

/// A folder with tamis.json is a bundle, one with config.json or modules.json a checkpoint; a name
/// "org/name" that is no folder is looked up in the local Hugging Face cache (HF_HUB_CACHE,
/// HF_HOME, ~/.cache/huggingface). Throws Error{kNotFound} saying what was looked for.
[[nodiscard]] ModelPath resolve_model(std::string_view model);

}  // namespace tamis::api
