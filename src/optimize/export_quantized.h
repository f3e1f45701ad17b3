// The quantized graph that an exported file is written of, and what half precision makes of it.
//
// Is: for export_model.cc. Is not: for other files. May use: optimize, onnx.
#pragma once

#include "optimize/export_model.h"

namespace tamis::api {

struct QuantizedSource {
  std::shared_ptr<const LoadedModel> model;  ///< its tokenizer reads the texts
  graph::Graph graph;
  Manifest manifest;
  std::string plan;  ///< ExportReport's
  std::string loss;
};

/// The bundle's graph, or the checkpoint's quantized as the flavor takes it. Throws
/// Error{kUnsupported}: a bundle without integers, no quantized plan within the budget.
[[nodiscard]] QuantizedSource quantized_source(const ModelPath& path,
                                               const ExportModelOptions& options,
                                               const OptimizeProgress& progress);

/// Throws Error{kUnsupported} naming the module where a value of the texts is beyond what half
/// precision holds.
void check_half_range(const LoadedModel& model, const graph::Graph& graph,
                      const OptimizeOptions& texts);

/// Throws Error{kUnsupported} with the first of TensorRT's rules that the file breaks.
void check_tensorrt_file(const onnx::ModelProto& model, const std::filesystem::path& file);

}  // namespace tamis::api
