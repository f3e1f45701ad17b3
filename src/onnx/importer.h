// An ONNX graph on its way to becoming ours, node by node.
//
// Is: the values known so far, the graph under construction, and what handlers of operators share.
// Is not: a handler (import_*.cc), names (tidy.h), outputs (import_onnx.cc). May use: graph,
// formats.
#pragma once

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "graph/graph.h"
#include "onnx/evaluate/evaluate.h"
#include "onnx/hidden.h"
#include "onnx/import_onnx.h"
#include "onnx/operation.h"
#include "onnx/probe.h"

namespace tamis::onnx {

/// What was made of constants: import reads a graph twice, its weights once.
struct ImportCache {
  /// A constant, and whether it is turned.
  using Key = std::pair<ConstantId, bool>;
  /// What several constants make, with an axis or 0.
  using Parts = std::pair<std::vector<Key>, int64_t>;

  std::map<Key, std::shared_ptr<const Tensor>> tensors;  ///< turned or converted
  /// Numbers that integers stand for, with an axis and a block.
  std::map<std::pair<Parts, int64_t>, std::shared_ptr<const Known>> dequantized;
  std::map<Parts, std::shared_ptr<const Known>> unpacked;        ///< the same of MatMulNBits
  std::map<Parts, std::shared_ptr<const Known>> products;        ///< of two constants
  std::map<Parts, std::shared_ptr<const Known>> integer_biases;  ///< times two scales
};

/// A node at hand: its inputs, and what is said of it.
struct Step {
  Operation op;
  std::vector<ImportValue> inputs;
  /// Which of the node's inputs they are; empty: all, in order.
  std::vector<size_t> places = {};

  [[nodiscard]] const ImportValue& input(size_t i) const;
  /// The known input, or an error that names it.
  [[nodiscard]] const Known& known(size_t i) const;
  /// The hidden input, or an error that names it.
  [[nodiscard]] Hidden& hidden(size_t i) const;
  [[nodiscard]] bool has(size_t i) const { return i < inputs.size() && !inputs[i].absent(); }

 private:
  [[nodiscard]] std::string input_label(size_t i) const;
};

/// Columns [first, first + count) of every `every` of them, or of all where that is 0.
struct ColumnPick {
  int64_t first = 0;
  int64_t count = 0;
  int64_t every = 0;
};

/// Not thread-safe. Borrows the model, the cache and the options.
class Importer {
 public:
  Importer(const ModelProto& model, std::string_view source, const ProbePlan& plan,
           ImportCache& cache, const ImportOptions& options);

  /// What a file computes otherwise for long texts is read as for these; else as for short ones.
  void read_as_long() { as_long_ = true; }
  /// To the end, or to where the file pads its inputs to multiples of a number that the plan lacks.
  void run();
  /// That number; 1: it does not.
  [[nodiscard]] int64_t pads_to() const { return pads_to_; }
  /// The one that the probes are multiples of.
  [[nodiscard]] int64_t window() const { return plan_.window; }
  /// Whether the probes show all that ids at the ends of texts do to a value.
  [[nodiscard]] bool shows_ends(IdsUse use) const {
    return use == IdsUse::kNone || (use == IdsUse::kCompared && plan_.window == 1);
  }
  /// The first probe that is the same as probe p.
  [[nodiscard]] size_t same_probe(size_t p) const;
  /// f(p) of each, once where they are the same.
  template <typename F>
  [[nodiscard]] ProbeArrays in_each_probe(F f) const {
    ProbeArrays arrays;
    for (size_t p = 0; p < kProbes; ++p) {
      arrays[p] = same_probe(p) == p ? f(p) : arrays[same_probe(p)];
    }
    return arrays;
  }
  /// What the step makes of numbers that stand for hidden states.
  [[nodiscard]] std::vector<Array> sampled(const Step& step, const Inputs& inputs);

