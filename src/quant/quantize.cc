#include "quant/quantize.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "graph/attention_part.h"
#include "graph/column_scale.h"
#include "graph/mark_switches.h"
#include "quant/moments.h"
#include "quant/observers/observer.h"
#include "quant/partial_run.h"
#include "quant/plain_plan.h"
#include "quant/token_set.h"
#include "quant/trained_ranges.h"
#include "quant/treat_experts.h"
#include "tensor/widened.h"

namespace tamis::quant {

using graph::Graph;
using graph::is_static;
using graph::kNoValue;
using graph::Node;
using graph::Operand;
using graph::OpKind;
using graph::Quantizer;
using graph::QuantScheme;
using graph::ValueId;

namespace {

class Calibration {
 public:
  Calibration(const Graph& graph, const engine::PackedBatch& batch, const QuantizeOptions& options,
              ThreadPool& pool)
      : options_(options),
        pool_(pool),
        float_graph_(graph::without_marks(graph)),
        graph_(graph),
        batch_(batch),
        float_run_(float_graph_, batch_, pool),
        run_(graph_, batch_, pool) {
    // Static marks have no range before their turn, so nothing is simulated until then.
    for (Node& node : graph_.nodes()) graph::switch_marks_off(node);
    for (const size_t index : quantizable_linears(graph)) {
      sharing_[graph.nodes()[index].operand(Operand::kWeight)].push_back(index);
    }
    source_ = &graph;
    report_.sequences = batch_.sequences();
    report_.tokens = batch_.tokens();
  }

  Quantized run(const QuantizeProgress& progress) {
    const size_t count = graph_.nodes().size();
    for (size_t i = 0; i < count; ++i) {
      if (progress && !progress(static_cast<double>(i) / static_cast<double>(count))) {
        fail(ErrorCode::kCancelled, "quantization: cancelled");
      }
      float_run_.keep_for(i);
      run_.keep_for(i);
      if (graph::is_matmul(graph_.nodes()[i])) {
        quantize_linear(i);
      } else if (graph_.nodes()[i].op == OpKind::kExpertMatMul) {
        quantize_experts(i);
      } else {
        observe_marks(i);
      }
    }
    for (size_t i = 0; i < count; ++i) restore_switches(i);
    Graph done = graph_;
    done.remove_dead();
    graph::verify(done);
    return {std::move(done), std::move(report_)};
  }

 private:
  [[nodiscard]] const std::string& name_of(ValueId id) const { return graph_.value(id).name; }

  void restore_switches(size_t index) {
    for (size_t m = 0; m < graph_.nodes()[index].quantizers.size(); ++m) {
      graph_.nodes()[index].quantizers[m].enabled = source_->nodes()[index].quantizers[m].enabled;
    }
  }

  // The nodes that share the weight of one that marks make integer, where it is the first of them;
  // the others are treated with it.
  [[nodiscard]] std::vector<size_t> nodes_to_treat(size_t index) const {
    const auto shared = sharing_.find(source_->nodes()[index].operand(Operand::kWeight));
    if (shared == sharing_.end() || shared->second[0] != index) return {};
    return shared->second;
  }

  void quantize_experts(size_t index) {
    const std::vector<size_t> nodes = nodes_to_treat(index);
    if (nodes.empty()) return;
    const Node node = graph_.nodes()[index];
    const graph::Value& weight = source_->value(source_->nodes()[index].operand(Operand::kWeight));
    const std::shared_ptr<const Tensor> floats = widened(weight.constant);
    const std::string& x = name_of(node.operand(Operand::kX));
    const std::string& routes = name_of(node.operand(Operand::kRoutes));
    ExpertsInput input;
    input.experts = node.attribute<graph::ExpertMatMulAttributes>().experts;
    input.top_k = graph_.value(node.operand(Operand::kRoutes)).shape[1].size / 2;
    input.rows = weight.shape[0].size / input.experts;
    input.columns = weight.shape[1].size;
    input.x_of_each = graph_.value(node.operand(Operand::kX)).shape[1].size != input.columns;
    input.weight = floats->as<float>();
    input.float_routes = float_run_.get(routes);
    input.routes = run_.get(routes);
    input.float_input = float_run_.get(x);
    input.input = run_.get(x);
    const Quantizer& mark = input_mark(node);
    input.scheme = mark.scheme;
    if (is_static(mark.scheme)) input.range = static_range(mark, input.float_input);
    std::vector<float> rows;
    if (options_.trained != nullptr) rows = trained_rows(node, *options_.trained);
    input.row_amax = rows;
    keep(node, nodes,
         treated([&] { return treat_experts(input, treatments(!rows.empty()), pool_); }, mark));
  }

