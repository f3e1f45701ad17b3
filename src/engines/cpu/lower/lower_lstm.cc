// A long short-term memory over the words of each sequence. The products of several sequences'
// words are one: what rides together does not change a word's bits.
#include <algorithm>
#include <span>

#include "engines/cpu/word_rows.h"
#include "kernels/cpu/lstm/lstm.h"

namespace tamis::engines::cpu {

namespace {

using graph::Operand;

/// Words of a sequence in the order of a direction.
struct Chain {
  const int32_t* rows = nullptr;
  int64_t count = 0;
};

class LstmStep final : public Step {
 public:
  LstmStep(const graph::Node& node, Lowering& lowering)
      : x_(node.operand(Operand::kX)),
        y_(node.output),
        words_(lowering, x_, node.operand(Operand::kIds)),
        n_(lowering.columns(y_) / 2),
        // The memory is float32 in every plan: what is rounded once is carried to the last word.
        weights_{lowering.pack_gemm_f32(node.operand(Operand::kForward)),
                 lowering.pack_gemm_f32(node.operand(Operand::kBackward))},
        kernel_(&kernels::select_lstm(lowering.isas())) {
    TAMIS_CHECK(lowering.dtype(x_) == DType::kF32);
    const auto& fields = node.attribute<graph::LstmAttributes>();
    words_.set_labels(fields.label_token, fields.behind_token);
  }

  // A chain is a direction of a sequence; those of one direction that a worker has go together.
  void run(const StepContext& context) const noexcept override {
    const int64_t sequences = context.block->sequences();
    const Share share = share_of(2 * sequences, context);
    for (int64_t chain = share.begin; chain < share.end;) {
      const int64_t direction = chain / sequences;
      const int64_t first = chain - direction * sequences;
      const int64_t count = std::min({kMostChains, share.end - chain, sequences - first});
      run_chains(context, direction, {first, first + count});
      chain += count;
    }
  }

  [[nodiscard]] size_t scratch_bytes(int64_t rows, int64_t /*max_seqlen*/) const override {
    return static_cast<size_t>(kMostChains * kFloatsOfChain * n_) * sizeof(float) +
           static_cast<size_t>(rows) * sizeof(int32_t);
  }
  [[nodiscard]] std::string_view kernel() const override { return kernel_->name; }
  [[nodiscard]] double operations(const Block& block) const override {
    return 2.0 * static_cast<double>(block.units(words_.symbol())) * 8 * static_cast<double>(n_) *
           static_cast<double>(n_);
  }

 private:
  // Enough rows for the product to read its weight no more often than it must.
  static constexpr int64_t kMostChains = 32;
  static constexpr int64_t kFloatsOfChain = 1 + 1 + 4;  // cell, results of the word before, gates

  struct Scratch {
    float* cells;
    float* before;
    float* gates;
    int32_t* rows;
  };
  [[nodiscard]] Scratch scratch_of(const StepContext& context) const {
    auto* floats = reinterpret_cast<float*>(context.scratch);
    const int64_t part = kMostChains * n_;
    return {floats, floats + part, floats + 2 * part,
            reinterpret_cast<int32_t*>(floats + kFloatsOfChain * part)};
  }

  void run_chains(const StepContext& context, int64_t direction, Share sequences) const {
    const Scratch scratch = scratch_of(context);
    Chain chains[kMostChains];
    int32_t* rows = scratch.rows;
    int64_t longest = 0;
    for (int64_t s = sequences.begin; s < sequences.end; ++s) {
      Chain& chain = chains[s - sequences.begin];
      chain = collect(context, direction, s, rows);
      rows += chain.count;
      longest = std::max(longest, chain.count);
    }
    const std::span<const Chain> all(chains, static_cast<size_t>(sequences.end - sequences.begin));
    for (int64_t t = 0; t < longest; ++t) run_words(context, direction, all, t);
  }

  // The words' rows, written to `rows`; the results of labels become 0.
  Chain collect(const StepContext& context, int64_t direction, int64_t sequence,
                int32_t* rows) const {
    const Share range = words_.of_sequence(context, sequence);
    int64_t count = 0;
    for (int64_t row = range.begin; row < range.end; ++row) {
      if (words_.is_label(context, sequence, row)) {
        std::fill_n(result(context, direction, row), n_, 0.0f);
      } else {
        rows[count++] = static_cast<int32_t>(row);
      }
    }
    if (direction == 1) std::reverse(rows, rows + count);
    return {rows, count};
  }

  // Word t of all chains that have one.
  void run_words(const StepContext& context, int64_t direction, std::span<const Chain> chains,
                 int64_t t) const {
    const Scratch scratch = scratch_of(context);
    int64_t active = 0;
    for (const Chain& chain : chains) {
      if (t == 0 || t >= chain.count) continue;
      std::copy_n(result(context, direction, chain.rows[t - 1]), n_,
                  scratch.before + active++ * n_);
    }
    if (active > 0) multiply(direction, scratch, active);
    active = 0;
    for (size_t i = 0; i < chains.size(); ++i) {
      if (t >= chains[i].count) continue;
      kernels::LstmCellArgs cell;
      cell.n = n_;
      cell.x = context.value<const float>(x_) + (2 * chains[i].rows[t] + direction) * 4 * n_;
      cell.recurrent = t == 0 ? nullptr : scratch.gates + active++ * 4 * n_;
      cell.cell = scratch.cells + static_cast<int64_t>(i) * n_;
      cell.y = result(context, direction, chains[i].rows[t]);
      kernel_->cell(cell);
    }
  }

  void multiply(int64_t direction, const Scratch& scratch, int64_t rows) const {
    const PackedF32& weight = *weights_[direction];
    kernels::GemmF32Args args;
    args.m = rows;
    args.n = args.ldc = 4 * n_;
    args.k = args.lda = n_;
    args.a = scratch.before;
    args.packed = reinterpret_cast<const float*>(weight.memory.data());
    args.c = scratch.gates;
    weight.kernel->run(args, 0, kernels::gemm_f32_panels(*weight.kernel, args.n));
  }

  [[nodiscard]] float* result(const StepContext& context, int64_t direction, int64_t row) const {
    return context.value<float>(y_) + (2 * row + direction) * n_;
  }

  graph::ValueId x_;
  graph::ValueId y_;
  WordRows words_;
  int64_t n_;
  std::shared_ptr<const PackedF32> weights_[2];
  const kernels::LstmKernel* kernel_;
};

}  // namespace

std::unique_ptr<Step> lower_lstm(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<LstmStep>(node, lowering);
}

}  // namespace tamis::engines::cpu
