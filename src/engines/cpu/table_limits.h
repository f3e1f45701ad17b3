// What a plan's tables allow, gathered while it is made.
//
// Is: BatchLimits from the tables that ids index. Is not: a check of batches. May use: graph.
#pragma once

#include "engine/packed_batch.h"
#include "graph/graph.h"
#include "kernels/reference/attention_args.h"

namespace tamis::engines::cpu {

/// BatchLimits::counts_distances of a plan for this graph.
[[nodiscard]] bool counts_distances(const graph::Graph& graph);

/// Not thread-safe.
class TableLimits {
 public:
  /// Notes that places in a sequence, given or not, stay below `places`.
  void limit_places(int64_t places);
  /// Notes that `ids` index a table of `rows` rows. Throws Error{kUnsupported} for ids that are
  /// neither a batch's nor positions.
  void limit_ids(const graph::Graph& graph, graph::ValueId ids, int64_t rows);
  /// Notes that tokens cannot be left out of the pooling (BatchLimits::leaves_out_tokens).
  void pool_over_all() { limits_.leaves_out_tokens = false; }
  /// Notes how many tokens that no token sees a sequence may have (BatchLimits::unseen_tokens), for
  /// an attention of these terms: none where positions add to scores or `any` is false, and in a
  /// window so few that each still sees a key.
  void limit_unseen(const kernels::AttentionTerms& terms, bool any = true);
  /// Notes a token that each sequence must have; -1: none.
  void require_token(int64_t token) {
    if (token >= 0) limits_.required_token = token;
  }
  [[nodiscard]] const engine::BatchLimits& get() const { return limits_; }

 private:
  engine::BatchLimits limits_;
};

}  // namespace tamis::engines::cpu
