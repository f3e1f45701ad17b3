#include "runtime/lowering.h"

#include <algorithm>

#include "base/error.h"

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

std::shared_ptr<const PackedWeight> Lowering::pack_gemm_f32(graph::ValueId weight) {
  std::shared_ptr<const PackedWeight>& entry = packed_[graph_.value(weight).constant.get()];
  if (entry != nullptr) return entry;
  const kernels::GemmF32Weights weights{shape(weight)[0].size, shape(weight)[1].size,
                                        constant(weight), shape(weight)[1].size};
  auto packed = std::make_shared<PackedWeight>();
  packed->kernel = &kernels::select_gemm_f32(isas_);
  packed->memory = AlignedBuffer(packed->kernel->packed_bytes(weights.n, weights.k));
  auto* memory = reinterpret_cast<float*>(packed->memory.data());
  const int64_t panels = kernels::gemm_f32_panels(*packed->kernel, weights.n);
  const kernels::GemmF32Kernel* kernel = packed->kernel;
  if (pool_ == nullptr) {
    kernel->pack(weights, 0, panels, memory);
  } else {
    pool_->parallel_for(panels,
                        [&](int64_t panel) { kernel->pack(weights, panel, panel + 1, memory); });
  }
  entry = std::move(packed);
  return entry;
}

size_t Lowering::packed_bytes() const {
  size_t bytes = 0;
  for (const auto& [tensor, packed] : packed_) bytes += packed->memory.size();
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
