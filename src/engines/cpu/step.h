// One kernel call of a plan.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "engines/cpu/block.h"
#include "graph/graph.h"

namespace tamis::engines::cpu {

/// What a step sees of the block it works on.
struct StepContext {
  const Block* block = nullptr;
  const int32_t* cu_seqlens = nullptr;       ///< [sequences + 1] of the block, from 0
  const int32_t* selected_tokens = nullptr;  ///< [selected] block-relative; null: all
  const int32_t* position_ids = nullptr;     ///< [tokens], or null: the family's rule
  const int32_t* key_lengths = nullptr;      ///< [sequences], or null: all tokens are seen
  const int32_t* unpooled = nullptr;         ///< [sequences], or null: all tokens are pooled
  int64_t max_seqlen = 0;
  std::byte* const* values = nullptr;  ///< by value id; null where a graph input was left out
  std::byte* scratch = nullptr;        ///< this worker's own, as large as Step asked for
  int worker = 0;                      ///< which share of the step to do ...
  int workers = 1;                     ///< ... out of so many

  template <typename T>
  [[nodiscard]] T* value(graph::ValueId id) const {
    return reinterpret_cast<T*>(values[id]);
  }
};

/// A half-open range of rows, panels or whatever a step splits.
struct Share {
  int64_t begin = 0;
  int64_t end = 0;
};

/// The worker's share of n, the shares differing by one at most.
[[nodiscard]] inline Share share_of(int64_t n, const StepContext& context) {
  return {n * context.worker / context.workers, n * (context.worker + 1) / context.workers};
}

/// The part of a matrix product that a worker does.
struct ProductShare {
  Share rows;
  Share panels;  ///< of weight columns
};

/// Many rows are shared out, so that each worker's stay in its own level-2 cache; of few rows every
/// worker takes all, for its share of the panels.
[[nodiscard]] inline ProductShare share_of_product(int64_t rows, int64_t panels,
                                                   const StepContext& context) {
  constexpr int64_t kLeastRows = 32;  // for each worker; below, or in float, measured to be slower
  constexpr int64_t kTileRows = 8;    // no tile of the widest kernels is cut
  if (context.workers == 1 || rows < kLeastRows * context.workers) {
    return {{0, rows}, share_of(panels, context)};
  }
  const Share tiles = share_of((rows + kTileRows - 1) / kTileRows, context);
  return {{tiles.begin * kTileRows, std::min(rows, tiles.end * kTileRows)}, {0, panels}};
}

/// Immutable; run() is safe from several threads on contexts that differ in worker or in memory.
class Step {
 public:
  virtual ~Step() = default;
  /// Does the context's share. Never throws: the plan proved the shapes.
  virtual void run(const StepContext& context) const noexcept = 0;
  /// Called before runs with places in a sequence below `places`, from any thread; may allocate
  /// where they are more than before.
  virtual void prepare(int64_t /*places*/) const {}
  /// Bytes of scratch a worker needs for blocks of at most `rows` tokens in sequences of at most
  /// `max_seqlen`.
  [[nodiscard]] virtual size_t scratch_bytes(int64_t /*rows*/, int64_t /*max_seqlen*/) const {
    return 0;
  }
  /// The kernel that runs, "gemm_f32_avx512" for instance.
  [[nodiscard]] virtual std::string_view kernel() const = 0;
  /// The weights that the context's share starts with, for the step before to fetch; null: none.
  [[nodiscard]] virtual const void* first_weights(const StepContext& /*context*/) const {
    return nullptr;
  }
  /// Called once while a plan is made: the next step in it that answers first_weights(), or null.
  virtual void follow_with(const Step* /*next*/) {}
  [[nodiscard]] virtual bool has_weights() const { return false; }
  /// Multiplications and additions that run() executes on a whole block, for the share of the peak.
  [[nodiscard]] virtual double operations(const Block& /*block*/) const { return 0; }
};

}  // namespace tamis::engines::cpu
