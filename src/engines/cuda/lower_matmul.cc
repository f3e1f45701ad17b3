// Linear layers in integers, in 16-bit floats and in float32.
#include <algorithm>
#include <cstring>

#include "base/bf16.h"
#include "base/error.h"
#include "device/cuda/tensor_map.h"
#include "engines/cuda/lower_rows.h"
#include "kernels/reference/quantize.h"

namespace tamis::engines::cuda {

using graph::Operand;
using tamis::cuda::GemmTile;
using tamis::cuda::KernelId;
using tamis::cuda::Stored;

namespace {

int64_t rounded_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
int64_t blocks(int64_t n, int64_t size) { return (n + size - 1) / size; }

/// What all three have: operands, epilogue, and how many rows there are.
class Product {
 public:
  Product(const graph::Node& node, bool short_forms, Lowering& lowering)
      : residual_(node.operand(Operand::kResidual)),
        y_(node.output),
        stored_(lowering.stored(node.output)),
        symbol_(lowering.symbol(node.output)),
        m_(lowering.array(ArrayKind::kRows, symbol_)),
        n_(lowering.columns(node.output)),
        k_(lowering.columns(node.operand(Operand::kX))),
        activation_(node.attribute<graph::MatMulAttributes>().activation),
        bias_(node.has(Operand::kBias) ? lowering.floats(node.operand(Operand::kBias))
                                       : lowering.constants().zeros(n_)) {
    if (short_forms) short_gelu_ = short_gelu(activation_, lowering);
  }

  [[nodiscard]] int n() const { return n_; }
  [[nodiscard]] int k() const { return k_; }
  [[nodiscard]] const int32_t* m(const StepContext& context) const { return context.array(m_); }
  [[nodiscard]] int64_t rows(const StepContext& context) const {
    return context.extent.rows(symbol_);
  }
  [[nodiscard]] graph::Symbol symbol() const { return symbol_; }
  [[nodiscard]] bool has_residual() const { return residual_ != graph::kNoValue; }
  [[nodiscard]] bool has_short_gelu() const { return short_gelu_.there(); }
  [[nodiscard]] Activation activation() const { return activation_; }

  [[nodiscard]] tamis::cuda::GemmEpilogue epilogue(const StepContext& context) const {
    tamis::cuda::GemmEpilogue epilogue;
    epilogue.n = n_;
    epilogue.activation = activation_;
    epilogue.short_gelu = context.constant(short_gelu_);
    epilogue.bias = context.constant(bias_);
    if (residual_ != graph::kNoValue) epilogue.residual = context.value<const float>(residual_);
    epilogue.c = {context.value<std::byte>(y_), stored_};
    return epilogue;
  }
  [[nodiscard]] double operations(const engine::PackedBatch& batch) const {
    return 2.0 * static_cast<double>(extent_of(batch).rows(symbol_)) * n_ * k_;
  }

 private:
  graph::ValueId residual_;
  graph::ValueId y_;
  Stored stored_;
  graph::Symbol symbol_;
  int m_;
  int n_;
  int k_;
  Activation activation_;
  Constant<float> bias_;
  Constant<float> short_gelu_;
};

/// The weight of an integer product: rows of s8, scales and sums.
struct WeightS8 {
  WeightS8(const graph::Node& node, Lowering& lowering);

  int64_t stride = 0;
  Constant<int8_t> w;
  Constant<float> scale;
  Constant<float> sums;
  int outliers = 0;
  Constant<float> outlier_weights;  // [outliers, n]
};

/// Integers of a weight [n, k], from the graph or rounded row by row, as kPerChannelS8 has it.
class IntegerRows {
 public:
  IntegerRows(std::shared_ptr<const Tensor> weight, std::shared_ptr<const Tensor> scale)
      : weight_(std::move(weight)), scale_(std::move(scale)), floats_(k()), rounded_(k()) {}

