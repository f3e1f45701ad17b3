#include "onnx/importer.h"

#include <algorithm>

#include "base/json.h"
#include "formats/stored_tensor.h"
#include "onnx/compared_ids.h"
#include "onnx/file_graph.h"
#include "onnx/ids_use.h"
#include "onnx/import_lengths.h"
#include "onnx/import_positions.h"
#include "onnx/rules/horizon.h"
#include "onnx/samples.h"

namespace tamis::onnx {

using graph::kNoValue;
using graph::ValueId;

namespace {

// Before 11, axes of negative numbers are not allowed and Clip has other inputs; what 24 and later
// change is not known here.
constexpr int64_t kLeastOpset = 11;
constexpr int64_t kMostOpset = 23;
// Masks of 24 layers, some 10 operators each on 512 x 512 values, are 63 million.
constexpr int64_t kMostEvaluated = int64_t{1} << 30;

// What an operator may do with hidden states that the file holds as integers.
enum class WithIntegers : uint8_t { kNothing, kMoves, kReads };

struct HandlerRow {
  std::string_view domain;
  std::string_view op;
  Handler function;
  WithIntegers integers;
};
constexpr HandlerRow kHandlers[] = {
#define X(domain, op, function, integers) {domain, #op, function, WithIntegers::integers},
#include "onnx/handlers.inc"
#undef X
};

std::string_view domain_of(const NodeProto& node) {
  return is_own_operator(node) ? std::string_view() : node.domain;
}

const HandlerRow* find_handler(const NodeProto& node) {
  for (const HandlerRow& row : kHandlers) {
    if (row.domain == domain_of(node) && row.op == node.op_type) return &row;
  }
  return nullptr;
}

// Rows of a table that ids name: what an embedding begins with.
bool is_lookup(const Step& step) {
  if (step.op.type() != "Gather" || !step.has(1) || step.inputs[0].known == nullptr) return false;
  const Known& table = *step.inputs[0].known;
  const ElementType type = table.type();
  const bool is_table = is_float(type) || (integer_range(type) && type != ElementType::kInt32);
  return is_table && table.is_constant() && table.dims().size() == 2 &&
         step.inputs[1].known != nullptr && !step.inputs[1].known->is_constant() &&
         step.op.integer("axis", 0) == 0;
}

// Integers of a table do not know yet what they stand for, and so not what their rows are.
ImportValue moved_later(const Step& step) {
  ImportValue result = in_form(*step.inputs[0].hidden, Form::kIntegerRows);
  result.hidden->moves.push_back(std::make_shared<const Step>(step));
  return result;
}

// A product of two constants, the second a matrix: large ones are worth the faster way.
bool are_constant_rows(const Step& step) {
  if (step.inputs.size() != 2) return false;
  for (const ImportValue& input : step.inputs) {
    const bool constant = input.known != nullptr && input.known->is_constant();
    if (!constant || !is_float(input.known->type())) return false;
  }
  return step.inputs[1].known->dims().size() == 2 && step.inputs[0].known->dims().size() >= 2;
}

int64_t opset_of(const ModelProto& model, std::string_view source) {
  int64_t opset = 0;
  for (const OpsetProto& entry : model.opsets) {
    if (is_own_domain(entry.domain)) opset = entry.version;
  }
  if (opset >= kLeastOpset && opset <= kMostOpset) return opset;
  fail(ErrorCode::kUnsupported, source, ": opset ", opset, "; accepted are ", kLeastOpset, " to ",
       kMostOpset);
}

// All numbers in place of hidden states: those of 24 layers in windows of 512 tokens, some 40
// operators each on 60 sequences' heads, are 8 billion.
constexpr int64_t kMostSampled = int64_t{1} << 34;

// The axes of a Squeeze that names none: those of size 1 in every batch, as one sequence alone is
// still an axis. Nothing: it names them, or is something else.
std::optional<Array> squeezed_axes(const Step& step) {
  const bool names = step.op.type() != "Squeeze" || step.op.has("axes") || step.has(1);
  if (names || !step.has(0)) return std::nullopt;
  std::vector<int64_t> axes;
  for (size_t i = 0; i < step.known(0).dims().size(); ++i) {
    const bool always = std::ranges::all_of(step.known(0).all(), [i](const Array& array) {
      return i < array.dims.size() && array.dims[i] == 1;
    });
    if (always) axes.push_back(static_cast<int64_t>(i));
  }
  return axes.empty() ? std::nullopt : std::optional(make_vector(axes));
}

graph::SymbolicShape token_vector() { return {graph::Dim::of(graph::Symbol::kTokens)}; }

}  // namespace

std::string module_of_path(std::string_view path) {
  if (!path.starts_with('/')) return "";
  path.remove_prefix(1);
  const size_t last = path.rfind('/');
  std::string module(path.substr(0, last == path.npos ? 0 : last));
  std::replace(module.begin(), module.end(), '/', '.');
  return module;
}

const ImportValue& Step::input(size_t i) const {
  if (!has(i)) fail(ErrorCode::kCorruptData, op.label(), ": input ", i, " is missing");
  return inputs[i];
}

std::string Step::input_label(size_t i) const {
  const size_t place = places.empty() ? i : places[i];
  return cat("input ", place, " ", json_quote(op.node().inputs[place].substr(0, 200)));
}

const Known& Step::known(size_t i) const {
  if (input(i).known != nullptr) return *input(i).known;
  op.refuse(input_label(i),
            " depends on hidden states; a constant or something made of ids and sizes is "
            "expected");
}

Hidden& Step::hidden(size_t i) const {
  if (input(i).hidden != nullptr) return *input(i).hidden;
  op.refuse(input_label(i), " is a constant or made of ids and sizes; hidden states are expected");
}

Importer::Importer(const ModelProto& model, std::string_view source, const ProbePlan& plan,
                   ImportCache& cache, const ImportOptions& options)
    : model_(model),
      source_(source),
      plan_(plan),
      cache_(cache),
      opset_(opset_of(model, source)),
      probes_(make_probes(plan, compared_id(model))),
      input_ids_(graph_.add_input(graph::kInputIds, DType::kI32, token_vector())),
      options_(options) {}

void Importer::check_model() const {
  if (model_.functions != 0) {
    fail(ErrorCode::kUnsupported, source_, ": ", model_.functions,
         " functions of its own; operators of ai.onnx and com.microsoft are accepted");
  }
  if (model_.graph.sparse_initializers != 0) {
    fail(ErrorCode::kUnsupported, source_, ": sparse initializers; dense ones are accepted");
  }
  if (model_.graph.nodes.empty()) fail(ErrorCode::kUnsupported, source_, ": a graph without nodes");
}

void Importer::run() {
  check_model();
  add_initializers(model_.graph);
  add_inputs();
  count_readers(model_.graph);
  const std::vector<bool> idle = nodes_of_other_outputs(model_.graph, answers_of(model_.graph));
  for (const size_t i : run_order(model_.graph)) {
    if (idle[i]) {
      release_inputs(model_.graph.nodes[i]);
      continue;
    }
    run_node(model_.graph.nodes[i], i);
    if (pads_to_ > 1) return;
  }
}

// Ids or a mask, one row for each sequence, longer than they are: to multiples of the greatest of
// their lengths, which is not below the number that the file takes.
bool Importer::finds_padding(const Step& step, const std::vector<ImportValue>& outputs) {
  if (step.op.type() != "Pad" || plan_.window > 1) return false;
  for (size_t p = 0; p < kProbes; ++p) {
    const BatchSizes& sizes = probes_[p].sizes;
    const Dims& dims = outputs[0].known->at(p).dims;
    const bool rows = step.known(0).at(p).dims == Dims{sizes.sequences, sizes.tokens} &&
                      dims.size() == 2 && dims[0] == sizes.sequences;
    if (!rows || dims[1] < sizes.tokens) return false;
    if (dims[1] > sizes.tokens) pads_to_ = std::max(pads_to_, dims[1]);
  }
  return pads_to_ > 1;
}

size_t Importer::same_probe(size_t p) const {
  size_t first = 0;
  while (probes_[first].input_ids.data != probes_[p].input_ids.data) ++first;
  return first;
}

std::vector<Array> Importer::sampled(const Step& step, const Inputs& inputs) {
  std::vector<Array> outputs = evaluate(step.op, inputs);
  for (const Array& output : outputs) sampled_ += output.elements();
  if (sampled_ > kMostSampled) {
    step.op.refuse("over ", kMostSampled, " numbers in place of hidden states taken apart");
  }
  return outputs;
}

// Branches read the values around them.
void Importer::count_readers(const GraphProto& graph) {
  for (const NodeProto& node : graph.nodes) {
    for (const std::string& name : node.inputs) ++readers_[name];
    for (const AttributeProto& attribute : node.attributes) {
      for (const GraphProto& branch : attribute.graphs) count_readers(branch);
    }
  }
  for (const ValueProto& output : graph.outputs) ++readers_[output.name];
}

void Importer::add_initializers(const GraphProto& graph) {
  for (const TensorProto& tensor : graph.initializers) {
    has_halves_ = has_halves_ || tensor.type == ElementType::kFloat16 ||
                  tensor.type == ElementType::kBfloat16;
    if (!made_.insert(tensor.name).second) {
      fail(ErrorCode::kCorruptData, source_, ": two initializers \"", tensor.name, "\"");
    }
    values_.emplace(tensor.name, ImportValue{std::make_shared<Known>(tensor), nullptr});
  }
}

void Importer::add_inputs() {
  for (const ValueProto& input : model_.graph.inputs) {
    if (!made_.insert(input.name).second) continue;  // an initializer with a default
    ProbeArrays arrays;
    const bool is_ids = input.name == "input_ids";
    const bool is_mask = input.name == "attention_mask";
    if (!is_ids && !is_mask && input.name != "token_type_ids") {
      fail(ErrorCode::kUnsupported, source_, ": input ", json_quote(input.name.substr(0, 100)),
           "; accepted are input_ids, attention_mask and token_type_ids");
    }
    if (input.dims) {
      for (const DimProto& dim : *input.dims) {
        if (!dim.value || input.dims->size() != 2) {
          if (input.dims->size() == 2) continue;
          fail(ErrorCode::kUnsupported, source_, ": input \"", input.name, "\" of rank ",
               input.dims->size(), "; [batch_size, sequence_length] is expected");
        }
        fail(ErrorCode::kUnsupported, source_, ": input \"", input.name, "\" has a fixed size of ",
             *dim.value, "; export it with dynamic axes");
      }
    }
    for (size_t p = 0; p < kProbes; ++p) {
      arrays[p] = is_ids    ? probes_[p].input_ids
                  : is_mask ? probes_[p].attention_mask
                            : probes_[p].token_type_ids;
    }
    has_mask_input_ = has_mask_input_ || is_mask;
    const IdsUse use = is_ids ? IdsUse::kIds : IdsUse::kNone;
    values_.emplace(
        input.name,
        ImportValue{std::make_shared<Known>(input.name, std::move(arrays), use), nullptr});
  }
}

ImportValue Importer::value(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? ImportValue{} : found->second;
}

void Importer::release_inputs(const NodeProto& node) {
  for (const std::string& name : node.inputs) {
    if (--readers_[name] == 0) values_.erase(name);
  }
}

void Importer::run_node(const NodeProto& node, size_t index) {
  Step step = {Operation(node, index, opset_, source_), {}};
  if (node.outputs.empty()) {
    fail(ErrorCode::kCorruptData, step.op.label(), ": has no output");
  }
  for (const std::string& name : node.inputs) {
    step.inputs.push_back(name.empty() ? ImportValue{} : value(name));
    if (!name.empty() && step.inputs.back().absent()) {
      fail(ErrorCode::kCorruptData, step.op.label(), ": reads ", json_quote(name.substr(0, 200)),
           ", which nothing before it makes");
    }
  }
  std::vector<ImportValue> outputs;
  try {
    outputs = node.op_type == "If" ? run_branch(step) : run_step(step);
  } catch (const Error& error) {
    const std::string label = step.op.label();
    if (std::string_view(error.what()).starts_with(label)) throw;
    // A graph that our ops do not take is one that is not understood.
    const bool ours = error.code() == ErrorCode::kInvalidArgument;
    fail(ours ? ErrorCode::kUnsupported : error.code(), label, ": ", error.what());
  }
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i].empty() || i >= outputs.size()) continue;
    if (!made_.insert(node.outputs[i]).second) {
      fail(ErrorCode::kCorruptData, step.op.label(), ": makes ",
           json_quote(node.outputs[i].substr(0, 200)), ", which is there already");
    }
    values_.emplace(node.outputs[i], std::move(outputs[i]));
  }
  release_inputs(node);
}

