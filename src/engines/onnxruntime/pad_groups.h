// Ragged sequences as padded batches.
//
// Is: which sequences are padded together. Is not: their arrays. May use: nothing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tamis::engines::onnxruntime {

/// Sequences that make one padded batch, longest first.
struct PadGroup {
  std::vector<int32_t> sequences;
  int64_t longest = 0;
};

/// All sequences that have tokens, sorted by length: none is padded to more than twice its length,
/// and no group of several takes more than `most_tokens`, padding included. Unless `may_pad`, only
/// sequences of one length go together.
[[nodiscard]] std::vector<PadGroup> pad_groups(std::span<const int32_t> cu_seqlens,
                                               int64_t most_tokens, bool may_pad);

}  // namespace tamis::engines::onnxruntime
