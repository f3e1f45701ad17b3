// Strings to values, walked a byte at a time.
//
// Is: a double array over sorted keys. Is not: changeable once built. May use: nothing.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace tamis::tokenizer {

/// Immutable after build(), then safe to read from any thread.
class Trie {
 public:
  /// Keys with values >= 0; empty keys are left out, of equal keys the last one counts.
  [[nodiscard]] static Trie build(std::vector<std::pair<std::string_view, int32_t>> keys);

  static constexpr uint32_t kRoot = 0;
  static constexpr uint32_t kNowhere = UINT32_MAX;

  /// The node that `byte` leads to from `node`, kNowhere if none.
  [[nodiscard]] uint32_t step(uint32_t node, char byte) const {
    const uint32_t next = nodes_[node].base ^ static_cast<unsigned char>(byte);
    return nodes_[next].parent == node ? next : kNowhere;
  }
  /// Value of the key that ends at `node`, -1 if none does.
  [[nodiscard]] int32_t value(uint32_t node) const { return nodes_[node].value; }

  /// Length of the longest key that `text` starts with, 0 if none, and its value.
  struct Match {
    size_t size = 0;
    int32_t value = -1;
  };
  [[nodiscard]] Match longest_prefix(std::string_view text) const;

 private:
  struct Node {
    uint32_t base = 0;
    uint32_t parent = kNowhere;
    int32_t value = -1;
  };
  struct Builder;
  std::vector<Node> nodes_;
};

}  // namespace tamis::tokenizer
