#include "engine/engine.h"

#include "base/error.h"

namespace tamis::engine {

Ticket Session::submit(const PackedBatch& batch, Outputs& outputs, const RunControl& control) {
  try {
    run(batch, outputs, control);
  } catch (...) {
    return Ticket(std::current_exception());
  }
  return {};
}

void Session::wait(const Ticket& ticket) {
  if (ticket.error() != nullptr) std::rethrow_exception(ticket.error());
}

double Engine::operations(const PackedBatch& /*batch*/) const { return 0; }

void keep_wanted(graph::Graph& graph, const EngineOptions& options) {
  graph.keep_outputs(options.outputs);
  for (const std::string& name : options.taps) {
    const graph::ValueId value = graph.find_value(name);
    if (value == graph::kNoValue) {
      fail(ErrorCode::kNotFound, "engine: the graph has no value \"", name, "\" to tap");
    }
    graph.add_output(name, value);
  }
  graph.remove_dead();
}

std::optional<std::string> mark_beyond_integers(const graph::Graph& graph) {
  using graph::QuantScheme;
  for (const graph::Node& node : graph.nodes()) {
    for (const graph::Quantizer& mark : node.quantizers) {
      if (!mark.enabled) continue;
      const bool native =
          graph::is_linear(node) &&
          (mark.scheme == QuantScheme::kPerChannelS8 ||
           (mark.operand == graph::Operand::kX && mark.scheme == QuantScheme::kPerTokenU8));
      if (!native) {
        return cat(mark.names.empty() ? std::string("a quantizer") : mark.names[0], " is on and ",
                   graph::scheme_name(mark.scheme), " at a ", graph::op_name(node.op));
      }
    }
  }
  return std::nullopt;
}

}  // namespace tamis::engine
