// One of our graphs as an ONNX file.
//
// Is: operators of ai.onnx over padded batches with a mask, under Hugging Face's names of inputs
// and outputs; QuantizeLinear and DequantizeLinear where static marks are on. Is not: a choice of
// what is quantized (quant/). May use: graph, formats, kernels/reference.
#pragma once

#include "base/named.h"
#include "formats/onnx/onnx_model.h"
#include "graph/graph.h"
#include "onnx/import_onnx.h"

namespace tamis::onnx {

/// What a file computes in where no integers stand.
enum class FloatType : uint8_t { kFp32, kFp16, kBf16 };

inline constexpr Named<FloatType> kFloatTypes[] = {
    {"fp32", FloatType::kFp32}, {"fp16", FloatType::kFp16}, {"bf16", FloatType::kBf16}};

/// Whose rules a quantized file keeps.
enum class Flavor : uint8_t {
  kPortable,  ///< the standard's: any static scheme
  kOrtCpu,    ///< quantized as ONNX Runtime's integer kernels take it, written as portable
  kTensorRt,  ///< those of TensorRT's fused layers (check_tensorrt.h)
};

inline constexpr Named<Flavor> kFlavors[] = {
    {"portable", Flavor::kPortable}, {"ort-cpu", Flavor::kOrtCpu}, {"trt", Flavor::kTensorRt}};

struct ExportOptions {
  /// What the graph answers, which decides the names of outputs: last_hidden_state,
  /// token_embeddings and sentence_embedding, logits, start_logits and end_logits.
  OutputKind output = OutputKind::kTokenEmbeddings;
  bool unit_length = false;  ///< sentence_embedding is divided by its length
  FloatType float_type = FloatType::kFp32;
  Flavor flavor = Flavor::kPortable;
};

/// The file's model, importing which gives the graph again, its weights as the numbers that their
/// integers stand for. The graph may be fused; constants are shared with it. Throws
/// Error{kUnsupported} naming an op, an attribute or a mark that is not written: a scheme that
/// finds its range at run time, and what a flavor does not take.
[[nodiscard]] ModelProto export_onnx(const graph::Graph& graph, const ExportOptions& options);

}  // namespace tamis::onnx
