// Rotary embedding of one row over vectors of sixteen lanes.
//
// Is: for per-ISA files, included after simd/vec_<isa>-inl.h, all in an anonymous namespace.
#pragma once

#include "kernels/cpu/rotary/rotary.h"
#include "kernels/cpu/simd/row-inl.h"

namespace tamis::kernels {
namespace {

struct FloatSink {
  float* p;
  TAMIS_INLINE void put(int64_t j, Vec x, int64_t count) const { store_count(p + j, x, count); }
};
struct Bf16Sink {
  uint16_t* p;
  TAMIS_INLINE void put(int64_t j, Vec x, int64_t count) const {
    store_bf16_first(p + j, x, count);
  }
};

// Columns [begin, end), as they are.
template <typename Source, typename Sink>
TAMIS_INLINE void copy_columns(Source x, Sink y, int64_t begin, int64_t end) {
  for_each_vector(end - begin, [&](int64_t j, int64_t count) TAMIS_LAMBDA {
    y.put(begin + j, x.at(begin + j, count), count);
  });
}

// The pairs of the head whose columns start at `column`: i and i + pairs.
template <typename Source, typename Sink>
TAMIS_INLINE void turn_halves(const RotaryArgs& args, const float* cosine, const float* sine,
                              Source x, Sink y, int64_t column) {
  for_each_vector(args.pairs, [&](int64_t j, int64_t count) TAMIS_LAMBDA {
    const int64_t left = column + j;
    const int64_t right = left + args.pairs;
    const Vec a = x.at(left, count);
    const Vec b = x.at(right, count);
    const Vec c = load_count(cosine + j, count);
    const Vec s = load_count(sine + j, count);
    y.put(left, fms(a, c, b * s), count);
    y.put(right, fma(b, c, a * s), count);
  });
}

// The same for 2 i and 2 i + 1; cosines come twice, sines with their signs.
template <typename Source, typename Sink>
TAMIS_INLINE void turn_neighbors(const RotaryArgs& args, const float* cosine, const float* sine,
                                 Source x, Sink y, int64_t column) {
  for_each_vector(2 * args.pairs, [&](int64_t j, int64_t count) TAMIS_LAMBDA {
    const Vec a = x.at(column + j, count);
    const Vec other = swap_neighbors(a) * load_count(sine + j, count);
    y.put(column + j, fma(a, load_count(cosine + j, count), other), count);
  });
}

template <typename Source, typename Sink>
TAMIS_INLINE void rotary_row(const RotaryArgs& args, int64_t row, Source x, Sink y) {
  const float* cosine = args.cosine + row * args.ld_angles;
  const float* sine = args.sine + row * args.ld_angles;
  for (int64_t head = 0; head < args.heads; ++head) {
    const int64_t column = head * args.head_size;
    if (args.interleaved) {
      turn_neighbors(args, cosine, sine, x, y, column);
    } else {
      turn_halves(args, cosine, sine, x, y, column);
    }
    copy_columns(x, y, column + 2 * args.pairs, column + args.head_size);
  }
  copy_columns(x, y, args.heads * args.head_size, args.width);
}

template <typename Source>
TAMIS_INLINE void rotary_row_of(const RotaryArgs& args, int64_t row, Source x) {
  if (args.y_bf16 != nullptr) {
    rotary_row(args, row, x, Bf16Sink{args.y_bf16 + row * args.ldy});
  } else {
    rotary_row(args, row, x, FloatSink{args.y + row * args.ldy});
  }
}

inline void rotary(const RotaryArgs& args) {
  for (int64_t row = 0; row < args.rows; ++row) {
    if (args.x_f16 != nullptr) {
      rotary_row_of(args, row, HalfRow{args.x_f16 + row * args.ldx});
    } else {
      rotary_row_of(args, row, FloatRow{args.x + row * args.ldx});
    }
  }
}

}  // namespace
}  // namespace tamis::kernels
