// gemm_s8 on the emulator: the bits of the CPU's vector kernels, on every tile.
#include "kernels/cuda/gemm_s8/gemm_s8-inl.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "base/cpu.h"
#include "kernels/cpu/gemm_s8/gemm_s8.h"
#include "kernels/cuda/gemm_s8/gemm_s8_hopper-inl.h"
#include "kernels/cuda/testing.h"
#include "kernels/reference/short_gelu.h"
#include "tensor/arena.h"

namespace tamis::cuda {
namespace {

using testing::Guarded;
using testing::random_floats;

struct Shape {
  int m, n, k, outliers;
  bool residual;
};

/// Operands of one product; rows of kGemmRowBytes, and pages behind the end that cannot be read.
struct Product {
  explicit Product(const Shape& shape)
      : n(shape.n),
        k(shape.k),
        lda((k + kGemmRowBytes - 1) / kGemmRowBytes * kGemmRowBytes),
        m(testing::number(shape.m)),
        a(int64_t{shape.m} * lda),
        w(int64_t{n} * lda),
        scale(random_floats(shape.m, 0.01f, 1)),
        low(random_floats(shape.m, 1, 2)),
        weight_scale(random_floats(n, 0.001f, 3)),
        colsum(n),
        bias(random_floats(n, 1, 4)),
        outlier_values(random_floats(int64_t{shape.m} * 8, 1, 5)),
        outlier_weights(random_floats(int64_t{shape.outliers} * n, 0.1f, 6)),
        residual(random_floats(int64_t{shape.m} * n, 1, 7)),
        fit(49),
        outliers(shape.outliers),
        with_residual(shape.residual) {
    std::mt19937 random(8);
    for (int64_t i = 0; i < a.size(); ++i) a[i] = static_cast<uint8_t>(random());
    for (int j = 0; j < n; ++j) {
      int32_t sum = 0;
      for (int p = 0; p < k; ++p) {
        w[int64_t{j} * lda + p] = static_cast<int8_t>(static_cast<int>(random() % 255) - 127);
        sum += w[int64_t{j} * lda + p];
      }
      colsum[j] = static_cast<float>(sum);
    }
  }

  [[nodiscard]] GemmS8Params params(Activation activation, MutableValues c) {
    if (activation == Activation::kGelu) std::memcpy(fit.data(), &kernels::kShortGeluErf, 196);
    if (activation == Activation::kGeluTanh) std::memcpy(fit.data(), &kernels::kShortGeluTanh, 196);
    GemmS8Params p;
    p.m = m.data();
    p.k = k;
    p.lda = p.ldw = lda;
    p.a = a.data();
    p.w = w.data();
    p.scale = scale.data();
    p.low = low.data();
    p.weight_scale = weight_scale.data();
    p.colsum = colsum.data();
    p.outliers = outliers;
    p.outlier_values = outlier_values.data();
    p.outlier_weights = outlier_weights.data();
    p.epilogue = {n, activation, fit.data(), bias.data(), with_residual ? residual.data() : nullptr,
                  c};
    return p;
  }

  // What the CPU's best kernel gives; all its vector kernels give the same.
  void run_on_cpu(Activation activation, MutableValues c) const {
    const kernels::GemmS8Kernel& kernel = kernels::select_gemm_s8(detected_isas());
    AlignedBuffer packed(kernel.packed_bytes(n, k));
    const int64_t panels = kernels::gemm_s8_panels(kernel, n);
    kernel.pack({n, k, w.data(), lda, weight_scale.data()}, 0, panels, packed.data());
    kernels::GemmS8Args args;
    args.m = m[0];
    args.n = n;
    args.k = k;
    args.a = a.data();
    args.lda = lda;
    args.scale = scale.data();
    args.low = low.data();
    args.packed = packed.data();
    args.bias = bias.data();
    args.outliers = outliers;
    args.outlier_values = outlier_values.data();
    args.outlier_weights = outlier_weights.data();
    args.activation = activation;
    args.residual = with_residual ? residual.data() : nullptr;
    args.ldr = args.ldc = n;
    args.c = static_cast<float*>(c.data);
    if (c.stored == Stored::kB16) args.c_bf16 = static_cast<uint16_t*>(c.data);
    if (c.stored == Stored::kF16) args.c_f16 = static_cast<uint16_t*>(c.data);
    kernel.run(args, 0, panels);
  }

