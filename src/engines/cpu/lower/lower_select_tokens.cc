// Rows of tokens picked out, and first tokens' rows as rows of sequences.
#include <cstring>

#include "engines/cpu/lowering.h"

namespace tamis::engines::cpu {

namespace {

/// Where the rows of a step's output come from.
enum class RowSource : uint8_t {
  kSelected,  ///< the tokens that the batch selects
  kFirst,     ///< each sequence's first token; zeros where it has none
  kSame,      ///< the row of the same number; zeros where the sequence is empty
};

// Copies rows of whatever type they are kept in.
class SelectRowsStep final : public Step {
 public:
  SelectRowsStep(const graph::Node& node, const Lowering& lowering, RowSource source)
      : x_(node.operand(graph::Operand::kX)),
        y_(node.output),
        symbol_(lowering.shape(node.output)[0].symbol),
        row_bytes_(static_cast<size_t>(lowering.columns(node.output)) *
                   dtype_bytes(lowering.dtype(node.output))),
        source_(source) {}

  void run(const StepContext& context) const noexcept override {
    const Share rows = share_of(context.block->units(symbol_), context);
    const auto* x = context.value<const std::byte>(x_);
    auto* y = context.value<std::byte>(y_);
    for (int64_t i = rows.begin; i < rows.end; ++i) {
      const int64_t from = row_of(context, i);
      std::byte* row = y + static_cast<size_t>(i) * row_bytes_;
      if (from < 0) {
        std::memset(row, 0, row_bytes_);
      } else {
        std::memcpy(row, x + static_cast<size_t>(from) * row_bytes_, row_bytes_);
      }
    }
  }

  [[nodiscard]] std::string_view kernel() const override { return "select_rows"; }

 private:
  // The row of x that row i is; -1: none.
  [[nodiscard]] int64_t row_of(const StepContext& context, int64_t i) const {
    if (source_ == RowSource::kSelected) {
      return context.selected_tokens == nullptr ? i : context.selected_tokens[i];
    }
    if (context.cu_seqlens[i] == context.cu_seqlens[i + 1]) return -1;
    return source_ == RowSource::kFirst ? context.cu_seqlens[i] : i;
  }

  graph::ValueId x_;
  graph::ValueId y_;
  graph::Symbol symbol_;
  size_t row_bytes_;
  RowSource source_;
};

}  // namespace

std::unique_ptr<Step> lower_select_tokens(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<SelectRowsStep>(node, lowering, RowSource::kSelected);
}

std::unique_ptr<Step> lower_select_first_tokens(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<SelectRowsStep>(node, lowering, RowSource::kFirst);
}

std::unique_ptr<Step> lower_pool_of_first_tokens(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<SelectRowsStep>(node, lowering, RowSource::kSame);
}

}  // namespace tamis::engines::cpu
