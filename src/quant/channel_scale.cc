#include "quant/channel_scale.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "quant/parallel.h"

namespace tamis::quant {

namespace {

constexpr int kSteps = 80;
constexpr double kRate = 0.06;
constexpr double kLevels = 255;
constexpr double kHalfLevels = 127;

/// Working copy in double: log s, and the shift in standard deviations from its middle.
struct Point {
  std::vector<double> log_scale;
  std::vector<double> offset;
};

/// A, N and their gradient.
struct Noise {
  double activations = 0;
  double weights = 0;
  Point gradient;
};

/// Where a token's row is greatest and least.
struct Extremes {
  size_t greatest = 0;
  size_t least = 0;
  double spread = 0;
};

class Objective {
 public:
  Objective(const LinearProblem& problem, ThreadPool* pool) : problem_(problem), pool_(pool) {
    const auto k = static_cast<size_t>(problem.columns);
    used_.assign(k, true);
    for (const int32_t j : problem.outliers) used_[static_cast<size_t>(j)] = false;
    energy_.assign(k, 0.0);
    for (size_t i = 0; i < problem.weight.size(); ++i) {
      energy_[i % k] += double{problem.weight[i]} * problem.weight[i];
    }
    floor_columns();
    for (size_t j = 0; j < k; ++j) {
      const bool by_range = problem.is_static;
      middle_.push_back(by_range ? 0.5 * (double{problem.low[j]} + problem.high[j])
                                 : problem.mean[j]);
    }
  }

  [[nodiscard]] Point closed_form() const {
    Point point;
    for (size_t j = 0; j < used_.size(); ++j) {
      point.log_scale.push_back(0.25 * std::log(variance_[j] / energy_[j]));
    }
    point.offset.assign(used_.size(), 0.0);
    return point;
  }

  [[nodiscard]] ChannelScale to_scale(const Point& point) const {
    ChannelScale scale;
    for (size_t j = 0; j < used_.size(); ++j) {
      scale.multiplier.push_back(used_[j] ? static_cast<float>(std::exp(-point.log_scale[j]))
                                          : 1.0f);
      scale.shift.push_back(used_[j] ? static_cast<float>(shift_at(point, j)) : 0.0f);
    }
    return scale;
  }

  [[nodiscard]] Point from_scale(const ChannelScale& scale) const {
    Point point;
    for (size_t j = 0; j < used_.size(); ++j) {
      point.log_scale.push_back(-std::log(double{scale.multiplier[j]}));
      point.offset.push_back((scale.shift[j] - middle_[j]) / std::sqrt(variance_[j]));
    }
    return point;
  }

  [[nodiscard]] Noise evaluate(const Point& point) const {
    Noise noise;
    noise.gradient.log_scale.assign(used_.size(), 0.0);
    noise.gradient.offset.assign(used_.size(), 0.0);
    if (problem_.is_static) {
      add_static_activations(point, noise);
    } else {
      add_token_activations(point, noise);
    }
    add_weights(point, noise);
    return noise;
  }

  [[nodiscard]] const std::vector<double>& variance() const { return variance_; }
  [[nodiscard]] const std::vector<double>& energy() const { return energy_; }

 private:
  // A dead column, or one that nothing reads, gets a millionth of the mean, so that its scale is
  // finite.
  void floor_columns() {
    variance_.assign(problem_.variance.begin(), problem_.variance.end());
    for (std::vector<double>* values : {&variance_, &energy_}) {
      double mean = 0;
      for (const double value : *values) mean += value / static_cast<double>(values->size());
      const double least = std::max(mean * 1e-6, 1e-30);
      for (double& value : *values) value = std::max(value, least);
    }
  }

  [[nodiscard]] double shift_at(const Point& point, size_t j) const {
    return middle_[j] + point.offset[j] * std::sqrt(variance_[j]);
  }

