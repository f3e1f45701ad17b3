#include "onnx/import_lengths.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tamis::onnx {

using graph::Operand;
using graph::OpKind;
using graph::ValueId;

namespace {

bool counts_tokens(const Importer& importer, const Step& step) {
  const Known* mask = step.has(0) ? step.inputs[0].known.get() : nullptr;
  if (step.op.type() != "ReduceL1" || mask == nullptr || mask->is_constant()) return false;
  const bool named = step.has(1) && step.inputs[1].known != nullptr;
  const Inputs inputs = {&mask->at(0), named ? &step.inputs[1].known->at(0) : nullptr};
  return mask->dims().size() == 2 && is_mask(importer, *mask, 1, 0) &&
         axes_of(step.op, inputs, 1) == std::vector<int64_t>{1};
}

// [sequences, 1], or [sequences] without keepdims.
ImportValue token_counts(const Importer& importer, const Step& step) {
  ProbeArrays counts;
  for (size_t p = 0; p < kProbes; ++p) {
    const Probe& probe = importer.probes()[p];
    std::vector<double> values;
    for (int64_t i = 0; i < probe.sizes.sequences; ++i) values.push_back(probe.count_tokens(i));
    Dims dims = {probe.sizes.sequences};
    if (step.op.integer("keepdims", 1) != 0) dims.push_back(1);
    counts[p] = make_array(std::move(dims), ElementType::kFloat, std::move(values));
  }
  return {std::make_shared<Known>(step.op.node().outputs[0], std::move(counts), IdsUse::kLengths),
          nullptr};
}

bool are_lengths(const ImportValue& value) {
  return value.known != nullptr && value.known->ids_use() == IdsUse::kLengths;
}

// The same for every sequence, as texts of one kind are read at a time.
ImportValue compared_lengths(Importer& importer, const Step& step) {
  const auto most = step.inputs.size() == 2 && step.inputs[1].known != nullptr
                        ? step.inputs[1].known->scalar()
                        : std::nullopt;
  const bool fits = step.op.type() == "Greater" && are_lengths(step.inputs[0]) && most &&
                    *most >= 1 && *most == std::floor(*most) && *most < (int64_t{1} << 31);
  if (!fits) {
    step.op.refuse("how many tokens a text has; whether they are more than a number is accepted");
  }
  const Dims dims(step.inputs[0].known->dims().size(), 1);
  const bool is_long = importer.long_is(step, static_cast<int64_t>(*most));
  return {std::make_shared<Known>(step.op.node().outputs[0],
                                  make_array(dims, ElementType::kBool, {is_long ? 1.0 : 0.0})),
          nullptr};
}

// Null for both, or numbers of the same shape.
bool same_kind(const graph::Value& a, const graph::Value& b) {
  return a.dtype == b.dtype && a.shape == b.shape &&
         (a.constant == nullptr) == (b.constant == nullptr);
}

bool same_numbers(const graph::Value& a, const graph::Value& b) {
  if (a.constant == b.constant) return true;
  const size_t size = a.constant->size_bytes();
  return size == b.constant->size_bytes() &&
         std::memcmp(a.constant->view().data(), b.constant->view().data(), size) == 0;
}

bool same_nodes(const graph::Graph& a, const graph::Graph& b) {
  return std::ranges::equal(a.nodes(), b.nodes(), [](const graph::Node& x, const graph::Node& y) {
    return x.op == y.op && x.inputs == y.inputs && x.output == y.output &&
           x.attributes == y.attributes;
  });
}

// Both rows of frequencies, and who reads them; false: something else reads what differs.
bool join(graph::Graph& graph, ValueId id, const Tensor& of_long, int64_t long_from) {
  for (const int index : graph.consumers(id)) {
    graph::Node& node = graph.nodes()[static_cast<size_t>(index)];
    if (node.op != OpKind::kRotary || node.operand(Operand::kFrequencies) != id) return false;
    auto fields = node.attribute<graph::RotaryAttributes>();
    fields.long_from = long_from;
    node.attributes = fields;
  }
  graph::Value& value = graph.value(id);
  const auto first = value.constant->as<float>();
  const auto second = of_long.as<float>();
  std::vector<float> rows(first.begin(), first.end());
  rows.insert(rows.end(), second.begin(), second.end());
  const auto pairs = static_cast<int64_t>(first.size());
  value.constant =
      std::make_shared<const Tensor>(Tensor::from(Shape{2, pairs}, std::span<const float>(rows)));
  value.shape = {graph::Dim::of(2), graph::Dim::of(pairs)};
  return true;
}

}  // namespace

ImportValue known_lengths(Importer& importer, const Step& step) {
  if (std::ranges::any_of(step.inputs, are_lengths)) return compared_lengths(importer, step);
  return counts_tokens(importer, step) ? token_counts(importer, step) : ImportValue{};
}

void merge_lengths(graph::Graph& graph, const graph::Graph& of_long, int64_t long_from,
                   std::string_view source) {
  bool same = graph.value_count() == of_long.value_count() && same_nodes(graph, of_long);
  for (size_t i = 0; same && i < graph.value_count(); ++i) {
    const auto id = static_cast<ValueId>(i);
    const graph::Value& other = of_long.value(id);
    same = same_kind(graph.value(id), other);
    if (!same || other.constant == nullptr || same_numbers(graph.value(id), other)) continue;
    same = join(graph, id, *other.constant, long_from);
  }
  if (same) return;
  fail(ErrorCode::kUnsupported, source, ": texts of more than ", long_from,
       " tokens are computed otherwise; other rotary frequencies alone are accepted");
}

}  // namespace tamis::onnx