ImportValue Importer::after_moves(const Hidden& integer_rows, ImportValue value) {
  for (const auto& move : integer_rows.moves) {
    Step step = *move;
    step.inputs[0] = std::move(value);
    value = run_step(step)[0];
  }
  return value;
}

// Of one branch, which every batch takes.
std::vector<ImportValue> Importer::run_branch(const Step& step) {
  const Known& condition = step.known(0);
  const auto chosen = condition.is_constant() ? condition.scalar() : std::nullopt;
  if (!chosen) step.op.refuse("a branch that depends on the batch");
  const std::string_view name = *chosen != 0 ? "then_branch" : "else_branch";
  const AttributeProto* attribute = step.op.node().attribute(name);
  if (attribute == nullptr || attribute->graphs.size() != 1) {
    fail(ErrorCode::kCorruptData, step.op.label(), ": has no ", name);
  }
  const GraphProto& branch = attribute->graphs[0];
  add_initializers(branch);
  for (const size_t i : run_order(branch)) run_node(branch.nodes[i], step.op.index());
  std::vector<ImportValue> outputs;
  for (const ValueProto& output : branch.outputs) outputs.push_back(value(output.name));
  return outputs;
}

// Of what meets hidden states. Ids that rows are looked up by have rules that say themselves how
// far they hold.
void Importer::limit_to_horizons(const Step& step) {
  if (is_lookup(step) || step.op.type() == "GatherElements") return;
  for (const ImportValue& input : step.inputs) {
    if (input.known != nullptr) limit_to(input.known->holds_for());
  }
}

