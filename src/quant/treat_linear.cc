#include "quant/treat_linear.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "graph/mark_switches.h"
#include "kernels/cpu/fake_quantize/fake_quantize.h"
#include "quant/channel_scale.h"
#include "quant/gemm.h"
#include "quant/moments.h"
#include "quant/parallel.h"
#include "quant/trained_ranges.h"
#include "tensor/widened.h"

namespace tamis::quant {

using graph::is_static;
using graph::QuantScheme;

namespace {

constexpr double kDamp = 0.1;
// Tokens that the scale is optimized on, and those that errors are measured on.
constexpr size_t kSampleTokens = 768;
constexpr size_t kMeasuredTokens = 2048;
// A range should hold what lies within so many standard deviations (int8-recipe, section 7).
constexpr double kSigmas = 5;
// Shares of a column's values at either end that may lie outside a clipped range.
constexpr double kRareShares[] = {0, 5e-4, 3e-3};

// At most `count` rows, evenly spaced.
std::vector<float> strided_rows(std::span<const float> x, size_t columns, size_t count) {
  const size_t rows = x.size() / columns;
  const size_t taken = std::min(rows, count);
  std::vector<float> out;
  out.reserve(taken * columns);
  for (size_t i = 0; i < taken; ++i) {
    const auto row = x.subspan(i * rows / taken * columns, columns);
    out.insert(out.end(), row.begin(), row.end());
  }
  return out;
}

std::vector<double> column_means(std::span<const float> x, int64_t columns) {
  ColumnMoments moments(columns);
  moments.add(x);
  return moments.mean();
}

/// One way to quantize the layer.
struct Candidate {
  std::vector<int32_t> outliers;
  ChannelScale scale;
  // What the engine applies: 1 / s and z / s, 0 in outlier columns. Empty: nothing to apply.
  std::vector<float> multiplier;
  std::vector<float> offset;
  std::optional<Range> range;
  std::vector<float> rounded;  // the input after integers and back, [tokens, columns]
  IntegerWeight weight;
};

class Treatment {
 public:
  Treatment(const LinearInput& input, const Treatments& wanted, ThreadPool& pool)
      : in_(input), wanted_(wanted), pool_(pool), k_(static_cast<size_t>(input.columns)) {
    ColumnMoments moments(in_.columns);
    moments.add(in_.float_input);
    mean_ = moments.mean();
    variance_ = moments.variance();
    for (const double value : mean_) {
      if (std::isfinite(value)) continue;
      fail(ErrorCode::kInvalidArgument, "quantization: activations are not finite");
    }
    sample_ = strided_rows(in_.float_input, k_, kSampleTokens);
    if (is_static(in_.scheme)) find_column_ranges();
    measure_target();
  }

  TreatedLinear run() {
    Candidate best = make({}, identity_scale(problem({})));
    TreatedLinear out;
    out.plain_error = error_of(best, false);
    out.energy = energy_;
    double least = error_of(best, true);
    consider_outliers(best, least);
    if (!in_.clips) consider_scale(best, least);
    consider_clips(best, least);
    if (wanted_.gptq) out.used_gptq = consider_gptq(best, least);
    const double uncorrected = error_of(best, false);
    out.used_bias_correction = wanted_.bias_correction && least < uncorrected;
    out.error = out.used_bias_correction ? least : uncorrected;
    const std::vector<float> unrounded = with_outliers(scaled_weight(best), best);
    out.activation_error = centred_error({best.rounded, unrounded}, {in_.input, in_.weight});
    out.weight_error =
        centred_error({best.rounded, effective_weight(best)}, {best.rounded, unrounded});
    finish(best, out);
    return out;
  }

 private:
  [[nodiscard]] LinearProblem problem(std::span<const int32_t> outliers) const {
    LinearProblem made;
    made.rows = in_.rows;
    made.columns = in_.columns;
    made.weight = in_.weight;
    made.sample = sample_;
    made.mean = mean_;
    made.variance = variance_;
    made.outliers = outliers;
    made.is_static = is_static(in_.scheme);
    made.low = low_;
    made.high = high_;
    return made;
  }

  void find_column_ranges() {
    low_.assign(k_, INFINITY);
    high_.assign(k_, -INFINITY);
    for (size_t i = 0; i < in_.float_input.size(); ++i) {
      low_[i % k_] = std::min(low_[i % k_], in_.float_input[i]);
      high_[i % k_] = std::max(high_[i % k_], in_.float_input[i]);
    }
    for (size_t j = 0; j < k_; ++j) {
      const double reach = kSigmas * std::sqrt(variance_[j]);
      low_[j] = std::min(low_[j], static_cast<float>(mean_[j] - reach));
      high_[j] = std::max(high_[j], static_cast<float>(mean_[j] + reach));
    }
  }

