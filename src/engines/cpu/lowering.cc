#include "engines/cpu/lowering.h"

#include <algorithm>
#include <type_traits>

#include "base/error.h"
#include "kernels/reference/quantize.h"

namespace tamis::engines::cpu {

using graph::Operand;

#define X(op, function) std::unique_ptr<Step> function(const graph::Node&, Lowering&);
#include "engines/cpu/lowering.inc"
#undef X

namespace {

using LowerFn = std::unique_ptr<Step> (*)(const graph::Node&, Lowering&);

LowerFn lowering_of(graph::OpKind op) {
  switch (op) {
#define X(name, function)      \
  case graph::OpKind::k##name: \
    return function;
#include "engines/cpu/lowering.inc"
#undef X
    default:
      return nullptr;
  }
}

}  // namespace

std::unique_ptr<Step> lower(const graph::Node& node, Lowering& lowering) {
  const LowerFn function = lowering_of(node.op);
  if (function == nullptr) {
    fail(ErrorCode::kUnsupported, graph::op_name(node.op), " at \"", node.scope,
         "\": the CPU engine has no kernel for it");
  }
  return function(node, lowering);
}

size_t Lowering::quantized_input(const graph::Node& matmul) const {
  for (size_t i = 0; i < quantized_.size(); ++i) {
    const QuantizedRows& copy = quantized_[i];
    if (copy.x == matmul.operand(Operand::kX) &&
        copy.multiplier == matmul.operand(Operand::kInputMultiplier) &&
        copy.offset == matmul.operand(Operand::kInputOffset) &&
        copy.outlier_columns == matmul.operand(Operand::kOutlierColumns)) {
      return i;
    }
  }
  TAMIS_CHECK(false);
  return 0;
}

const float* Lowering::constant(graph::ValueId id) const {
  const graph::Value& value = graph_.value(id);
  TAMIS_CHECK(value.constant != nullptr);
  if (value.dtype != DType::kF32) {
    fail(ErrorCode::kUnsupported, "constant \"", value.name, "\" is ", dtype_name(value.dtype),
         "; F32 is accepted here");
  }
  return value.constant->as<float>().data();
}

const float* Lowering::optional_constant(graph::ValueId id) const {
  return id == graph::kNoValue ? nullptr : constant(id);
}

namespace {

// On the pool's idle workers if there is a pool.
template <typename Body>
void for_each_of(int64_t count, ThreadPool* pool, const Body& body) {
  if (pool == nullptr) {
    for (int64_t i = 0; i < count; ++i) body(i);
  } else {
    pool->parallel_for(count, body);
  }
}

template <typename Kernel, typename Weights>
void pack_panel(const Kernel& kernel, const Weights& weights, int64_t panel, std::byte* memory) {
  if constexpr (std::is_same_v<Kernel, kernels::GemmF32Kernel>) {
    kernel.pack(weights, panel, panel + 1, reinterpret_cast<float*>(memory));
  } else {
    kernel.pack(weights, panel, panel + 1, memory);
  }
}

template <typename Kernel, typename Weights>
std::shared_ptr<const Packed<Kernel>> pack(const Kernel& kernel, const Weights& weights,
                                           ThreadPool* pool) {
  auto packed = std::make_shared<Packed<Kernel>>();
  packed->kernel = &kernel;
  packed->memory = AlignedBuffer(kernel.packed_bytes(weights.n, weights.k));
  auto* memory = static_cast<std::byte*>(packed->memory.data());
  for_each_of((weights.n + kernel.nr - 1) / kernel.nr, pool,
              [&](int64_t panel) { pack_panel(kernel, weights, panel, memory); });
  return packed;
}

/// Rows of a weight as float32: where they lie, or widened into memory of this object's.
class FloatRows {
 public:
  FloatRows(const Tensor& weight, int64_t begin, int64_t end) {
    const Tensor rows = weight.rows(begin, end);
    if (rows.dtype() == DType::kF32) {
      values_ = rows.as<float>();
      return;
    }
    widened_.resize(static_cast<size_t>(rows.elements()));
    copy_float32(rows.view(), widened_);
    values_ = widened_;
  }
  FloatRows(const FloatRows&) = delete;
  FloatRows& operator=(const FloatRows&) = delete;

