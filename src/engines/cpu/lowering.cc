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
         "; the fp32 engine takes F32");
  }
  return value.constant->as<float>().data();
}

const float* Lowering::optional_constant(graph::ValueId id) const {
  return id == graph::kNoValue ? nullptr : constant(id);
}

namespace {

// Packs all panels, on the pool's idle workers if there is a pool.
template <typename Kernel, typename Weights>
std::shared_ptr<const Packed<Kernel>> pack(const Kernel& kernel, const Weights& weights,
                                           ThreadPool* pool) {
  auto packed = std::make_shared<Packed<Kernel>>();
  packed->kernel = &kernel;
  packed->memory = AlignedBuffer(kernel.packed_bytes(weights.n, weights.k));
  void* memory = packed->memory.data();
  const int64_t panels = (weights.n + kernel.nr - 1) / kernel.nr;
  const auto pack_panels = [&](int64_t begin, int64_t end) {
    if constexpr (std::is_same_v<Kernel, kernels::GemmF32Kernel>) {
      kernel.pack(weights, begin, end, static_cast<float*>(memory));
    } else {
      kernel.pack(weights, begin, end, memory);
    }
  };
  if (pool == nullptr) {
    pack_panels(0, panels);
  } else {
    pool->parallel_for(panels, [&](int64_t panel) { pack_panels(panel, panel + 1); });
  }
  return packed;
}

/// A weight's integers and scales, where they are not the graph's own.
struct RoundedWeight {
  std::vector<int8_t> w;
  std::vector<float> scale;
};

RoundedWeight round_weight(const float* w, int64_t n, int64_t k, ThreadPool* pool) {
  RoundedWeight rounded;
  rounded.w.resize(static_cast<size_t>(n * k));
  rounded.scale.resize(static_cast<size_t>(n));
  const auto width = static_cast<size_t>(k);
  const auto round_row = [&](int64_t i) {
    rounded.scale[static_cast<size_t>(i)] = kernels::reference::quantize_weight_row(
        {w + i * k, width}, {rounded.w.data() + i * k, width});
  };
  if (pool == nullptr) {
    for (int64_t i = 0; i < n; ++i) round_row(i);
  } else {
    pool->parallel_for(n, round_row);
  }
  return rounded;
}

}  // namespace

std::shared_ptr<const PackedF32> Lowering::pack_gemm_f32(graph::ValueId weight) {
  std::shared_ptr<const PackedF32>& entry = packed_f32_[graph_.value(weight).constant.get()];
  if (entry != nullptr) return entry;
  const kernels::GemmF32Weights weights{shape(weight)[0].size, columns(weight), constant(weight),
                                        columns(weight)};
  entry = pack(kernels::select_gemm_f32(isas()), weights, options_.pool);
  packed_bytes_ += entry->memory.size();
  return entry;
}

std::shared_ptr<const PackedBf16> Lowering::pack_gemm_bf16(graph::ValueId weight) {
  std::shared_ptr<const PackedBf16>& entry = packed_bf16_[graph_.value(weight).constant.get()];
  if (entry != nullptr) return entry;
  const kernels::GemmBf16Weights weights{shape(weight)[0].size, columns(weight), constant(weight),
                                         columns(weight)};
  entry = pack(kernels::select_gemm_bf16(isas()), weights, options_.pool);
  packed_bytes_ += entry->memory.size();
  return entry;
}

std::shared_ptr<const PackedS8> Lowering::pack_gemm_s8(const graph::Node& matmul) {
  const graph::ValueId weight = matmul.operand(Operand::kWeight);
  std::shared_ptr<const PackedS8>& entry = packed_s8_[graph_.value(weight).constant.get()];
  if (entry != nullptr) return entry;
  kernels::GemmS8Weights weights{shape(weight)[0].size, columns(weight), nullptr, columns(weight),
                                 nullptr};
  RoundedWeight rounded;
  if (graph_.value(weight).dtype == DType::kI8) {
    weights.w = graph_.value(weight).constant->as<int8_t>().data();
    weights.scale = constant(matmul.operand(Operand::kWeightScale));
  } else {
    rounded = round_weight(constant(weight), weights.n, weights.k, options_.pool);
    weights.w = rounded.w.data();
    weights.scale = rounded.scale.data();
  }
  entry = pack(kernels::select_gemm_s8(isas()), weights, options_.pool);
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
    table = std::make_shared<RotaryTable>(constant(frequencies), shape(frequencies)[0].size,
                                          attributes.interleaved, attributes.scale);
  }
  return table;
}

void Lowering::forget_packed(const Tensor& weight) {
  packed_f32_.erase(&weight);
  packed_bf16_.erase(&weight);
  packed_s8_.erase(&weight);
}

}  // namespace tamis::engines::cpu
