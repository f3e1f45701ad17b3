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
    kernels::reference::rotary_table({static_cast<int64_t>(at) * kPieceRows, kPieceRows, pairs_,
                                      interleaved_, frequencies_, scale_, cosine,
                                      cosine + elements});
    memory_.push_back(std::move(piece));
    pieces_[at].store(cosine, std::memory_order_release);
  }
}

RotaryTable::Rows RotaryTable::rows(int64_t place) const {
  const float* piece =
      pieces_[static_cast<size_t>(place / kPieceRows)].load(std::memory_order_acquire);
  const int64_t row = place % kPieceRows;
  const float* cosine = piece + row * stride();
  return {cosine, cosine + kPieceRows * stride(), kPieceRows - row};
}

}  // namespace tamis::engines::cpu
