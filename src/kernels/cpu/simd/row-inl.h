// A row of floats or of halves, sixteen lanes at a time.
//
// Is: for per-ISA files, included after vec_<isa>-inl.h, all in an anonymous namespace.
#pragma once

namespace tamis::kernels {
namespace {

// Calls body(j, count) for the vectors of a row; count is 16 but for the last.
template <typename Body>
TAMIS_INLINE void for_each_vector(int64_t width, const Body& body) {
  int64_t j = 0;
  for (; j + kLanes <= width; j += kLanes) body(j, kLanes);
  if (j < width) body(j, width - j);
}

// Full vectors take the plain instruction: count is a constant there once inlined.
TAMIS_INLINE Vec load_count(const float* p, int64_t count) {
  return count == kLanes ? load(p) : load_first(p, count);
}
TAMIS_INLINE void store_count(float* p, Vec x, int64_t count) {
  if (count == kLanes) {
    store(p, x);
  } else {
    store_first(p, x, count);
  }
}

// A row of floats, or of halves that are widened.
struct FloatRow {
  const float* p;
  [[nodiscard]] TAMIS_INLINE Vec at(int64_t j, int64_t count) const {
    return load_count(p + j, count);
  }
  [[nodiscard]] TAMIS_INLINE float one(int64_t j) const { return p[j]; }
};
struct HalfRow {
  const uint16_t* p;
  [[nodiscard]] TAMIS_INLINE Vec at(int64_t j, int64_t count) const {
    return count == kLanes ? load_f16(p + j) : load_f16_first(p + j, count);
  }
  [[nodiscard]] TAMIS_INLINE float one(int64_t j) const {
    return first_lane(load_f16_first(p + j, 1));
  }
};
struct Bf16Row {
  const uint16_t* p;
  [[nodiscard]] TAMIS_INLINE Vec at(int64_t j, int64_t count) const {
    return count == kLanes ? load_bf16(p + j) : load_bf16_first(p + j, count);
  }
  [[nodiscard]] TAMIS_INLINE float one(int64_t j) const {
    return first_lane(load_bf16_first(p + j, 1));
  }
};

}  // namespace
}  // namespace tamis::kernels
