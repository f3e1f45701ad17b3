// A checkpoint written for other runtimes.
//
// Is: a folder of model.onnx with the checkpoint's config, tokenizer and sentence-transformers'
// files, as Optimum lays it out. Is not: the graph's translation (onnx/). May use: models, onnx.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "model/model_path.h"
#include "tasks/task.h"

namespace tamis::api {

struct ExportModelOptions {
  std::optional<tasks::TaskKind> task;  ///< nothing: what the model was made for
  bool force = false;                   ///< replaces a folder that holds a model.onnx
};

struct ExportReport {
  std::filesystem::path file;
  int64_t nodes = 0;
  int64_t parameters = 0;
  int64_t bytes = 0;
};

/// Writes the folder, all of it or nothing. The model's float graph is exported; a model of
/// sentence-transformers gets its pooling into the file, as output sentence_embedding. Throws
/// Error: kUnsupported (a bundle, an op that is not written), kInvalidArgument (the folder is there
/// and not to be replaced), and what reading the model throws.
ExportReport export_model(const ModelPath& path, const std::filesystem::path& folder,
                          const ExportModelOptions& options);

}  // namespace tamis::api
