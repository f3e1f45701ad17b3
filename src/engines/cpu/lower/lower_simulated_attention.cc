// Attention whose probabilities go through integers, one query at a time.
#include <algorithm>
#include <cmath>

#include "engines/cpu/attention_terms.h"
#include "engines/cpu/lowering.h"
#include "graph/attention_part.h"
#include "kernels/cpu/fake_quantize/fake_quantize.h"
#include "kernels/reference/attention_terms.h"

namespace tamis::engines::cpu {

namespace {

kernels::FakeQuantizer quantizer_of(const graph::FakeQuantizeAttributes& attributes, IsaSet isas) {
  return {attributes.scheme, attributes.low, attributes.high, isas};
}

/// Rows of q, k or v of one head and sequence.
struct HeadRows {
  const float* first = nullptr;
  int64_t stride = 0;

  [[nodiscard]] const float* row(int64_t i) const { return first + i * stride; }
};

struct Operands {
  HeadRows q;
  HeadRows k;
  HeadRows v;
};

class SimulatedAttentionStep final : public Step {
 public:
  SimulatedAttentionStep(const graph::Node& node, Lowering& lowering,
                         const graph::Quantizer& probabilities)
      : terms_(node, lowering),
        y_(node.output),
        width_(lowering.columns(node.output)),
        attributes_(node.attribute<graph::AttentionAttributes>()),
        quantizer_(quantizer_of(graph::fake_quantize_attributes(probabilities), lowering.isas())) {
    constexpr graph::Operand kOperands[] = {graph::Operand::kQ, graph::Operand::kK,
                                            graph::Operand::kV};
    for (size_t i = 0; i < 3; ++i) {
      qkv_[i] = graph::attention_part(lowering.graph(), node, kOperands[i]);
      stride_[i] = lowering.columns(qkv_[i].value);
    }
  }

  void run(const StepContext& context) const noexcept override {
    const Share share = share_of(context.block->sequences() * attributes_.heads, context);
    for (int64_t unit = share.begin; unit < share.end; ++unit) {
      attend(context, unit / attributes_.heads, unit % attributes_.heads);
    }
  }

  [[nodiscard]] size_t scratch_bytes(int64_t /*rows*/, int64_t max_seqlen) const override {
    return static_cast<size_t>(max_seqlen) * (sizeof(float) + 1) + 3;
  }
  [[nodiscard]] std::string_view kernel() const override { return "attention_simulated"; }

 private:
  void attend(const StepContext& context, int64_t sequence, int64_t head) const {
    const int64_t begin = context.cu_seqlens[sequence];
    const int64_t length = context.cu_seqlens[sequence + 1] - begin;
    const int64_t size = width_ / attributes_.heads;
    kernels::AttentionTerms terms = terms_.get();
    terms.ids = terms_.ids(context);
    const kernels::reference::SequenceRules rules =
        kernels::reference::sequence_rules(terms, begin, length);
    const auto rows_of = [&](size_t i, int64_t part) {
      const float* rows = context.value<const float>(qkv_[i].value);
      return HeadRows{rows + begin * stride_[i] + qkv_[i].first_column + part * size, stride_[i]};
    };
    const int64_t shared = head / (attributes_.heads / attributes_.key_heads());
    const Operands in = {rows_of(0, head), rows_of(1, shared), rows_of(2, shared)};
    auto* p = reinterpret_cast<float*>(context.scratch);
    std::byte* levels = context.scratch + static_cast<size_t>(length) * sizeof(float);
    for (int64_t i = 0; i < length; ++i) {
      probabilities(in, head, {i, rules}, {p, static_cast<size_t>(length)});
      quantizer_.run_probabilities({p, static_cast<size_t>(length)}, levels);
      float* out = context.value<float>(y_) + (begin + i) * width_ + head * size;
      std::fill_n(out, size, 0.0f);
      for (int64_t j = 0; j < length; ++j) {
        for (int64_t d = 0; d < size; ++d) out[d] += p[j] * in.v.row(j)[d];
      }
    }
  }

  // A query's place, and what its sequence decides.
  struct Query {
    int64_t place;
    kernels::reference::SequenceRules rules;
  };

  float score(const float* q, const float* k, int64_t head, const Query& query,
              const kernels::reference::AttentionPair& pair) const {
    const int64_t size = width_ / attributes_.heads;
    const auto dot = [size](const float* x, const float* y) {
      float sum = 0;
      for (int64_t d = 0; d < size; ++d) sum += x[d] * y[d];
      return sum;
    };
    const kernels::AttentionTerms& terms = terms_.get();
    if (!terms.any()) return dot(q, k) * attributes_.scale;
    if (!kernels::reference::sees(terms, query.rules, pair)) {
      return -std::numeric_limits<float>::infinity();
    }
    const double sum = kernels::reference::score_with_terms(
        terms, head, attributes_.scale, pair, dot(q, k),
        [&](kernels::reference::AttentionSide side, const float* row) {
          return dot(side == kernels::reference::AttentionSide::kQuery ? q : k, row + head * size);
        });
    return static_cast<float>(sum + query.rules.blocks.bias(pair.query_place, pair.key_place));
  }

  void probabilities(const Operands& in, int64_t head, const Query& query,
                     std::span<float> p) const {
    const float* q = in.q.row(query.place);
    float most = -std::numeric_limits<float>::infinity();
    for (size_t j = 0; j < p.size(); ++j) {
      const auto key = static_cast<int64_t>(j);
      p[j] = score(q, in.k.row(key), head, query, {0, 0, query.place, key});
      most = std::max(most, p[j]);
    }
    float total = 0;
    for (float& value : p) {
      value = std::exp(value - most);
      total += value;
    }
    for (float& value : p) value /= total;
  }

  graph::AttentionPart qkv_[3];
  int64_t stride_[3] = {};
  NodeTerms terms_;
  graph::ValueId y_;
  int64_t width_;
  graph::AttentionAttributes attributes_;
  kernels::FakeQuantizer quantizer_;
};

}  // namespace

std::unique_ptr<Step> lower_simulated_attention(const graph::Node& node, Lowering& lowering,
                                                const graph::Quantizer& probabilities) {
  return std::make_unique<SimulatedAttentionStep>(node, lowering, probabilities);
}

}  // namespace tamis::engines::cpu
