#include "onnx/layout.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace tamis::onnx {

namespace {

int64_t size_of(const Atom& atom, const BatchSizes& sizes) {
  switch (atom.axis) {
    case Axis::kSequence:
      return sizes.sequences;
    case Axis::kToken:
    case Axis::kKey:
      return sizes.tokens;
    case Axis::kColumn:
    case Axis::kRepeat:
      return atom.size;
    case Axis::kPlace:
      return std::min(2 * sizes.tokens, atom.size);
  }
  return 0;
}

// Neighbors that together count columns evenly become one.
void append(AtomGroup& group, const Atom& atom) {
  if (atom.axis == Axis::kColumn && atom.size == 1) return;
  if (!group.empty() && atom.axis == Axis::kColumn && group.back().axis == Axis::kColumn &&
      group.back().stride == atom.stride * atom.size) {
    group.back().size *= atom.size;
    group.back().stride = atom.stride;
    return;
  }
  group.push_back(atom);
}

// Fills an axis of `wanted` from the front of `rest`; false if its atoms do not make that size.
bool take(std::vector<Atom>& rest, int64_t wanted, const BatchSizes& sizes, AtomGroup& group) {
  while (wanted > 1) {
    if (rest.empty()) return false;
    Atom& next = rest.front();
    const int64_t size = size_of(next, sizes);
    if (wanted % size == 0) {
      wanted /= size;
      append(group, next);
      rest.erase(rest.begin());
      continue;
    }
    if (next.axis != Axis::kColumn || size % wanted != 0) return false;
    append(group, {Axis::kColumn, wanted, next.stride * (size / wanted)});
    next.size = size / wanted;
    return true;
  }
  return wanted == 1;
}

}  // namespace

Layout Layout::rows(int64_t columns) {
  return Layout({{{Axis::kSequence}}, {{Axis::kToken}}, {{Axis::kColumn, columns, 1}}});
}

Dims Layout::dims(const BatchSizes& sizes) const {
  Dims dims;
  for (const AtomGroup& group : axes_) {
    int64_t size = 1;
    for (const Atom& atom : group) size *= size_of(atom, sizes);
    dims.push_back(size);
  }
  return dims;
}

std::optional<Layout> Layout::reshaped(std::span<const Dims> targets,
                                       std::span<const BatchSizes> sizes) const {
  std::vector<Atom> rest;
  for (const AtomGroup& group : axes_) rest.insert(rest.end(), group.begin(), group.end());
  std::vector<AtomGroup> axes;
  for (const int64_t wanted : targets[0]) {
    if (!take(rest, wanted, sizes[0], axes.emplace_back())) return std::nullopt;
  }
  if (!rest.empty()) return std::nullopt;
  Layout result(std::move(axes));
  for (size_t i = 0; i < targets.size(); ++i) {
    if (result.dims(sizes[i]) != targets[i]) return std::nullopt;
  }
  return result;
}

Layout Layout::transposed(std::span<const int64_t> perm) const {
  std::vector<AtomGroup> axes;
  for (const int64_t axis : perm) axes.push_back(axes_[static_cast<size_t>(axis)]);
  return Layout(std::move(axes));
}

Layout Layout::with_axis(size_t axis, AtomGroup atoms) const {
  Layout result = *this;
  result.axes_[axis] = std::move(atoms);
  return result;
}

Layout Layout::with_columns(size_t axis, int64_t count) const {
  AtomGroup group;
  append(group, {Axis::kColumn, count, 1});
  return with_axis(axis, std::move(group));
}

Layout Layout::without_axis(size_t axis) const {
  Layout result = *this;
  result.axes_.erase(result.axes_.begin() + static_cast<int64_t>(axis));
  return result;
}

bool Layout::is_rows(int64_t columns) const {
  if (axes_.empty()) return false;
  AtomGroup lead;
  for (size_t i = 0; i + 1 < axes_.size(); ++i) {
    lead.insert(lead.end(), axes_[i].begin(), axes_[i].end());
  }
  const bool in_order = lead == AtomGroup{{Axis::kSequence}, {Axis::kToken}} ||
                        lead == AtomGroup{{Axis::kToken}} || lead == AtomGroup{{Axis::kSequence}};
  AtomGroup whole;
  append(whole, {Axis::kColumn, columns, 1});
  return in_order && axes_.back() == whole;
}

bool Layout::has_whole_rows(int64_t columns) const {
  const std::array<int64_t, 3> turned = {1, 0, 2};
  const bool tokens_first = axes_.size() == 3 && axes_[0] == AtomGroup{{Axis::kToken}};
  return (tokens_first ? transposed(turned) : *this).is_rows(columns);
}

bool Layout::is_fixed(size_t axis) const {
  return std::ranges::all_of(axes_[axis], [](const Atom& atom) {
    return atom.axis == Axis::kColumn || atom.axis == Axis::kRepeat;
  });
}

bool Layout::has(Axis axis) const {
  return std::ranges::any_of(axes_, [axis](const AtomGroup& group) {
    return std::ranges::any_of(group, [axis](const Atom& atom) { return atom.axis == axis; });
  });
}

}  // namespace tamis::onnx