  [[nodiscard]] int64_t n() const { return weight_->shape()[0]; }
  [[nodiscard]] size_t k() const { return static_cast<size_t>(weight_->shape()[1]); }
  /// Valid until the next call; with its scale.
  std::pair<const int8_t*, float> row(int64_t i) {
    if (weight_->dtype() == DType::kI8) {
      const auto first = static_cast<size_t>(i) * k();
      return {weight_->as<int8_t>().data() + first, scale_->as<float>()[static_cast<size_t>(i)]};
    }
    copy_float32(weight_->rows(i, i + 1).view(), floats_);
    return {rounded_.data(), kernels::reference::quantize_weight_row(floats_, rounded_)};
  }

 private:
  std::shared_ptr<const Tensor> weight_;
  std::shared_ptr<const Tensor> scale_;
  std::vector<float> floats_;
  std::vector<int8_t> rounded_;
};

// The graph holds the outliers' weights as [n, outliers]; the kernel reads them row by row.
Constant<float> outlier_weights_of(const graph::Node& node, int outliers, Lowering& lowering) {
  const auto weights = lowering.tensor(node.operand(Operand::kOutlierWeight));
  const int64_t n = weights->shape()[0];
  return lowering.constants().add<float>(weights.get(), Form::kOutlierWeights,
                                         weights->size_bytes(),
                                         [weights, n, outliers](std::byte* bytes) {
                                           auto* to = reinterpret_cast<float*>(bytes);
                                           const auto from = weights->as<float>();
                                           for (int r = 0; r < outliers; ++r) {
                                             for (int64_t i = 0; i < n; ++i)
                                               *to++ = from[static_cast<size_t>(i * outliers + r)];
                                           }
                                         });
}

WeightS8::WeightS8(const graph::Node& node, Lowering& lowering) {
  const graph::ValueId id = node.operand(Operand::kWeight);
  const bool integers = lowering.graph().value(id).dtype == DType::kI8;
  const auto tensor = integers ? lowering.graph().value(id).constant : lowering.stored_floats(id);
  const auto given = integers ? lowering.tensor(node.operand(Operand::kWeightScale)) : nullptr;
  const int64_t n = tensor->shape()[0];
  stride = rounded_up(tensor->shape()[1], kQuantizedAlignment);
  const auto bytes = static_cast<size_t>(n * stride);
  w = lowering.constants().add<int8_t>(
      tensor.get(), Form::kS8, bytes, [tensor, given, pitch = stride](std::byte* to) {
        IntegerRows rows(tensor, given);
        for (int64_t i = 0; i < rows.n(); ++i, to += pitch) {
          std::memcpy(to, rows.row(i).first, rows.k());
          std::memset(to + rows.k(), 0, static_cast<size_t>(pitch) - rows.k());
        }
        tensor->release_pages();
      });
  const auto of_rows = [&](Form form, auto number) {
    return lowering.constants().add<float>(tensor.get(), form,
                                           static_cast<size_t>(n) * sizeof(float),
                                           [tensor, given, number](std::byte* bytes_of) {
                                             auto* to = reinterpret_cast<float*>(bytes_of);
                                             IntegerRows rows(tensor, given);
                                             for (int64_t i = 0; i < rows.n(); ++i)
                                               to[i] = number(rows.row(i), rows.k());
                                             tensor->release_pages();
                                           });
  };
  using Row = std::pair<const int8_t*, float>;
  scale = of_rows(Form::kS8Scales, [](const Row& row, size_t) { return row.second; });
  sums = of_rows(Form::kS8Sums, [](const Row& row, size_t k) {
    int32_t sum = 0;
    for (size_t p = 0; p < k; ++p) sum += row.first[p];
    return static_cast<float>(sum);
  });
  lowering.count_packed(bytes);
  if (!node.has(Operand::kOutlierColumns)) return;
  const auto& columns = lowering.graph().value(node.operand(Operand::kOutlierColumns)).constant;
  outliers = static_cast<int>(columns->elements());
  outlier_weights = outlier_weights_of(node, outliers, lowering);
}

/// A tile's kernels by activation.
struct S8Kernels {
  int64_t most_rows;
  int tile_rows;
  int tile_columns;
  KernelId none;
  KernelId gelu;
  KernelId any;
};
// Where products would wait for shared memory; the rare activations keep the other tile.
constexpr S8Kernels kFewKernels = {0,
                                   tamis::cuda::kLargeFewTile.rows,
                                   tamis::cuda::kLargeFewTile.columns,
                                   KernelId::k_gemm_s8_large_few,
                                   KernelId::k_gemm_s8_large_few_gelu,
                                   KernelId::k_gemm_s8_large_any};
static_assert(tamis::cuda::kLargeFewTile.rows == tamis::cuda::kLargeTile.rows &&
              tamis::cuda::kLargeFewTile.columns == tamis::cuda::kLargeTile.columns);
constexpr S8Kernels kS8Kernels[] = {
    {64, tamis::cuda::kSmallTile.rows, tamis::cuda::kSmallTile.columns, KernelId::k_gemm_s8_small,
     KernelId::k_gemm_s8_small_gelu, KernelId::k_gemm_s8_small_any},
    {512, tamis::cuda::kMiddleTile.rows, tamis::cuda::kMiddleTile.columns,
     KernelId::k_gemm_s8_middle, KernelId::k_gemm_s8_middle_gelu, KernelId::k_gemm_s8_middle_any},
    {int64_t{1} << 40, tamis::cuda::kLargeTile.rows, tamis::cuda::kLargeTile.columns,
     KernelId::k_gemm_s8_large, KernelId::k_gemm_s8_large_gelu, KernelId::k_gemm_s8_large_any},
};
// On wgmma, from more than kLeastHopperRows rows on.
constexpr S8Kernels kHopperKernels = {
    int64_t{1} << 40,           tamis::cuda::HopperTile::rows,   tamis::cuda::kHopperTile.columns,
    KernelId::k_gemm_s8_hopper, KernelId::k_gemm_s8_hopper_gelu, KernelId::k_gemm_s8_hopper_any};
constexpr int64_t kLeastHopperRows = 256;

// Boxes of whole rows of an operand.
tamis::cuda::TensorMap map_of(const StepContext& context, const void* bytes, int64_t rows,
                              int64_t stride, int box_rows) {
  tamis::cuda::TensorMap map;
  const auto words = device::cuda::map_boxes(
      *context.card->device(),
      {static_cast<const std::byte*>(bytes), rows, stride, stride, box_rows});
  std::copy(words.begin(), words.end(), map.words);
  return map;
}

// Multiplies the quantized copy of its input, which an earlier step made.
class MatMulS8Step final : public Step {
 public:
  MatMulS8Step(const graph::Node& node, Lowering& lowering)
      : product_(node, true, lowering),
        copy_(lowering.copy_id(lowering.copy_of(node))),
        stride_(lowering.copies()[lowering.copy_of(node)].stride()),
        weight_(node, lowering),
        few_(lowering.capability() == 80 || lowering.capability() == 90),
        tail_(node, lowering) {}