  // sum_j s_j^2 c_j.
  [[nodiscard]] double gain(const Point& point) const {
    double sum = 0;
    for (size_t j = 0; j < used_.size(); ++j) {
      if (used_[j]) sum += std::exp(2 * point.log_scale[j]) * energy_[j];
    }
    return sum;
  }

  void add_gain_gradient(const Point& point, double factor, Noise& noise) const {
    for (size_t j = 0; j < used_.size(); ++j) {
      if (!used_[j]) continue;
      noise.gradient.log_scale[j] += factor * 2 * std::exp(2 * point.log_scale[j]) * energy_[j];
    }
  }

  [[nodiscard]] std::vector<Extremes> extremes_of(const std::vector<float>& multiplier,
                                                  const std::vector<float>& shift) const {
    const size_t k = used_.size();
    const size_t tokens = problem_.sample.size() / k;
    std::vector<Extremes> found(tokens);
    const auto look = [&](int64_t token) {
      const float* x = problem_.sample.data() + static_cast<size_t>(token) * k;
      float most = -std::numeric_limits<float>::infinity();
      float least = -most;
      Extremes& row = found[static_cast<size_t>(token)];
      for (size_t j = 0; j < k; ++j) {
        // Unused columns have multiplier 0 and shift 0: any row has values on both sides of 0, as
        // the shift lies inside each column's range.
        const float y = (x[j] - shift[j]) * multiplier[j];
        if (y > most) {
          most = y;
          row.greatest = j;
        }
        if (y < least) {
          least = y;
          row.least = j;
        }
      }
      row.spread = double{most} - least;
    };
    if (pool_ == nullptr) {
      for (size_t t = 0; t < tokens; ++t) look(static_cast<int64_t>(t));
    } else {
      parallel_for(*pool_, static_cast<int64_t>(tokens), problem_.columns, look);
    }
    return found;
  }

  void add_token_activations(const Point& point, Noise& noise) const {
    ChannelScale scale = to_scale(point);
    for (size_t j = 0; j < used_.size(); ++j) {
      if (!used_[j]) scale.multiplier[j] = 0;
    }
    const std::vector<Extremes> tokens = extremes_of(scale.multiplier, scale.shift);
    if (tokens.empty()) return;
    const double per_token = 1 / (kLevels * kLevels * static_cast<double>(tokens.size()));
    const double total_gain = gain(point);
    double step = 0;
    for (size_t t = 0; t < tokens.size(); ++t) {
      const Extremes& row = tokens[t];
      step += row.spread * row.spread * per_token;
      const double pull = 2 * row.spread * per_token * total_gain;
      for (const size_t j : {row.greatest, row.least}) {
        if (!used_[j]) continue;
        const double sign = j == row.greatest ? pull : -pull;
        const double x = problem_.sample[t * used_.size() + j];
        const double s = std::exp(point.log_scale[j]);
        noise.gradient.log_scale[j] -= sign * (x - shift_at(point, j)) / s;
        noise.gradient.offset[j] -= sign * std::sqrt(variance_[j]) / s;
      }
    }
    noise.activations = step * total_gain;
    add_gain_gradient(point, step, noise);
  }

  void add_static_activations(const Point& point, Noise& noise) const {
    double most = 0;
    size_t widest = 0;
    for (size_t j = 0; j < used_.size(); ++j) {
      const double reach =
          0.5 * (double{problem_.high[j]} - problem_.low[j]) * std::exp(-point.log_scale[j]);
      if (!used_[j] || reach <= most) continue;
      most = reach;
      widest = j;
    }
    const double step = (most / kHalfLevels) * (most / kHalfLevels);
    const double total_gain = gain(point);
    noise.activations = step * total_gain;
    noise.gradient.log_scale[widest] -= 2 * noise.activations;
    add_gain_gradient(point, step, noise);
  }