  [[nodiscard]] graph::Graph& graph() { return graph_; }
  [[nodiscard]] const graph::Graph& graph() const { return graph_; }
  [[nodiscard]] const std::array<Probe, kProbes>& probes() const { return probes_; }
  [[nodiscard]] std::string_view source() const { return source_; }
  /// Tokens that the tables of positions have rows for; 0: no table was read.
  [[nodiscard]] int64_t max_positions() const { return max_positions_; }
  void limit_positions(int64_t tokens);
  /// Tokens up to which all that was told of the probes holds; kAnyTokens: any number. Apart from
  /// max_positions(), by which the longest probe is made.
  [[nodiscard]] int64_t horizon() const { return horizon_; }
  void limit_to(int64_t horizon) { horizon_ = std::min(horizon_, horizon); }
  /// What was told of the probes may not hold for longer sequences.
  void limit_to_probes() { limit_to(probes_.back().sizes.tokens); }
  /// Whether texts are read as longer than `tokens`, which one number of a file says.
  [[nodiscard]] bool long_is(const Step& step, int64_t tokens);
  /// That number; 0: texts of all lengths are computed alike.
  [[nodiscard]] int64_t long_from() const { return long_from_; }
  /// What the step, of ONNX's own operators, makes of inputs that are all known.
  [[nodiscard]] std::vector<ImportValue> evaluate_known(const Step& step);
  /// The value of a name; absent if there is none.
  [[nodiscard]] ImportValue value(const std::string& name) const;
  [[nodiscard]] bool has_mask_input() const { return has_mask_input_; }

  // What handlers emit, under the path that the node's name gives.

  [[nodiscard]] static std::string scope_of(const Step& step);
  [[nodiscard]] ImportValue rows(graph::ValueId value, Layout layout) const;
  /// Rows that a node may read: columns cut out, the function applied. Errors name the step.
  graph::ValueId emit_rows(const Step& step, Hidden& hidden);
  /// The same for what reads each row by itself, in which tokens may come before sequences.
  graph::ValueId emit_each_row(const Step& step, Hidden& hidden);
  /// Emits a norm, or rows over their length, that waits for more.
  void end_steps(const Step& step, Hidden& hidden);
  /// Emits a pending function of rows, whatever their axes.
  void end_function(const Step& step, Hidden& hidden);
  /// The same as emit_rows() without the function.
  graph::ValueId emit_columns(const Step& step, const Hidden& hidden);
  /// The same part of each head's columns, as a linear layer of its own.
  graph::ValueId emit_parts_of_heads(const Step& step, const Hidden& hidden,
                                     const ColumnPick& pick);
  graph::ValueId emit(const Step& step, graph::OpKind op, std::vector<graph::ValueId> inputs,
                      graph::Attributes attributes = graph::NoAttributes{});
  /// A weight [n, k] of a constant that lies so, or as [k, n] with `turn`.
  graph::ValueId weight(const Step& step, const Known& known, bool turn);
  /// A vector [n].
  graph::ValueId vector(const Step& step, const Known& known, int64_t n);
  /// onnx::dequantized(), once for the same constants.
  [[nodiscard]] std::shared_ptr<const Known> dequantized(const Step& step, const Known& integers,
                                                         const Known& scale, const Known* zero,
                                                         const ScaleAxis& axis);
  /// What `make` gives, once for the constants that it is made of.
  [[nodiscard]] std::shared_ptr<const Known> unpacked(
      std::span<const ImportValue> parts,
      const std::function<std::shared_ptr<const Known>()>& make);
  /// x [.., k] times a weight [n, k], or [k, n] with `turn`: a constant, made once.
  [[nodiscard]] std::shared_ptr<const Known> product(const Step& step, const Known& x,
                                                     const Known& weight, bool turn);
  /// The INT32 bias in steps of both scales' product, as floats; made once.
  [[nodiscard]] std::shared_ptr<const Known> integer_bias(const Known& integers,
                                                          const Known& x_scale,
                                                          const Known& weight_scale);
  /// A constant of the graph's own.
  graph::ValueId constant(std::string_view name, const Shape& shape, std::span<const float> values);
  /// A name for a constant of the importer's own making; `wanted`, or with a number behind it.
  [[nodiscard]] std::string unused_name(std::string_view wanted);
  /// x * weight^T, of the weight [n, k], or [k, n] with `turn`.
  ImportValue linear(const Step& step, Hidden& x, const Known& known, bool turn);
  /// Rows + a constant vector.
  ImportValue add_bias(const Step& step, Hidden& x, const Known& bias);
  graph::ValueId input_ids() const { return input_ids_; }
  graph::ValueId token_type_ids();

  /// `value` after moves that the step's kIntegerRows waited with; those end with them.
  [[nodiscard]] ImportValue after_moves(const Hidden& integer_rows, ImportValue value);

  /// A static scale of activations that the graph does without.
  void count_activation_scale() { ++activation_scales_; }
  [[nodiscard]] int64_t activation_scales() const { return activation_scales_; }

  /// How far two functions may lie apart: what the file's precision rounds their constants by.
  [[nodiscard]] double tolerance() const {
    return has_halves_ || activation_scales_ > 0 ? 4e-3 : 1e-5;
  }

