#include "quant/partial_run.h"

#include <algorithm>
#include <set>

#include "base/error.h"

namespace tamis::quant {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::ValueId;

namespace {

bool contains(std::span<const std::string> names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Copies nodes from one graph into another, with what they read.
class Extraction {
 public:
  Extraction(const Graph& from, std::span<const std::string> known) : from_(from), known_(known) {}

  Graph run(std::span<const std::string> targets) {
    std::vector<bool> needed(from_.value_count(), false);
    for (const std::string& target : targets) {
      const ValueId id = from_.find_value(target);
      if (id == kNoValue) fail(ErrorCode::kNotFound, "graph: no value \"", target, "\"");
      needed[static_cast<size_t>(id)] = true;
    }
    for (auto node = from_.nodes().rbegin(); node != from_.nodes().rend(); ++node) {
      if (!needed[static_cast<size_t>(node->output)] || is_known(node->output)) continue;
      for (const ValueId input : node->inputs) {
        if (input != kNoValue) needed[static_cast<size_t>(input)] = true;
      }
    }
    ids_.assign(from_.value_count(), kNoValue);
    for (size_t i = 0; i < needed.size(); ++i) {
      if (needed[i]) copy_source(static_cast<ValueId>(i));
    }
    for (const Node& node : from_.nodes()) {
      if (needed[static_cast<size_t>(node.output)] && !is_known(node.output)) copy_node(node);
    }
    for (const std::string& target : targets) {
      to_.add_output(target, ids_[static_cast<size_t>(from_.find_value(target))]);
    }
    return std::move(to_);
  }

 private:
  [[nodiscard]] bool is_known(ValueId id) const { return contains(known_, from_.value(id).name); }

  // Constants, graph inputs, and known values, which become inputs.
  void copy_source(ValueId id) {
    const graph::Value& value = from_.value(id);
    const std::vector<ValueId>& inputs = from_.inputs();
    ValueId& copy = ids_[static_cast<size_t>(id)];
    if (value.constant != nullptr) {
      copy = to_.add_constant(value.name, value.constant);
    } else if (is_known(id) || std::find(inputs.begin(), inputs.end(), id) != inputs.end()) {
      copy = to_.add_input(value.name, value.dtype, value.shape);
    }
  }

  void copy_node(const Node& node) {
    std::vector<ValueId> inputs;
    for (const ValueId input : node.inputs) {
      inputs.push_back(input == kNoValue ? kNoValue : ids_[static_cast<size_t>(input)]);
    }
    ids_[static_cast<size_t>(node.output)] = to_.add_node(
        node.op, std::move(inputs), node.attributes, node.scope, from_.value(node.output).name);
    to_.nodes().back().quantizers = node.quantizers;
  }

  const Graph& from_;
  std::span<const std::string> known_;
  Graph to_;
  std::vector<ValueId> ids_;
};

}  // namespace

Graph extract(const Graph& graph, std::span<const std::string> targets,
              std::span<const std::string> known) {
  return Extraction(graph, known).run(targets);
}

engine::EngineOptions PartialRun::simulated() {
  engine::EngineOptions options;
  options.simulate = true;
  return options;
}

std::span<const float> PartialRun::get(const std::string& name) {
  const auto found = kept_.find(name);
  if (found != kept_.end()) return found->second;
  std::vector<std::string> known;
  for (const auto& [kept, values] : kept_) known.push_back(kept);
  return kept_[name] = run_other(graph_, name, known);
}

std::vector<float> PartialRun::run_other(const Graph& other, const std::string& name,
                                         std::span<const std::string> known) const {
  Graph part = extract(other, {&name, 1}, known);
  std::vector<engine::FloatInput> inputs;
  for (const ValueId input : part.inputs()) {
    const auto values = kept_.find(part.value(input).name);
    if (values != kept_.end()) inputs.push_back({values->first, values->second.data()});
  }
  engine::EngineOptions options = options_;
  options.outputs.clear();
  options.pool = engine::borrow(pool_);
  const auto session = engine::make_engine(std::move(part), options)->make_session();
  engine::PackedBatch batch = batch_;
  batch.float_inputs = inputs;
  engine::Outputs outputs;
  session->run(batch, outputs);
  const auto rows = outputs.get(name).as<float>();
  return {rows.begin(), rows.end()};
}

void PartialRun::keep_for(size_t next) {
  std::erase_if(kept_, [&](const auto& item) {
    const std::vector<int> consumers = graph_.consumers(graph_.find_value(item.first));
    return consumers.empty() || static_cast<size_t>(consumers.back()) < next;
  });
}

}  // namespace tamis::quant
