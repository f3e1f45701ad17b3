// The engine of this CPU: plans and sessions behind the seam.
#pragma once

#include "engine/engine.h"

namespace tamis::engines::cpu {

/// Runs any graph whose marks integer kernels run.
[[nodiscard]] engine::EngineRow row();

/// The engine of a graph that has only wanted outputs, under another row's name.
[[nodiscard]] std::shared_ptr<const engine::Engine> make_cpu_engine(
    graph::Graph graph, const engine::EngineOptions& options, std::string_view name);

}  // namespace tamis::engines::cpu
