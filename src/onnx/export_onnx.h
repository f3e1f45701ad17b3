// One of our graphs as an ONNX file.
//
// Is: float operators of ai.onnx, opset 17, over padded batches with a mask, under Hugging Face's
// names of inputs and outputs. Is not: fused or quantized graphs. May use: graph, formats.
#pragma once

#include "formats/onnx/onnx_model.h"
#include "graph/graph.h"
#include "onnx/import_onnx.h"

namespace tamis::onnx {

struct ExportOptions {
  /// What the graph answers, which decides the names of outputs: last_hidden_state,
  /// token_embeddings and sentence_embedding, logits, start_logits and end_logits.
  OutputKind output = OutputKind::kTokenEmbeddings;
  bool unit_length = false;  ///< sentence_embedding is divided by its length
};

/// The file's model, importing which gives the graph again. The graph is an unfused one without
/// marks; constants are shared with it. Throws Error{kUnsupported} naming an op or attribute that
/// is not written.
[[nodiscard]] ModelProto export_onnx(const graph::Graph& graph, const ExportOptions& options);

}  // namespace tamis::onnx
