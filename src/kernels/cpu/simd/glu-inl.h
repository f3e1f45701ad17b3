// One row of a gated linear unit over vectors of sixteen lanes.
//
// Is: for per-ISA files (elementwise, quantize_rows), included after vec_<isa>-inl.h, all in an
// anonymous namespace.
#pragma once

#include "kernels/cpu/simd/math-inl.h"
#include "kernels/cpu/simd/row-inl.h"
#include "kernels/reference/glu_args.h"

namespace tamis::kernels {
namespace {

template <typename Row, typename Function, typename Each>
TAMIS_INLINE void glu_of(Row gate, Row up, int64_t width, const Function& function,
                         const Each& each) {
  for_each_vector(width, [&](int64_t j, int64_t count) TAMIS_LAMBDA {
    each(j, count, function(gate.at(j, count)) * up.at(j, count));
  });
}

// Calls each(j, count, y) for every vector of row i; GELU by the short polynomials if kShortGelu.
template <bool kShortGelu, typename Each>
TAMIS_INLINE void glu_row(const GluArgs& args, int64_t i, const Each& each) {
  const int64_t gate = i * args.ldx + args.gate_column;
  const int64_t up = i * args.ldx + args.up_column;
  const auto with = [&](auto function) TAMIS_LAMBDA {
    if (args.x_f16 != nullptr) {
      glu_of(HalfRow{args.x_f16 + gate}, HalfRow{args.x_f16 + up}, args.width, function, each);
    } else if (args.x_bf16 != nullptr) {
      glu_of(Bf16Row{args.x_bf16 + gate}, Bf16Row{args.x_bf16 + up}, args.width, function, each);
    } else {
      glu_of(FloatRow{args.x + gate}, FloatRow{args.x + up}, args.width, function, each);
    }
  };
  if constexpr (kShortGelu) {
    with_activation_short(args.activation, with);
  } else {
    with_activation(args.activation, with);
  }
}

}  // namespace
}  // namespace tamis::kernels
