#include "quant/marks.h"

#include <fnmatch.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/error.h"
#include "engine/engine.h"
#include "graph/attention_part.h"
#include "passes/match.h"

namespace tamis::quant {

namespace {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Operand;
using graph::OpKind;
using graph::Quantizer;
using graph::QuantScheme;
using graph::ValueId;

QuantScheme activation_scheme(Scheme scheme) {
  switch (scheme) {
    case Scheme::kNative:
      return QuantScheme::kPerTokenU8;
    case Scheme::kStatic:
      return QuantScheme::kStaticS8;
    case Scheme::kOrt:
      return QuantScheme::kStaticU8;
  }
  return QuantScheme::kPerTokenU8;
}

/// What lies before and behind each value.
class Position {
 public:
  explicit Position(const Graph& graph)
      : graph_(graph),
        uses_(graph),
        after_attention_(graph.value_count(), false),
        before_sum_(graph.value_count(), false) {
    for (const Node& node : graph.nodes()) {
      bool after = graph::is_attention(node.op);
      for (const ValueId input : node.inputs) after = after || after_attention(input);
      after_attention_[static_cast<size_t>(node.output)] = after;
    }
    for (auto node = graph.nodes().rbegin(); node != graph.nodes().rend(); ++node) {
      if (!is_residual_sum(*node) && !before_sum(node->output)) continue;
      for (const ValueId input : node->inputs) {
        if (input != kNoValue) before_sum_[static_cast<size_t>(input)] = true;
      }
    }
  }

  // An addition of two computed matrices behind an attention: the sums of embeddings are not.
  [[nodiscard]] bool is_residual_sum(const Node& node) const {
    if (node.op != OpKind::kAdd || !after_attention(node.output)) return false;
    const ValueId x = node.operand(Operand::kX);
    const ValueId y = node.operand(Operand::kY);
    if (graph_.is_constant(x) || graph_.is_constant(y)) return false;
    return graph_.value(x).shape == graph_.value(y).shape;
  }
  // The LayerNormalization that alone reads a residual sum, as in post-norm layers.
  [[nodiscard]] const Node* norm_of_sum(const Node& node) const {
    if (!is_residual_sum(node)) return nullptr;
    return uses_.only_consumer(node.output, OpKind::kLayerNormalization);
  }

  // A linear layer of the encoder: it feeds an attention directly, or it lies between an attention
  // and a residual sum.
  [[nodiscard]] bool in_encoder(const Node& matmul) const {
    return (after_attention(matmul.output) && before_sum(matmul.output)) ||
           graph::feeds_attention(graph_, matmul.output);
  }

  // The vocabulary of a sparse head, which every token is multiplied with: for a base model a fifth
  // of all work.
  [[nodiscard]] bool scores_words(ValueId id) const {
    const std::vector<int> readers = graph_.consumers(id);
    return std::any_of(readers.begin(), readers.end(), [&](int reader) {
      const Node& node = graph_.nodes()[static_cast<size_t>(reader)];
      if (node.op == OpKind::kVocabularyPool) return true;
      return node.op == OpKind::kAdd && graph_.is_constant(node.operand(Operand::kY)) &&
             scores_words(node.output);
    });
  }

 private:
  [[nodiscard]] bool after_attention(ValueId id) const {
    return id != kNoValue && after_attention_[static_cast<size_t>(id)];
  }
  [[nodiscard]] bool before_sum(ValueId id) const { return before_sum_[static_cast<size_t>(id)]; }

  const Graph& graph_;
  passes::Uses uses_;
  std::vector<bool> after_attention_;
  std::vector<bool> before_sum_;
};

/// Hands out numbers: one counter a module, the same number whenever the same parameters pass by
/// again (layers that share their weights).
class Numbers {
 public:
  // The first of the two numbers of an operator in `scope`, known by a parameter it works with.
  int first_of(const std::string& scope, OpKind op, ValueId parameter) {
    Module& module = modules_[scope];
    const auto key = std::make_pair(op, parameter);
    const auto found = module.numbers.find(key);
    if (parameter != kNoValue && found != module.numbers.end()) return found->second;
    const int number = module.next;
    module.next += 2;
    module.numbers[key] = number;
    return number;
  }

