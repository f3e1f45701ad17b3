// A model written for other runtimes.
//
// Is: a folder of model.onnx with config, tokenizer and sentence-transformers' files, as Optimum
// lays it out. Is not: the graph's translation (onnx/). May use: models, onnx, optimize.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "model/model_path.h"
#include "onnx/export/export_onnx.h"
#include "optimize/optimize.h"
#include "tasks/task.h"

namespace tamis::api {

struct ExportModelOptions {
  std::optional<tasks::TaskKind> task;  ///< nothing: what the model was made for
  bool force = false;                   ///< replaces a folder that holds a model.onnx
  /// With QuantizeLinear and DequantizeLinear, by the flavor's rules; else in float throughout.
  bool quantized = false;
  onnx::Flavor flavor = onnx::Flavor::kPortable;
  /// Nothing: fp16 for TensorRT, which computes in what the file says, else fp32.
  std::optional<onnx::FloatType> float_type;
  /// How a checkpoint is quantized on the way: threads, budget, quantizers, texts. The texts (none:
  /// the built-in ones) also prove that values stay within half precision.
  OptimizeOptions optimize;
};

/// What float_type stands for.
[[nodiscard]] onnx::FloatType float_type_of(const ExportModelOptions& options);

struct ExportReport {
  std::filesystem::path file;
  int64_t nodes = 0;
  int64_t parameters = 0;
  int64_t bytes = 0;
  // Of a quantized file.
  int64_t quantizers = 0;  ///< that are on
  double float_work = 1;   ///< share of the products' multiplications that stay in float
  std::string plan;        ///< of a checkpoint: "int8, 2 of 24 in float"
  std::string loss;        ///< "flips 0.27 %", on texts held out
};

/// Writes the folder, all of it or nothing. A checkpoint's or an .onnx model's float graph is
/// exported as it is, or quantized first within the budget; a bundle's is quantized already. A
/// model of sentence-transformers gets its pooling into the file, as output sentence_embedding.
/// Throws Error: kUnsupported (a bundle in float, an op or a mark that is not written, no quantized
/// plan within the budget, a value beyond half precision), kInvalidArgument (the folder is there
/// and not to be replaced), and what reading and optimizing the model throws.
ExportReport export_model(const ModelPath& path, const std::filesystem::path& folder,
                          const ExportModelOptions& options, const OptimizeProgress& progress = {});

}  // namespace tamis::api
