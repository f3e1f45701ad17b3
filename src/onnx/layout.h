// How a padded tensor of hidden states lies over rows of tokens.
//
// Is: each axis of an ONNX tensor as sequences, tokens, keys and pieces of a row's columns, so that
// Reshape and Transpose are followed whatever their spelling. Is not: values. May use: onnx/array.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "onnx/evaluate/array.h"

namespace tamis::onnx {

enum class Axis : uint8_t {
  kSequence,
  kToken,
  kKey,
  kColumn,
  kPlace,   ///< rows of a table around its middle, as many on either side as there are tokens
  kRepeat,  ///< copies of the axis before: queries' heads that share their keys
};

/// What one index counts: sequences, their tokens, a query's keys, or every `stride`-th column.
struct Atom {
  Axis axis = Axis::kColumn;
  int64_t size = 0;    ///< of columns, places (at most) and copies
  int64_t stride = 1;  ///< of columns
  friend bool operator==(const Atom&, const Atom&) = default;
};

/// Sizes of a batch that a layout is looked at with.
struct BatchSizes {
  int64_t sequences = 0;
  int64_t tokens = 0;  ///< of each sequence, padding included
};

/// One axis of a tensor: atoms, outermost first; none: an axis of size 1.
using AtomGroup = std::vector<Atom>;

/// A value type.
class Layout {
 public:
  Layout() = default;
  explicit Layout(std::vector<AtomGroup> axes) : axes_(std::move(axes)) {}
  /// [sequences, tokens, columns].
  static Layout rows(int64_t columns);

  [[nodiscard]] size_t rank() const { return axes_.size(); }
  [[nodiscard]] const AtomGroup& operator[](size_t axis) const { return axes_[axis]; }
  [[nodiscard]] Dims dims(const BatchSizes& sizes) const;

  /// The layout after a reshape to `targets[i]` in a batch of `sizes[i]`; nothing if none explains
  /// all of them.
  [[nodiscard]] std::optional<Layout> reshaped(std::span<const Dims> targets,
                                               std::span<const BatchSizes> sizes) const;
  [[nodiscard]] Layout transposed(std::span<const int64_t> perm) const;
  /// The axis as `count` columns, numbered from 0.
  [[nodiscard]] Layout with_columns(size_t axis, int64_t count) const;
  [[nodiscard]] Layout with_axis(size_t axis, AtomGroup atoms) const;
  [[nodiscard]] Layout without_axis(size_t axis) const;

  /// If the last axis is all `columns` in order and the others hold none: rows one by one.
  [[nodiscard]] bool is_rows(int64_t columns) const;
  /// If the last axis is all `columns` in order, whatever the order of the others.
  [[nodiscard]] bool has_whole_rows(int64_t columns) const;
  /// Whether the axis has one size in every batch.
  [[nodiscard]] bool is_fixed(size_t axis) const;
  /// Whether an axis counts this.
  [[nodiscard]] bool has(Axis axis) const;
  friend bool operator==(const Layout&, const Layout&) = default;

 private:
  std::vector<AtomGroup> axes_;
};

}  // namespace tamis::onnx
