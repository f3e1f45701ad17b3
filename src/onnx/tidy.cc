#include "onnx/tidy.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"

namespace tamis::onnx {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Operand;
using graph::OpKind;
using graph::ValueId;

namespace {

// What the encoder is called in transformers' classes with a head.
constexpr std::string_view kPrefixes[] = {"bert",   "roberta", "distilbert",
                                          "albert", "electra", "deberta",
                                          "mpnet",  "model",   "transformer"};

std::string parent_of(std::string_view module) {
  const size_t dot = module.rfind('.');
  return std::string(module.substr(0, dot == module.npos ? 0 : dot));
}

// Whether the module lies in the other, "" in none and all in "".
bool is_inside(std::string_view module, std::string_view other) {
  if (module.empty() || other.empty()) return !module.empty();
  return module.starts_with(cat(other, "."));
}

// "a.b" of the parameter "a.b.weight", "" of a name that is none.
std::string module_of_parameter(std::string_view name) {
  for (const std::string_view end : {".weight", ".bias"}) {
    if (name.ends_with(end)) return std::string(name.substr(0, name.size() - end.size()));
  }
  return "";
}

// What a node is fed by first.
ValueId first_operand(const Node& node) {
  for (const Operand operand :
       {Operand::kX, Operand::kQ, Operand::kScores, Operand::kProbabilities}) {
    if (node.has(operand)) return node.operand(operand);
  }
  return kNoValue;
}

// The modules of a graph's nodes, told by the parameters that they read and by their neighbors.
class Modules {
 public:
  explicit Modules(const Graph& graph) : graph_(graph), modules_(graph.nodes().size()) {
    for (size_t i = 0; i < modules_.size(); ++i) modules_[i] = own(graph.nodes()[i]);
    for (size_t i = modules_.size(); i-- > 0;) from_readers(i);
    for (size_t i = 0; i < modules_.size(); ++i) from_inputs(i);
  }

  [[nodiscard]] const std::string& operator[](size_t i) const { return modules_[i]; }

 private:
  std::string parameter(const Node& node, Operand operand) const {
    const ValueId id = node.operand(operand);
    return graph_.is_constant(id) ? module_of_parameter(graph_.value(id).name) : "";
  }

  // By its own parameters, else by the node's path in the file.
  std::string own(const Node& node) const {
    std::string module;
    switch (node.op) {
      case OpKind::kGather:
        module = parameter(node, Operand::kTable);
        break;
      case OpKind::kMatMul:
        module = parameter(node, Operand::kWeight);
        break;
      case OpKind::kLayerNormalization:
      case OpKind::kRMSNormalization:
        module = parameter(node, Operand::kGamma);
        break;
      case OpKind::kAdd:
        module = parameter(node, Operand::kY);
        break;
      default:
        break;
    }
    return module.empty() ? node.scope : module;
  }

  const Node* only_reader(const Node& node, int& index) const {
    const std::vector<int> readers = graph_.consumers(node.output);
    if (readers.size() != 1) return nullptr;
    index = readers[0];
    return &graph_.nodes()[static_cast<size_t>(index)];
  }

  // A product is called as its bias, a sum as the norm that reads it, unless their paths say more.
  void from_readers(size_t i) {
    const Node& node = graph_.nodes()[i];
    int index = 0;
    const Node* reader = only_reader(node, index);
    if (reader == nullptr) return;
    const std::string& module = modules_[static_cast<size_t>(index)];
    const bool biased = reader->op == OpKind::kAdd && !parameter(*reader, Operand::kY).empty();
    // A tied decoder's bias belongs to the module that holds it, whose path goes on to the decoder.
    const bool tied = is_inside(node.scope, module);
    if (node.op == OpKind::kMatMul && biased) modules_[i] = tied ? node.scope : module;
    const bool sum = node.op == OpKind::kAdd && parameter(node, Operand::kY).empty();
    if (!sum || module.empty()) return;
    // The last sum of an encoder whose norms come first lies in a layer, and its norm behind all.
    const std::string parent = parent_of(module);
    const bool deeper = node.scope != module && is_inside(node.scope, parent);
    if (is_norm(*reader) && !deeper) modules_[i] = parent;
    if (reader->op == OpKind::kAdd && parameter(*reader, Operand::kY).empty()) modules_[i] = module;
  }

