#include <algorithm>

#include "engines/cpu/lowering.h"
#include "kernels/cpu/rotary/rotary.h"

namespace tamis::engines::cpu {

using graph::Operand;

namespace {

// Turns rows of tokens in sequences of any length, a run of neighboring places at a time.
class RotaryStep final : public Step {
 public:
  RotaryStep(const graph::Node& node, Lowering& lowering)
      : x_(node.operand(Operand::kX)),
        y_(node.output),
        symbol_(lowering.shape(node.output).symbol()),
        stored_(lowering.dtype(x_)),
        rounds_(lowering.is_bf16(y_)),
        table_(lowering.rotary_table(node)),
        kernel_(&kernels::select_rotary(lowering.isas())) {
    const auto& attributes = node.attribute<graph::RotaryAttributes>();
    args_.width = args_.ldx = args_.ldy = lowering.columns(y_);
    args_.heads = attributes.heads;
    args_.head_size = attributes.head_size;
    const graph::SymbolicShape& frequencies = lowering.shape(node.operand(Operand::kFrequencies));
    args_.pairs = frequencies[frequencies.rank() - 1].size;
    long_from_ = attributes.long_from;
    args_.interleaved = attributes.interleaved;
    args_.ld_angles = table_->stride();
  }

  void prepare(int64_t places) const override { table_->reserve(places); }

  void run(const StepContext& context) const noexcept override {
    const Share share = share_of(context.block->units(symbol_), context);
    Frequencies last;
    for (int64_t row = share.begin; row < share.end;) {
      const int64_t place = place_of(context, row);
      const RotaryTable::Rows angles = table_->rows(place, set_of(context, row, last));
      int64_t count = std::min(angles.count, share.end - row);
      count = neighbors(context, row, place, count);
      run_rows(context, row, count, angles);
      row += count;
    }
  }

  [[nodiscard]] std::string_view kernel() const override { return kernel_->name; }

 private:
  // The token whose row it is.
  [[nodiscard]] int64_t token_of(const StepContext& context, int64_t row) const {
    if (symbol_ == graph::Symbol::kFirst) return context.cu_seqlens[row];
    const bool picked = symbol_ == graph::Symbol::kSelected && context.selected_tokens != nullptr;
    return picked ? context.selected_tokens[row] : row;
  }

  [[nodiscard]] int64_t place_of(const StepContext& context, int64_t row) const {
    const int64_t token = token_of(context, row);
    // Of an empty last sequence the first token is none.
    if (token >= context.block->tokens()) return 0;
    if (context.position_ids != nullptr) return context.position_ids[token];
    return token - end_of(context, token)[-1];
  }

  // Where the sequence of the token ends, in tokens; behind all of them, nowhere.
  [[nodiscard]] const int32_t* end_of(const StepContext& context, int64_t token) const {
    const int32_t* end = context.cu_seqlens + context.block->sequences() + 1;
    return std::upper_bound(context.cu_seqlens, end, static_cast<int32_t>(token));
  }

  /// Which frequencies turn a sequence: its length, by its places where they are given, says.
  struct Frequencies {
    const int32_t* end = nullptr;  // of the sequence, as end_of(); null: none
    int64_t set = 0;
  };

  // Those of the row. `last`: of the row before, as the places of a sequence are read once.
  [[nodiscard]] int64_t set_of(const StepContext& context, int64_t row, Frequencies& last) const {
    const int64_t token = token_of(context, row);
    if (long_from_ == 0 || token >= context.block->tokens()) return 0;
    const int32_t* end = end_of(context, token);
    if (end != last.end) last = {end, last_place(context, end) >= long_from_ ? 1 : 0};
    return last.set;
  }

  [[nodiscard]] static int32_t last_place(const StepContext& context, const int32_t* end) {
    if (context.position_ids == nullptr) return *end - end[-1] - 1;
    return *std::max_element(context.position_ids + end[-1], context.position_ids + *end);
  }

  // Of `most` rows from `row` on, how many are of its sequence and have the places that follow its
  // own.
  [[nodiscard]] int64_t neighbors(const StepContext& context, int64_t row, int64_t place,
                                  int64_t most) const {
    if (symbol_ == graph::Symbol::kTokens && context.position_ids == nullptr) {
      return std::min<int64_t>(most, *end_of(context, row) - row);
    }
    const int64_t token = token_of(context, row);
    const int64_t end = token < context.block->tokens() ? *end_of(context, token) : token;
    int64_t count = 1;
    while (count < most && token_of(context, row + count) < end &&
           place_of(context, row + count) == place + count) {
      ++count;
    }
    return count;
  }

  void run_rows(const StepContext& context, int64_t row, int64_t count,
                const RotaryTable::Rows& angles) const {
    kernels::RotaryArgs args = args_;
    const int64_t first = row * args.width;
    args.rows = count;
    args.cosine = angles.cosine;
    args.sine = angles.sine;
    if (stored_ == DType::kF16) {
      args.x_f16 = context.value<const uint16_t>(x_) + first;
    } else {
      args.x = context.value<const float>(x_) + first;
    }
    if (rounds_) {
      args.y_bf16 = context.value<uint16_t>(y_) + first;
    } else {
      args.y = context.value<float>(y_) + first;
    }
    kernel_->run(args);
  }

  graph::ValueId x_;
  graph::ValueId y_;
  graph::Symbol symbol_;
  DType stored_;
  bool rounds_;
  int64_t long_from_ = 0;
  std::shared_ptr<RotaryTable> table_;
  const kernels::RotaryKernel* kernel_;
  kernels::RotaryArgs args_;
};

}  // namespace

std::unique_ptr<Step> lower_rotary(const graph::Node& node, Lowering& lowering) {
  lowering.limit_places(RotaryTable::kMostPlaces);
  return std::make_unique<RotaryStep>(node, lowering);
}

}  // namespace tamis::engines::cpu