  void launch(const StepContext& context) const override {
    const int64_t rows = product_.rows(context);
    const QuantizedView copy(context.value<std::byte>(copy_), rows, stride_);
    tamis::cuda::GemmS8Params params;
    params.m = product_.m(context);
    params.k = product_.k();
    params.lda = static_cast<int>(stride_);
    params.ldw = static_cast<int>(weight_.stride);
    params.a = copy.q;
    params.w = context.constant(weight_.w);
    params.scale = copy.scale;
    params.low = copy.low;
    params.weight_scale = context.constant(weight_.scale);
    params.colsum = context.constant(weight_.sums);
    params.outliers = weight_.outliers;
    params.outlier_values = copy.outliers;
    params.outlier_weights = context.constant(weight_.outlier_weights);
    params.epilogue = product_.epilogue(context);
    params.tail = tail_.tail(context, params.epilogue.c);
    const bool hopper = rows > kLeastHopperRows && context.card->has(kernel_of(kHopperKernels));
    const S8Kernels& kernels = hopper ? kHopperKernels : kernels_for(rows);
    const int64_t columns = blocks(product_.n(), kernels.tile_columns);
    const int64_t row_tiles = blocks(rows, kernels.tile_rows);
    if (!hopper) return context.launch(kernel_of(kernels), columns, row_tiles, params);
    const tamis::cuda::GemmS8HopperParams mapped = {
        map_of(context, params.a, rows, stride_, kernels.tile_rows),
        map_of(context, params.w, product_.n(), weight_.stride, kernels.tile_columns), params};
    context.launch(kernel_of(kernels), columns, row_tiles, mapped);
  }
  [[nodiscard]] double operations(const engine::PackedBatch& batch) const override {
    return product_.operations(batch);
  }

