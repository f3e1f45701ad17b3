// Inner values of a graph over one batch, computed from the nearest ones that are kept.
//
// Is: prefix caching: a calibration that goes through the layers runs each of them once. Is not: a
// session for requests. May use: engine.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "engine/engine.h"
#include "graph/graph.h"

namespace tamis::quant {

/// The part of a graph that computes `targets` from the values in `known`: those become float
/// inputs of the same name. Marks move along.
[[nodiscard]] graph::Graph extract(const graph::Graph& graph, std::span<const std::string> targets,
                                   std::span<const std::string> known);

/// Not thread-safe. The graph may change between calls as long as kept values stay what they are
/// and names too; graph, batch and pool outlive it.
class PartialRun {
 public:
  /// Marks that are on are simulated, unless `options` say otherwise (their pool and outputs do not
  /// count).
  PartialRun(const graph::Graph& graph, const engine::PackedBatch& batch, ThreadPool& pool,
             const engine::EngineOptions& options = simulated())
      : graph_(graph), batch_(batch), pool_(pool), options_(options) {}

  /// The rows of a value [T, n], or of an output by sequence [B, n]; kept from then on.
  std::span<const float> get(const std::string& name);
  /// Forgets what only nodes before `next` (an index in nodes()) read.
  void keep_for(size_t next);

  /// A value of another graph that shares names with this one, computed from the values in `known`,
  /// which must be kept.
  [[nodiscard]] std::vector<float> run_other(const graph::Graph& other, const std::string& name,
                                             std::span<const std::string> known) const;

  [[nodiscard]] static engine::EngineOptions simulated();

 private:
  const graph::Graph& graph_;
  const engine::PackedBatch& batch_;
  ThreadPool& pool_;
  engine::EngineOptions options_;
  std::map<std::string, std::vector<float>> kept_;
};

}  // namespace tamis::quant
