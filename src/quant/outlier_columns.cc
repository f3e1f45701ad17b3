// Which columns of a linear layer's input stay in float: int8-recipe's greedy choice.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "quant/channel_scale.h"

namespace tamis::quant {

namespace {

/// The two largest of a row, and where.
struct TopTwo {
  float first = 0;
  float second = 0;
  size_t at = 0;
  void see(float value, size_t j) {
    if (value > first) {
      second = first;
      first = value;
      at = j;
    } else if (value > second) {
      second = value;
    }
  }
  [[nodiscard]] double without(size_t j) const { return at == j ? second : first; }
};

class OutlierSearch {
 public:
  explicit OutlierSearch(const LinearProblem& problem)
      : problem_(problem),
        k_(static_cast<size_t>(problem.columns)),
        taken_(k_, false),
        scale_(closed_form_scale(problem)) {
    for (size_t j = 0; j < k_; ++j) {
      const double s = 1 / double{scale_.multiplier[j]};
      double energy = 0;
      for (int64_t i = 0; i < problem.rows; ++i) {
        const double w = problem.weight[static_cast<size_t>(i) * k_ + j];
        energy += w * w;
      }
      gain_.push_back(s * s * energy);
      spread_.push_back(problem.variance[j] / (s * s));
    }
  }

  std::vector<int32_t> run(int64_t count) {
    std::vector<int32_t> columns;
    for (int64_t step = 0; step < count && columns.size() + 1 < k_; ++step) {
      look();
      const size_t best = best_candidate();
      taken_[best] = true;
      columns.push_back(static_cast<int32_t>(best));
    }
    std::sort(columns.begin(), columns.end());
    return columns;
  }

 private:
  // The extremes of every token and of every weight row among the columns that are left.
  void look() {
    const size_t tokens = problem_.is_static ? 1 : problem_.sample.size() / k_;
    highest_.assign(tokens, {});
    lowest_.assign(tokens, {});
    for (size_t t = 0; t < tokens; ++t) {
      for (size_t j = 0; j < k_; ++j) {
        if (taken_[j]) continue;
        const float y =
            problem_.is_static
                ? 0.5f * (problem_.high[j] - problem_.low[j]) * scale_.multiplier[j]
                : (problem_.sample[t * k_ + j] - scale_.shift[j]) * scale_.multiplier[j];
        // Around the shift every row reaches to both sides of 0.
        highest_[t].see(y, j);
        lowest_[t].see(-y, j);
      }
    }
    heaviest_.assign(static_cast<size_t>(problem_.rows), {});
    for (size_t i = 0; i < heaviest_.size(); ++i) {
      const float* w = problem_.weight.data() + i * k_;
      for (size_t j = 0; j < k_; ++j) {
        if (!taken_[j]) heaviest_[i].see(std::abs(w[j]) / scale_.multiplier[j], j);
      }
    }
  }

  // A + 2 N without column j.
  [[nodiscard]] double noise_without(size_t j) const {
    double step = 0;
    for (size_t t = 0; t < highest_.size(); ++t) {
      const double spread =
          (highest_[t].without(j) + lowest_[t].without(j)) / (problem_.is_static ? 127 : 255);
      step += spread * spread / static_cast<double>(highest_.size());
    }
    double weights = 0;
    for (const TopTwo& row : heaviest_) {
      weights += row.without(j) * row.without(j) / (127.0 * 127.0);
    }
    double gain = 0;
    double spread = 0;
    for (size_t p = 0; p < k_; ++p) {
      if (p == j || taken_[p]) continue;
      gain += gain_[p];
      spread += spread_[p];
    }
    return step * gain + 2 * weights * spread;
  }

  void add_top(const std::vector<double>& score, size_t count, std::vector<size_t>& out) const {
    std::vector<size_t> order(k_);
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return score[a] > score[b]; });
    for (size_t i = 0; i < std::min(count, k_); ++i) {
      if (!taken_[order[i]]) out.push_back(order[i]);
    }
  }

  [[nodiscard]] size_t best_candidate() const {
    std::vector<double> extreme(k_, 0.0);
    for (size_t t = 0; t < highest_.size(); ++t) {
      extreme[highest_[t].at] += double{highest_[t].first} * highest_[t].first;
      extreme[lowest_[t].at] += double{lowest_[t].first} * lowest_[t].first;
    }
    std::vector<double> heavy(k_, 0.0);
    for (const TopTwo& row : heaviest_) heavy[row.at] += double{row.first} * row.first;
    std::vector<size_t> candidates;
    add_top(extreme, 10, candidates);
    add_top(heavy, 10, candidates);
    add_top(spread_, 3, candidates);
    size_t best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (const size_t j : candidates) {
      const double noise = noise_without(j);
      if (noise >= least) continue;
      least = noise;
      best = j;
    }
    return best;
  }

  const LinearProblem& problem_;
  size_t k_;
  std::vector<bool> taken_;
  ChannelScale scale_;
  std::vector<double> gain_;    // s^2 c
  std::vector<double> spread_;  // var / s^2
  std::vector<TopTwo> highest_;
  std::vector<TopTwo> lowest_;
  std::vector<TopTwo> heaviest_;
};

}  // namespace

std::vector<int32_t> pick_outliers(LinearProblem problem, int64_t count) {
  problem.outliers = {};
  return OutlierSearch(problem).run(count);
}

}  // namespace tamis::quant
