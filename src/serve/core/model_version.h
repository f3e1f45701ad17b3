// One loaded version of a named model: what computes, its queue and its counters.
//
// Is: what a request holds on to while it is answered. Is not: found or named (model_repository).
// May use: servable, batcher, model_stats, vector_ranges.
#pragma once

#include <memory>
#include <string>

#include "serve/batching/batcher.h"
#include "serve/batching/servable.h"
#include "serve/batching/vector_ranges.h"
#include "serve/core/model_stats.h"

namespace tamis::serve {

/// Thread-safe.
class ModelVersion {
 public:
  /// Runs a warm-up batch, from whose time the queue's rate starts.
  ModelVersion(std::string name, std::string version, std::unique_ptr<Servable> model,
               CoreShare& share, BatcherOptions options);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& version() const { return version_; }
  [[nodiscard]] Servable& model() { return *model_; }
  [[nodiscard]] const ServableInfo& info() const { return model_->info(); }
  [[nodiscard]] Batcher& batcher() { return *batcher_; }
  /// Seconds since 1970.
  [[nodiscard]] int64_t loaded_at_s() const { return loaded_at_s_; }
  [[nodiscard]] ModelStats& stats() { return stats_; }
  /// Unlike that of any other version that was ever loaded.
  [[nodiscard]] uint64_t serial() const { return serial_; }
  [[nodiscard]] VectorRanges& ranges() { return ranges_; }

 private:
  std::string name_;
  std::string version_;
  int64_t loaded_at_s_ = 0;
  uint64_t serial_;
  std::unique_ptr<Servable> model_;
  ModelStats stats_;
  VectorRanges ranges_;
  std::unique_ptr<Batcher> batcher_;
};

/// Held by whoever uses the version; it goes when the last lets go.
using ModelLease = std::shared_ptr<ModelVersion>;

}  // namespace tamis::serve
