// Counters and histograms of the whole server, printed as Prometheus reads them.
//
// Is: the names that dashboards of Triton (nv_*) and text-embeddings-inference (te_*) know. Is not:
// KServe's statistics (model_stats). May use: core.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "serve/batching/batcher.h"
#include "serve/core/core.h"
#include "serve/core/http_counts.h"

namespace tamis::serve {

/// Counts values by upper bounds that double. Thread-safe.
class Histogram {
 public:
  static constexpr size_t kBuckets = 20;

  /// `first`: the least upper bound, each further one is twice the one before.
  explicit Histogram(double first) : first_(first) {}
  void observe(double value);
  /// Lines of `name`: one a bucket, the sum and the count.
  void print(std::string_view name, std::string& out) const;

 private:
  double first_;
  std::array<std::atomic<uint64_t>, kBuckets + 1> counts_ = {};
  std::atomic<double> sum_{0};
};

/// Thread-safe.
class Metrics {
 public:
  void observe(const RequestReport& report);
  void observe(const BatchReport& report, const BatchBudget& budget);
  [[nodiscard]] std::string print(Core& core, const ServerCounts& counts) const;

 private:
  static constexpr size_t kErrors = 10;  ///< as many as ErrorCode has

  std::array<std::atomic<uint64_t>, 2> requests_ = {};  ///< of one input, of several
  std::array<std::atomic<uint64_t>, 2> successes_ = {};
  std::array<std::atomic<uint64_t>, kErrors> failures_ = {};
  std::atomic<uint64_t> tokens_{0};
  Histogram duration_{0.0001};
  Histogram tokenization_{0.00001};
  Histogram queue_{0.0001};
  Histogram inference_{0.0001};
  Histogram input_length_{1};
  Histogram batch_size_{1};
  Histogram batch_tokens_{1};
  Histogram batch_fill_{0.0009765625};  ///< 2^-10: 1 is a bound
  Histogram tokens_per_second_{64};
};

}  // namespace tamis::serve