  [[nodiscard]] std::span<const float> values() const { return values_; }

 private:
  std::vector<float> widened_;
  std::span<const float> values_;
};

// A float weight, widened panel by panel.
template <typename Weights, typename Kernel>
std::shared_ptr<const Packed<Kernel>> pack_floats(const Kernel& kernel, const Tensor& weight,
                                                  ThreadPool* pool) {
  const int64_t n = weight.shape()[0];
  const int64_t k = weight.shape()[1];
  if (weight.dtype() == DType::kF32) {
    return pack(kernel, Weights{n, k, weight.as<float>().data(), k}, pool);
  }
  auto packed = std::make_shared<Packed<Kernel>>();
  packed->kernel = &kernel;
  packed->memory = AlignedBuffer(kernel.packed_bytes(n, k));
  auto* memory = static_cast<std::byte*>(packed->memory.data());
  const size_t panel_bytes = kernel.packed_bytes(kernel.nr, k);
  for_each_of((n + kernel.nr - 1) / kernel.nr, pool, [&](int64_t panel) {
    const int64_t begin = panel * kernel.nr;
    const int64_t end = std::min(n, begin + kernel.nr);
    const FloatRows rows(weight, begin, end);
    pack_panel(kernel, Weights{end - begin, k, rows.values().data(), k}, 0,
               memory + static_cast<size_t>(panel) * panel_bytes);
  });
  return packed;
}

/// A weight's integers and scales, where they are not the graph's own.
struct RoundedWeight {
  std::vector<int8_t> w;
  std::vector<float> scale;
};

RoundedWeight round_weight(const Tensor& weight, ThreadPool* pool) {
  const int64_t n = weight.shape()[0];
  const auto width = static_cast<size_t>(weight.shape()[1]);
  RoundedWeight rounded;
  rounded.w.resize(static_cast<size_t>(weight.elements()));
  rounded.scale.resize(static_cast<size_t>(n));
  for_each_of(n, pool, [&](int64_t i) {
    const auto row = static_cast<size_t>(i);
    rounded.scale[row] = kernels::reference::quantize_weight_row(
        FloatRows(weight, i, i + 1).values(), {rounded.w.data() + row * width, width});
  });
  return rounded;
}

// The weight's own integers, whose scales are given, or its floats rounded row by row.
std::shared_ptr<const PackedS8> pack_integers(const kernels::GemmS8Kernel& kernel,
                                              const Tensor& weight, const float* scale,
                                              ThreadPool* pool) {
  kernels::GemmS8Weights weights{weight.shape()[0], weight.shape()[1], nullptr, weight.shape()[1],
                                 nullptr};
  RoundedWeight rounded;
  if (weight.dtype() == DType::kI8) {
    weights.w = weight.as<int8_t>().data();
    weights.scale = scale;
  } else {
    rounded = round_weight(weight, pool);
    weights.w = rounded.w.data();
    weights.scale = rounded.scale.data();
  }
  return pack(kernel, weights, pool);
}

}  // namespace

const float* Lowering::optional_scale(const graph::Node& product) const {
  return optional_constant(product.operand(Operand::kWeightScale));
}

template <typename Packed, typename Pack>
Experts<Packed> Lowering::pack_experts(const graph::Node& product, const Pack& pack_rows) {
  const Tensor& weight = *graph_.value(product.operand(Operand::kWeight)).constant;
  const int64_t experts = product.attribute<graph::ExpertMatMulAttributes>().experts;
  const int64_t rows = weight.shape()[0] / experts;
  Experts<Packed> packed;
  for (int64_t e = 0; e < experts; ++e) {
    packed.push_back(pack_rows(weight.rows(e * rows, (e + 1) * rows), e * rows));
    packed_bytes_ += packed.back()->memory.size();
  }
  return packed;
}

Experts<PackedF32> Lowering::pack_experts_f32(const graph::Node& product) {
  return pack_experts<PackedF32>(product, [&](const Tensor& rows, int64_t /*first*/) {
    return pack_floats<kernels::GemmF32Weights>(kernels::select_gemm_f32(isas()), rows,
                                                options_.pool);
  });
}

Experts<PackedBf16> Lowering::pack_experts_bf16(const graph::Node& product) {
  return pack_experts<PackedBf16>(product, [&](const Tensor& rows, int64_t /*first*/) {
    return pack_floats<kernels::GemmBf16Weights>(kernels::select_gemm_bf16(isas()), rows,
                                                 options_.pool);
  });
}

Experts<PackedS8> Lowering::pack_experts_s8(const graph::Node& product) {
  const float* scale = optional_scale(product);
  return pack_experts<PackedS8>(product, [&](const Tensor& rows, int64_t first) {
    return pack_integers(kernels::select_gemm_s8(isas()), rows,
                         scale == nullptr ? nullptr : scale + first, options_.pool);
  });
}

std::shared_ptr<const PackedF32> Lowering::pack_gemm_f32(graph::ValueId weight) {
  std::shared_ptr<const PackedF32>& entry = packed_f32_[graph_.value(weight).constant.get()];
  if (entry != nullptr) return entry;
  entry = pack_floats<kernels::GemmF32Weights>(kernels::select_gemm_f32(isas()),
                                               *graph_.value(weight).constant, options_.pool);
  packed_bytes_ += entry->memory.size();
  return entry;
}

std::shared_ptr<const PackedBf16> Lowering::pack_gemm_bf16(graph::ValueId weight) {
  std::shared_ptr<const PackedBf16>& entry = packed_bf16_[graph_.value(weight).constant.get()];
  if (entry != nullptr) return entry;
  entry = pack_floats<kernels::GemmBf16Weights>(kernels::select_gemm_bf16(isas()),
                                                *graph_.value(weight).constant, options_.pool);
  packed_bytes_ += entry->memory.size();
  return entry;
}

std::shared_ptr<const PackedS8> Lowering::pack_gemm_s8(const graph::Node& matmul) {
  const graph::ValueId weight = matmul.operand(Operand::kWeight);
  std::shared_ptr<const PackedS8>& entry = packed_s8_[graph_.value(weight).constant.get()];
  if (entry != nullptr) return entry;
  entry = pack_integers(kernels::select_gemm_s8(isas()), *graph_.value(weight).constant,
                        optional_scale(matmul), options_.pool);
  packed_bytes_ += entry->memory.size();
  return entry;
}

std::shared_ptr<const std::vector<float>> Lowering::spread_bias(
    const Tensor& table, int64_t max_distance, const std::function<std::vector<float>()>& spread) {
  std::shared_ptr<const std::vector<float>>& entry = biases_[{&table, max_distance}];
  if (entry == nullptr) entry = std::make_shared<const std::vector<float>>(spread());
  return entry;
}

std::shared_ptr<const std::vector<int32_t>> Lowering::position_slots(
    const graph::AttentionAttributes& rule, const std::function<std::vector<int32_t>()>& make) {
  std::shared_ptr<const std::vector<int32_t>>& entry =
      slots_[{rule.position_buckets, rule.max_relative_positions}];
  if (entry == nullptr) entry = std::make_shared<const std::vector<int32_t>>(make());
  return entry;
}

std::shared_ptr<RotaryTable> Lowering::rotary_table(const graph::Node& rotary) {
  const graph::ValueId frequencies = rotary.operand(Operand::kFrequencies);
  const auto& attributes = rotary.attribute<graph::RotaryAttributes>();
  const Tensor* tensor = graph_.value(frequencies).constant.get();
  std::shared_ptr<RotaryTable>& table =
      rotary_tables_[{tensor, attributes.interleaved, attributes.scale}];
  if (table == nullptr) {
    const Shape& sizes = tensor->shape();
    const bool two = sizes.rank() == 2;
    table = std::make_shared<RotaryTable>(
        RotaryTable::Rule{constant(frequencies), two ? sizes[0] : 1, sizes[two ? 1 : 0],
                          attributes.interleaved, attributes.scale});
  }
  return table;
}

void Lowering::forget_packed(const Tensor& weight) {
  packed_f32_.erase(&weight);
  packed_bf16_.erase(&weight);
  packed_s8_.erase(&weight);
}

}  // namespace tamis::engines::cpu