std::vector<ImportValue> Importer::run_step(const Step& step) {
  const bool hidden = std::any_of(step.inputs.begin(), step.inputs.end(),
                                  [](const ImportValue& input) { return input.hidden != nullptr; });
  const auto quantized = std::ranges::find_if(
      step.inputs, [](const ImportValue& input) { return input.integers.has_value(); });
  const bool own = domain_of(step.op.node()).empty();
  const bool evaluated = !hidden && own && quantized == step.inputs.end() && !is_lookup(step) &&
                         step.op.type() != "DynamicQuantizeLinear";
  if (evaluated) return evaluate_known(step);
  limit_to_horizons(step);
  if (needs_samples(*this, step)) return import_samples(*this, step);
  const HandlerRow* row = find_handler(step.op.node());
  if (row == nullptr) step.op.refuse("this operator is not understood on hidden states");
  const bool moves = row->integers == WithIntegers::kMoves;
  if (moves && step.has(0) && step.inputs[0].has(Form::kIntegerRows)) return {moved_later(step)};
  if (quantized == step.inputs.end()) return row->function(*this, step);
  if (row->integers == WithIntegers::kNothing || (moves && !hidden)) {
    step.op.refuse(
        "hidden states as integers; DequantizeLinear or an operator of integers is "
        "expected to read them");
  }
  std::vector<ImportValue> outputs = row->function(*this, step);
  if (moves) {
    for (ImportValue& output : outputs) {
      if (output.hidden != nullptr) output.integers = quantized->integers;
    }
  }
  return outputs;
}

