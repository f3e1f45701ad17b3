// Which rows of a sequence are words and which are labels.
//
// Is: what an Lstm and a ScoreSpans ask of a block. Is not: their arithmetic. May use: lowering.
#pragma once

#include "engines/cpu/lowering.h"

namespace tamis::engines::cpu {

/// Immutable; its functions are safe from several threads.
class WordRows {
 public:
  /// `x` has the rows, by tokens or by selected tokens, and `ids` those of the tokens.
  WordRows(const Lowering& lowering, graph::ValueId x, graph::ValueId ids)
      : symbol_(lowering.shape(x).symbol()), ids_(ids) {}

  /// The rows of a label are those of this token, or of the token behind it.
  void set_labels(int64_t token, bool behind) {
    label_token_ = static_cast<int32_t>(token);
    behind_token_ = behind;
  }

  [[nodiscard]] graph::Symbol symbol() const { return symbol_; }
  /// The rows of a sequence of the block.
  [[nodiscard]] Share of_sequence(const StepContext& context, int64_t sequence) const;
  /// Whether a row of the sequence is a label's.
  [[nodiscard]] bool is_label(const StepContext& context, int64_t sequence, int64_t row) const;

 private:
  graph::Symbol symbol_;
  graph::ValueId ids_;
  int32_t label_token_ = 0;
  bool behind_token_ = false;
};

}  // namespace tamis::engines::cpu