  // Attention is called as what holds its projections, an activation after what it follows.
  void from_inputs(size_t i) {
    const Node& node = graph_.nodes()[i];
    const int producer = graph_.producer(first_operand(node));
    const std::string before = producer < 0 ? "" : modules_[static_cast<size_t>(producer)];
    switch (node.op) {
      case OpKind::kAttentionScores:
        modules_[i] = is_rotary(producer) ? before : parent_of(before);
        if (is_seen_by_all(i)) modules_[i] += ".global";
        return;
      case OpKind::kRotary:
        if (modules_[i].empty()) modules_[i] = parent_of(before);
        return;
      case OpKind::kMul:
      case OpKind::kSoftmax:
      case OpKind::kAttentionContext:
        if (producer >= 0 && is_attention(graph_.nodes()[static_cast<size_t>(producer)])) {
          modules_[i] = before;
        }
        return;
      case OpKind::kActivation:
        if (modules_[i].empty()) modules_[i] = parent_of(before);
        return;
      case OpKind::kAdd:
        if (modules_[i].empty()) modules_[i] = before;
        return;
      default:
        return;
    }
  }

  // The attention of tokens that all others see, beside that of those others.
  [[nodiscard]] bool is_seen_by_all(size_t i) const {
    const Node* node = &graph_.nodes()[i];
    for (int steps = 0; steps < 4; ++steps) {
      int index = 0;
      const graph::ValueId made = node->output;
      node = only_reader(*node, index);
      if (node == nullptr) return false;
      if (node->op == OpKind::kMergeGlobal) return node->operand(Operand::kY) == made;
    }
    return false;
  }

  static bool is_norm(const Node& node) {
    return node.op == OpKind::kLayerNormalization || node.op == OpKind::kRMSNormalization;
  }

  [[nodiscard]] bool is_rotary(int producer) const {
    return producer >= 0 && graph_.nodes()[static_cast<size_t>(producer)].op == OpKind::kRotary;
  }

  static bool is_attention(const Node& node) {
    return node.op == OpKind::kAttentionScores || node.op == OpKind::kMul ||
           node.op == OpKind::kSoftmax;
  }

  const Graph& graph_;
  std::vector<std::string> modules_;
};

std::string words_module(const Graph& graph, const Modules& modules) {
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    if (node.op == OpKind::kGather && node.operand(Operand::kIds) == graph.inputs()[0])
      return modules[i];
  }
  return "";
}

// Nodes between the last hidden states and the logits: each reads one row of the one before.
class HeadChain {
 public:
  HeadChain(const Graph& graph, ValueId logits) {
    ValueId at = logits;
    for (;;) {
      const int index = graph.producer(at);
      if (index < 0) break;
      const Node& node = graph.nodes()[static_cast<size_t>(index)];
      if (!is_row_by_row(graph, node)) break;
      // The encoder's last norm, which reads a residual sum, is no part of the head.
      const ValueId x = node.operand(Operand::kX);
      const int before = graph.producer(x);
      const bool of_sum =
          before >= 0 && !is_row_by_row(graph, graph.nodes()[static_cast<size_t>(before)]);
      const bool norm =
          node.op == OpKind::kLayerNormalization || node.op == OpKind::kRMSNormalization;
      if (norm && of_sum) break;
      nodes_.insert(index);
      at = x;
    }
    hidden_ = at;
  }

  [[nodiscard]] bool has(size_t index) const { return nodes_.contains(static_cast<int>(index)); }
  [[nodiscard]] ValueId hidden() const { return hidden_; }

 private:
  static bool is_row_by_row(const Graph& graph, const Node& node) {
    switch (node.op) {
      case OpKind::kMatMul:
      case OpKind::kActivation:
      case OpKind::kLayerNormalization:
      case OpKind::kRMSNormalization:
        return true;
      case OpKind::kAdd:
      case OpKind::kMul:
        return graph.is_constant(node.operand(Operand::kY));
      default:
        return false;
    }
  }

  std::unordered_set<int> nodes_;
  ValueId hidden_ = kNoValue;
};

class Copy {
 public:
  Copy(const Graph& from, const TidyOptions& options)
      : from_(from),
        modules_(from),
        names_(words_module(from, modules_), options.prefix),
        chain_(from, options.vocabulary_logits) {}

