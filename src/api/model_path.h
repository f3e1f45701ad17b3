// Which folder a MODEL argument means.
#pragma once

#include <filesystem>
#include <string_view>

#include "hub/pull.h"

namespace tamis::api {

enum class ModelKind { kCheckpoint, kBundle };

struct ModelPath {
  std::filesystem::path folder;
  ModelKind kind = ModelKind::kCheckpoint;
};

/// A folder with tamis.json is a bundle, one with config.json or modules.json a checkpoint; what is
/// no folder and has the form of a hub id is taken from the Hugging Face cache, and downloaded
/// where that lacks it (hub/pull.h). Throws Error{kNotFound} saying where it looked.
[[nodiscard]] ModelPath resolve_model(std::string_view model, const hub::PullOptions& options = {});

}  // namespace tamis::api
