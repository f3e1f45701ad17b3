#include "engines/cuda/cuda_engine.h"

#include "base/error.h"
#include "engines/cpu/block.h"
#include "engines/cuda/lowering.h"
#include "engines/cuda/session.h"

namespace tamis::engines::cuda {

namespace {

constexpr std::string_view kName = "cuda";
// Up to about 1,000 tokens a run takes as long as for one; eight times that fills the largest
// cards.
constexpr int64_t kSuggestedTokens = 8192;

class CudaEngine final : public engine::Engine {
 public:
  CudaEngine(engine::EngineInfo info, std::shared_ptr<const Plan> plan)
      : Engine(std::move(info)), plan_(std::move(plan)) {}

  [[nodiscard]] std::unique_ptr<engine::Session> make_session() const override {
    return std::make_unique<Session>(plan_);
  }
  [[nodiscard]] double operations(const engine::PackedBatch& batch) const override {
    return plan_->operations(batch);
  }

 private:
  std::shared_ptr<const Plan> plan_;
};

std::optional<std::string> why_not(const engine::EngineSource& source,
                                   const engine::EngineOptions& options) {
  if (options.device.kind != device::DeviceKind::kCuda) return "runs on CUDA devices";
  const auto* graph = std::get_if<graph::Graph>(&source);
  if (graph == nullptr) return "runs graphs, not an .onnx file as it is";
  if (options.simulate) return "simulates no quantizers";
  if (const auto mark = engine::mark_beyond_integers(*graph)) {
    return cat("the integer kernels take per_token_u8 inputs of linear layers, but ", *mark);
  }
  for (const graph::Node& node : graph->nodes()) {
    if (has_lowering(node.op)) continue;
    return cat("has no kernel for ", graph::is_of_experts(node.op) ? "a mixture of experts, " : "",
               graph::op_name(node.op), " at \"", node.scope, "\"");
  }
  return std::nullopt;
}

engine::EngineInfo describe(const Plan& plan, const device::Device& device) {
  engine::EngineInfo info;
  info.name = kName;
  info.device = device;
  for (const PlanOutput& output : plan.outputs()) {
    info.outputs.push_back({output.name, cpu::row_unit(output.symbol), output.columns});
  }
  info.limits = plan.limits();
  info.packed_bytes = static_cast<int64_t>(plan.packed_bytes());
  info.memory_bytes = static_cast<int64_t>(plan.constant_bytes());
  info.steps = static_cast<int64_t>(plan.step_count());
  info.suggested_batch_tokens = kSuggestedTokens;
  return info;
}

std::shared_ptr<const engine::Engine> make(engine::EngineSource source,
                                           const engine::EngineOptions& options) {
  auto graph = std::get<graph::Graph>(std::move(source));
  engine::keep_wanted(graph, options);
  const auto linear = options.precision == engine::Precision::kBf16 ? graph::FloatArithmetic::kBf16
                                                                    : graph::FloatArithmetic::kF32;
  auto plan = Plan::make(std::move(graph), linear, Card::open(options.device.index));
  engine::EngineInfo info = describe(*plan, options.device);
  return std::make_shared<CudaEngine>(std::move(info), std::move(plan));
}

}  // namespace

engine::EngineRow row() { return {kName, why_not, make}; }

}  // namespace tamis::engines::cuda
