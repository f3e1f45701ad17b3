#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "engines/cpu/attention_terms.h"
#include "engines/cuda/lower_rows.h"
#include "graph/attention_part.h"

namespace tamis::engines::cuda {

using graph::Operand;
using tamis::cuda::AttentionParams;
using tamis::cuda::KernelId;
using tamis::cuda::Stored;

namespace {

// Of 16-bit floats, by head size in steps of 16.
constexpr KernelId kB16Kernels[] = {KernelId::k_attention_b16_16,  KernelId::k_attention_b16_32,
                                    KernelId::k_attention_b16_48,  KernelId::k_attention_b16_64,
                                    KernelId::k_attention_b16_80,  KernelId::k_attention_b16_96,
                                    KernelId::k_attention_b16_112, KernelId::k_attention_b16_128};
static_assert(std::size(kB16Kernels) * 16 == tamis::cuda::kMostHeadSizeB16);

int window(int64_t keys) {
  if (keys < 0 || keys > AttentionParams::kAllKeys) return AttentionParams::kAllKeys;
  return static_cast<int>(keys);
}

/// Rows of q, k or v: columns of a value.
struct Part {
  Part(const graph::Node& node, Operand operand, const Lowering& lowering) {
    const graph::AttentionPart part = graph::attention_part(lowering.graph(), node, operand);
    value = part.value;
    first_column = part.first_column;
    stride = lowering.columns(value);
    stored = lowering.stored(value);
  }
  [[nodiscard]] tamis::cuda::Values rows(const StepContext& context) const {
    return {context.value<const std::byte>(value) + first_column * stored_bytes(stored), stored};
  }

  graph::ValueId value = graph::kNoValue;
  int64_t first_column = 0;
  int stride = 0;
  Stored stored = Stored::kF32;
};

class AttentionStep final : public Step {
 public:
  AttentionStep(const graph::Node& node, Lowering& lowering)
      : q_(node, Operand::kQ, lowering),
        k_(node, Operand::kK, lowering),
        v_(node, Operand::kV, lowering),
        y_(node.output),
        stored_(lowering.stored(node.output)),
        rows_(lowering.symbol(node.output)),
        tile_count_(lowering.array(ArrayKind::kTileCount, rows_)),
        tiles_(lowering.array(ArrayKind::kTiles, rows_)),
        places_(lowering.array(ArrayKind::kPlaces, rows_)),
        tail_(node, lowering) {
    const auto& fields = node.attribute<graph::AttentionAttributes>();
    params_.heads = static_cast<int>(fields.heads);
    params_.group = static_cast<int>(fields.heads / fields.key_heads());
    params_.head_size = lowering.columns(node.output) / params_.heads;
    params_.scale = fields.scale;
    params_.left = window(fields.left);
    params_.right = window(fields.right);
    params_.rounded = lowering.arithmetic(node) == cpu::Arithmetic::kBf16;
    params_.ldq = q_.stride;
    params_.ldk = k_.stride;
    params_.ldv = v_.stride;
    if (params_.head_size > tamis::cuda::kMostHeadSize) {
      refuse(node, cat("heads of ", params_.head_size, "; the CUDA engine has kernels up to ",
                       tamis::cuda::kMostHeadSize));
    }
    if (fields.global != graph::GlobalRule::kNone) {
      require_batch_ids(node, lowering.graph());
      seen_by_all_ = lowering.seen_by_all({fields.global, fields.separator});
    }
    take_terms(node, fields, lowering);
    take_blocks(fields);
    limit_unseen(fields, lowering);
    if (runs_in_tiles(lowering.graph(), node, lowering.linear())) {
      kernel_ = kB16Kernels[(params_.head_size - 1) / 16];
    }
  }

  void launch(const StepContext& context) const override {
    AttentionParams params = params_;
    params.tile_count = context.array(tile_count_);
    params.tiles = context.array<tamis::cuda::AttentionTile>(tiles_);
    params.places = context.array(places_);
    params.bias = context.constant(bias_);
    params.position_keys = context.constant(position_keys_);
    params.position_queries = context.constant(position_queries_);
    params.slots = context.constant(slots_);
    if (seen_by_all_ >= 0) params.seen_by_all = context.array(seen_by_all_);
    params.q = q_.rows(context);
    params.k = k_.rows(context);
    params.v = v_.rows(context);
    params.out = {context.value<std::byte>(y_), stored_};
    params.tail = tail_.tail(context, params.out);
    context.launch(kernel_, context.extent.tiles(rows_), params.heads, params);
  }