  // What the layer should give on the measured tokens, and its mean.
  void measure_target() {
    const auto n = static_cast<size_t>(in_.rows);
    const std::vector<float> x = strided_rows(in_.float_input, k_, kMeasuredTokens);
    target_ = product(x, in_.weight);
    target_mean_.assign(n, 0.0);
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < k_; ++j) {
        target_mean_[i] += mean_[j] * in_.weight[i * k_ + j];
      }
    }
    for (size_t at = 0; at < target_.size(); ++at) {
      const double off = target_[at] - target_mean_[at % n];
      energy_ += off * off / static_cast<double>(target_.size());
    }
  }

  [[nodiscard]] std::vector<float> product(std::span<const float> x,
                                           std::span<const float> weight) const {
    GemmOperands operands;
    operands.k = operands.lda = operands.ldb = in_.columns;
    operands.m = static_cast<int64_t>(x.size() / k_);
    operands.n = operands.ldc = in_.rows;
    operands.a = x.data();
    operands.b = weight.data();
    std::vector<float> out(static_cast<size_t>(operands.m * operands.n), 0.0f);
    operands.c = out.data();
    gemm_add(operands, pool_);
    return out;
  }

  // The input through integers and back.
  [[nodiscard]] std::vector<float> rounded_input(const Candidate& candidate) const {
    const Range range = candidate.range.value_or(Range{});
    const kernels::FakeQuantizer quantizer(in_.scheme, static_cast<float>(range.low),
                                           static_cast<float>(range.high));
    std::vector<float> out(in_.input.size());
    constexpr int64_t kRowsATask = 64;
    const auto rows = static_cast<int64_t>(in_.input.size() / k_);
    const int64_t tasks = (rows + kRowsATask - 1) / kRowsATask;
    parallel_for(pool_, tasks, kRowsATask * in_.columns, [&](int64_t task) {
      std::vector<std::byte> levels(k_ + 3);
      for (int64_t i = task * kRowsATask; i < std::min(rows, (task + 1) * kRowsATask); ++i) {
        kernels::reference::RowToQuantize row;
        row.x = in_.input.subspan(static_cast<size_t>(i) * k_, k_);
        if (!candidate.multiplier.empty()) {
          row.multiplier = candidate.multiplier.data();
          row.offset = candidate.offset.data();
        }
        quantizer.run(row, candidate.outliers, out.data() + static_cast<size_t>(i) * k_,
                      levels.data());
      }
    });
    return out;
  }

  // The range of y: the widest column's, around the shift.
  [[nodiscard]] std::optional<Range> range_of(const Candidate& candidate, bool scaled) const {
    if (!is_static(in_.scheme)) return std::nullopt;
    if (!scaled && candidate.outliers.empty() && in_.range) return in_.range;
    Range range{0, 0};
    size_t next = 0;
    for (size_t j = 0; j < k_; ++j) {
      if (next < candidate.outliers.size() && static_cast<size_t>(candidate.outliers[next]) == j) {
        ++next;
        continue;
      }
      const float multiplier = candidate.scale.multiplier[j];
      range.low = std::min(range.low, (low_[j] - candidate.scale.shift[j]) * multiplier);
      range.high = std::max(range.high, (high_[j] - candidate.scale.shift[j]) * multiplier);
    }
    if (in_.scheme == QuantScheme::kStaticS8) {
      range.high = std::max(range.high, -range.low);
      range.low = -range.high;
    }
    return range;
  }

  // W * s with zeros in outlier columns.
  [[nodiscard]] std::vector<float> scaled_weight(const Candidate& candidate) const {
    std::vector<float> weight(in_.weight.begin(), in_.weight.end());
    for (size_t at = 0; at < weight.size(); ++at) {
      weight[at] /= candidate.scale.multiplier[at % k_];
    }
    for (size_t row = 0; row < weight.size(); row += k_) {
      for (const int32_t j : candidate.outliers) weight[row + static_cast<size_t>(j)] = 0;
    }
    return weight;
  }

  [[nodiscard]] Candidate make(std::vector<int32_t> outliers, ChannelScale scale) const {
    Candidate candidate;
    candidate.outliers = std::move(outliers);
    const ChannelScale identity = identity_scale(problem({}));
    const bool scaled = scale.multiplier != identity.multiplier || scale.shift != identity.shift;
    candidate.scale = std::move(scale);
    if (scaled || !candidate.outliers.empty()) set_engine_scale(candidate);
    candidate.range = range_of(candidate, scaled);
    candidate.rounded = rounded_input(candidate);
    candidate.weight = in_.row_amax.empty() ? round_to_nearest(scaled_weight(candidate), in_.rows)
                                            : round_to_rows(in_.weight, in_.row_amax);
    return candidate;
  }

