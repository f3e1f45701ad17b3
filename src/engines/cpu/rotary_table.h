// Cosines and sines of rotary positions, shared by the steps of a plan that turn alike.
//
// Is: rows made once for each place, as far as runs need them. Is not: a choice of frequencies. May
// use: kernels.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "tensor/arena.h"

namespace tamis::engines::cpu {

/// Thread-safe. A row never moves once it is made.
class RotaryTable {
 public:
  /// 2^20 places, as many as a run's longest sequence may have.
  static constexpr int64_t kMostPlaces = int64_t{1} << 20;

  /// How the places of a table turn.
  struct Rule {
    const float* frequencies = nullptr;  ///< [sets, pairs]; outlives the table
    int64_t sets = 1;
    int64_t pairs = 0;
    bool interleaved = false;
    float scale = 1;
  };
  explicit RotaryTable(const Rule& rule) : rule_(rule) {}

  /// Makes the rows of places [0, places) that are not there yet; places <= kMostPlaces.
  void reserve(int64_t places);

  /// Elements from place to place, of the cosines and of the sines.
  [[nodiscard]] int64_t stride() const { return rule_.sets * row(); }
  /// The row of `place`, which was reserved, by set `set` of the frequencies, and those that follow
  /// it in memory.
  struct Rows {
    const float* cosine;
    const float* sine;
    int64_t count;
  };
  [[nodiscard]] Rows rows(int64_t place, int64_t set) const;

 private:
  // Places lie in pieces, 32 KiB each for 8 pairs, so that more of them leave the others in place.
  static constexpr int64_t kPieceRows = 512;

  [[nodiscard]] int64_t row() const { return rule_.pairs * (rule_.interleaved ? 2 : 1); }

  Rule rule_;
  std::mutex mutex_;
  std::vector<AlignedBuffer> memory_;
  std::array<std::atomic<const float*>, kMostPlaces / kPieceRows> pieces_ = {};
};

}  // namespace tamis::engines::cpu