  void quantize_linear(size_t index) {
    const std::vector<size_t> nodes = nodes_to_treat(index);
    if (nodes.empty()) return;
    const Node node = graph_.nodes()[index];
    const graph::Value& weight = source_->value(source_->nodes()[index].operand(Operand::kWeight));
    const graph::Value* bias =
        node.has(Operand::kBias) ? &source_->value(source_->nodes()[index].operand(Operand::kBias))
                                 : nullptr;
    LinearInput input;
    input.rows = weight.shape[0].size;
    input.columns = weight.shape[1].size;
    const std::shared_ptr<const Tensor> floats = widened(weight.constant);
    input.weight = floats->as<float>();
    if (bias != nullptr) input.bias = bias->constant->as<float>();
    std::vector<float> pooled;
    std::vector<double> difference;
    if (nodes.size() == 1) {
      input.float_input = float_run_.get(name_of(node.operand(Operand::kX)));
      input.input = run_.get(name_of(node.operand(Operand::kX)));
      difference = residual_difference(index);
      input.residual_difference = difference;
    } else {
      pooled = pooled_inputs(nodes);
      input.float_input = pooled;
      input.input = pooled;
    }
    const Quantizer& mark = input_mark(node);
    input.scheme = mark.scheme;
    input.outlier_count = options_.tensorrt ? 0 : outlier_count(node);
    input.may_scale = !options_.tensorrt || std::ranges::all_of(nodes, [this](size_t at) {
      return follows_elements(graph_.nodes()[at]);
    });
    input.clips = options_.tensorrt;
    if (options_.tensorrt) {
      input.range = given_range(mark);
    } else if (is_static(mark.scheme)) {
      input.range = static_range(mark, input.float_input);
    }
    std::vector<float> rows;
    if (options_.trained != nullptr) rows = trained_rows(node, *options_.trained);
    input.row_amax = rows;
    keep(node, nodes,
         treated([&] { return treat_linear(input, treatments(!rows.empty()), pool_); }, mark));
  }

  void keep(const Node& node, const std::vector<size_t>& nodes, const TreatedLinear& treated) {
    apply_treatment(graph_, nodes, treated);
    for (const size_t at : nodes) restore_switches(at);
    add_report(node, input_mark(node), treated);
  }

  // A trained grid is the weight's own.
  [[nodiscard]] Treatments treatments(bool trained) const {
    return trained ? Treatments{false, false, false, false, false} : options_.treatments;
  }

  template <typename Treat>
  static TreatedLinear treated(const Treat& treat, const Quantizer& mark) {
    try {
      return treat();
    } catch (const Error& error) {
      // Which of a hundred layers it was, the layer itself cannot know.
      fail(error.code(), error.what(), ", at ", mark.names.empty() ? "?" : mark.names[0]);
    }
  }

  static const Quantizer& input_mark(const Node& node) {
    const Quantizer* mark = node.mark(Operand::kX);
    TAMIS_CHECK(mark != nullptr);
    return *mark;
  }

  void add_report(const Node& node, const Quantizer& mark, const TreatedLinear& treated) {
    const double energy = treated.energy > 0 ? treated.energy : 1;
    LinearReport report;
    report.names = mark.names;
    for (const Quantizer& other : node.quantizers) {
      if (other.operand != Operand::kWeight) continue;
      report.weight_names.insert(report.weight_names.end(), other.names.begin(), other.names.end());
    }
    report.activation_error = treated.activation_error / energy;
    report.weight_error = treated.weight_error / energy;
    report.plain_error = treated.plain_error / energy;
    report.error = treated.error / energy;
    report.outliers = static_cast<int64_t>(treated.outlier_columns.size());
    report.scaled = !treated.multiplier.empty();
    report.gptq = treated.used_gptq;
    report.bias_corrected = treated.used_bias_correction;
    report_.linears.push_back(std::move(report));
  }