  Graph make() {
    for (const ValueId input : from_.inputs()) {
      const graph::Value& value = from_.value(input);
      ids_[input] = to_.add_input(value.name, value.dtype, value.shape);
    }
    for (size_t i = 0; i < from_.nodes().size(); ++i) copy_node(i);
    for (const graph::GraphOutput& output : from_.outputs()) {
      to_.add_output(output.name, ids_.at(output.value));
    }
    to_.remove_dead();
    return std::move(to_);
  }

 private:
  void copy_node(size_t i) {
    const Node& node = from_.nodes()[i];
    const std::string module = names_.renamed(modules_[i]);
    std::vector<ValueId> inputs;
    for (const ValueId id : node.inputs) {
      if (id == kNoValue) {
        inputs.push_back(kNoValue);
      } else if (chain_.has(i) && id == chain_.hidden()) {
        inputs.push_back(selected());
      } else if (from_.is_constant(id)) {
        inputs.push_back(constant(id, parameter_name(node, id, module)));
      } else {
        inputs.push_back(ids_.at(id));
      }
    }
    ids_[node.output] = to_.add_node(node.op, std::move(inputs), node.attributes, module);
  }

  ValueId selected() {
    if (selected_ == kNoValue) {
      selected_ = to_.add_node(OpKind::kSelectTokens, {ids_.at(chain_.hidden())},
                               graph::NoAttributes{}, "");
    }
    return selected_;
  }

  // "" of a constant that is no parameter of a module.
  std::string parameter_name(const Node& node, ValueId id, const std::string& module) const {
    struct Row {
      OpKind op;
      Operand operand;
      std::string_view name;
    };
    constexpr Row kRows[] = {
        {OpKind::kGather, Operand::kTable, ".weight"},
        {OpKind::kMatMul, Operand::kWeight, ".weight"},
        {OpKind::kLayerNormalization, Operand::kGamma, ".weight"},
        {OpKind::kLayerNormalization, Operand::kBeta, ".bias"},
        {OpKind::kRMSNormalization, Operand::kGamma, ".weight"},
        {OpKind::kAdd, Operand::kY, ".bias"},
    };
    for (const Row& row : kRows) {
      const bool fits = row.op == node.op && node.operand(row.operand) == id;
      if (fits && !module.empty()) return cat(module, row.name);
    }
    return "";
  }

  ValueId constant(ValueId id, const std::string& name) {
    const auto found = ids_.find(id);
    if (found != ids_.end()) return found->second;
    const graph::Value& value = from_.value(id);
    const bool parameter = !module_of_parameter(value.name).empty();
    const std::string own = parameter ? names_.renamed(value.name) : value.name;
    const ValueId copy = to_.add_constant(name.empty() ? own : name, value.constant);
    ids_[id] = copy;
    return copy;
  }

  const Graph& from_;
  const Modules modules_;
  const ModuleNames names_;
  const HeadChain chain_;
  Graph to_;
  std::unordered_map<ValueId, ValueId> ids_;
  ValueId selected_ = kNoValue;
};

}  // namespace

ModuleNames::ModuleNames(std::string_view words, std::string_view prefix) {
  const size_t embeddings = words.rfind("embeddings.");
  const bool has_module = embeddings != words.npos;
  // Decoders' words lie beside their layers.
  const std::string_view before = words.substr(0, has_module ? embeddings : words.rfind('.') + 1);
  if (has_module) encoder_ = before;
  prefix_ = prefix.empty() ? "" : cat(prefix, ".");
  for (const std::string_view known : kPrefixes) take_if_last(before, cat(known, "."));
  // The family's own, in T5's classes below another.
  if (!prefix.empty()) {
    take_if_last(before, cat(prefix, "."));
    take_if_last(before, cat("transformer.", prefix, "."));
  }
}

void ModuleNames::take_if_last(std::string_view before, const std::string& prefix) {
  if (before != prefix && !before.ends_with("." + prefix)) return;
  encoder_ = before;
  prefix_ = prefix;
  wrapper_ = before.substr(0, before.size() - prefix.size());
}

std::string ModuleNames::renamed(std::string_view module) const {
  if (module.empty()) return "";
  const std::string whole = cat(module, ".");
  std::string result(module);
  if (whole.starts_with(encoder_)) {
    result = cat(prefix_, whole.substr(encoder_.size()));
    if (!result.empty()) result.pop_back();
  } else if (module.starts_with(wrapper_)) {
    result = module.substr(wrapper_.size());
  }
  return result;
}

Graph tidy(const Graph& graph, const TidyOptions& options) { return Copy(graph, options).make(); }

}  // namespace tamis::onnx
