#include "quant/run_by_layers.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "graph/mark_switches.h"
#include "quant/token_rows.h"

namespace tamis::quant {

using graph::Graph;
using graph::ValueId;

namespace {

/// A value on which alone all later nodes depend, and the node behind the one that makes it.
struct Cut {
  std::string name;
  size_t next = 0;
};

std::vector<Cut> cuts_of(const Graph& graph) {
  std::map<ValueId, int> last_reader;  // of values that nodes made and later nodes read
  std::vector<Cut> cuts;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const ValueId made = graph.nodes()[i].output;
    std::erase_if(last_reader,
                  [i](const auto& item) { return item.second <= static_cast<int>(i); });
    const std::vector<int> readers = graph.consumers(made);
    if (!readers.empty()) last_reader[made] = *std::max_element(readers.begin(), readers.end());
    if (last_reader.size() == 1 && last_reader.contains(made) && !graph.is_output(made) &&
        is_token_rows(graph.value(made))) {
      cuts.push_back({graph.value(made).name, i + 1});
    }
  }
  return cuts;
}

}  // namespace

std::vector<float> run_by_layers(Graph graph, const std::string& output,
                                 const engine::PackedBatch& batch, ThreadPool& pool, IsaSet isas) {
  graph.keep_outputs({&output, 1});
  graph.remove_dead();
  graph = graph::without_marks(std::move(graph));
  graph::set_attention_arithmetic(graph, graph::FloatArithmetic::kF32);
  engine::EngineOptions options;
  options.isas = isas;
  options.once = true;
  PartialRun run(graph, batch, pool, options);
  for (const Cut& cut : cuts_of(graph)) {
    (void)run.get(cut.name);
    run.keep_for(cut.next);
  }
  const ValueId value = graph.outputs().at(0).value;
  const std::span<const float> rows = run.get(graph.value(value).name);
  return {rows.begin(), rows.end()};
}

}  // namespace tamis::quant
