#include "quant/treat_experts.h"

#include <algorithm>

#include "kernels/reference/experts_args.h"
#include "quant/trained_ranges.h"

namespace tamis::quant {

namespace {

/// The rows of an expert's tokens in both models.
struct Gathered {
  std::vector<float> float_input;
  std::vector<float> input;
};

class Experts {
 public:
  Experts(const ExpertsInput& input, const Treatments& wanted, ThreadPool& pool)
      : in_(input), wanted_(wanted), pool_(pool) {
    wanted_.outlier_columns = wanted_.scale_and_shift = wanted_.bias_correction = false;
  }

  TreatedLinear run() {
    out_.weight.rows = in_.experts * in_.rows;
    out_.weight.columns = in_.columns;
    out_.range = in_.range;
    for (int64_t e = 0; e < in_.experts; ++e) add(treat(e));
    for (double* error : {&out_.plain_error, &out_.error, &out_.activation_error,
                          &out_.weight_error, &out_.energy}) {
      *error /= std::max(1.0, tokens_);
    }
    return std::move(out_);
  }

 private:
  [[nodiscard]] size_t weights() const { return static_cast<size_t>(in_.rows * in_.columns); }

  [[nodiscard]] int64_t expert_at(std::span<const float> routes, int64_t slot) const {
    const int64_t place = slot / in_.top_k * 2 * in_.top_k + in_.top_k + slot % in_.top_k;
    return kernels::expert_of(routes[static_cast<size_t>(place)], in_.experts);
  }

  // A token that quantized layers send to another expert has no row of this one to be held against.
  [[nodiscard]] Gathered gather(int64_t expert) const {
    Gathered rows;
    const auto columns = static_cast<size_t>(in_.columns);
    const auto slots = static_cast<int64_t>(in_.float_routes.size()) / 2;
    for (int64_t slot = 0; slot < slots; ++slot) {
      if (expert_at(in_.float_routes, slot) != expert) continue;
      if (expert_at(in_.routes, slot) != expert) continue;
      const auto at = static_cast<size_t>(in_.x_of_each ? slot : slot / in_.top_k) * columns;
      const auto floats = in_.float_input.subspan(at, columns);
      const auto is = in_.input.subspan(at, columns);
      rows.float_input.insert(rows.float_input.end(), floats.begin(), floats.end());
      rows.input.insert(rows.input.end(), is.begin(), is.end());
    }
    return rows;
  }

  // What the errors count for is the number of the expert's tokens.
  TreatedLinear treat(int64_t expert) {
    const Gathered rows = gather(expert);
    LinearInput input;
    input.rows = in_.rows;
    input.columns = in_.columns;
    input.weight = in_.weight.subspan(static_cast<size_t>(expert) * weights(), weights());
    input.float_input = rows.float_input;
    input.input = rows.input;
    input.scheme = in_.scheme;
    input.may_scale = false;
    input.range = in_.range;
    if (!in_.row_amax.empty()) {
      const auto count = static_cast<size_t>(in_.rows);
      input.row_amax = in_.row_amax.subspan(static_cast<size_t>(expert) * count, count);
    }
    share_ = static_cast<double>(rows.input.size()) / static_cast<double>(in_.columns);
    if (!rows.input.empty()) return treat_linear(input, wanted_, pool_);
    TreatedLinear nearest;
    nearest.weight = input.row_amax.empty() ? round_to_nearest(input.weight, in_.rows)
                                            : round_to_rows(input.weight, input.row_amax);
    return nearest;
  }

  void add(const TreatedLinear& expert) {
    IntegerWeight& weight = out_.weight;
    weight.q.insert(weight.q.end(), expert.weight.q.begin(), expert.weight.q.end());
    weight.scale.insert(weight.scale.end(), expert.weight.scale.begin(), expert.weight.scale.end());
    out_.used_gptq = out_.used_gptq || expert.used_gptq;
    out_.plain_error += share_ * expert.plain_error;
    out_.error += share_ * expert.error;
    out_.activation_error += share_ * expert.activation_error;
    out_.weight_error += share_ * expert.weight_error;
    out_.energy += share_ * expert.energy;
    tokens_ += share_;
  }

  const ExpertsInput& in_;
  Treatments wanted_;
  ThreadPool& pool_;
  TreatedLinear out_;
  double share_ = 0;
  double tokens_ = 0;
};

}  // namespace

TreatedLinear treat_experts(const ExpertsInput& input, const Treatments& treatments,
                            ThreadPool& pool) {
  return Experts(input, treatments, pool).run();
}

}  // namespace tamis::quant
