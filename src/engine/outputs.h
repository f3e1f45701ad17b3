// What a run gives: one float32 tensor an output name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tensor/arena.h"
#include "tensor/tensor.h"

namespace tamis::engine {

/// Owns the memory of a run's results and reuses it for the next run. Views are valid until then.
/// Not thread-safe.
class Outputs {
 public:
  /// The rows of an output: [B, n], [T, n] or [S, n]. Throws kNotFound listing the names.
  [[nodiscard]] TensorView get(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const;
  [[nodiscard]] size_t size() const { return items_.size(); }
  [[nodiscard]] std::string_view name(size_t i) const { return items_[i].name; }
  [[nodiscard]] const TensorView& view(size_t i) const { return items_[i].view; }

  /// Makes item i hold `rows` rows of `row_elements` float32 under this name; for sessions.
  std::byte* prepare(size_t i, std::string_view name, int64_t rows, int64_t row_elements);
  /// Drops the items from `count` on; for sessions.
  void truncate(size_t count);

 private:
  struct Item {
    std::string name;
    AlignedBuffer memory;
    TensorView view;
  };
  std::vector<Item> items_;
};

}  // namespace tamis::engine