 private:
  void check_model() const;
  void add_inputs();
  void add_initializers(const GraphProto& graph);
  void count_readers(const GraphProto& graph);
  void run_node(const NodeProto& node, size_t index);
  std::vector<ImportValue> run_step(const Step& step);
  std::vector<ImportValue> run_branch(const Step& step);
  // In every probe, or once.
  std::vector<ImportValue> evaluate_each(const Step& step, bool constant);
  void limit_to_horizons(const Step& step);
  void release_inputs(const NodeProto& node);
  std::shared_ptr<const Tensor> floats(const Step& step, const Known& known, bool turn);
  graph::ValueId cut(const Step& step, const Hidden& hidden, const ColumnPick& pick);
  graph::ValueId picked_columns(const Step& step, const Hidden& hidden, const ColumnPick& pick);

  bool finds_padding(const Step& step, const std::vector<ImportValue>& outputs);

  const ModelProto& model_;
  std::string_view source_;
  ProbePlan plan_;
  ImportCache& cache_;
  int64_t opset_ = 0;
  std::array<Probe, kProbes> probes_;
  std::unordered_map<std::string, ImportValue> values_;
  std::unordered_set<std::string> made_;          // all names so far, forgotten values' too
  std::unordered_map<std::string, int> readers_;  // nodes and outputs that are still to come
  graph::Graph graph_;
  graph::ValueId input_ids_;
  graph::ValueId token_type_ids_ = graph::kNoValue;
  std::map<ImportCache::Key, graph::ValueId> constants_;  // the file's
  std::map<std::string, graph::ValueId> own_constants_;
  std::map<std::array<int64_t, 4>, graph::ValueId> cuts_;
  const ImportOptions& options_;
  bool as_long_ = false;
  int64_t long_from_ = 0;
  int64_t max_positions_ = 0;
  int64_t horizon_ = kAnyTokens;
  int64_t activation_scales_ = 0;
  int64_t evaluated_ = 0;
  int64_t sampled_ = 0;
  int64_t pads_to_ = 1;
  bool has_mask_input_ = false;
  bool has_halves_ = false;
};

/// What a node of the operator becomes: one value for each output.
using Handler = std::vector<ImportValue> (*)(Importer& importer, const Step& step);

/// What handlers.inc names: operators that have a hidden state among their inputs, or make one.
#define X(domain, op, function, integers) \
  [[nodiscard]] std::vector<ImportValue> function(Importer& importer, const Step& step);
#include "onnx/handlers.inc"
#undef X

/// `m.bert.encoder.layer.0` of "/m/bert/encoder/layer.0/Add", "" of a name that is no path.
[[nodiscard]] std::string module_of_path(std::string_view path);

// Shared by handlers.

/// What becomes of two numbers.
using Pair = double (*)(double, double);

/// The rule of a constant or computed mask, which depends so on the ids, checked; errors name the
/// step.
[[nodiscard]] MaskRule checked_mask(const Importer& importer, const Step& step,
                                    std::span<const Array> added, IdsUse use);
/// Attributes `axis` and `block_size` of DequantizeLinear.
[[nodiscard]] ScaleAxis scale_axis(const Operation& op);
/// As import_matmul, of a weight [n, k].
[[nodiscard]] std::vector<ImportValue> import_turned_matmul(Importer& importer, const Step& step);
/// Throws Error{kUnsupported} unless the step's inputs `scale` and `zero` are those that `x` was
/// quantized by.
void check_quantized_by(const Step& step, const ImportValue& x, size_t scale, size_t zero);
/// Throws Error{kUnsupported} unless each row of the last axis holds one query's keys.
void check_pairs(const Step& step, const Hidden& scores);
/// Throws Error{kUnsupported} unless numpy's rules spread `narrow` over `wide`, axis by axis.
void check_spread(const Importer& importer, const Step& step, const Hidden& wide,
                  const Hidden& narrow);
/// Heads of rows: the axes before the last two hold sequences and heads, the last two tokens and a
/// head's columns.
struct Heads {
  int64_t count = 1;
  int64_t size = 0;
  int64_t repeats = 1;  ///< heads of queries that read each
};
/// With `tokens_last` those two are the other way around. Nothing: the axes hold something else.
[[nodiscard]] std::optional<Heads> heads_of(const Hidden& x, bool tokens_last);
/// What queries or keys are multiplied by; errors name the step.
[[nodiscard]] double factor_of(const Step& step, const Hidden& x);
/// q k^T of heads: q [.., tokens, head size], k [.., head size, tokens] or as q with `keys_turned`.
[[nodiscard]] ImportValue make_scores(Importer& importer, const Step& step, const Hidden& q,
                                      const Hidden& k, bool keys_turned, double factor);
/// Scores with the bias of distances [.., heads, tokens, keys], and its mask if it has one.
[[nodiscard]] ImportValue biased_scores(const Step& step, const Hidden& scores, const Hidden& bias);
[[nodiscard]] ImportValue make_probabilities(Importer& importer, const Step& step,
                                             const Hidden& scores);
[[nodiscard]] ImportValue make_context(Importer& importer, const Step& step,
                                       const Hidden& probabilities, const Hidden& v);
/// The outputs that a model of this graph answers with, by their names: both logits of spans, else
/// logits, else embeddings; all of them where none is known.
[[nodiscard]] std::vector<std::string> answers_of(const GraphProto& graph);
/// The product of integers made into that of the numbers they stand for. Errors name the step.
[[nodiscard]] ImportValue dequantized_product(Importer& importer, const Step& step,
                                              const Hidden& product, const Hidden& scale);
/// The scale of a product of two that DynamicQuantizeLinear made; absent: they are more than that.
[[nodiscard]] ImportValue product_of_scales(const Hidden& a, const Hidden& b);
/// LayerNormalization of rows; gamma and beta may be null.
[[nodiscard]] ImportValue make_norm(Importer& importer, const Step& step, Hidden& x,
                                    const Known* gamma, const Known* beta, double epsilon);
/// RMSNormalization of rows or of each head's; gamma may be null.
[[nodiscard]] ImportValue make_rms_norm(Importer& importer, const Step& step, const Hidden& x,
                                        const Known* gamma, double epsilon);
/// Rows of a float table that known ids name.
[[nodiscard]] ImportValue make_embedding(Importer& importer, const Step& step, const Known& table,
                                         const Known& ids);
/// The one axis that a reduction is over.
[[nodiscard]] size_t reduced_axis(const Step& step, const Hidden& x);
/// The layout after the reduction of an axis.
[[nodiscard]] Layout reduced_layout(const Step& step, const Layout& layout, size_t axis);
/// Sizes that the step picks out of a shape's, or whether two are equal in every batch; absent:
/// something else.
[[nodiscard]] ImportValue known_sizes(const Step& step);
/// Whether a computed value is `one` for all tokens and `zero` for padding, whatever the ids.
[[nodiscard]] bool is_mask(const Importer& importer, const Known& known, double one, double zero);
/// The rows once their padding is known.
[[nodiscard]] ImportValue with_padding(const Hidden& rows, Padding padding);
/// What spreads over rows [batch, tokens, columns], as one number for each token; null: columns
/// differ in it.
[[nodiscard]] std::shared_ptr<const Known> token_weights(const Importer& importer,
                                                         const Hidden& rows, const Known& known);
/// Rows times a computed number for each token; absent: it is something else.
[[nodiscard]] ImportValue weighted_rows(Importer& importer, const Step& step, Hidden& x,
                                        const Known& known);
/// Weighted rows with f of their weights and others.
[[nodiscard]] ImportValue reweighted_rows(const Importer& importer, const Step& step,
                                          const Hidden& rows, const Known& by, Pair f);
/// The pooling that a sum of weighted rows is with f of their weights and one number for each
/// sequence.
[[nodiscard]] ImportValue rescaled_sum(Importer& importer, const Step& step, const Hidden& sum,
                                       const Known& by, Pair f);
/// Rows of `value` that lie as `layout` says, pooled.
[[nodiscard]] ImportValue pooled_rows(Importer& importer, const Step& step, const Hidden& rows,
                                      graph::PoolAttributes attributes);
/// One row of each sequence that GatherElements names; the step's data are rows.
[[nodiscard]] ImportValue picked_elements(Importer& importer, const Step& step);
/// The same of Gather from [batch * tokens, columns]; absent: another gather.
[[nodiscard]] ImportValue picked_of_all(Importer& importer, const Step& step);
/// The last row of each sequence's of a kOfToken.
[[nodiscard]] ImportValue last_of_token(Importer& importer, const Step& step, const Hidden& x,
                                        bool keep_axis);
/// One pooling of what several make of the same rows, side by side; absent: something else.
[[nodiscard]] ImportValue joined_pools(Importer& importer, const Step& step);
/// Rows + rows.
[[nodiscard]] ImportValue make_sum(Importer& importer, const Step& step, Hidden& a, Hidden& b);
[[nodiscard]] ImportValue with_function(const Hidden& rows, Function function);
/// Of operands that an operator of elements is not understood on.
[[noreturn]] void refuse_pair(const Step& step);

}  // namespace tamis::onnx
