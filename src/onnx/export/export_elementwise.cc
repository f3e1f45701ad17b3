// Sums, products, activations and gates.
#include "onnx/export/export_elementwise.h"

#include <cmath>

#include "onnx/export/export_ops.h"
#include "onnx/export/export_quantized.h"

namespace tamis::onnx {

using graph::Node;
using graph::Operand;

namespace {

std::string clip(ExportContext& c, std::string_view s, const std::string& x, double low,
                 double high) {
  return c.add(s, "Clip", {x, c.number(low), c.number(high)});
}

std::string gelu(ExportContext& c, std::string_view s, const std::string& x) {
  const std::string erf = c.add(s, "Erf", {c.add(s, "Div", {x, c.number(M_SQRT2)})});
  // The half first: twice x may be beyond half precision where x is not.
  const std::string bent = c.add(s, "Add", {erf, c.number(1)});
  return c.add(s, "Mul", {c.add(s, "Mul", {x, c.number(0.5)}), bent});
}

std::string gelu_tanh(ExportContext& c, std::string_view s, const std::string& x) {
  const std::string cube = c.add(s, "Mul", {c.add(s, "Pow", {x, c.number(3)}), c.number(0.044715)});
  const std::string inner =
      c.add(s, "Mul", {c.add(s, "Add", {x, cube}), c.number(std::sqrt(2 / M_PI))});
  const std::string bent = c.add(s, "Add", {c.add(s, "Tanh", {inner}), c.number(1)});
  return c.add(s, "Mul", {c.add(s, "Mul", {x, c.number(0.5)}), bent});
}

// (1 + erf(z / sqrt(2))) / 2 of z = (x - 0.707107) / 0.282095.
std::string laplace(ExportContext& c, std::string_view s, const std::string& x) {
  const std::string z =
      c.add(s, "Div", {c.add(s, "Sub", {x, c.number(0.707107)}), c.number(0.282095)});
  const std::string erf = c.add(s, "Erf", {c.add(s, "Div", {z, c.number(M_SQRT2)})});
  return c.add(s, "Mul", {c.add(s, "Add", {erf, c.number(1)}), c.number(0.5)});
}

// The share first: 6 times x may be beyond half precision where x is not.
std::string hard_swish(ExportContext& c, std::string_view s, const std::string& x) {
  const std::string gate = clip(c, s, c.add(s, "Add", {x, c.number(3)}), 0, 6);
  return c.add(s, "Mul", {x, c.add(s, "Div", {gate, c.number(6)})});
}

// Softplus has no bf16.
std::string softplus(ExportContext& c, std::string_view s, const std::string& x) {
  if (c.out().floats() != ElementType::kBfloat16) return c.add(s, "Softplus", {x});
  return c.out().narrow(s, c.add(s, "Softplus", {c.out().widen(s, x)}));
}

// x * sigmoid(factor * x)
std::string swish(ExportContext& c, std::string_view s, const std::string& x, double factor) {
  const std::string scaled = factor == 1 ? x : c.add(s, "Mul", {x, c.number(factor)});
  return c.add(s, "Mul", {x, c.add(s, "Sigmoid", {scaled})});
}

std::string squared(ExportContext& c, std::string_view s, const std::string& x) {
  return c.add(s, "Mul", {x, x});
}

}  // namespace

std::string activated(ExportContext& c, const Node& node, const std::string& x,
                      Activation activation) {
  const std::string& s = node.scope;
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kGelu:
      return gelu(c, s, x);
    case Activation::kGeluTanh:
      return gelu_tanh(c, s, x);
    case Activation::kQuickGelu:
      return swish(c, s, x, 1.702);
    case Activation::kRelu:
      return c.add(s, "Relu", {x});
    case Activation::kRelu2:
      return squared(c, s, c.add(s, "Relu", {x}));
    case Activation::kSilu:
      return swish(c, s, x, 1);
    case Activation::kMish:
      return c.add(s, "Mul", {x, c.add(s, "Tanh", {softplus(c, s, x)})});
    case Activation::kTanh:
      return c.add(s, "Tanh", {x});
    case Activation::kSigmoid:
      return c.add(s, "Sigmoid", {x});
    case Activation::kRelu6:
      return clip(c, s, x, 0, 6);
    case Activation::kLeakyRelu:
      return c.add(s, "LeakyRelu", {x}, {number_attribute("alpha", 0.01f)});
    case Activation::kGelu10:
      return clip(c, s, gelu(c, s, x), -10, 10);
    case Activation::kLaplace:
      return laplace(c, s, x);
    case Activation::kHardSwish:
      return hard_swish(c, s, x);
    case Activation::kSqrtSoftplus:
      return c.add(s, "Sqrt", {softplus(c, s, x)});
  }
  TAMIS_CHECK(false);
}

std::string write_activation(ExportContext& c, const Node& node) {
  return activated(c, node, operand_of(c, node, Operand::kX),
                   node.attribute<graph::ActivationAttributes>().activation);
}

std::string write_sum(ExportContext& c, const Node& node) {
  return c.add(node.scope, "Add",
               {operand_of(c, node, Operand::kX), operand_of(c, node, Operand::kY)});
}

std::string write_multiplication(ExportContext& c, const Node& node) {
  return c.add(node.scope, "Mul",
               {operand_of(c, node, Operand::kX), operand_of(c, node, Operand::kY)});
}

// act(gate) * up, of the two halves of a row.
std::string write_gate(ExportContext& c, const Node& node) {
  const auto& fields = node.attribute<graph::GluAttributes>();
  const graph::ValueId x = node.operand(Operand::kX);
  const int64_t half = c.columns(x) / 2;
  std::vector<WrittenPart> parts = c.parts_of(x);
  if (parts.size() == 1) {
    const std::string all = parts[0].name;
    parts = {{c.out().slice(node.scope, all, 0, half), 0, half},
             {c.out().slice(node.scope, all, half, 2 * half), half, half}};
  }
  if (parts.size() != 2 || parts[1].first_column != half) {
    c.refuse(node, "halves that are not those of a linear layer");
  }
  if (!fields.gate_first) std::swap(parts[0], parts[1]);
  return c.add(node.scope, "Mul",
               {activated(c, node, parts[0].name, fields.activation), parts[1].name});
}

}  // namespace tamis::onnx
