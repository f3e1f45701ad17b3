#include "engines/cpu/cpu_engine.h"

#include "base/error.h"
#include "engines/cpu/session.h"

namespace tamis::engines::cpu {

namespace {

constexpr std::string_view kName = "cpu";
// Three blocks of 256 tokens for each thread: enough to keep all of them busy, and measured to be
// as fast as more (docs/architecture.md).
constexpr int64_t kTokensPerThread = 768;

class CpuEngine final : public engine::Engine {
 public:
  CpuEngine(engine::EngineInfo info, std::shared_ptr<const Plan> plan,
            std::shared_ptr<ThreadPool> pool)
      : Engine(std::move(info)), plan_(std::move(plan)), pool_(std::move(pool)) {}

  [[nodiscard]] std::unique_ptr<engine::Session> make_session() const override {
    return std::make_unique<Session>(plan_, pool_);
  }
  [[nodiscard]] double operations(const engine::PackedBatch& batch) const override {
    return plan_->operations(batch);
  }

 private:
  std::shared_ptr<const Plan> plan_;
  std::shared_ptr<ThreadPool> pool_;
};

engine::EngineInfo describe(const Plan& plan, const engine::EngineOptions& options,
                            std::string_view name) {
  engine::EngineInfo info;
  info.name = name;
  for (const PlanOutput& output : plan.outputs()) {
    info.outputs.push_back({output.name, row_unit(output.symbol), output.row_elements});
  }
  info.limits = plan.limits();
  info.packed_bytes = static_cast<int64_t>(plan.packed_bytes());
  info.memory_bytes = info.packed_bytes + static_cast<int64_t>(plan.constant_bytes());
  info.steps = static_cast<int64_t>(plan.steps().size());
  info.suggested_batch_tokens = kTokensPerThread * options.pool->threads();
  return info;
}

std::optional<std::string> why_not(const engine::EngineSource& source,
                                   const engine::EngineOptions& options) {
  if (options.device.kind != device::DeviceKind::kCpu) return "runs on the CPU";
  const auto* graph = std::get_if<graph::Graph>(&source);
  if (graph == nullptr) return "runs graphs, not an .onnx file as it is";
  if (options.simulate) return "simulates no quantizers";
  if (const auto mark = engine::mark_beyond_integers(*graph)) {
    return cat("the integer kernels take per_token_u8 inputs of linear layers, but ", *mark);
  }
  return std::nullopt;
}

std::shared_ptr<const engine::Engine> make(engine::EngineSource source,
                                           const engine::EngineOptions& options) {
  auto graph = std::get<graph::Graph>(std::move(source));
  engine::keep_wanted(graph, options);
  return make_cpu_engine(std::move(graph), options, kName);
}

}  // namespace

engine::EngineRow row() { return {kName, why_not, make}; }

std::shared_ptr<const engine::Engine> make_cpu_engine(graph::Graph graph,
                                                      const engine::EngineOptions& options,
                                                      std::string_view name) {
  PlanOptions plan;
  plan.isas = options.isas;
  plan.pool = options.pool.get();
  plan.once = options.once;
  if (options.precision == engine::Precision::kBf16) plan.linear = graph::FloatArithmetic::kBf16;
  auto made = Plan::make(std::move(graph), plan);
  engine::EngineInfo info = describe(*made, options, name);
  return std::make_shared<CpuEngine>(std::move(info), std::move(made), options.pool);
}

}  // namespace tamis::engines::cpu
