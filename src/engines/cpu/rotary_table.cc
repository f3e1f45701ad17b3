#include "engines/cpu/rotary_table.h"

#include "kernels/reference/reference.h"

namespace tamis::engines::cpu {

void RotaryTable::reserve(int64_t places) {
  const auto wanted = static_cast<size_t>((places + kPieceRows - 1) / kPieceRows);
  if (wanted == 0 || pieces_[wanted - 1].load(std::memory_order_acquire) != nullptr) return;
  const std::lock_guard lock(mutex_);
  const auto elements = static_cast<size_t>(kPieceRows * stride());
  while (memory_.size() < wanted) {
    AlignedBuffer piece(2 * elements * sizeof(float));
    auto* cosine = reinterpret_cast<float*>(piece.data());
    const size_t at = memory_.size();
    kernels::reference::rotary_table({static_cast<int64_t>(at) * kPieceRows, kPieceRows,
                                      rule_.pairs, rule_.interleaved, rule_.frequencies,
                                      rule_.scale, cosine, cosine + elements, rule_.sets});
    memory_.push_back(std::move(piece));
    pieces_[at].store(cosine, std::memory_order_release);
  }
}

RotaryTable::Rows RotaryTable::rows(int64_t place, int64_t set) const {
  const float* piece =
      pieces_[static_cast<size_t>(place / kPieceRows)].load(std::memory_order_acquire);
  const int64_t at = place % kPieceRows;
  const float* cosine = piece + at * stride() + set * row();
  return {cosine, cosine + kPieceRows * stride(), kPieceRows - at};
}

}  // namespace tamis::engines::cpu
