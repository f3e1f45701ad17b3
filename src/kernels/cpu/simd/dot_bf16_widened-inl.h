// Sixteen float sums of products of bf16, widened to float32 where there is no bf16 dot product.
//
// Is: for per-ISA files, included after vec_<isa>-inl.h, all in an anonymous namespace.
#pragma once

#include <cstdint>

namespace tamis::kernels {
namespace {

using Sum = Vec;
using Columns = Vec;     // sixteen columns of B
using SameGroup = Same;  // one value of A in every lane

constexpr int64_t kGroup = 1;  // k that lie together in packed B, and in four bytes of A
constexpr int64_t kColumnBytes = 32;
constexpr bool kWidenRows = true;  // A comes as float

TAMIS_INLINE Sum sum_zero() { return zero(); }
TAMIS_INLINE Columns load_columns(const char* p) { return load_bf16(p); }
TAMIS_INLINE SameGroup same_group(const char* p) { return same(reinterpret_cast<const float*>(p)); }
TAMIS_INLINE Sum dot(SameGroup a, Columns b, Sum sum) { return fma(a, b, sum); }

}  // namespace
}  // namespace tamis::kernels
