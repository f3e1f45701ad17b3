#include "engines/simulate/simulate_engine.h"

#include "engines/cpu/cpu_engine.h"
#include "engines/simulate/simulate.h"

namespace tamis::engines::simulate {

namespace {

constexpr std::string_view kName = "simulate";

std::optional<std::string> why_not(const engine::EngineSource& source,
                                   const engine::EngineOptions& options) {
  if (options.device.kind != device::DeviceKind::kCpu) return "runs on the CPU";
  if (!std::holds_alternative<graph::Graph>(source)) {
    return "runs graphs, not an .onnx file as it is";
  }
  return std::nullopt;
}

std::shared_ptr<const engine::Engine> make(engine::EngineSource source,
                                           const engine::EngineOptions& options) {
  auto graph = std::get<graph::Graph>(std::move(source));
  engine::keep_wanted(graph, options);
  simulate_marks(graph);
  return cpu::make_cpu_engine(std::move(graph), options, kName);
}

}  // namespace

engine::EngineRow row() { return {kName, why_not, make}; }

}  // namespace tamis::engines::simulate
