#include "onnx/export/export_quantized.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/bf16.h"
#include "graph/attention_part.h"
#include "graph/column_scale.h"
#include "kernels/reference/quantize.h"
#include "onnx/export/export_norm.h"
#include "tensor/widened.h"

namespace tamis::onnx {

using graph::Node;
using graph::Operand;
using graph::Quantizer;
using graph::QuantScheme;
using graph::ValueId;

namespace {

namespace reference = kernels::reference;

/// One step of a quantizer, and the integer that stands for 0.
struct Steps {
  float scale = 0;
  int32_t zero = 0;
  ElementType type = ElementType::kInt8;
};

Steps steps_of(const Quantizer& mark) {
  const std::string& name = mark.names[0];
  const bool symmetric = mark.scheme == QuantScheme::kStaticS8;
  if (!symmetric && mark.scheme != QuantScheme::kStaticU8) {
    fail(ErrorCode::kUnsupported, "ONNX: quantizer \"", name, "\" is ",
         graph::scheme_name(mark.scheme),
         ", which finds its range at run time; QuantizeLinear takes one that calibration found: "
         "optimize with --scheme trt, static or ort");
  }
  if (!mark.low || !mark.high) {
    fail(
        ErrorCode::kUnsupported, "ONNX: quantizer \"", name,
        "\" is on but has no range; optimize the checkpoint, which calibrates it, or --disable it");
  }
  if (symmetric) return {reference::static_s8_scale(*mark.high), 0, ElementType::kInt8};
  const reference::StaticU8 range = reference::static_u8(*mark.low, *mark.high);
  return {range.scale, range.zero, ElementType::kUint8};
}

std::string zero_name(ElementType type, int64_t zero) {
  return cat(type == ElementType::kInt8 ? "zero_point_s8_" : "zero_point_u8_", zero);
}

// Scales are above 0 in the file too.
void check_scale(const std::string& name, float scale, ElementType floats) {
  if (floats != ElementType::kFloat16 || float_to_f16(scale) != 0) return;
  fail(ErrorCode::kUnsupported, "ONNX: scale \"", name, "\" is ", scale,
       ", which half precision rounds to 0; write it with --float fp32 or bf16");
}

// A quantizer that saw zeros alone rounds to 0 whatever its scale is, so any small one will do.
// Where layers share a module (ALBERT), each may have a range of its own.
std::string activation_scale(ExportContext& c, const Quantizer& mark, float scale) {
  const std::string name = mark.names[0] + ".scale";
  const bool half = c.out().floats() == ElementType::kFloat16;
  const float least = half ? 0x1p-24f : reference::kLeastScale;
  const float written = scale > 0 ? scale : least;
  check_scale(name, written, c.out().floats());
  return c.once(cat("scale ", name, " ", std::bit_cast<uint32_t>(written)), [&] {
    return c.out().numbers(c.out().unused(name), {}, {&written, 1});
  });
}

// The same steps of the same value are written once: readers with equal ones share the integers.
std::string pair_of(ExportContext& c, const Quantizer& mark, const std::string& x) {
  const Steps steps = steps_of(mark);
  const std::string name = zero_name(steps.type, steps.zero);
  const auto bits = std::bit_cast<uint32_t>(steps.scale);
  return c.once(cat("integers ", bits, " ", name, " of ", x), [&] {
    const std::string scale = activation_scale(c, mark, steps.scale);
    const std::string zero =
        c.out().values<uint8_t>(name, {}, steps.type, {static_cast<uint8_t>(steps.zero)});
    const std::string integers = c.add(mark.names[0], "QuantizeLinear", {x, scale, zero});
    return c.add(mark.names[0], "DequantizeLinear", {integers, scale, zero});
  });
}

std::string constant_of(ExportContext& c, const std::string& name, Tensor values) {
  return c.out().constant(name, std::make_shared<const Tensor>(std::move(values)), true);
}

// gamma / s and (beta - z) / s: what the product reads is a norm of its own, and the residual keeps
// the plain one.
std::string second_norm(ExportContext& c, const Node& node, const Node& norm) {
  const auto floats = [&c](const Node& of, Operand operand) {
    return widened(c.graph().value(of.operand(operand)).constant);
  };
  const auto multiplied = floats(node, Operand::kInputMultiplier);
  const auto shifted = floats(node, Operand::kInputOffset);
  const auto weights = floats(norm, Operand::kGamma);
  const auto biases = norm.has(Operand::kBeta) ? floats(norm, Operand::kBeta) : nullptr;
  const auto multiplier = multiplied->as<float>();
  const auto offset = shifted->as<float>();
  const auto gamma = weights->as<float>();
  Tensor weight(DType::kF32, Shape{static_cast<int64_t>(gamma.size())});
  Tensor bias(DType::kF32, weight.shape());
  for (size_t j = 0; j < gamma.size(); ++j) {
    const float beta = biases == nullptr ? 0.0f : biases->as<float>()[j];
    weight.mutable_as<float>()[j] = gamma[j] * multiplier[j];
    bias.mutable_as<float>()[j] = std::fma(beta, multiplier[j], -offset[j]);
  }
  const std::string module = cat(linear_parts(c, node)[0].module, ".input_norm");
  NormConstants constants;
  constants.gamma = constant_of(c, module + ".weight", std::move(weight));
  constants.beta = constant_of(c, module + ".bias", std::move(bias));
  constants.epsilon = norm.attribute<graph::LayerNormAttributes>().epsilon;
  return layer_norm(c, module, c.norm_input(norm.output), constants);
}

// Rows [n, k] as [k, n].
std::vector<int8_t> transposed(const Tensor& rows) {
  const auto n = static_cast<size_t>(rows.shape()[0]);
  const auto k = static_cast<size_t>(rows.shape()[1]);
  const auto q = rows.as<int8_t>();
  std::vector<int8_t> turned(q.size());
  for (size_t at = 0; at < q.size(); ++at) turned[at % k * n + at / k] = q[at];
  return turned;
}

std::string weight_scale(ExportContext& c, const Node& node, const LinearPart& part) {
  const std::string name = part.weight + "_scale";
  const auto given = rows_of(c, node.operand(Operand::kWeightScale), part);
  const auto steps = given->as<float>();
  std::vector<float> scale(steps.begin(), steps.end());
  for (float& step : scale) {
    if (!(step > 0)) step = 1;  // of a row of zeros
    check_scale(name, step, c.out().floats());
  }
  return c.out().numbers(name, {part.rows}, scale);
}

// Attention is quantized whole or not at all, and these products are not.
void check_position_products(const ExportContext& c, const Node& node) {
  const auto on = std::ranges::find_if(node.quantizers, &Quantizer::enabled);
  if (on == node.quantizers.end() || !graph::is_attention(node.op)) return;
  if (!graph::has_position_products(c.graph(), node)) return;
  c.refuse(node, "quantizer \"", on->names[0],
           "\" is on, but its scores have float products with tables of positions, and TensorRT's "
           "form has attention in integers whole or not at all; optimize with --scheme trt, or "
           "--disable \"*.matmul_quantizer_*\"");
}

}  // namespace

std::string operand_of(ExportContext& c, const Node& node, Operand operand) {
  return through_integers(c, node, operand, c.value(node.operand(operand)));
}

std::string through_integers(ExportContext& c, const Node& node, Operand operand,
                             const std::string& x) {
  const Quantizer* mark = node.enabled_mark(operand);
  return mark == nullptr ? x : pair_of(c, *mark, x);
}

std::string scaled_input(ExportContext& c, const Node& node) {
  const ValueId id = node.operand(Operand::kX);
  if (!node.has(Operand::kInputMultiplier)) return c.value(id);
  const ValueId multiplier = node.operand(Operand::kInputMultiplier);
  const Node* before = c.maker(id);
  if (before != nullptr && graph::is_layer_norm(before->op)) {
    return c.once(cat("second norm ", before->output, " ", multiplier),
                  [&] { return second_norm(c, node, *before); });
  }
  const graph::Value& offset = c.graph().value(node.operand(Operand::kInputOffset));
  std::vector<float> negated;
  for (const float each : offset.constant->as<float>()) negated.push_back(-each);
  const std::string shift = c.out().numbers(cat(offset.name, ".negated"),
                                            {static_cast<int64_t>(negated.size())}, negated);
  const std::string scaled = c.add(node.scope, "Mul", {c.value(id), c.constant(multiplier)});
  return c.add(node.scope, "Add", {scaled, shift});
}

std::string integer_weight(ExportContext& c, const Node& node, const LinearPart& part) {
  const std::string name = part.weight + "_quantized";
  return c.once(name, [&] {
    const std::shared_ptr<const Tensor> rows = rows_of(c, node.operand(Operand::kWeight), part);
    const std::string integers =
        c.out().values(name, {rows->shape()[1], part.rows}, ElementType::kInt8, transposed(*rows));
    const std::string steps = weight_scale(c, node, part);
    const std::string zeros =
        c.out().values(cat("zero_points_s8_", part.rows), {part.rows}, ElementType::kInt8,
                       std::vector<int8_t>(static_cast<size_t>(part.rows), 0));
    return c.add(cat(part.module, "._weight_quantizer"), "DequantizeLinear",
                 {integers, steps, zeros}, {integer_attribute("axis", 1)});
  });
}

std::string float_columns(ExportContext& c, const Node& node, const LinearPart& part) {
  const ValueId id = node.operand(Operand::kOutlierColumns);
  std::vector<int64_t> columns;
  for (const int32_t column : c.graph().value(id).constant->as<int32_t>()) {
    columns.push_back(column);
  }
  const std::string x =
      c.add(part.module, "Gather", {c.value(node.operand(Operand::kX)), c.out().list(columns)},
            {integer_attribute("axis", -1)});
  const std::string weight = c.out().constant(
      part.weight + "_float_columns", rows_of(c, node.operand(Operand::kOutlierWeight), part));
  const std::string turned =
      c.add(part.module, "Transpose", {weight}, {list_attribute("perm", {1, 0})});
  return c.add(part.module, "MatMul", {x, turned});
}

void check_tensorrt_form(const ExportContext& c, const Node& node) {
  check_position_products(c, node);
  for (const Quantizer& mark : node.quantizers) {
    if (!mark.enabled || mark.scheme != QuantScheme::kStaticU8) continue;
    fail(ErrorCode::kUnsupported, "ONNX: quantizer \"", mark.names[0],
         "\" has a zero point, which TensorRT refuses; optimize with --scheme trt");
  }
  if (node.has(Operand::kOutlierColumns)) {
    c.refuse(node, "columns in float are not part of TensorRT's form; optimize with --scheme trt");
  }
  if (!node.has(Operand::kInputMultiplier)) return;
  const Node* before = c.maker(node.operand(Operand::kX));
  if (before != nullptr && (graph::is_layer_norm(before->op) || graph::is_activated(*before))) {
    return;
  }
  c.refuse(node,
           "a scale that no LayerNormalization or activation in front takes up is not part of "
           "TensorRT's form; optimize with --scheme trt");
}

}  // namespace tamis::onnx
