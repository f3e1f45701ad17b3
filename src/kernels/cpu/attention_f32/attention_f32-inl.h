// What attention in float32 multiplies.
//
// Is: for per-ISA files, included after simd/vec_<isa>-inl.h and simd/reduce_<isa>-inl.h, all in an
// anonymous namespace.
#pragma once

#include "kernels/cpu/attention_f32/attention_f32.h"
#include "kernels/cpu/simd/attention-inl.h"
#include "kernels/cpu/simd/exp2-inl.h"
#include "kernels/cpu/simd/tile-inl.h"

namespace tamis::kernels {
namespace {

struct Floats {
  static constexpr int64_t kPadding = kLanes;
  static constexpr int64_t words_of(int64_t n) { return n; }
  static bool multiplies_as_it_is(const AttentionOperand&, int64_t, int64_t) { return true; }

  template <int kRows, int kVecs>
  TAMIS_INLINE static void multiply(int64_t words, const char* a, int64_t lda, const char* b,
                                    Vec (&acc)[kRows][kVecs]) {
    const TileOperands operands = {words, reinterpret_cast<const float*>(a), lda / kWordBytes,
                                   reinterpret_cast<const float*>(b), nullptr};
    multiply_tile<kRows, kVecs, false>(operands, acc);
  }

  TAMIS_INLINE static Vec load_words(const AttentionOperand& operand, int64_t row, int64_t word,
                                     int64_t head_size) {
    return load_first(operand.f32 + row * operand.ld + word, at_most(head_size - word, kLanes));
  }
  template <int kVecs>
  TAMIS_INLINE static void load_values(const AttentionOperand& v, int64_t key, int64_t /*keys*/,
                                       int64_t column, int64_t count, Vec (&out)[kVecs]) {
#pragma GCC unroll 8
    for (int i = 0; i < kVecs; ++i) {
      out[i] =
          load_first(v.f32 + key * v.ld + column + i * kLanes, at_most(count - i * kLanes, kLanes));
    }
  }

  TAMIS_INLINE static Vec exp2(Vec t) { return kernels::exp2(t, kExp2); }
  // Returns `sum` and what was stored, vector after vector.
  template <int kVecs>
  TAMIS_INLINE static Vec store_probabilities(float* row, int64_t key, const Vec (&p)[kVecs],
                                              Vec sum) {
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) {
      const Vec x = p[v];
      store(row + key + v * kLanes, x);
      sum = sum + x;
    }
    return sum;
  }
};

template <int kMaxRows, int kVecs>
struct FloatAttention : Attention<Floats, kMaxRows, kVecs> {
  template <typename Tiles>
  static void run_floats(const AttentionArgs& args, const AttentionWork& work, void* scratch) {
    AttentionBf16Args operands;
    operands.cu_seqlens = args.cu_seqlens;
    operands.sequences = args.sequences;
    operands.heads = args.heads;
    operands.kv_heads = args.kv_heads;
    operands.head_size = args.head_size;
    operands.scale = args.scale;
    operands.q = {args.q, nullptr, args.ldq};
    operands.k = {args.k, nullptr, args.ldk};
    operands.v = {args.v, nullptr, args.ldv};
    operands.out = args.out;
    operands.ldo = args.ldo;
    operands.terms = args.terms;
    Attention<Floats, kMaxRows, kVecs>::template run<Tiles>(operands, work, scratch);
  }
};

}  // namespace
}  // namespace tamis::kernels
