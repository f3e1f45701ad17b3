#include "onnx/ids_use.h"

#include <algorithm>

#include "onnx/importer.h"

namespace tamis::onnx {

namespace {

// Operators that move what their first input holds.
constexpr std::string_view kMoves[] = {"Identity", "Reshape", "Flatten",   "Squeeze", "Unsqueeze",
                                       "Expand",   "Tile",    "Transpose", "Slice",   "Gather"};

IdsUse use_of(const ImportValue& value) {
  return value.known == nullptr ? IdsUse::kNone : value.known->ids_use();
}

bool moves_ids(const Step& step) {
  if (step.op.type() == "Cast") {
    return static_cast<ElementType>(step.op.integer("to", 0)) != ElementType::kBool;
  }
  const bool rest = std::all_of(step.inputs.begin() + 1, step.inputs.end(),
                                [](const auto& input) { return use_of(input) == IdsUse::kNone; });
  return rest && std::ranges::find(kMoves, step.op.type()) != std::end(kMoves);
}

bool have(std::span<const Probe> probes, double id) {
  return std::ranges::any_of(probes, [id](const Probe& probe) {
    return std::ranges::find(*probe.input_ids.data, id) != probe.input_ids.data->end();
  });
}

// Whether the ids are compared with one that the probes have.
bool compares_ids(const Step& step, std::span<const Probe> probes) {
  if (step.op.type() != "Equal") return false;
  for (const ImportValue& input : step.inputs) {
    const bool constant = input.known != nullptr && input.known->is_constant();
    const auto id = constant ? input.known->scalar() : std::nullopt;
    if (id) return have(probes, *id);
  }
  return false;
}

}  // namespace

IdsUse ids_use_of(const Step& step, std::span<const Probe> probes) {
  if (step.op.type() == "Shape" || step.op.type() == "Size") return IdsUse::kNone;
  IdsUse most = IdsUse::kNone;
  bool are_read = false;
  for (const ImportValue& input : step.inputs) {
    most = joined(most, use_of(input));
    are_read = are_read || use_of(input) == IdsUse::kIds;
  }
  if (!are_read || most == IdsUse::kOther) return most;
  if (use_of(step.inputs[0]) == IdsUse::kIds && moves_ids(step)) return IdsUse::kIds;
  return compares_ids(step, probes) ? IdsUse::kCompared : IdsUse::kOther;
}

}  // namespace tamis::onnx
