#include "onnx/export/export_convolution.h"

#include <algorithm>
#include <limits>

#include "onnx/export/export_ops.h"
#include "onnx/export/export_places.h"
#include "tensor/widened.h"

namespace tamis::onnx {

using graph::Node;
using graph::Operand;
using graph::ValueId;

namespace {

int64_t width_of(const Node& unfold) { return unfold.attribute<graph::UnfoldAttributes>().width; }

// What an Unfold reads, with zeros for padding: a sequence has no tokens behind its end.
std::string masked(ExportContext& c, const Node& unfold) {
  return c.add(unfold.scope, "Mul", {c.value(unfold.operand(Operand::kX)), token_column(c)});
}

// [rows, columns, width] of a weight [rows, width * columns].
Tensor kernels_of(const Tensor& weight, int64_t width) {
  const int64_t columns = weight.shape()[1] / width;
  Tensor kernels(DType::kF32, Shape{weight.shape()[0], columns, width});
  const auto from = weight.as<float>();
  const auto to = kernels.mutable_as<float>();
  for (size_t i = 0; i < from.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const int64_t row = at / (width * columns);
    const int64_t place = at / columns % width;
    to[static_cast<size_t>((row * columns + at % columns) * width + place)] = from[i];
  }
  return kernels;
}

}  // namespace

bool is_convolution(const ExportContext& c, const Node& node) {
  if (node.op != graph::OpKind::kMatMul || c.options().float_type == FloatType::kBf16) return false;
  const Node* unfold = c.maker(node.operand(Operand::kX));
  return unfold != nullptr && unfold->op == graph::OpKind::kUnfold &&
         node.enabled_mark(Operand::kX) == nullptr &&
         node.enabled_mark(Operand::kWeight) == nullptr;
}

std::string convolution(ExportContext& c, const Node& node) {
  const Node& unfold = *c.maker(node.operand(Operand::kX));
  const int64_t width = width_of(unfold);
  const auto turned = [&](const std::string& x) {
    return c.add(node.scope, "Transpose", {x}, {list_attribute("perm", {0, 2, 1})});
  };
  const graph::Value& weight = c.graph().value(node.operand(Operand::kWeight));
  const auto kernels = std::make_shared<const Tensor>(kernels_of(*widened(weight.constant), width));
  std::vector<std::string> inputs = {turned(masked(c, unfold)),
                                     c.out().constant(weight.name, kernels)};
  if (node.has(Operand::kBias)) inputs.push_back(c.constant(node.operand(Operand::kBias)));
  return turned(c.add(
      node.scope, "Conv", std::move(inputs),
      {list_attribute("kernel_shape", {width}), list_attribute("pads", {width / 2, width / 2})}));
}

// The tokens around each one, side by side, where a product reads them so.
std::string write_unfold(ExportContext& c, const Node& node) {
  const std::vector<int> readers = c.graph().consumers(node.output);
  const bool unread = std::ranges::all_of(readers, [&](int reader) {
    return is_convolution(c, c.graph().nodes()[static_cast<size_t>(reader)]);
  });
  if (unread) return "";
  const std::string& s = node.scope;
  const int64_t width = width_of(node);
  const std::string padded =
      c.add(s, "Pad", {masked(c, node), c.out().list({0, width / 2, 0, 0, width / 2, 0})});
  std::vector<std::string> parts;
  for (int64_t first = 0; first < width; ++first) {
    const bool to_the_end = first + 1 == width;
    const int64_t end = to_the_end ? std::numeric_limits<int64_t>::max() : first + 1 - width;
    parts.push_back(
        c.add(s, "Slice", {padded, c.out().list({first}), c.out().list({end}), c.out().list({1})}));
  }
  return c.add(s, "Concat", std::move(parts), {integer_attribute("axis", -1)});
}

}  // namespace tamis::onnx
