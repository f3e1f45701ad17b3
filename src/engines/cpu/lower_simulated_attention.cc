// Attention whose probabilities go through integers, one query at a time.
#include <algorithm>
#include <cmath>

#include "engines/cpu/lowering.h"
#include "kernels/cpu/fake_quantize/fake_quantize.h"

namespace tamis::engines::cpu {

namespace {

kernels::FakeQuantizer quantizer_of(const graph::FakeQuantizeAttributes& attributes, IsaSet isas) {
  return {attributes.scheme, attributes.low, attributes.high, isas};
}

/// Where q, k and v lie.
struct Operands {
  const float* q = nullptr;
  const float* k = nullptr;
  const float* v = nullptr;
  int64_t stride = 0;
};

class SimulatedAttentionStep final : public Step {
 public:
  SimulatedAttentionStep(const graph::Node& node, const Lowering& lowering,
                         const graph::Quantizer& probabilities)
      : y_(node.output),
        merged_(node.inputs.size() == 1),
        width_(lowering.columns(node.output)),
        attributes_(node.attribute<graph::AttentionAttributes>()),
        quantizer_(quantizer_of(graph::fake_quantize_attributes(probabilities), lowering.isas())) {
    for (size_t i = 0; i < 3; ++i) qkv_[i] = node.inputs[merged_ ? 0 : i];
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
    Operands in;
    in.stride = merged_ ? 3 * width_ : width_;
    const int64_t first = begin * in.stride + head * size;
    in.q = context.value<const float>(qkv_[0]) + first;
    in.k = context.value<const float>(qkv_[1]) + first + (merged_ ? width_ : 0);
    in.v = context.value<const float>(qkv_[2]) + first + (merged_ ? 2 * width_ : 0);
    auto* p = reinterpret_cast<float*>(context.scratch);
    std::byte* levels = context.scratch + static_cast<size_t>(length) * sizeof(float);
    for (int64_t i = 0; i < length; ++i) {
      probabilities(in, i, {p, static_cast<size_t>(length)});
      quantizer_.run_probabilities({p, static_cast<size_t>(length)}, levels);
      float* out = context.value<float>(y_) + (begin + i) * width_ + head * size;
      std::fill_n(out, size, 0.0f);
      for (int64_t j = 0; j < length; ++j) {
        for (int64_t d = 0; d < size; ++d) out[d] += p[j] * in.v[j * in.stride + d];
      }
    }
  }

  void probabilities(const Operands& in, int64_t query, std::span<float> p) const {
    const int64_t size = width_ / attributes_.heads;
    const float* q = in.q + query * in.stride;
    float most = -std::numeric_limits<float>::infinity();
    for (size_t j = 0; j < p.size(); ++j) {
      const float* k = in.k + static_cast<int64_t>(j) * in.stride;
      float sum = 0;
      for (int64_t d = 0; d < size; ++d) sum += q[d] * k[d];
      p[j] = sum * attributes_.scale;
      most = std::max(most, p[j]);
    }
    float total = 0;
    for (float& value : p) {
      value = std::exp(value - most);
      total += value;
    }
    for (float& value : p) value /= total;
  }

  graph::ValueId qkv_[3] = {};
  graph::ValueId y_;
  bool merged_;
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
