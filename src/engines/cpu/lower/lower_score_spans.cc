// How well labels name the spans of a sequence's words.
#include <algorithm>

#include "engines/cpu/word_rows.h"
#include "kernels/cpu/score_spans/score_spans.h"

namespace tamis::engines::cpu {

namespace {

using graph::Operand;

class ScoreSpansStep final : public Step {
 public:
  ScoreSpansStep(const graph::Node& node, Lowering& lowering)
      : starts_(node.operand(Operand::kStarts)),
        ends_(node.operand(Operand::kEnds)),
        labels_(node.operand(Operand::kLabels)),
        y_(node.output),
        rows_(lowering, starts_, node.operand(Operand::kIds)),
        n_(lowering.columns(starts_)),
        max_width_(node.attribute<graph::ScoreSpansAttributes>().max_width),
        most_labels_(node.attribute<graph::ScoreSpansAttributes>().labels),
        kernel_(&kernels::select_score_spans(lowering.isas())) {
    for (const graph::ValueId id : {starts_, ends_, labels_}) {
      TAMIS_CHECK(lowering.dtype(id) == DType::kF32);
    }
    const auto& fields = node.attribute<graph::ScoreSpansAttributes>();
    rows_.set_labels(fields.label_token, fields.behind_token);
  }

  void run(const StepContext& context) const noexcept override {
    const Share share = share_of(context.block->units(rows_.symbol()), context);
    for (int64_t s = 0; s < context.block->sequences(); ++s) {
      const Share all = rows_.of_sequence(context, s);
      const Share own = {std::max(all.begin, share.begin), std::min(all.end, share.end)};
      if (own.begin < own.end) run_sequence(context, s, all, own);
    }
  }

  [[nodiscard]] size_t scratch_bytes(int64_t rows, int64_t /*max_seqlen*/) const override {
    return static_cast<size_t>(rows) * sizeof(int32_t);
  }
  [[nodiscard]] std::string_view kernel() const override { return kernel_->name; }

 private:
  // Rows `own` of the sequence's. Its rows stand in the scratch, labels from the front, words
  // behind them.
  void run_sequence(const StepContext& context, int64_t sequence, Share all, Share own) const {
    auto* const list = reinterpret_cast<int32_t*>(context.scratch);
    const int64_t labels = collect(context, sequence, all, true, list);
    int32_t* const words = list + labels;
    const int64_t count = collect(context, sequence, all, false, words);
    kernels::ScoreSpansArgs args;
    args.n = n_;
    args.ends = context.value<const float>(ends_);
    args.labels = context.value<const float>(labels_);
    args.label_rows = list;
    args.label_count = std::min(labels, most_labels_);
    args.ldy = most_labels_;
    const int64_t width = max_width_ * most_labels_;
    float* const y = context.value<float>(y_);
    std::fill(y + own.begin * width, y + own.end * width, 0.0f);
    const int32_t* word = std::lower_bound(words, words + count, static_cast<int32_t>(own.begin));
    for (; word != words + count && *word < own.end; ++word) {
      args.start = context.value<const float>(starts_) + *word * n_;
      args.words = word;
      args.spans = std::min(max_width_, words + count - word);
      args.y = y + *word * width;
      kernel_->run(args);
    }
  }

  // The rows that are those of labels, or are not; how many.
  int64_t collect(const StepContext& context, int64_t sequence, Share all, bool labels,
                  int32_t* rows) const {
    int64_t count = 0;
    for (int64_t row = all.begin; row < all.end; ++row) {
      if (rows_.is_label(context, sequence, row) == labels) {
        rows[count++] = static_cast<int32_t>(row);
      }
    }
    return count;
  }

  graph::ValueId starts_;
  graph::ValueId ends_;
  graph::ValueId labels_;
  graph::ValueId y_;
  WordRows rows_;
  int64_t n_;
  int64_t max_width_;
  int64_t most_labels_;
  const kernels::ScoreSpansKernel* kernel_;
};

}  // namespace

std::unique_ptr<Step> lower_score_spans(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<ScoreSpansStep>(node, lowering);
}

}  // namespace tamis::engines::cpu
