// What writes each op of the graph.
//
// Is: the functions that export_ops.inc names; each adds the nodes of one op and returns the name
// of what they make, "" where it was written in parts that are read one by one. Is not: what they
// share (export_context.h and the headers of the parts). May use: graph, formats.
#pragma once

#include <string>

#include "onnx/export/export_context.h"

namespace tamis::onnx {

#define X(kind, function) std::string function(ExportContext& c, const graph::Node& node);
#include "onnx/export/export_ops.inc"
#undef X

}  // namespace tamis::onnx
