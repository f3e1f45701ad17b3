#include "optimize/choose_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <span>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "base/length_limit.h"
#include "graph/mark_switches.h"
#include "quant/cost.h"
#include "quant/plain_plan.h"

namespace tamis::api {

namespace {

using engine::Precision;
using graph::Graph;
using graph::Node;

// Tokens that layers are ranked on: their order needs less than the decision.
constexpr int64_t kRankingTokens = 2048;
// Plans whose prices differ by less count as equally fast; the table is no finer.
constexpr double kEqualSpeed = 0.01;
// What a plan must gain on fp32 to be called faster.
constexpr double kFaster = 0.98;

// What plans of bf16 and INT8 compute attention in.
Graph with_bf16_attention(Graph graph) {
  graph::set_attention_arithmetic(graph, graph::FloatArithmetic::kBf16);
  return graph;
}

class Chooser {
 public:
  Chooser(const LoadedModel& model, const StoredTables& tables, const Calibrated& calibrated,
          HeldOut& held_out, const ChooseOptions& options)
      : model_(model),
        tables_(tables),
        source_(calibrated.source),
        quantized_(calibrated.quantized.graph),
        held_out_(held_out),
        options_(options),
        simulated_(quant::needs_simulation(quantized_)) {
    choice_.budget = options.budget;
    choice_.held_out = held_out.rows();
    choice_.decides = options.search;
    choice_.simulated = simulated_;
    cost_.isas = model.isas();
    choice_.cost_table = quant::table_name(*cost_.table);
  }

  PlanChoice run() {
    measure_fp32();
    if (model_.isas().has(Isa::kAvx512Bf16)) {
      measure(with_bf16_attention(in_float()), "bf16", Precision::kBf16);
    }
    progress(0.05);
    if (!simulated_ && model_.trained_ranges().empty()) {
      Graph nearest = with_bf16_attention(source_);
      quant::make_plain_plan(nearest);
      measure(nearest, "int8, rounded to nearest", Precision::kInt8);
      choice_.rows.back().to_nearest = true;
    }
    const quant::SearchResult found = search();
    choose(found);
    if (options_.search) take_the_most_accurate();
    choice_.faster = price(choice_.row()) < kFaster * price(choice_.rows[0]);
    // Integers that are simulated are for hardware elsewhere; fp32 itself keeps any budget.
    choice_.met =
        choice_.row().met && (choice_.faster || choice_.row().precision == Precision::kInt8);
    if (choice_.decides && !choice_.met && choice_.chosen == 0 && !options_.keep_tables) give_up();
    mark_front();
    progress(1);
    return std::move(choice_);
  }

 private:
  void progress(double fraction) const {
    if (options_.progress) options_.progress(fraction);
  }

  // Adds a row for a graph; the loss that decides. `known`: what was measured of it already.
  double measure(const Graph& graph, std::string name, Precision precision,
                 const std::optional<Evaluation>& known = std::nullopt) {
    PlanRow row;
    row.name = std::move(name);
    row.precision = precision;
    row.simulated = precision == Precision::kInt8 && simulated_;
    row.table_us = 1e-3 * table_price(graph, row);
    const bool runs = options_.measure || !known;
    const auto runner = runs ? model_.make_runner(graph, precision) : nullptr;
    if (options_.measure) row.clock_us = time(*runner);
    row.evaluation = known ? *known : held_out_.compare(*runner);
    row.loss = loss_of(row.evaluation, options_.budget);
    const double decides = deciding_loss(row.loss, options_.budget);
    row.met = decides <= options_.budget.limit;
    choice_.rows.push_back(std::move(row));
    graphs_.push_back(graph);
    return decides;
  }

  [[nodiscard]] Graph in_float() const {
    return tables_.in_float ? *tables_.in_float : graph::without_marks(tables_.marked);
  }

  void measure_fp32() { measure(in_float(), "fp32", Precision::kFp32, tables_.choice.evaluation); }

  // Nanoseconds of a token.
  [[nodiscard]] double table_price(const Graph& graph, const PlanRow& row) const {
    quant::CostModel cost = cost_;
    cost.bf16 = row.precision == Precision::kBf16;
    const Graph loaded = model_.load_graph(graph);
    if (!row.simulated) return quant::graph_ns(loaded, cost);
    return quant::graph_ns(model_.load_graph(graph::without_marks(source_)), cost) *
           (1 + quant::float_work(loaded)) / 2;
  }