 private:
  [[nodiscard]] const S8Kernels& kernels_for(int64_t rows) const {
    const S8Kernels* kernels = kS8Kernels;
    while (rows > kernels->most_rows) ++kernels;
    return few_ && kernels->tile_rows == kFewKernels.tile_rows ? kFewKernels : *kernels;
  }
  // What the kernels of gemm_tile.h's kNone and kShortGelu take.
  [[nodiscard]] KernelId kernel_of(const S8Kernels& kernels) const {
    if (product_.n() % 2 != 0) return kernels.any;
    if (product_.activation() == Activation::kNone) return kernels.none;
    return product_.has_short_gelu() && !product_.has_residual() ? kernels.gelu : kernels.any;
  }

  Product product_;
  graph::ValueId copy_;
  int64_t stride_;
  WeightS8 weight_;
  bool few_;
  RowTailLaunch tail_;
};

// Rows of 16-bit floats are padded, in values.
constexpr int64_t kB16Alignment = tamis::cuda::kGemmRowBytes / sizeof(uint16_t);
// Rows from which on the large tile is worth its waste.
constexpr int64_t kLargeTileRows = 512;

// Rounds its input to 16 bits in scratch, unless it comes as that, and multiplies.
class MatMulB16Step final : public Step {
 public:
  MatMulB16Step(const graph::Node& node, Lowering& lowering)
      : product_(node, true, lowering),
        x_(node.operand(Operand::kX)),
        stored_(lowering.stored(x_)),
        stride_(rounded_up(product_.k(), kB16Alignment)) {
    const auto tensor = lowering.stored_floats(node.operand(Operand::kWeight));
    const auto bytes = static_cast<size_t>(product_.n() * stride_) * sizeof(uint16_t);
    weight_ = lowering.constants().add<uint16_t>(
        tensor.get(), Form::kB16, bytes,
        [tensor, pitch = stride_, f16 = lowering.turing()](std::byte* to) {
          write_rounded(*tensor, pitch, f16, reinterpret_cast<uint16_t*>(to));
        });
    lowering.count_packed(bytes);
  }

  void launch(const StepContext& context) const override {
    const int64_t rows = product_.rows(context);
    tamis::cuda::GemmB16Params params;
    params.m = product_.m(context);
    params.lda = params.ldw = static_cast<int>(stride_);
    params.a = as_it_is() ? context.value<const uint16_t>(x_) : round(context);
    params.w = context.constant(weight_);
    params.epilogue = product_.epilogue(context);
    const bool large = rows > kLargeTileRows;
    const GemmTile& tile = large ? tamis::cuda::kLargeTile : tamis::cuda::kMiddleTile;
    context.launch(large ? KernelId::k_gemm_b16_large : KernelId::k_gemm_b16_middle,
                   blocks(product_.n(), tile.columns), blocks(rows, tile.rows), params);
  }
  [[nodiscard]] size_t scratch_row_bytes() const override {
    return as_it_is() ? 0 : static_cast<size_t>(stride_) * sizeof(uint16_t);
  }
  [[nodiscard]] double operations(const engine::PackedBatch& batch) const override {
    return product_.operations(batch);
  }

