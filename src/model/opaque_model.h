// Models that ONNX Runtime runs whole, padded and as their files say.
//
// Is: what an .onnx file answers, told by names and shapes of its outputs and by config.json beside
// it; and a checkpoint's graph written as one. Is not: an engine, or the import (onnx_model.h). May
// use: models, onnx, engine.
#pragma once

#include <filesystem>
#include <string_view>

#include "model/onnx_model.h"

namespace tamis::api {

/// The row of engines.inc that runs such models.
inline constexpr std::string_view kOnnxRuntime = "onnxruntime";

/// The file as it is; `built` has no graph. Throws Error as onnx::read_onnx() does; kUnsupported
/// naming the output (of an unknown name, shape or width) or the modules that would have to follow
/// it; kCorruptData if config.json contradicts the file.
[[nodiscard]] SourceModel read_opaque_model(const std::filesystem::path& file,
                                            const std::filesystem::path& folder,
                                            const models::BuildOptions& options);

/// The model written as ONNX in memory, called `name`. Throws Error{kUnsupported} naming an op that
/// is not written.
[[nodiscard]] engine::OpaqueModel export_opaque_model(const models::BuiltModel& built,
                                                      const std::filesystem::path& name);

}  // namespace tamis::api