  void set_engine_scale(Candidate& candidate) const {
    candidate.multiplier = candidate.scale.multiplier;
    candidate.offset.resize(k_);
    for (size_t j = 0; j < k_; ++j) {
      candidate.offset[j] = candidate.scale.shift[j] * candidate.multiplier[j];
    }
    for (const int32_t j : candidate.outliers) {
      candidate.multiplier[static_cast<size_t>(j)] = 0;
      candidate.offset[static_cast<size_t>(j)] = 0;
    }
  }

  // What the integer weight and the float columns multiply by, [rows, columns].
  [[nodiscard]] std::vector<float> effective_weight(const Candidate& candidate) const {
    std::vector<float> weight(in_.weight.size());
    multiply_out(candidate.weight.q, candidate.weight.scale, weight);
    return with_outliers(std::move(weight), candidate);
  }

  // The columns that stay in float, in their places.
  [[nodiscard]] std::vector<float> with_outliers(std::vector<float> weight,
                                                 const Candidate& candidate) const {
    for (size_t row = 0; row < weight.size(); row += k_) {
      for (const int32_t j : candidate.outliers) {
        weight[row + static_cast<size_t>(j)] = in_.weight[row + static_cast<size_t>(j)];
      }
    }
    return weight;
  }

  // What is to be added to an output: to make its mean the float model's, or what the shift took.
  [[nodiscard]] std::vector<double> bias_of(const Candidate& candidate, bool corrected) const {
    const std::vector<float> weight = effective_weight(candidate);
    const std::vector<double> rounded_mean = column_means(candidate.rounded, in_.columns);
    std::vector<double> bias(static_cast<size_t>(in_.rows), 0.0);
    for (size_t i = 0; i < bias.size(); ++i) {
      if (corrected) bias[i] = target_mean_[i];
      for (size_t j = 0; j < k_; ++j) {
        bias[i] += corrected ? -weight[i * k_ + j] * rounded_mean[j]
                             : double{in_.weight[i * k_ + j]} * candidate.scale.shift[j];
      }
    }
    return bias;
  }

  // Mean squared difference from the float layer's output on the measured tokens.
  [[nodiscard]] double error_of(const Candidate& candidate, bool corrected) const {
    const auto n = static_cast<size_t>(in_.rows);
    const std::vector<float> x = strided_rows(candidate.rounded, k_, kMeasuredTokens);
    const std::vector<float> y = product(x, effective_weight(candidate));
    const std::vector<double> bias = bias_of(candidate, corrected);
    double sum = 0;
    for (size_t at = 0; at < y.size(); ++at) {
      const double off = y[at] + bias[at % n] - target_[at];
      sum += off * off;
    }
    return sum / static_cast<double>(std::max<size_t>(1, y.size()));
  }

  /// Inputs [tokens, k] and a weight [rows, k].
  struct Factors {
    std::span<const float> x;
    std::span<const float> weight;
  };

  // Mean squared difference of two products less its mean, which the bias takes up; on a part of
  // the measured tokens, as it is for reading only.
  [[nodiscard]] double centred_error(const Factors& is, const Factors& should) const {
    constexpr size_t kTokens = 512;
    const auto n = static_cast<size_t>(in_.rows);
    const std::vector<float> y = product(strided_rows(is.x, k_, kTokens), is.weight);
    const std::vector<float> truth = product(strided_rows(should.x, k_, kTokens), should.weight);
    std::vector<double> sum(n, 0.0);
    double squares = 0;
    for (size_t at = 0; at < y.size(); ++at) {
      const double off = double{y[at]} - truth[at];
      sum[at % n] += off;
      squares += off * off;
    }
    const double rows = static_cast<double>(y.size()) / static_cast<double>(n);
    for (const double column : sum) squares -= column * column / rows;
    return std::max(0.0, squares) / static_cast<double>(std::max<size_t>(1, y.size()));
  }

  void keep_if_better(Candidate candidate, Candidate& best, double& least) const {
    const double error = error_of(candidate, true);
    if (!(error < least)) return;
    least = error;
    best = std::move(candidate);
  }

  void consider_outliers(Candidate& best, double& least) const {
    if (!wanted_.outlier_columns || in_.outlier_count == 0) return;
    std::vector<int32_t> columns = pick_outliers(problem({}), in_.outlier_count);
    ChannelScale scale = identity_scale(problem(columns));
    keep_if_better(make(std::move(columns), std::move(scale)), best, least);
  }

