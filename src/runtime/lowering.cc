#include "runtime/lowering.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/reference/quantize.h"

namespace tamis::runtime {

#define X(op, function) std::unique_ptr<Step> function(const graph::Node&, Lowering&);
#include "runtime/lowering.inc"
#undef X

namespace {

using LowerFn = std::unique_ptr<Step> (*)(const graph::Node&, Lowering&);

LowerFn lowering_of(graph::OpKind op) {
  switch (op) {
#define X(name, function)      \
  case graph::OpKind::k##name: \
    return function;
#include "runtime/lowering.inc"
#undef X
  }
  return nullptr;
}

// Where position ids come from: walks back to the PositionIds node.
const graph::PositionIdsAttributes* position_rule(const graph::Graph& graph, graph::ValueId ids) {
  const int producer = graph.producer(ids);
  if (producer < 0) return nullptr;
  return std::get_if<graph::PositionIdsAttributes>(
      &graph.nodes()[static_cast<size_t>(producer)].attributes);
}

// The smaller of two limits where 0 stands for none.
int64_t tighter(int64_t limit, int64_t rows) { return limit == 0 ? rows : std::min(limit, rows); }

}  // namespace

std::unique_ptr<Step> lower(const graph::Node& node, Lowering& lowering) {
  return lowering_of(node.op)(node, lowering);
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
template <typename Kernel, typename Weights, typename Packed>
void pack_panels(const Kernel& kernel, const Weights& weights, ThreadPool* pool, Packed* memory) {
  const int64_t panels = (weights.n + kernel.nr - 1) / kernel.nr;
  if (pool == nullptr) {
    kernel.pack(weights, 0, panels, memory);
    return;
  }
  pool->parallel_for(panels,
                     [&](int64_t panel) { kernel.pack(weights, panel, panel + 1, memory); });
}

}  // namespace

std::shared_ptr<const PackedWeight> Lowering::pack_gemm_f32(graph::ValueId weight) {
  std::shared_ptr<const PackedWeight>& entry = packed_[graph_.value(weight).constant.get()];
  if (entry != nullptr) return entry;
  const kernels::GemmF32Weights weights{shape(weight)[0].size, shape(weight)[1].size,
                                        constant(weight), shape(weight)[1].size};
  auto packed = std::make_shared<PackedWeight>();
  packed->kernel = &kernels::select_gemm_f32(isas_);
  packed->memory = AlignedBuffer(packed->kernel->packed_bytes(weights.n, weights.k));
  pack_panels(*packed->kernel, weights, pool_, reinterpret_cast<float*>(packed->memory.data()));
  entry = std::move(packed);
  return entry;
}

std::shared_ptr<const PackedWeightS8> Lowering::pack_gemm_s8(const graph::Node& matmul) {
  const graph::ValueId weight = matmul.inputs[1];
  std::shared_ptr<const PackedWeightS8>& entry = packed_s8_[graph_.value(weight).constant.get()];
  if (entry != nullptr) return entry;
  const int64_t n = shape(weight)[0].size;
  const int64_t k = shape(weight)[1].size;
  std::vector<int8_t> rounded;
  std::vector<float> scales;
  kernels::GemmS8Weights weights{n, k, nullptr, k, nullptr};
  if (graph_.value(weight).dtype == DType::kI8) {
    weights.w = graph_.value(weight).constant->as<int8_t>().data();
    weights.scale = constant(matmul.inputs[4]);
  } else {
    rounded.resize(static_cast<size_t>(n * k));
    scales.resize(static_cast<size_t>(n));
    const float* w = constant(weight);
    for (int64_t i = 0; i < n; ++i) {
      const auto width = static_cast<size_t>(k);
      scales[static_cast<size_t>(i)] = kernels::reference::quantize_weight_row(
          {w + i * k, width}, {rounded.data() + i * k, width});
    }
    weights.w = rounded.data();
    weights.scale = scales.data();
  }
  auto packed = std::make_shared<PackedWeightS8>();
  packed->kernel = &kernels::select_gemm_s8(isas_);
  packed->memory = AlignedBuffer(packed->kernel->packed_bytes(n, k));
  pack_panels(*packed->kernel, weights, pool_, static_cast<void*>(packed->memory.data()));
  entry = std::move(packed);
  return entry;
}

size_t Lowering::packed_bytes() const {
  size_t bytes = 0;
  for (const auto& [tensor, packed] : packed_) bytes += packed->memory.size();
  for (const auto& [tensor, packed] : packed_s8_) bytes += packed->memory.size();
  return bytes;
}

void Lowering::limit_ids(graph::ValueId ids, int64_t rows) {
  const std::string& name = graph_.value(ids).name;
  if (name == graph::kInputIds) {
    limits_.vocab_size = tighter(limits_.vocab_size, rows);
  } else if (name == graph::kTokenTypeIds) {
    limits_.type_vocab_size = tighter(limits_.type_vocab_size, rows);
  } else if (const auto* rule = position_rule(graph_, ids)) {
    limits_.position_rows = tighter(limits_.position_rows, rows);
    limits_.first_position =
        rule->rule == graph::PositionRule::kRoberta ? rule->padding_idx + 1 : 0;
    limits_.max_seqlen =
        std::min(limits_.max_seqlen, limits_.position_rows - limits_.first_position);
  } else {
    fail(ErrorCode::kUnsupported, "\"", name,
         "\" indexes a table; only input_ids, token_type_ids and position ids may");
  }
}

}  // namespace tamis::runtime