std::vector<ImportValue> Importer::evaluate_known(const Step& step) {
  const std::string& type = step.op.type();
  const Known* first = step.inputs.empty() ? nullptr : step.inputs[0].known.get();
  const bool stored = first != nullptr && first->tensor() != nullptr;
  // The quantization of a mask, which would lose it, is left out like that of hidden states.
  const bool mask = first != nullptr && !first->is_constant() && is_float(first->type()) &&
                    (type == "QuantizeLinear" || type == "DequantizeLinear");
  if (mask) return {step.inputs[0]};
  const bool same = type == "Identity" || type == "Dropout" ||
                    (type == "Cast" && stored && is_float(first->type()) &&
                     is_float(static_cast<ElementType>(step.op.integer("to", 0))));
  if (same && first != nullptr) return {step.inputs[0]};
  if (const ImportValue sizes = known_sizes(step); !sizes.absent()) return {sizes};
  if (const ImportValue lengths = known_lengths(*this, step); !lengths.absent()) return {lengths};
  if (type == "MatMul" && are_constant_rows(step)) {
    return {{product(step, *first, step.known(1), true), nullptr}};
  }
  if (type == "Transpose" && stored && first->dims().size() == 2) {
    const std::vector<int64_t> perm = step.op.integers("perm");
    if (perm.empty() || perm == std::vector<int64_t>{1, 0}) {
      return {{std::make_shared<Known>(Known::turned(*first)), nullptr}};
    }
  }
  const bool integers = first != nullptr && first->is_constant() && !is_float(first->type());
  if (type == "DequantizeLinear" && integers) {
    const Known* zero = step.has(2) ? &step.known(2) : nullptr;
    return {{dequantized(step, *first, step.known(1), zero, scale_axis(step.op)), nullptr}};
  }
  bool constant = true;
  for (const ImportValue& input : step.inputs) {
    constant = constant && (input.absent() || input.known->is_constant());
  }
  if (!constant) {
    if (const ImportValue table = table_of_batch(*this, step); !table.absent()) return {table};
  }
  std::vector<ImportValue> outputs = evaluate_each(step, constant);
  // Where nothing is padded, ids stay what they are.
  const bool same_sizes =
      type == "Pad" && !constant && !finds_padding(step, outputs) &&
      std::ranges::equal(first->all(), outputs[0].known->all(), {}, &Array::dims, &Array::dims);
  return same_sizes ? std::vector{step.inputs[0]} : outputs;
}