  // The bundle is the checkpoint, and what is said of it was measured on that.
  void give_up() {
    choice_.gave_up = true;
    measure(model_.graph(), "fp32", Precision::kFp32);
    choice_.rows[0] = std::move(choice_.rows.back());
    choice_.rows.pop_back();
    graphs_[0] = std::move(graphs_.back());
    graphs_.pop_back();
    choice_.graph = graphs_[0];
  }

  // Microseconds a token, the best of some runs of 8 x 128 tokens on all threads.
  [[nodiscard]] double time(Runner& runner) const {
    constexpr int32_t kSequences = 8;
    const auto length = static_cast<int32_t>(tighter_limit(128, model_.manifest().max_length));
    const engine::BatchLimits& limits = runner.info().limits;
    std::mt19937 random(7);
    engine::BatchBuilder batch;
    for (int32_t s = 0; s < kSequences; ++s) {
      tasks::Sequence sequence;
      for (int32_t t = 0; t < length; ++t) {
        sequence.ids.push_back(
            static_cast<int32_t>(random() % static_cast<uint32_t>(limits.vocab_size)));
      }
      engine::end_as_required(sequence.ids, limits);
      batch.append(sequence.view());
    }
    engine::Outputs outputs;
    const Clock& clock = Clock::steady();
    int64_t least = std::numeric_limits<int64_t>::max();
    for (int i = 0; i < 5; ++i) {
      const int64_t start = clock.now_ns();
      runner.run(batch.batch(), outputs);
      least = std::min(least, clock.now_ns() - start);
    }
    return 1e-3 * static_cast<double>(least) / static_cast<double>(kSequences * length);
  }

  [[nodiscard]] static double price(const PlanRow& row) {
    return row.clock_us.value_or(row.table_us);
  }

  std::vector<double> rank(std::span<const quant::LayerSet> layers) {
    std::vector<quant::LayerSet> sets(layers.begin(), layers.end());
    const size_t linears = sets.size();
    const std::vector<quant::LayerSet> by_layer = quant::sets_by_layer(layers);
    const std::vector<quant::LayerSet> by_kind = quant::sets_by_kind(layers);
    sets.insert(sets.end(), by_layer.begin(), by_layer.end());
    sets.insert(sets.end(), by_kind.begin(), by_kind.end());
    const quant::RankingInput input{quantized_,
                                    source_,
                                    held_out_.batch_of(kRankingTokens),
                                    std::string(tasks::task_output(model_.task())),
                                    simulated_,
                                    model_.isas(),
                                    model_.runner().pool()};
    const std::vector<double> gains = quant::rank_layers(
        input, sets, [&](const TensorView& rows) { return held_out_.divergence(rows); },
        [&](double done) {
          progress(0.1 + 0.6 * done);
          return true;
        });
    for (size_t i = 0; i < sets.size(); ++i) {
      const char* group = i < linears ? "linear" : i < linears + by_layer.size() ? "layer" : "kind";
      choice_.sensitivities.push_back(
          {sets[i].name, group, gains[i], simulated_ ? sets[i].price : 1e-3 * sets[i].price});
    }
    return {gains.begin(), gains.begin() + static_cast<std::ptrdiff_t>(linears)};
  }

  quant::SearchResult search() {
    // What a MatMul costs in the graph that runs, where the last layer may keep few rows.
    const Graph loaded = model_.load_graph(quantized_);
    const auto price_of = [&](const Graph& graph, const Node& node) {
      const graph::ValueId id = loaded.find_value(graph.value(node.output).name);
      const double share =
          id == graph::kNoValue ? 1 : quant::row_share(loaded.value(id).shape.symbol());
      if (simulated_) return share * simulated_price(graph, node);
      return share * quant::matmul_ns(graph, node, cost_);
    };
    const std::vector<quant::LayerSet> layers =
        quant::integer_layers(quantized_, source_, price_of);
    const std::vector<double> gains = rank(layers);
    const double limit =
        options_.search ? options_.budget.limit : std::numeric_limits<double>::infinity();
    quant::SearchResult found = search_over(quantized_, layers, gains, limit, "");
    if (found.met || simulated_) return found;
    // What stays in the way is attention.
    Graph exact = quantized_;
    graph::set_attention_arithmetic(exact, graph::FloatArithmetic::kF32);
    return search_over(exact, layers, gains, limit, ", attention in fp32");
  }