  // The inputs of layers that share their weight, of the float model, each thinned out.
  std::vector<float> pooled_inputs(const std::vector<size_t>& nodes) {
    std::vector<float> pooled;
    for (const size_t index : nodes) {
      const ValueId x = graph_.nodes()[index].operand(Operand::kX);
      const std::span<const float> rows = float_run_.get(name_of(x));
      const auto columns = static_cast<size_t>(graph_.value(x).shape[1].size);
      const size_t stride = nodes.size() * columns;
      for (size_t at = 0; at + columns <= rows.size(); at += stride) {
        pooled.insert(pooled.end(), rows.begin() + static_cast<std::ptrdiff_t>(at),
                      rows.begin() + static_cast<std::ptrdiff_t>(at + columns));
      }
    }
    return pooled;
  }

  [[nodiscard]] const Node* only_reader(ValueId id) const {
    const std::vector<int> readers = graph_.consumers(id);
    return readers.size() == 1 && !graph_.is_output(id)
               ? &graph_.nodes()[static_cast<size_t>(readers[0])]
               : nullptr;
  }

  // mean(residual of the float model - residual of this one) where the layer's output is added to
  // one, [n]; empty elsewhere.
  std::vector<double> residual_difference(size_t index) {
    const Node& node = graph_.nodes()[index];
    ValueId residual = node.operand(Operand::kResidual);
    ValueId output = node.output;
    const Node* reader = only_reader(output);
    if (reader != nullptr && reader->op == OpKind::kAdd &&
        graph_.is_constant(reader->operand(Operand::kY))) {
      output = reader->output;
      reader = only_reader(output);
    }
    const bool sums = reader != nullptr &&
                      (reader->op == OpKind::kAdd || reader->op == OpKind::kSkipLayerNormalization);
    if (residual == kNoValue && sums) {
      residual = reader->operand(Operand::kX);
      const Operand other = reader->op == OpKind::kAdd ? Operand::kY : Operand::kSkip;
      if (residual == output) residual = reader->operand(other);
    }
    if (residual == kNoValue || graph_.is_constant(residual)) return {};
    const int64_t columns = graph_.value(residual).shape[1].size;
    const auto mean_of = [&](PartialRun& run) {
      ColumnMoments moments(columns);
      moments.add(run.get(name_of(residual)));
      return moments.mean();
    };
    std::vector<double> difference = mean_of(float_run_);
    const std::vector<double> quantized = mean_of(run_);
    for (size_t j = 0; j < difference.size(); ++j) difference[j] -= quantized[j];
    return difference;
  }

  // Whether a norm or an activation is in front, which takes up a factor and a shift of each
  // column. The scaled weight has them all, so each input of a weight that is shared must.
  [[nodiscard]] bool follows_elements(const Node& node) const {
    const int producer = graph_.producer(node.operand(Operand::kX));
    if (producer < 0) return false;
    const Node& before = graph_.nodes()[static_cast<size_t>(producer)];
    return graph::is_layer_norm(before.op) || graph::is_activated(before);
  }

  [[nodiscard]] int64_t outlier_count(const Node& node) const {
    if (graph::feeds_attention(graph_, node.output)) return options_.outliers.into_attention;
    const int producer = graph_.producer(node.operand(Operand::kX));
    if (producer < 0) return options_.outliers.into_activation;
    const Node& before = graph_.nodes()[static_cast<size_t>(producer)];
    if (graph::is_attention(before.op)) return options_.outliers.out_of_attention;
    const auto* matmul = std::get_if<graph::MatMulAttributes>(&before.attributes);
    const bool activated = before.op == OpKind::kActivation || before.op == OpKind::kGlu ||
                           before.op == OpKind::kMul ||
                           (matmul != nullptr && matmul->activation != Activation::kNone);
    return activated ? options_.outliers.out_of_activation : options_.outliers.into_activation;
  }

  // Ranges of static marks on attention and on sums.
  void observe_marks(size_t index) {
    const Node& node = graph_.nodes()[index];
    for (size_t m = 0; m < node.quantizers.size(); ++m) {
      const Quantizer& mark = node.quantizers[m];
      if (!source_->nodes()[index].quantizers[m].enabled || !is_static(mark.scheme)) continue;
      const bool probabilities = mark.operand == Operand::kProbabilities;
      Range range = given_range(mark).value_or(Range{-1, 1});  // holds every probability
      if (!probabilities) {
        const std::vector<float> rows = operand_rows(node, mark);
        range = static_range(mark, rows);
        report_.operands.push_back({mark.names, rounding_error(rows, range, mark.scheme)});
      }
      Quantizer& out = graph_.nodes()[index].quantizers[m];
      out.low = range.low;
      out.high = range.high;
    }
    restore_switches(index);
  }

