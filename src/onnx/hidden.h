// A value of an ONNX graph that depends on hidden states, as what it is of the graph being built.
//
// Is: rows under a function that is not yet emitted, and the steps of norms, attention and pooling
// on the way. Is not: numbers. May use: graph, onnx/layout.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "graph/graph.h"
#include "onnx/known.h"
#include "onnx/layout.h"
#include "onnx/rules/rotary_rule.h"
#include "onnx/rules/rules.h"

namespace tamis::onnx {

enum class Form : uint8_t {
  kRows,           ///< f(columns of `value`)
  kScores,         ///< `factor` * queries * keys^T, masked by `mask`
  kProbabilities,  ///< softmax of scores: `value` [heads, A]
  kDistanceBias,   ///< rows of the table `value` [buckets, heads] by T5's rule, for scores
  // Disentangled attention in steps
  kTable,            ///< `known`, a constant whose axes `layout` names by their strides
  kPositionProduct,  ///< queries or keys times the rows of a table of places: `terms`
  kPositionBias,     ///< what of it belongs to each query and key
  // Positions by distance (relative_key)
  kDistanceRows,  ///< rows of `known` [2 * max_relative_positions, size], the last before distance
                  ///< 0
  kNotANumber,    ///< where probabilities are NaN: nowhere, as each sequence has a token
  // Rotary positions in steps, of heads
  kHalf,         ///< first or, `second_half`, second columns of all `pairs`, perhaps `negated`
  kSwapped,      ///< the negated second columns in the first's places, these in theirs
  kTimesCosine,  ///< heads * `known`
  kTimesSine,    ///< swapped halves * `known`
  // RMSNormalization in steps, of the rows `value` or of each of their `heads`
  kMeanSquare,      ///< + epsilon
  kRootMeanSquare,  ///< its root
  kInverseRoot,     ///< 1 / root
  // LayerNormalization in steps, of the rows `value`
  kMean,
  kCentered,
  kCenteredSquare,
  kVariance,   ///< + epsilon
  kDeviation,  ///< sqrt(variance + epsilon)
  kNormal,     ///< centered / deviation, or rows / root (`is_rms`), times gamma
  // Pooling in steps
  kWeighted,    ///< rows * `known`, [sequences, tokens, 1] in each probe
  kTokenSum,    ///< of each sequence's tokens, times their weights `known`
  kLength,      ///< L2 norm of each row
  kUnitLength,  ///< the rows `value`, each divided by its length
  kOfToken,     ///< those of the rows `value` whose id is `token`, as if they were all
  kSampled,     ///< `samples` in place of what steps made that no other form tells
  // Quantization at run time
  kScale,           ///< of `quantized`, times `known` or that of `multiplied`
  kZeroPoint,       ///< of `quantized`
  kIntegerProduct,  ///< integers of `quantized` times those of `known` or `multiplied`
  kIntegerRows,     ///< rows of the integer table `known` that `ids` name, moved by `moves`
};

/// What rows of padding hold.
enum class Padding : uint8_t {
  kAnything,
  kZero,  ///< by the mask
  kLow,   ///< by the mask, kMaskLimit or less
};

struct ImportValue;
struct Samples;
struct Step;

using Function = std::function<double(double)>;

/// Rows times a table of places: queries with keys of places, or keys with queries of places.
struct PositionTerm {
  graph::ValueId rows = graph::kNoValue;  ///< none: there is no such term
  /// [places, heads * head size], row-major.
  std::shared_ptr<const std::vector<float>> table;
  double factor = 1;
};

struct Hidden {
  Form form = Form::kRows;
  graph::ValueId value = graph::kNoValue;
  Layout layout;
  int64_t first_column = 0;                  ///< kRows: of `value`
  int64_t columns = 0;                       ///< kRows: how many of it
  Function function;                         ///< kRows: of each element; empty: as it is
  Padding padding = Padding::kAnything;      ///< kRows
  bool second_half = false;                  ///< kHalf
  bool negated = false;                      ///< kHalf
  RotaryPairs pairs = RotaryPairs::kHalves;  ///< kHalf and kSwapped

  graph::ValueId keys = graph::kNoValue;  ///< kScores
  int64_t heads = 1;                      ///< of queries; kMeanSquare and on: parts of each row
  int64_t key_heads = 1;                  ///< of keys, which divide those of queries
  int64_t head_size = 0;
  double factor = 1;
  std::optional<MaskRule> mask;
  graph::ValueId bias = graph::kNoValue;  ///< kScores: the table of a kDistanceBias
  graph::BiasRule bias_rule = graph::BiasRule::kT5;
  int64_t max_distance = 0;  ///< of the bias
  bool causal_bias = false;  ///< it has no row of its own for keys behind their query
  /// Of queries with a table of keys, and of keys with one of queries; a kPositionProduct, which
  /// does not know yet what its rows are, has the first alone.
  std::array<PositionTerm, 2> terms;
  int64_t position_buckets = 0;        ///< AttentionAttributes'
  int64_t max_relative_positions = 0;  ///< and this one

  int64_t token = -1;   ///< kOfToken
  double epsilon = 0;   ///< kVariance and kMeanSquare and on
  bool is_rms = false;  ///< kNormal
  /// gamma; a weight; a factor of a scale; a table; weights of tokens
  std::shared_ptr<const Known> known;
  std::shared_ptr<const Known> ids;              ///< kIntegerRows
  std::shared_ptr<const Known> zero;             ///< kIntegerProduct: the weight's zero point
  std::shared_ptr<const ImportValue> quantized;  ///< kScale, kZeroPoint, kIntegerProduct
  std::shared_ptr<const ImportValue>
      multiplied;                          ///< kScale, kIntegerProduct: what stands for `known`
  std::shared_ptr<const Samples> samples;  ///< kSampled
  /// kIntegerRows: what waits for their floats; kIntegerProduct: what multiplies them
  std::vector<std::shared_ptr<const Step>> moves;
};

/// The number that one integer stands for, and the integer that stands for 0.
struct QuantizedBy {
  std::shared_ptr<const Known> scale;
  std::shared_ptr<const Known> zero;               ///< null: 0
  std::shared_ptr<const ImportValue> at_run_time;  ///< what DynamicQuantizeLinear read; or null
};

/// One or none of the two; neither: an optional input that is absent.
struct ImportValue {
  std::shared_ptr<const Known> known;
  std::shared_ptr<Hidden> hidden;
  /// The file holds the value as integers here.
  std::optional<QuantizedBy> integers = std::nullopt;

  [[nodiscard]] bool has(Form form) const { return hidden != nullptr && hidden->form == form; }
  /// Rows, or steps that end as rows where these are read (Importer::end_steps).
  [[nodiscard]] bool ends_as_rows() const;
  [[nodiscard]] bool absent() const { return known == nullptr && hidden == nullptr; }
};

/// The hidden value in another form, all else alike.
[[nodiscard]] ImportValue in_form(const Hidden& hidden, Form form);

/// Whether `layout` is the value's own in the file, so that its axes may be moved; else it is that
/// of the rows which the value was made of.
[[nodiscard]] bool has_own_layout(Form form);

/// Whether both are made of the same columns of the same rows.
[[nodiscard]] bool same_columns(const Hidden& a, const Hidden& b);

/// The number c if the function is x -> c * x; 1 where there is none.
[[nodiscard]] std::optional<double> linear_factor(const Function& function);

/// The activation whose values the function has, to `tolerance` of each; nothing if none has.
[[nodiscard]] std::optional<Activation> activation_of(const Function& function, double tolerance);

}  // namespace tamis::onnx
