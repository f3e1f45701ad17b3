// Models as .onnx files run by ONNX Runtime, whose library is opened while the program runs.
//
// Is: the row of engines.inc. Is not: linked with ONNX Runtime, or an importer (onnx/). May use:
// engine, graph, kernels/reference.
#pragma once

#include "engine/engine.h"

namespace tamis::engines::onnxruntime {

[[nodiscard]] engine::EngineRow row();

}  // namespace tamis::engines::onnxruntime