  quant::SearchResult search_over(const Graph& quantized, std::span<const quant::LayerSet> layers,
                                  std::span<const double> gains, double limit,
                                  std::string_view suffix) {
    first_integer_ = choice_.rows.size();
    const quant::SearchProblem problem{quantized, source_, limit, layers, gains, suffix.empty()};
    quant::SearchResult found = quant::search_within(problem, [&](const Graph& graph) {
      progress(search_done_ = std::min(0.98, search_done_ + 0.02));
      const size_t count = integer_count(graph);
      const size_t in_float = layers.size() - std::min(layers.size(), count);
      const std::string name =
          in_float == 0 ? "int8" : cat("int8, ", in_float, " of ", layers.size(), " in float");
      return measure(graph, cat(name, suffix), Precision::kInt8);
    });
    for (size_t i = 0; i < found.points.size(); ++i) {
      choice_.rows[first_integer_ + i].in_float = found.points[i].in_float;
    }
    return found;
  }

  // The kernels that run such a plan are elsewhere; there, products of integers take half the time.
  [[nodiscard]] static double simulated_price(const Graph& graph, const Node& node) {
    return quant::row_work(graph, node) - 0.5 * quant::integer_work(graph, node);
  }

  // Integer weights and attentions of a graph.
  [[nodiscard]] static size_t integer_count(const Graph& graph) {
    std::vector<graph::ValueId> weights;
    size_t attentions = 0;
    for (const Node& node : graph.nodes()) {
      if (!quant::is_in_integers(node)) continue;
      if (node.op == graph::OpKind::kAttention) {
        ++attentions;
      } else {
        weights.push_back(node.operand(graph::Operand::kWeight));
      }
    }
    std::sort(weights.begin(), weights.end());
    const auto distinct = std::unique(weights.begin(), weights.end()) - weights.begin();
    return static_cast<size_t>(distinct) + attentions;
  }

  void choose(const quant::SearchResult& found) {
    choice_.chosen = first_integer_ + found.chosen;
    if (!options_.search) choice_.chosen = first_integer_;
    const auto bf16 =
        std::find_if(choice_.rows.begin(), choice_.rows.end(),
                     [](const PlanRow& row) { return row.precision == Precision::kBf16; });
    const double fp32 = price(choice_.rows[0]);
    // Integers with so much in float that bf16 is faster, or nothing is won, are no use.
    const auto useful = [&](const PlanRow& row) {
      return row.met && (simulated_ || price(row) < kFaster * fp32);
    };
    if (options_.search) {
      const bool integers = useful(choice_.row());
      const bool halves = bf16 != choice_.rows.end() && useful(*bf16);
      if (halves && (!integers || (!simulated_ && price(*bf16) < price(choice_.row())))) {
        choice_.chosen = static_cast<size_t>(bf16 - choice_.rows.begin());
      } else if (!integers) {
        choice_.chosen = 0;
      }
    }
    choice_.graph = graphs_[choice_.chosen];
  }

  // Of the plans that are as fast as the chosen one, the one that is closest to fp32.
  void take_the_most_accurate() {
    const double limit = price(choice_.row()) * (1 + kEqualSpeed);
    for (size_t i = 0; i < choice_.rows.size(); ++i) {
      const PlanRow& row = choice_.rows[i];
      if (!row.met || price(row) > limit || row.precision != choice_.row().precision) continue;
      if (divergence(row) >= divergence(choice_.row())) continue;
      choice_.chosen = i;
    }
    choice_.graph = graphs_[choice_.chosen];
  }

  // NaN, of answers that are not finite, is as far as can be.
  [[nodiscard]] static double divergence(const PlanRow& row) {
    const double found = row.evaluation.against->divergence;
    return std::isnan(found) ? std::numeric_limits<double>::infinity() : found;
  }

  void mark_front() {
    for (PlanRow& row : choice_.rows) {
      row.on_front =
          std::none_of(choice_.rows.begin(), choice_.rows.end(), [&](const PlanRow& other) {
            const bool no_worse =
                price(other) <= price(row) && divergence(other) <= divergence(row);
            const bool better = price(other) < price(row) || divergence(other) < divergence(row);
            return no_worse && better;
          });
    }
  }

  const LoadedModel& model_;
  const StoredTables& tables_;
  const Graph& source_;
  const Graph& quantized_;
  HeldOut& held_out_;
  const ChooseOptions& options_;
  bool simulated_;
  quant::CostModel cost_;
  PlanChoice choice_;
  std::vector<Graph> graphs_;  // of the rows
  size_t first_integer_ = 0;   // row of the last search's first plan
  double search_done_ = 0.7;   // of all progress
};

}  // namespace

PlanChoice choose_plan(const LoadedModel& model, const StoredTables& tables,
                       const Calibrated& calibrated, HeldOut& held_out,
                       const ChooseOptions& options) {
  return Chooser(model, tables, calibrated, held_out, options).run();
}

}  // namespace tamis::api