  // Two products of 2 operations for each (query, key) pair and channel.
  [[nodiscard]] double operations(const engine::PackedBatch& batch) const override {
    double pairs = 0;
    for (size_t s = 1; s < batch.cu_seqlens.size(); ++s) {
      const auto length = static_cast<double>(batch.cu_seqlens[s] - batch.cu_seqlens[s - 1]);
      pairs += length * length;
    }
    const auto tokens = static_cast<double>(std::max<int64_t>(batch.tokens(), 1));
    const double share = static_cast<double>(extent_of(batch).rows(rows_)) / tokens;
    return 4.0 * share * pairs * params_.heads * params_.head_size;
  }

 private:
  void take_blocks(const graph::AttentionAttributes& fields) {
    constexpr int64_t kMost = 1 << 30;
    params_.block_size = static_cast<int>(fields.block_size);
    params_.block_tokens =
        static_cast<int>(std::min(kMost, (5 + 2 * fields.random_blocks) * fields.block_size));
    params_.block_gain = std::log1p(static_cast<float>(fields.random_blocks));
  }

  void take_terms(const graph::Node& node, const graph::AttentionAttributes& fields,
                  Lowering& lowering) {
    if (fields.bias != graph::BiasRule::kNone) {
      const auto table = lowering.tensor(node.operand(Operand::kBias));
      const auto bytes = static_cast<size_t>(fields.heads * (2 * fields.max_distance + 1)) * 4;
      bias_ = lowering.constants().add<float>(
          table.get(), Form::kBias, bytes, [table, fields](std::byte* to) {
            const std::vector<float> bias = cpu::spread_bias(fields, *table);
            std::copy_n(reinterpret_cast<const std::byte*>(bias.data()), bias.size() * 4, to);
          });
      params_.bias_reach = static_cast<int>(fields.max_distance);
    }
    if (fields.max_relative_positions == 0) return;
    cpu::SlotTable slots = cpu::spread_slots(fields);
    params_.slot_reach = static_cast<int>(slots.reach);
    slots_ = lowering.constants().add(std::move(slots.slots));
    position_keys_ = lowering.floats(node.operand(Operand::kPositionKeys));
    position_queries_ = lowering.floats(node.operand(Operand::kPositionQueries));
    const Operand table =
        position_keys_.there() ? Operand::kPositionKeys : Operand::kPositionQueries;
    params_.ld_positions = lowering.columns(node.operand(table));
  }

  // As the CPU: not where positions add to scores, and in a window so few that each sees a key.
  void limit_unseen(const graph::AttentionAttributes& fields, Lowering& lowering) const {
    kernels::AttentionTerms terms;
    if (fields.left >= 0) terms.left = params_.left;
    const bool by_distance =
        !bias_.there() && !slots_.there() && seen_by_all_ < 0 && fields.block_size == 0;
    lowering.limits().limit_unseen(terms, by_distance);
  }

  Part q_;
  Part k_;
  Part v_;
  graph::ValueId y_;
  Stored stored_;
  graph::Symbol rows_;  // of q and the output
  int tile_count_;
  int tiles_;
  int seen_by_all_ = -1;  // array of the batch
  int places_;
  RowTailLaunch tail_;
  Constant<float> bias_;
  Constant<float> position_keys_;
  Constant<float> position_queries_;
  Constant<int32_t> slots_;
  AttentionParams params_;
  KernelId kernel_ = KernelId::k_attention_plain;
};

}  // namespace

bool runs_in_tiles(const graph::Graph& graph, const graph::Node& attention,
                   graph::FloatArithmetic linear) {
  const auto& fields = attention.attribute<graph::AttentionAttributes>();
  return cpu::arithmetic_of(graph, attention, linear) == cpu::Arithmetic::kBf16 &&
         graph.value(attention.output).shape[1].size <=
             fields.heads * tamis::cuda::kMostHeadSizeB16 &&
         fields.max_relative_positions == 0 && fields.global == graph::GlobalRule::kNone &&
         fields.block_size == 0;
}

std::unique_ptr<Step> lower_attention(const graph::Node& node, Lowering& lowering) {
  if (node.enabled_mark(Operand::kProbabilities) != nullptr) {
    refuse(node, "the CUDA engine does not simulate quantized probabilities");
  }
  return std::make_unique<AttentionStep>(node, lowering);
}

}  // namespace tamis::engines::cuda
