// What a pooling kernel is given.
//
// Is: the operands of one call, shared by the reference and the kernels of kernels/cpu. Is not: a
// kernel; the maths stand in the contract header of the family. May use: base/pooling.h, so
// that per-ISA files can include it.
#pragma once

#include <cstdint>

#include "base/pooling.h"

namespace tamis::kernels {

/// Strides count elements. A sequence of which no token is pooled gives zeros. y overlaps nothing.
struct PoolingArgs {
  Pooling kind = Pooling::kMean;
  const int32_t* cu_seqlens = nullptr;  // [sequences + 1]
  int64_t sequences = 0;
  int64_t width = 0;
  const float* x = nullptr;  // [tokens, width]
  int64_t ldx = 0;
  float* y = nullptr;  // [sequences, width]
  int64_t ldy = 0;
  /// [sequences], or null: of each the first so many tokens are left out, but for their places.
  /// kVocabulary leaves out none; kCls takes the first token where all are left out.
  const int32_t* unpooled = nullptr;
};

/// The tokens of one sequence that are pooled.
struct PooledTokens {
  int64_t begin = 0;  ///< the first one's row in x
  int64_t place = 0;  ///< and its place in the sequence
  int64_t count = 0;
};

inline PooledTokens pooled_tokens(const PoolingArgs& args, int64_t sequence) {
  const int64_t begin = args.cu_seqlens[sequence];
  const int64_t length = args.cu_seqlens[sequence + 1] - begin;
  int64_t place = 0;
  const bool leaves_out = args.unpooled != nullptr && args.kind != Pooling::kVocabulary;
  if (leaves_out) place = args.unpooled[sequence];
  if (place >= length && args.kind == Pooling::kCls) place = 0;
  return {begin + place, place, place < length ? length - place : 0};
}

}  // namespace tamis::kernels
