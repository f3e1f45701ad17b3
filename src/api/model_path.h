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

/// A folder with tamis.json is a bundle, one with config.json or modules.json a checkpoint; a hub
/// id that is no folder is looked up in the local Hugging Face caches, where huggingface_hub's own
/// variables say (model_path.cc lists them). Throws Error{kNotFound} saying where it looked.
[[nodiscard]] ModelPath resolve_model(std::string_view model);

}  // namespace tamis::api
