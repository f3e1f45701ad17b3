// The vocabulary's body for nvcc. Include device.h; device_emulated.h says what each word does.
#pragma once

#define TAMIS_DEVICE __device__ __forceinline__
#define TAMIS_DEVICE_CALL inline __device__ __noinline__
#define TAMIS_UNROLL _Pragma("unroll")

namespace tamis::cuda::device {

TAMIS_DEVICE int thread_x() { return static_cast<int>(threadIdx.x); }
TAMIS_DEVICE int block_x() { return static_cast<int>(blockIdx.x); }
TAMIS_DEVICE int block_y() { return static_cast<int>(blockIdx.y); }

TAMIS_DEVICE uint32_t shared_base() {
  extern __shared__ __align__(1024) unsigned char tamis_shared[];
  return static_cast<uint32_t>(__cvta_generic_to_shared(tamis_shared));
}

TAMIS_DEVICE void sync_block() { __syncthreads(); }
TAMIS_DEVICE void sync_warp() { __syncwarp(); }
TAMIS_DEVICE void sync_named(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

template <typename T>
TAMIS_DEVICE T shuffle_xor(T value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}

TAMIS_DEVICE uint32_t uniform(uint32_t value) { return __shfl_sync(0xffffffffu, value, 0); }

template <typename T>
TAMIS_DEVICE T load_global(const T* p) {
  return __ldg(p);
}
template <>
TAMIS_DEVICE Vec4 load_global(const Vec4* p) {
  const uint4 v = __ldg(reinterpret_cast<const uint4*>(p));
  return {v.x, v.y, v.z, v.w};
}
template <>
TAMIS_DEVICE Vec2 load_global(const Vec2* p) {
  const uint2 v = __ldg(reinterpret_cast<const uint2*>(p));
  return {v.x, v.y};
}
template <typename T>
TAMIS_DEVICE void store_global(T* p, T value) {
  *p = value;
}

template <typename T>
TAMIS_DEVICE T load_fresh(const T* p) {
  uint32_t value;
  static_assert(sizeof(T) == 4);
  asm volatile("ld.relaxed.gpu.global.b32 %0, [%1];" : "=r"(value) : "l"(p) : "memory");
  return reinterpret_cast<const T&>(value);
}
template <>
TAMIS_DEVICE uint16_t load_fresh(const uint16_t* p) {
  uint16_t value;
  asm volatile("ld.relaxed.gpu.global.b16 %0, [%1];" : "=h"(value) : "l"(p) : "memory");
  return value;
}
template <>
TAMIS_DEVICE Vec4 load_fresh(const Vec4* p) {
  Vec4 v;
  asm volatile("ld.relaxed.gpu.global.v4.b32 {%0,%1,%2,%3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(p)
               : "memory");
  return v;
}
template <>
TAMIS_DEVICE Vec2 load_fresh(const Vec2* p) {
  Vec2 v;
  asm volatile("ld.relaxed.gpu.global.v2.b32 {%0,%1}, [%2];"
               : "=r"(v.x), "=r"(v.y)
               : "l"(p)
               : "memory");
  return v;
}
TAMIS_DEVICE uint32_t count_up(uint32_t* p) {
  uint32_t before;
  asm volatile("atom.relaxed.gpu.global.add.u32 %0, [%1], 1;" : "=r"(before) : "l"(p) : "memory");
  return before;
}
TAMIS_DEVICE void fence_device() { asm volatile("fence.acq_rel.gpu;" ::: "memory"); }

TAMIS_DEVICE void store_shared32(uint32_t address, uint32_t value) {
  asm volatile("st.shared.b32 [%0], %1;" ::"r"(address), "r"(value) : "memory");
}
TAMIS_DEVICE void store_shared128(uint32_t address, Vec4 v) {
  asm volatile("st.shared.v4.b32 [%0], {%1,%2,%3,%4};" ::"r"(address), "r"(v.x), "r"(v.y), "r"(v.z),
               "r"(v.w)
               : "memory");
}
TAMIS_DEVICE uint32_t load_shared32(uint32_t address) {
  uint32_t value;
  asm volatile("ld.shared.b32 %0, [%1];" : "=r"(value) : "r"(address) : "memory");
  return value;
}
TAMIS_DEVICE Vec2 load_shared64(uint32_t address) {
  Vec2 v;
  asm volatile("ld.shared.v2.b32 {%0,%1}, [%2];" : "=r"(v.x), "=r"(v.y) : "r"(address) : "memory");
  return v;
}
TAMIS_DEVICE Vec4 load_shared128(uint32_t address) {
  Vec4 v;
  asm volatile("ld.shared.v4.b32 {%0,%1,%2,%3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "r"(address)
               : "memory");
  return v;
}

TAMIS_DEVICE void load_matrices(uint32_t (&r)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}
TAMIS_DEVICE void load_matrices_transposed(uint32_t (&r)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}

TAMIS_DEVICE float float_of(uint32_t bits) { return __uint_as_float(bits); }
TAMIS_DEVICE uint32_t bits_of(float value) { return __float_as_uint(value); }
TAMIS_DEVICE float float_of_f16(uint16_t bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}
TAMIS_DEVICE uint16_t f16_of(float value) {
  uint16_t bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}

#if __CUDA_ARCH__ >= 800

TAMIS_DEVICE void multiply_u8s8(int32_t (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
TAMIS_DEVICE void multiply_b16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
TAMIS_DEVICE void copy_async(uint32_t to, const void* from, int valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(valid)
               : "memory");
}
TAMIS_DEVICE void copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int kPending>
TAMIS_DEVICE void copy_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}
TAMIS_DEVICE uint32_t pack_b16(float low, float high) {
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}
TAMIS_DEVICE float float_of_b16(uint16_t bits) { return float_of(uint32_t{bits} << 16); }
TAMIS_DEVICE uint32_t pack_f16_held(float low, float high) {
  uint32_t packed;
  asm("{.reg .b32 t; cvt.rn.f16x2.f32 t, %1, %2; min.NaN.f16x2 t, t, %3; max.NaN.f16x2 %0, t, %4;}"
      : "=r"(packed)
      : "f"(high), "f"(low), "r"(0x7bff7bffu), "r"(0xfbfffbffu));
  return packed;
}

#else  // Turing: halves of the same products, copies through registers, f16

TAMIS_DEVICE void multiply_m8n8k16(int32_t& d0, int32_t& d1, uint32_t a, uint32_t b) {
  asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.u8.s8.s32 {%0,%1}, {%2}, {%3}, {%0,%1};"
               : "+r"(d0), "+r"(d1)
               : "r"(a), "r"(b));
}
TAMIS_DEVICE void multiply_u8s8(int32_t (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  multiply_m8n8k16(d[0], d[1], a[0], b0);
  multiply_m8n8k16(d[2], d[3], a[1], b0);
  multiply_m8n8k16(d[0], d[1], a[2], b1);
  multiply_m8n8k16(d[2], d[3], a[3], b1);
}
TAMIS_DEVICE void multiply_m16n8k8(float (&d)[4], uint32_t a0, uint32_t a1, uint32_t b) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a0), "r"(a1), "r"(b));
}
TAMIS_DEVICE void multiply_b16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  multiply_m16n8k8(d, a[0], a[1], b0);
  multiply_m16n8k8(d, a[2], a[3], b1);
}
TAMIS_DEVICE void copy_async(uint32_t to, const void* from, int valid) {
  const auto* bytes = static_cast<const uint8_t*>(from);
  if (valid == 16 || valid == 0) {
    const Vec4 zero = {0, 0, 0, 0};
    return store_shared128(to, valid == 0 ? zero : load_global(static_cast<const Vec4*>(from)));
  }
  uint32_t words[4] = {0, 0, 0, 0};
  for (int i = 0; i < valid; ++i) words[i / 4] |= uint32_t{load_global(bytes + i)} << (8 * (i % 4));
  store_shared128(to, {words[0], words[1], words[2], words[3]});
}
TAMIS_DEVICE void copy_commit() {}
template <int kPending>
TAMIS_DEVICE void copy_wait() {}
TAMIS_DEVICE uint32_t pack_b16(float low, float high) {
  uint32_t packed;
  asm("{.reg .b16 l, h; cvt.rn.f16.f32 l, %1; cvt.rn.f16.f32 h, %2; mov.b32 %0, {l, h};}"
      : "=r"(packed)
      : "f"(low), "f"(high));
  return packed;
}
TAMIS_DEVICE float float_of_b16(uint16_t bits) { return float_of_f16(bits); }
TAMIS_DEVICE uint32_t pack_f16_held(float low, float high) {
  low = low != low ? low : fminf(65504.0f, fmaxf(-65504.0f, low));
  high = high != high ? high : fminf(65504.0f, fmaxf(-65504.0f, high));
  return pack_b16(low, high);
}

#endif

TAMIS_DEVICE float fma_rn(float a, float b, float c) { return __fmaf_rn(a, b, c); }
TAMIS_DEVICE float mul_rn(float a, float b) { return __fmul_rn(a, b); }
TAMIS_DEVICE float add_rn(float a, float b) { return __fadd_rn(a, b); }
TAMIS_DEVICE float sub_rn(float a, float b) { return __fsub_rn(a, b); }
TAMIS_DEVICE float div_rn(float a, float b) { return __fdiv_rn(a, b); }
TAMIS_DEVICE float sqrt_rn(float a) { return __fsqrt_rn(a); }
TAMIS_DEVICE float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
TAMIS_DEVICE float log2_fast(float x) {
  float y;
  asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
TAMIS_DEVICE float to_float(int32_t value) { return __int2float_rn(value); }
TAMIS_DEVICE int32_t round_even(float value) { return __float2int_rn(value); }
TAMIS_DEVICE float absolute(float x) { return fabsf(x); }
TAMIS_DEVICE float max_of(float a, float b) { return fmaxf(a, b); }
TAMIS_DEVICE float min_of(float a, float b) { return fminf(a, b); }

}  // namespace tamis::cuda::device