std::vector<ImportValue> Importer::evaluate_each(const Step& step, bool constant) {
  const std::optional<Array> own_axes = squeezed_axes(step);
  std::vector<ProbeArrays> results;
  for (size_t p = 0; p < (constant ? 1 : kProbes); ++p) {
    const size_t same = same_probe(p);
    for (ProbeArrays& result : results) result[p] = result[same];
    if (same != p) continue;
    Inputs inputs;
    for (const ImportValue& input : step.inputs) {
      inputs.push_back(input.absent() ? nullptr : &input.known->at(p));
    }
    if (own_axes) inputs.resize(2, &*own_axes);
    const std::vector<Array> outputs = evaluate(step.op, inputs);
    results.resize(outputs.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      results[i][p] = outputs[i];
      evaluated_ += outputs[i].elements();
    }
    // Places of chunks are computed in every layer anew.
    const int64_t most = plan_.window > 1 ? kMostSampled : kMostEvaluated;
    if (evaluated_ > most) {
      step.op.refuse("over ", most, " values computed from ids, sizes and constants");
    }
  }
  const IdsUse use = constant ? IdsUse::kNone : ids_use_of(step, probes_);
  const int64_t horizon = constant ? kAnyTokens : horizon_of(step, probes_);
  std::vector<ImportValue> values;
  for (size_t i = 0; i < results.size(); ++i) {
    const std::string& name = output_of(step.op.node(), i);
    values.push_back({constant ? std::make_shared<Known>(name, results[i][0])
                               : std::make_shared<Known>(name, std::move(results[i]), use, horizon),
                      nullptr});
  }
  return values;
}

void Importer::limit_positions(int64_t tokens) {
  max_positions_ = max_positions_ == 0 ? tokens : std::min(max_positions_, tokens);
}

bool Importer::long_is(const Step& step, int64_t tokens) {
  if (long_from_ != 0 && long_from_ != tokens) {
    step.op.refuse("texts of more than ", tokens, " tokens, and others of more than ", long_from_);
  }
  long_from_ = tokens;
  return as_long_;
}

ValueId Importer::token_type_ids() {
  if (token_type_ids_ == kNoValue) {
    token_type_ids_ = graph_.add_input(graph::kTokenTypeIds, DType::kI32, token_vector());
  }
  return token_type_ids_;
}

}  // namespace tamis::onnx