  int n, k, lda;
  Guarded<int32_t> m;
  Guarded<uint8_t> a;
  Guarded<int8_t> w;
  Guarded<float> scale, low, weight_scale, colsum, bias;
  Guarded<float> outlier_values, outlier_weights, residual, fit;
  int outliers;
  bool with_residual;
};

template <GemmTile kTile, GemmActivation kActivation>
emulator::Counters launch(const Product& product, const GemmS8Params& p,
                          const emulator::Options& options) {
  return testing::run<device::GemmS8<kTile, kActivation>>(
      p, testing::blocks(product.n, kTile.columns), testing::blocks(product.m[0], kTile.rows),
      kTile.threads(), kTile.shared_bytes(), options);
}

template <HopperTile kTile, GemmActivation kActivation>
emulator::Counters launch_hopper(const Product& product, const GemmS8Params& p,
                                 const emulator::Options& options) {
  const GemmS8HopperParams params = {testing::map_rows(p.a, product.m[0], p.lda, HopperTile::rows),
                                     testing::map_rows(p.w, product.n, p.ldw, kTile.columns), p};
  return testing::run<device::GemmS8Hopper<kTile, kActivation>>(
      params, testing::blocks(product.n, kTile.columns),
      testing::blocks(product.m[0], HopperTile::rows), kTile.threads(), kTile.shared_bytes(),
      testing::on_hopper(options.seed));
}

/// What is launched, and its tile's name.
using LaunchFn = emulator::Counters (*)(const Product&, const GemmS8Params&,
                                        const emulator::Options&);
struct Kernel {
  const char* name;
  GemmActivation activation;
  LaunchFn launch;
};
#define TAMIS_TILE(tile)                                                               \
  {#tile, GemmActivation::kNone, launch<tile, GemmActivation::kNone>},                 \
      {#tile, GemmActivation::kShortGelu, launch<tile, GemmActivation::kShortGelu>}, { \
#tile, GemmActivation::kAny, launch < tile, GemmActivation::kAny>                  \
  }
constexpr Kernel kKernels[] = {
    TAMIS_TILE(kLargeTile),
    TAMIS_TILE(kMiddleTile),
    TAMIS_TILE(kSmallTile),
    TAMIS_TILE(kLargeFewTile),
    {"kHopperTile", GemmActivation::kNone, launch_hopper<kHopperTile, GemmActivation::kNone>},
    {"kHopperTile", GemmActivation::kShortGelu,
     launch_hopper<kHopperTile, GemmActivation::kShortGelu>},
    {"kHopperTile", GemmActivation::kAny, launch_hopper<kHopperTile, GemmActivation::kAny>}};
#undef TAMIS_TILE

std::vector<Activation> activations_of(GemmActivation kind) {
  switch (kind) {
    case GemmActivation::kNone:
      return {Activation::kNone};
    case GemmActivation::kShortGelu:
      return {Activation::kGelu, Activation::kGeluTanh};
    case GemmActivation::kAny:
      break;
  }
  return {Activation::kNone, Activation::kGelu, Activation::kRelu, Activation::kSilu};
}

// What the kernel takes of a shape; nothing where n is odd and it wants pairs.
std::vector<Shape> shapes_of(const Kernel& kernel, Shape shape) {
  if (kernel.activation == GemmActivation::kAny) return {shape};
  if (shape.n % 2 != 0) return {};
  if (kernel.activation == GemmActivation::kShortGelu) shape.residual = false;
  return {shape};
}

template <typename T>
void expect_the_cpus_bits(Product& product, const Kernel& kernel, Activation activation,
                          Stored stored) {
  Guarded<T> want(int64_t{product.m[0]} * product.n);
  Guarded<T> got(want.size());
  product.run_on_cpu(activation, {want.data(), stored});
  for (uint64_t seed = 1; seed < 3; ++seed) {
    emulator::Options options;
    options.seed = seed;
    // Of 16-bit floats Turing's are others; its integers are not.
    options.architecture = seed == 2 && stored != Stored::kB16 ? 75 : 80;
    kernel.launch(product, product.params(activation, {got.data(), stored}), options);
    EXPECT_TRUE(got.same_bits(want))
        << kernel.name << ": " << product.m[0] << " x " << product.n << " x " << product.k << ", "
        << activation_name(activation) << ", stored " << static_cast<int>(stored);
  }
}

constexpr Shape kShapes[] = {{1, 8, 16, 1, true},       {37, 72, 312, 3, true},
                             {129, 136, 200, 0, false}, {64, 64, 64, 8, false},
                             {3, 2, 7, 0, true},        {17, 9, 48, 2, true},
                             {65, 130, 20, 0, false},   {130, 132, 900, 1, true}};

TEST(GemmS8, HasTheCpusBits) {
  if (detected_isas() == isas_up_to("reference"))
    GTEST_SKIP() << "the reference row sums in double";
  for (const Kernel& kernel : kKernels) {
    for (const Shape& given : kShapes) {
      for (const Shape& shape : shapes_of(kernel, given)) {
        Product product(shape);
        for (const Activation activation : activations_of(kernel.activation)) {
          expect_the_cpus_bits<float>(product, kernel, activation, Stored::kF32);
        }
      }
    }
  }
}

TEST(GemmS8, RoundsWhatItStoresAsTheCpuDoes) {
  if (detected_isas() == isas_up_to("reference"))
    GTEST_SKIP() << "the reference row sums in double";
  for (const Kernel& kernel : kKernels) {
    for (const Shape& given : {kShapes[1], kShapes[5]}) {
      for (const Shape& shape : shapes_of(kernel, given)) {
        Product product(shape);
        const Activation activation = activations_of(kernel.activation)[0];
        expect_the_cpus_bits<uint16_t>(product, kernel, activation, Stored::kB16);
        expect_the_cpus_bits<uint16_t>(product, kernel, activation, Stored::kF16);
      }
    }
  }
}

TEST(GemmS8, LeavesAtOnceBehindTheLastRow) {
  Product product({70, 64, 64, 0, false});
  Guarded<float> c(int64_t{70} * 64);
  product.m[0] = 1;
  const emulator::Counters counters =
      testing::run<device::GemmS8<kMiddleTile, GemmActivation::kNone>>(
          product.params(Activation::kNone, {c.data(), Stored::kF32}), 1, 2, kMiddleTile.threads(),
          kMiddleTile.shared_bytes());
  EXPECT_EQ(c[64], 0.0f);
  EXPECT_EQ(counters.mma, 4u * 8 * 4) << "one block's";
}

// A value that is not finite stays that, whatever the activation.
TEST(GemmS8, NanStaysNan) {
  Product product({2, 8, 16, 0, false});
  product.scale[1] = product.low[1] = std::nanf("");
  for (const Kernel& kernel : kKernels) {
    for (const Activation activation : activations_of(kernel.activation)) {
      Guarded<float> c(16);
      kernel.launch(product, product.params(activation, {c.data(), Stored::kF32}), {});
      EXPECT_FALSE(std::isnan(c[0])) << activation_name(activation);
      EXPECT_TRUE(std::isnan(c[8])) << activation_name(activation);
    }
  }
}

// What f16 cannot hold is the greatest it can.
TEST(GemmS8, HoldsWhatItStoresInF16) {
  Product product({2, 8, 16, 0, false});
  product.bias[0] = 1e6f;
  product.bias[1] = -1e6f;
  product.bias[2] = std::numeric_limits<float>::infinity();
  product.bias[3] = std::nanf("");
  for (const Kernel& kernel : kKernels) {
    if (kernel.activation != GemmActivation::kNone) continue;
    Guarded<uint16_t> c(16);
    kernel.launch(product, product.params(Activation::kNone, {c.data(), Stored::kF16}), {});
    EXPECT_EQ(c[0], 0x7bff);
    EXPECT_EQ(c[1], 0xfbff);
    EXPECT_EQ(c[2], 0x7bff);
    EXPECT_GT(c[3] & 0x7fff, 0x7c00) << "NaN";
  }
}

TEST(GemmS8, LaysItsStagesWithoutConflicts) {
  Product product({128, 128, 256, 0, false});
  Guarded<float> c(128 * 128);
  for (const Kernel& kernel : kKernels) {
    if (kernel.activation != GemmActivation::kNone) continue;
    const emulator::Counters counters =
        kernel.launch(product, product.params(Activation::kNone, {c.data(), Stored::kF32}), {});
    EXPECT_EQ(counters.ldmatrix_cycles, counters.ldmatrix) << kernel.name;
    EXPECT_GT(counters.mma + counters.wgmma, 0U);
    EXPECT_LE(static_cast<double>(counters.global_sectors) * 32,
              1.1 * static_cast<double>(counters.global_bytes))
        << kernel.name;
  }
}

}  // namespace
}  // namespace tamis::cuda
