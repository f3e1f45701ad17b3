// Shapes whose sizes may be a property of the batch.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace tamis::graph {

/// What a size depends on. At most one dimension of a shape is not kConst.
enum class Symbol : uint8_t {
  kConst,
  kSequences,  ///< B, sequences in the batch
  kTokens,     ///< T, tokens in the batch
  kPairs,      ///< A, the sum of squared sequence lengths: (query, key) pairs
  kSelected,   ///< S, tokens selected for output (PackedBatch::selected_tokens, all if empty)
  kFirst,      ///< F, the first tokens of the sequences: as many as B, but rows of tokens
};

/// Whether rows that the symbol counts are tokens' rows.
[[nodiscard]] constexpr bool counts_tokens(Symbol symbol) {
  return symbol == Symbol::kTokens || symbol == Symbol::kSelected || symbol == Symbol::kFirst;
}

/// One size: `size` for kConst, otherwise the symbol's.
struct Dim {
  Symbol symbol = Symbol::kConst;
  int64_t size = 0;

  [[nodiscard]] static Dim of(int64_t size) { return {Symbol::kConst, size}; }
  [[nodiscard]] static Dim of(Symbol symbol) { return {symbol, 0}; }
  [[nodiscard]] bool is_const() const { return symbol == Symbol::kConst; }
  friend bool operator==(const Dim&, const Dim&) = default;
};

/// Up to four dimensions, outermost first. A value type.
class SymbolicShape {
 public:
  SymbolicShape() = default;
  SymbolicShape(std::initializer_list<Dim> dims);
  /// All constant.
  explicit SymbolicShape(std::span<const int64_t> sizes);

  [[nodiscard]] size_t rank() const { return rank_; }
  [[nodiscard]] const Dim& operator[](size_t axis) const { return dims_[axis]; }
  /// The one symbol of the shape, kConst if there is none.
  [[nodiscard]] Symbol symbol() const;
  /// The product of the constant sizes: elements per unit of the symbol.
  [[nodiscard]] int64_t elements_per_unit() const;
  /// "[T, 384]".
  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const SymbolicShape&, const SymbolicShape&) = default;

 private:
  std::array<Dim, 4> dims_ = {};
  size_t rank_ = 0;
};

/// "B", "T", "A", "S", "F"; "" for kConst.
[[nodiscard]] std::string_view symbol_name(Symbol symbol);

}  // namespace tamis::graph