  void consider_scale(Candidate& best, double& least) const {
    if (!wanted_.scale_and_shift) return;
    const std::vector<int32_t> outliers = best.outliers;
    const LinearProblem given = problem(outliers);
    keep_if_better(make(outliers, closed_form_scale(given)), best, least);
    if (wanted_.optimize_scale) {
      keep_if_better(make(outliers, optimized_scale(given, pool_)), best, least);
    }
  }

  // Scales for columns without their rarest values, and narrower ranges as long as the error falls.
  void consider_clips(Candidate& best, double& least) {
    if (!in_.clips || in_.range) return;
    if (!wanted_.scale_and_shift || !in_.may_scale) return narrow(best, best, least);
    for (const double rare : kRareShares) {
      if (rare > 0) leave_out_rare(rare);
      const LinearProblem given = problem(best.outliers);
      Candidate candidate =
          make(best.outliers,
               wanted_.optimize_scale ? optimized_scale(given, pool_) : closed_form_scale(given));
      keep_if_better(candidate, best, least);
      narrow(std::move(candidate), best, least);
    }
  }

  void narrow(Candidate from, Candidate& best, double& least) const {
    constexpr double kNarrower = 0.92;
    constexpr int kMostSteps = 24;
    int worse = 0;
    for (int step = 0; step < kMostSteps && worse < 2; ++step) {
      from.range = Range{static_cast<float>(from.range->low * kNarrower),
                         static_cast<float>(from.range->high * kNarrower)};
      from.rounded = rounded_input(from);
      const double before = least;
      keep_if_better(from, best, least);
      worse = least < before ? 0 : worse + 1;
    }
  }

  // The columns' ranges without that share of the values at either end.
  void leave_out_rare(double share) {
    const size_t tokens = in_.float_input.size() / k_;
    const auto rare = static_cast<size_t>(share * static_cast<double>(tokens));
    if (tokens <= 2 * rare) return;
    parallel_for(pool_, in_.columns, static_cast<int64_t>(tokens), [&](int64_t column) {
      const auto j = static_cast<size_t>(column);
      std::vector<float> values(tokens);
      for (size_t t = 0; t < tokens; ++t) values[t] = in_.float_input[t * k_ + j];
      const auto low = values.begin() + static_cast<std::ptrdiff_t>(rare);
      std::nth_element(values.begin(), low, values.end());
      low_[j] = *low;
      const auto high = values.end() - 1 - static_cast<std::ptrdiff_t>(rare);
      std::nth_element(values.begin(), high, values.end());
      high_[j] = *high;
    });
  }

  bool consider_gptq(Candidate& best, double& least) const {
    std::vector<float> hessian =
        covariance(best.rounded, column_means(best.rounded, in_.columns), pool_);
    for (const int32_t column : best.outliers) {
      const auto j = static_cast<size_t>(column);
      for (size_t p = 0; p < k_; ++p) hessian[j * k_ + p] = hessian[p * k_ + j] = 0;
    }
    Candidate candidate = best;
    candidate.weight = gptq(scaled_weight(best), in_.rows, std::move(hessian), kDamp, pool_);
    const double error = error_of(candidate, true);
    if (!(error < least)) return false;
    least = error;
    best = std::move(candidate);
    return true;
  }

  void finish(const Candidate& best, TreatedLinear& out) const {
    const std::vector<double> added = bias_of(best, out.used_bias_correction);
    const auto n = static_cast<size_t>(in_.rows);
    out.bias.resize(n);
    for (size_t i = 0; i < n; ++i) {
      double bias = added[i] + (in_.bias.empty() ? 0.0 : double{in_.bias[i]});
      if (out.used_bias_correction && !in_.residual_difference.empty()) {
        bias += in_.residual_difference[i];
      }
      out.bias[i] = static_cast<float>(bias);
    }
    out.weight = best.weight;
    out.outlier_columns = best.outliers;
    out.range = best.range;
    for (size_t i = 0; i < n; ++i) {
      for (const int32_t j : best.outliers) {
        out.outlier_weight.push_back(in_.weight[i * k_ + static_cast<size_t>(j)]);
      }
    }
    out.multiplier = best.multiplier;
    out.offset = best.offset;
  }

  const LinearInput& in_;
  const Treatments& wanted_;
  ThreadPool& pool_;
  size_t k_;
  std::vector<double> mean_;
  std::vector<double> variance_;
  std::vector<float> low_;
  std::vector<float> high_;
  std::vector<float> sample_;
  std::vector<float> target_;
  std::vector<double> target_mean_;
  double energy_ = 0;
};

}  // namespace

TreatedLinear treat_linear(const LinearInput& input, const Treatments& treatments,
                           ThreadPool& pool) {
  return Treatment(input, treatments, pool).run();
}

}  // namespace tamis::quant
