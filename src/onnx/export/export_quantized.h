// What quantizers make of operands.
//
// Is: values through QuantizeLinear and DequantizeLinear where a mark is on, and integer weights
// behind the latter. Is not: a choice of what is quantized. May use: graph, formats,
// kernels/reference.
#pragma once

#include <string>

#include "onnx/export/export_context.h"
#include "onnx/export/export_linear.h"

namespace tamis::onnx {

/// The operand as its node reads it: through integers where its mark is on.
std::string operand_of(ExportContext& c, const graph::Node& node, graph::Operand operand);

/// `x` through the integers of the mark on the node's operand, if that is on.
std::string through_integers(ExportContext& c, const graph::Node& node, graph::Operand operand,
                             const std::string& x);

/// What the integers of a QuantizedMatMul are made of: x after its scale and shift.
std::string scaled_input(ExportContext& c, const graph::Node& node);

/// INT8 [k, n] behind a DequantizeLinear with a scale for each column.
std::string integer_weight(ExportContext& c, const graph::Node& node, const LinearPart& part);

/// What a QuantizedMatMul's columns in float add to its product.
std::string float_columns(ExportContext& c, const graph::Node& node, const LinearPart& part);

/// Refuses what TensorRT's layers have no place for; check_tensorrt() looks at the rest in the
/// file.
void check_tensorrt_form(const ExportContext& c, const graph::Node& node);

}  // namespace tamis::onnx
