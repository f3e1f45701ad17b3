// Quantizers as QuantizeLinear and DequantizeLinear, and integer weights behind the latter.
#include <cmath>

#include "base/bf16.h"
#include "graph/column_scale.h"
#include "kernels/reference/quantize.h"
#include "onnx/exporter.h"
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

}  // namespace

std::string Exporter::through_integers(const Node& node, Operand operand, const std::string& x) {
  const Quantizer* mark = node.enabled_mark(operand);
  return mark == nullptr ? x : write_pair(*mark, x);
}

// A quantizer that saw zeros alone rounds to 0 whatever its scale is, so any small one will do.
std::string Exporter::activation_scale(const Quantizer& mark, float scale) {
  const std::string name = mark.names[0] + ".scale";
  const float least = out_.floats() == ElementType::kFloat16 ? 0x1p-24f : reference::kLeastScale;
  const float written = scale > 0 ? scale : least;
  check_scale(name, written, out_.floats());
  return out_.numbers(name, {}, {&written, 1});
}

// The same steps of the same value are written once: readers with equal ones share the integers.
std::string Exporter::write_pair(const Quantizer& mark, const std::string& x) {
  const Steps steps = steps_of(mark);
  const int32_t key = steps.type == ElementType::kInt8 ? -1 : steps.zero;
  std::string& made = pairs_[{x, steps.scale, key}];
  if (!made.empty()) return made;
  const std::string scale = activation_scale(mark, steps.scale);
  const std::string name = zero_name(steps.type, steps.zero);
  const std::string zero =
      out_.values<uint8_t>(name, {}, steps.type, {static_cast<uint8_t>(steps.zero)});
  const std::string integers = add(mark.names[0], "QuantizeLinear", {x, scale, zero});
  made = add(mark.names[0], "DequantizeLinear", {integers, scale, zero});
  return made;
}

std::string Exporter::scaled_input(const Node& node) {
  const ValueId id = node.operand(Operand::kX);
  if (!node.has(Operand::kInputMultiplier)) return value(id);
  const Node* before = maker(id);
  if (before != nullptr && graph::is_layer_norm(before->op)) return second_norm(node, *before);
  const ValueId offset = node.operand(Operand::kInputOffset);
  std::vector<float> negated;
  for (const float each : graph_.value(offset).constant->as<float>()) negated.push_back(-each);
  const std::string shift = out_.numbers(cat(graph_.value(offset).name, ".negated"),
                                         {static_cast<int64_t>(negated.size())}, negated);
  const std::string scaled =
      add(node.scope, "Mul", {value(id), constant(node.operand(Operand::kInputMultiplier))});
  return add(node.scope, "Add", {scaled, shift});
}

// gamma / s and (beta - z) / s: what the product reads is a norm of its own, and the residual keeps
// the plain one.
std::string Exporter::second_norm(const Node& node, const Node& norm) {
  std::string& made = second_norms_[{norm.output, node.operand(Operand::kInputMultiplier)}];
  if (!made.empty()) return made;
  const auto floats = [this](const Node& of, Operand operand) {
    return widened(graph_.value(of.operand(operand)).constant);
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
  const std::string module = cat(linear_parts(node)[0].module, ".input_norm");
  const std::vector<std::string> inputs = {
      norm_inputs_.at(norm.output),
      out_.constant(module + ".weight", std::make_shared<const Tensor>(std::move(weight)), true),
      out_.constant(module + ".bias", std::make_shared<const Tensor>(std::move(bias)), true)};
  const float epsilon = norm.attribute<graph::LayerNormAttributes>().epsilon;
  made = add(module, "LayerNormalization", inputs,
             {integer_attribute("axis", -1), number_attribute("epsilon", epsilon)});
  made = out_.narrow(module, made);
  return made;
}

// INT8 [k, n] behind a DequantizeLinear with a scale for each column.
std::string Exporter::integer_weight(const Node& node, const LinearPart& part) {
  const std::string name = part.weight + "_quantized";
  std::string& made = turned_[name];
  if (!made.empty()) return made;
  const std::shared_ptr<const Tensor> rows = rows_of(node.operand(Operand::kWeight), part);
  const auto n = static_cast<size_t>(rows->shape()[0]);
  const auto k = static_cast<size_t>(rows->shape()[1]);
  const auto q = rows->as<int8_t>();
  std::vector<int8_t> turned(q.size());
  for (size_t at = 0; at < q.size(); ++at) turned[at % k * n + at / k] = q[at];
  const auto given = rows_of(node.operand(Operand::kWeightScale), part)->as<float>();
  std::vector<float> scale(given.begin(), given.end());
  for (float& step : scale) {
    if (!(step > 0)) step = 1;  // of a row of zeros
    check_scale(part.weight + "_scale", step, out_.floats());
  }
  const std::vector<int64_t> columns = {part.rows};
  const std::string integers =
      out_.values(name, {static_cast<int64_t>(k), part.rows}, ElementType::kInt8, turned);
  const std::string steps = out_.numbers(part.weight + "_scale", columns, scale);
  const std::string zeros = out_.values(cat("zero_points_s8_", n), columns, ElementType::kInt8,
                                        std::vector<int8_t>(n, 0));
  made = add(cat(part.module, "._weight_quantizer"), "DequantizeLinear", {integers, steps, zeros},
             {integer_attribute("axis", 1)});
  return made;
}

std::string Exporter::write_float_columns(const Node& node, const LinearPart& part) {
  const ValueId id = node.operand(Operand::kOutlierColumns);
  std::vector<int64_t> columns;
  for (const int32_t column : graph_.value(id).constant->as<int32_t>()) columns.push_back(column);
  const std::string x =
      add(part.module, "Gather", {value(node.operand(Operand::kX)), out_.list(columns)},
          {integer_attribute("axis", -1)});
  const std::string weight = out_.constant(part.weight + "_float_columns",
                                           rows_of(node.operand(Operand::kOutlierWeight), part));
  const std::string turned =
      add(part.module, "Transpose", {weight}, {list_attribute("perm", {1, 0})});
  return add(part.module, "MatMul", {x, turned});
}

// What TensorRT's layers have no place for; check_tensorrt() looks at the rest in the file.
void Exporter::check_tensorrt_form(const Node& node) const {
  for (const Quantizer& mark : node.quantizers) {
    if (!mark.enabled || mark.scheme != QuantScheme::kStaticU8) continue;
    fail(ErrorCode::kUnsupported, "ONNX: quantizer \"", mark.names[0],
         "\" has a zero point, which TensorRT refuses; optimize with --scheme trt");
  }
  if (node.has(Operand::kOutlierColumns)) {
    refuse(node, "columns in float are not part of TensorRT's form; optimize with --scheme trt");
  }
  if (!node.has(Operand::kInputMultiplier)) return;
  const Node* before = maker(node.operand(Operand::kX));
  if (before != nullptr && (graph::is_layer_norm(before->op) || graph::is_activated(*before))) {
    return;
  }
  refuse(node,
         "a scale that no LayerNormalization or activation in front takes up is not part of "
         "TensorRT's form; optimize with --scheme trt");
}

}  // namespace tamis::onnx