 private:
  struct Module {
    int next = 0;
    std::map<std::pair<OpKind, ValueId>, int> numbers;
  };
  std::unordered_map<std::string, Module> modules_;
};

// The weight of the linear layer that a value comes from, kNoValue if there is none close by.
ValueId weight_behind(const Graph& graph, ValueId value) {
  for (int steps = 0; steps < 3; ++steps) {
    const int producer = graph.producer(value);
    if (producer < 0) return kNoValue;
    const Node& node = graph.nodes()[static_cast<size_t>(producer)];
    if (node.op == OpKind::kMatMul) return node.operand(Operand::kWeight);
    if (!node.has(Operand::kX)) return kNoValue;
    value = node.operand(Operand::kX);
  }
  return kNoValue;
}

Quantizer make_mark(Operand operand, QuantScheme scheme, bool enabled, std::string name) {
  Quantizer mark;
  mark.operand = operand;
  mark.scheme = scheme;
  mark.enabled = enabled;
  mark.names.push_back(std::move(name));
  return mark;
}

// Marks on the two operands of a node.
std::vector<Quantizer> numbered_marks(const Node& node, std::string_view operation, int first,
                                      QuantScheme scheme) {
  std::vector<Quantizer> marks;
  for (const int place : {0, 1}) {
    const Operand operand = graph::op_info(node.op).operands()[static_cast<size_t>(place)].operand;
    marks.push_back(make_mark(operand, scheme, false,
                              cat(node.scope, ".", operation, "_quantizer_", first + place)));
  }
  return marks;
}

std::vector<Quantizer> marks_of(const Graph& graph, const Position& position, Numbers& numbers,
                                const Node& node, QuantScheme scheme) {
  if (node.op == OpKind::kMatMul || node.op == OpKind::kExpertMatMul) {
    const bool on = position.in_encoder(node) || position.scores_words(node.output);
    return {make_mark(Operand::kX, scheme, on, cat(node.scope, "._input_quantizer")),
            make_mark(Operand::kWeight, QuantScheme::kPerChannelS8, on,
                      cat(node.scope, "._weight_quantizer"))};
  }
  if (graph::is_attention(node.op)) {
    const bool scores = node.op == OpKind::kAttentionScores;
    const ValueId parameter =
        weight_behind(graph, node.operand(scores ? Operand::kQ : Operand::kV));
    const int first = numbers.first_of(node.scope, node.op, parameter);
    return numbered_marks(node, "matmul", first, scheme);
  }
  if (const Node* norm = position.norm_of_sum(node)) {
    const int first = numbers.first_of(node.scope, node.op, norm->operand(Operand::kGamma));
    return numbered_marks(node, "layernorm", first, scheme);
  }
  return {};
}

bool matches(const std::string& glob, const std::string& name) {
  if (fnmatch(glob.c_str(), name.c_str(), 0) == 0) return true;
  const size_t dot = name.find('.');
  return dot != std::string::npos && fnmatch(glob.c_str(), name.c_str() + dot + 1, 0) == 0;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row[b.size()];
}

void switch_marks(Graph& graph, std::span<const std::string> globs, bool on) {
  for (const std::string& glob : globs) {
    bool found = false;
    for (Node& node : graph.nodes()) {
      for (Quantizer& mark : node.quantizers) {
        const bool fits = std::any_of(mark.names.begin(), mark.names.end(),
                                      [&](const std::string& name) { return matches(glob, name); });
        if (fits) mark.enabled = on;
        found = found || fits;
      }
    }
    if (!found) {
      fail(ErrorCode::kInvalidArgument, "quantizers: \"", glob, "\" matches nothing; ",
           nearest_quantizers(graph, glob));
    }
  }
}

}  // namespace

void add_marks(Graph& graph, Scheme scheme) {
  const Position position(graph);
  Numbers numbers;
  std::vector<std::vector<Quantizer>> marks;
  for (const Node& node : graph.nodes()) {
    marks.push_back(marks_of(graph, position, numbers, node, activation_scheme(scheme)));
  }
  for (size_t i = 0; i < marks.size(); ++i) graph.nodes()[i].quantizers = std::move(marks[i]);
}

void enable_whole_attention(Graph& graph) {
  for (Node& node : graph.nodes()) {
    if (!graph::is_attention(node.op) || graph::has_position_products(graph, node)) continue;
    for (Quantizer& mark : node.quantizers) mark.enabled = true;
  }
}

void apply_globs(Graph& graph, std::span<const std::string> enable,
                 std::span<const std::string> disable) {
  switch_marks(graph, enable, true);
  switch_marks(graph, disable, false);
}

std::string nearest_quantizers(const Graph& graph, std::string name) {
  constexpr size_t kLongest = 400;  // edit distance is quadratic, and names are shorter
  std::erase(name, '*');
  name.resize(std::min(name.size(), kLongest));
  std::vector<std::pair<size_t, std::string>> ranked;
  for (QuantizerInfo& info : list_quantizers(graph)) {
    const std::string_view other = std::string_view(info.name).substr(0, kLongest);
    ranked.emplace_back(edit_distance(name, other), std::move(info.name));
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string names;
  for (size_t i = 0; i < std::min<size_t>(3, ranked.size()); ++i) {
    names += cat(i == 0 ? "" : ", ", ranked[i].second);
  }
  return names.empty() ? "the graph has no quantizers" : "near names are " + names;
}

bool needs_simulation(const Graph& graph) {
  return engine::mark_beyond_integers(graph).has_value();
}

std::vector<QuantizerInfo> list_quantizers(const Graph& graph) {
  std::vector<QuantizerInfo> list;
  std::unordered_map<std::string, size_t> index;
  for (const Node& node : graph.nodes()) {
    for (const Quantizer& mark : node.quantizers) {
      for (const std::string& name : mark.names) {
        const auto [place, is_new] = index.emplace(name, list.size());
        if (is_new) {
          list.push_back({name, mark.enabled, mark.scheme, mark.low, mark.high});
          continue;
        }
        QuantizerInfo& info = list[place->second];
        if (mark.low) info.low = std::min(*mark.low, info.low.value_or(*mark.low));
        if (mark.high) info.high = std::max(*mark.high, info.high.value_or(*mark.high));
      }
    }
  }
  return list;
}

}  // namespace tamis::quant