  // Mean square of what rounding into the range changes, as a share of the mean square.
  static double rounding_error(std::span<const float> rows, const Range& range,
                               QuantScheme scheme) {
    const bool symmetric = scheme == QuantScheme::kStaticS8;
    const double step = symmetric ? range.high / 127.0 : (double{range.high} - range.low) / 255;
    double error = 0;
    double energy = 0;
    for (const float value : rows) {
      const double clipped = std::clamp<double>(value, range.low, range.high);
      const double level = step > 0 ? std::nearbyint(clipped / step) * step : 0;
      error += (level - value) * (level - value);
      energy += double{value} * value;
    }
    return energy > 0 ? error / energy : 0;
  }

  // The rows a mark stands on; of a merged qkv, its part.
  std::vector<float> operand_rows(const Node& node, const Quantizer& mark) {
    if (node.op != OpKind::kAttention) {
      const std::span<const float> rows = run_.get(name_of(node.operand(mark.operand)));
      return {rows.begin(), rows.end()};
    }
    const graph::AttentionPart part = attention_part(graph_, node, mark.operand);
    const std::span<const float> rows = run_.get(name_of(part.value));
    const auto stride = static_cast<size_t>(graph_.value(part.value).shape[1].size);
    std::vector<float> columns;
    for (size_t at = static_cast<size_t>(part.first_column); at < rows.size(); at += stride) {
      const auto first = rows.begin() + static_cast<std::ptrdiff_t>(at);
      columns.insert(columns.end(), first, first + part.columns);
    }
    return columns;
  }

  // What the mark had before calibration.
  static std::optional<Range> given_range(const Quantizer& mark) {
    if (!mark.low || !mark.high) return std::nullopt;
    return Range{*mark.low, *mark.high};
  }

  Range static_range(const Quantizer& mark, std::span<const float> rows) {
    const std::optional<Range> given = given_range(mark);
    return given ? *given : observe(rows, mark);
  }

  Range observe(std::span<const float> rows, const Quantizer& mark) {
    const auto observer = make_observer(options_.observer, {options_.percentile});
    observer->observe(rows);
    std::optional<Range> range = observer->range();
    // Of zeros alone it would be no range: whatever else comes would be made 0.
    if (!range || (range->low == 0 && range->high == 0)) {
      report_.dead.insert(report_.dead.end(), mark.names.begin(), mark.names.end());
      range = Range{-1, 1};
    }
    if (mark.scheme == QuantScheme::kStaticU8) return *range;
    const float most = std::max(std::abs(range->low), std::abs(range->high));
    return {-most, most};
  }

  const QuantizeOptions& options_;
  ThreadPool& pool_;
  const Graph* source_;
  Graph float_graph_;
  Graph graph_;
  engine::PackedBatch batch_;
  PartialRun float_run_;
  PartialRun run_;
  std::map<ValueId, std::vector<size_t>> sharing_;
  QuantizeReport report_;
};

}  // namespace

void keep_written(QuantizeReport& report, const Graph& graph) {
  std::set<std::string> on;
  for (const Node& node : graph.nodes()) {
    for (const Quantizer& mark : node.quantizers) {
      if (mark.enabled) on.insert(mark.names.begin(), mark.names.end());
    }
  }
  const auto is_off = [&on](const std::vector<std::string>& names) {
    return std::ranges::none_of(names, [&on](const auto& name) { return on.contains(name); });
  };
  std::erase_if(report.linears, [&](const auto& linear) { return is_off(linear.names); });
  std::erase_if(report.operands, [&](const auto& operand) { return is_off(operand.names); });
  std::erase_if(report.dead, [&on](const auto& name) { return !on.contains(name); });
}

void keep_rounding_alone(QuantizeReport& report) {
  for (LinearReport& linear : report.linears) {
    LinearReport plain;
    plain.names = std::move(linear.names);
    plain.weight_names = std::move(linear.weight_names);
    plain.plain_error = plain.error = linear.plain_error;
    linear = std::move(plain);
  }
}

Quantized quantize(const Graph& graph, std::span<const engine::PackedBatch> calibration,
                   const QuantizeOptions& options, ThreadPool& pool,
                   const QuantizeProgress& progress) {
  const TokenSet tokens(calibration, options.max_tokens);
  if (tokens.batch().tokens() == 0) {
    fail(ErrorCode::kInvalidArgument, "quantization: there is no text to calibrate on");
  }
  return Calibration(graph, tokens.batch(), options, pool).run(progress);
}

}  // namespace tamis::quant
