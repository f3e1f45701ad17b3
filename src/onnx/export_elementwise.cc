// Sums, products, activations and gates.
#include "onnx/export_elementwise.h"

#include <cmath>

#include "onnx/export_ops.h"
#include "onnx/export_quantized.h"

namespace tamis::onnx {

using graph::Node;
using graph::Operand;

std::string activated(ExportContext& c, const Node& node, const std::string& x,
                      Activation activation) {
  const std::string& s = node.scope;
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kGelu: {
      const std::string erf = c.add(s, "Erf", {c.add(s, "Div", {x, c.number(M_SQRT2)})});
      // The half first: twice x may be beyond half precision where x is not.
      const std::string bent = c.add(s, "Add", {erf, c.number(1)});
      return c.add(s, "Mul", {c.add(s, "Mul", {x, c.number(0.5)}), bent});
    }
    case Activation::kGeluTanh: {
      const std::string cube =
          c.add(s, "Mul", {c.add(s, "Pow", {x, c.number(3)}), c.number(0.044715)});
      const std::string inner =
          c.add(s, "Mul", {c.add(s, "Add", {x, cube}), c.number(std::sqrt(2 / M_PI))});
      const std::string bent = c.add(s, "Add", {c.add(s, "Tanh", {inner}), c.number(1)});
      return c.add(s, "Mul", {c.add(s, "Mul", {x, c.number(0.5)}), bent});
    }
    case Activation::kQuickGelu:
      return c.add(s, "Mul", {x, c.add(s, "Sigmoid", {c.add(s, "Mul", {x, c.number(1.702)})})});
    case Activation::kRelu:
      return c.add(s, "Relu", {x});
    case Activation::kRelu2: {
      const std::string relu = c.add(s, "Relu", {x});
      return c.add(s, "Mul", {relu, relu});
    }
    case Activation::kSilu:
      return c.add(s, "Mul", {x, c.add(s, "Sigmoid", {x})});
    case Activation::kTanh:
      return c.add(s, "Tanh", {x});
    case Activation::kSigmoid:
      return c.add(s, "Sigmoid", {x});
    case Activation::kMish:
      return c.add(s, "Mul", {x, c.add(s, "Tanh", {c.add(s, "Softplus", {x})})});
    default:
      c.refuse(node, "its activation is not written");
  }
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