  void add_weights(const Point& point, Noise& noise) const {
    const size_t k = used_.size();
    std::vector<float> s(k, 0.0f);
    double spread = 0;
    for (size_t j = 0; j < k; ++j) {
      if (!used_[j]) continue;
      s[j] = static_cast<float>(std::exp(point.log_scale[j]));
      spread += variance_[j] * std::exp(-2 * point.log_scale[j]);
    }
    double steps = 0;
    std::vector<double> largest(k, 0.0);
    for (int64_t i = 0; i < problem_.rows; ++i) {
      const float* w = problem_.weight.data() + static_cast<size_t>(i) * k;
      float most = 0;
      size_t at = 0;
      for (size_t j = 0; j < k; ++j) {
        const float value = std::abs(w[j]) * s[j];
        if (value > most) {
          most = value;
          at = j;
        }
      }
      const double step = (most / kHalfLevels) * (most / kHalfLevels);
      steps += step;
      largest[at] += 2 * step;
    }
    noise.weights = steps * spread;
    for (size_t j = 0; j < k; ++j) {
      if (!used_[j]) continue;
      noise.gradient.log_scale[j] +=
          spread * largest[j] - steps * 2 * variance_[j] * std::exp(-2 * point.log_scale[j]);
    }
  }

  const LinearProblem& problem_;
  ThreadPool* pool_;
  std::vector<bool> used_;
  std::vector<double> variance_;
  std::vector<double> energy_;
  std::vector<double> middle_;
};

/// Adam's state for one of the two parameter vectors.
class Adam {
 public:
  explicit Adam(size_t n) : first_(n), second_(n) {}

  void step(std::vector<double>& values, const std::vector<double>& gradient, double rate) {
    constexpr double kBeta1 = 0.9;
    constexpr double kBeta2 = 0.999;
    ++count_;
    const double correction1 = 1 - std::pow(kBeta1, count_);
    const double correction2 = 1 - std::pow(kBeta2, count_);
    for (size_t j = 0; j < values.size(); ++j) {
      first_[j] = kBeta1 * first_[j] + (1 - kBeta1) * gradient[j];
      second_[j] = kBeta2 * second_[j] + (1 - kBeta2) * gradient[j] * gradient[j];
      values[j] -= rate * (first_[j] / correction1) / (std::sqrt(second_[j] / correction2) + 1e-8);
    }
  }

 private:
  int count_ = 0;
  std::vector<double> first_;
  std::vector<double> second_;
};

}  // namespace

ChannelScale identity_scale(const LinearProblem& problem) {
  const auto k = static_cast<size_t>(problem.columns);
  return {std::vector<float>(k, 1.0f), std::vector<float>(k, 0.0f)};
}

ChannelScale closed_form_scale(const LinearProblem& problem) {
  const Objective objective(problem, nullptr);
  return objective.to_scale(objective.closed_form());
}

ChannelScale optimized_scale(const LinearProblem& problem, ThreadPool& pool) {
  const Objective objective(problem, &pool);
  Point point = objective.closed_form();
  Point best = point;
  double least = std::numeric_limits<double>::infinity();
  Adam scales(point.log_scale.size());
  Adam offsets(point.offset.size());
  for (int step = 0; step <= kSteps; ++step) {
    Noise noise = objective.evaluate(point);
    const double total = noise.activations + noise.weights;
    if (!std::isfinite(total)) break;
    if (total < least) {
      least = total;
      best = point;
    }
    if (step == kSteps || total == 0) break;
    for (double& value : noise.gradient.log_scale) value /= total;
    for (double& value : noise.gradient.offset) value /= total;
    const double rate = 0.5 * kRate * (1 + std::cos(std::numbers::pi * step / kSteps));
    scales.step(point.log_scale, noise.gradient.log_scale, rate);
    if (!problem.is_static) offsets.step(point.offset, noise.gradient.offset, rate);
  }
  return objective.to_scale(best);
}

double noise_of(const LinearProblem& problem, const ChannelScale& scale) {
  const Objective objective(problem, nullptr);
  const Noise noise = objective.evaluate(objective.from_scale(scale));
  return noise.activations + noise.weights;
}

}  // namespace tamis::quant
