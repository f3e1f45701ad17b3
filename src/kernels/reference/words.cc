#include "kernels/reference/reference.h"

namespace tamis::kernels::reference {

void lstm_cell(const LstmCellArgs& args) {
  const auto gate = [&args](int64_t number, int64_t i) {
    const int64_t at = number * args.n + i;
    return double{args.x[at]} + (args.recurrent == nullptr ? 0.0 : double{args.recurrent[at]});
  };
  for (int64_t i = 0; i < args.n; ++i) {
    const double before = args.recurrent == nullptr ? 0.0 : double{args.cell[i]};
    const double kept = activate(Activation::kSigmoid, gate(1, i)) * before;
    const double cell =
        kept + activate(Activation::kSigmoid, gate(0, i)) * activate(Activation::kTanh, gate(2, i));
    args.cell[i] = static_cast<float>(cell);
    args.y[i] = static_cast<float>(activate(Activation::kSigmoid, gate(3, i)) *
                                   activate(Activation::kTanh, cell));
  }
}

void score_spans(const ScoreSpansArgs& args) {
  for (int64_t s = 0; s < args.spans; ++s) {
    const float* end = args.ends + args.words[s] * args.n;
    for (int64_t l = 0; l < args.label_count; ++l) {
      const float* label = args.labels + args.label_rows[l] * (args.n + 1);
      double sum = label[args.n];
      for (int64_t i = 0; i < args.n; ++i) {
        sum += activate(Activation::kRelu, double{args.start[i]} + double{end[i]}) * label[i];
      }
      args.y[s * args.ldy + l] = static_cast<float>(sum);
    }
  }
}

}  // namespace tamis::kernels::reference