 private:
  static void write_rounded(const Tensor& weight, int64_t pitch, bool f16, uint16_t* to) {
    const auto k = static_cast<size_t>(weight.shape()[1]);
    std::vector<float> from(k);
    for (int64_t i = 0; i < weight.shape()[0]; ++i, to += pitch) {
      copy_float32(weight.rows(i, i + 1).view(), from);
      for (size_t p = 0; p < k; ++p) to[p] = f16 ? float_to_f16(from[p]) : float_to_bf16(from[p]);
      std::memset(to + k, 0, (static_cast<size_t>(pitch) - k) * sizeof(uint16_t));
    }
    weight.release_pages();
  }
  [[nodiscard]] bool as_it_is() const { return stored_ == Stored::kB16 && stride_ == product_.k(); }
  [[nodiscard]] const uint16_t* round(const StepContext& context) const {
    tamis::cuda::ElementwiseParams params;
    params.rows = product_.m(context);
    params.columns = product_.k();
    params.ldy = static_cast<int>(stride_);
    params.x = {context.value<const std::byte>(x_), stored_};
    params.y = {context.scratch, Stored::kB16};
    context.launch(KernelId::k_elementwise, product_.rows(context), 1, params);
    return reinterpret_cast<const uint16_t*>(context.scratch);
  }

  Product product_;
  graph::ValueId x_;
  Stored stored_;
  int64_t stride_;
  Constant<uint16_t> weight_;
};

class MatMulF32Step final : public Step {
 public:
  MatMulF32Step(const graph::Node& node, Lowering& lowering)
      : product_(node, false, lowering),
        x_(node.operand(Operand::kX)),
        weight_(lowering.floats(node.operand(Operand::kWeight))) {
    TAMIS_CHECK(lowering.stored(x_) == Stored::kF32);
  }

  void launch(const StepContext& context) const override {
    tamis::cuda::GemmF32Params params;
    params.m = product_.m(context);
    params.k = product_.k();
    params.a = context.value<const float>(x_);
    params.w = context.constant(weight_);
    params.epilogue = product_.epilogue(context);
    context.launch(KernelId::k_gemm_f32, blocks(product_.n(), tamis::cuda::kGemmF32Tile),
                   blocks(product_.rows(context), tamis::cuda::kGemmF32Tile), params);
  }
  [[nodiscard]] double operations(const engine::PackedBatch& batch) const override {
    return product_.operations(batch);
  }

 private:
  Product product_;
  graph::ValueId x_;
  Constant<float> weight_;
};

void check_integer_mark(const graph::Node& node) {
  const graph::Quantizer* input = node.enabled_mark(Operand::kX);
  if (input != nullptr && input->scheme == graph::QuantScheme::kPerTokenU8) return;
  refuse(node,
         cat("the integer kernels take an input mark that is on and per_token_u8",
             input == nullptr ? std::string() : cat(", not ", graph::scheme_name(input->scheme))));
}

}  // namespace

std::unique_ptr<Step> lower_matmul(const graph::Node& node, Lowering& lowering) {
  switch (lowering.arithmetic(node)) {
    case cpu::Arithmetic::kS8:
      check_integer_mark(node);
      return std::make_unique<MatMulS8Step>(node, lowering);
    case cpu::Arithmetic::kBf16:
      return std::make_unique<MatMulB16Step>(node, lowering);
    case cpu::Arithmetic::kF32:
      break;
  }
  return std::make_unique<MatMulF32Step>(node, lowering);
}

}  // namespace tamis::engines::cuda
