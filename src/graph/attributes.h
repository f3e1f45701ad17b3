// What parametrises each op, as small structs in one variant.
//
// Each struct names its fields once, in visit(), and from that come printing and parsing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/activation.h"
#include "base/pooling.h"
#include "graph/op.h"
#include "graph/quantizer.h"

namespace tamis::graph {

struct NoAttributes {
  template <typename Self, typename Visitor>
  static void visit(Self&, Visitor&&) {}
  friend bool operator==(const NoAttributes&, const NoAttributes&) = default;
};

/// How position ids follow from input ids (Hugging Face modeling files).
enum class PositionRule : uint8_t {
  kAbsolute,  ///< index within the sequence
  kRoberta,   ///< padding_idx + count of non-padding tokens so far; padding keeps padding_idx
};

struct PositionIdsAttributes {
  PositionRule rule = PositionRule::kAbsolute;
  int64_t padding_idx = 0;

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& visitor) {
    visitor("rule", self.rule);
    visitor("padding_idx", self.padding_idx);
  }
  friend bool operator==(const PositionIdsAttributes&, const PositionIdsAttributes&) = default;
};

/// Ids moved one place towards the end of their sequence, whose last id falls out. In front stands
/// `first`; or, where that is -1 (mBART), the sequence's id number c - 1, c being the count of
/// those that are not padding_idx: its first where all are.
struct ShiftIdsAttributes {
  int64_t first = -1;
  int64_t padding_idx = -1;

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& visitor) {
    visitor("first", self.first, int64_t{-1});
    visitor("padding_idx", self.padding_idx, int64_t{-1});
  }
  friend bool operator==(const ShiftIdsAttributes&, const ShiftIdsAttributes&) = default;
};

struct ActivationAttributes {
  Activation activation = Activation::kNone;

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& visitor) {
    visitor("activation", self.activation);
  }
  friend bool operator==(const ActivationAttributes&, const ActivationAttributes&) = default;
};

/// act(gate) * up, where gate and up are the halves of a row: the gate first, or behind.
struct GluAttributes {
  Activation activation = Activation::kNone;
  bool gate_first = true;

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& visitor) {
    visitor("activation", self.activation);
    visitor("gate_first", self.gate_first);
  }
  friend bool operator==(const GluAttributes&, const GluAttributes&) = default;
};

/// The rows of the `width` tokens around each one, an odd number, side by side in their order;
/// zeros where the sequence has none: what a convolution over tokens multiplies.
struct UnfoldAttributes {
  int64_t width = 1;

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& visitor) {
    visitor("width", self.width);
  }
  friend bool operator==(const UnfoldAttributes&, const UnfoldAttributes&) = default;
};

/// Rows of `mask_token` become 0; the others are times kept / (1 - the share of `mask_token` in
/// their sequence): what ESM-2's embeddings are of texts with masks. A sequence of nothing else has
/// rows that are no numbers.
struct TokenDropoutAttributes {
  int64_t mask_token = 0;
  float kept = 1.0f;

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& visitor) {
    visitor("mask_token", self.mask_token);
    visitor("kept", self.kept);
  }
  friend bool operator==(const TokenDropoutAttributes&, const TokenDropoutAttributes&) = default;
};

/// Rotary positions (RoFormer): in each of the first `heads` parts of `head_size` columns, the
/// first r columns, r / 2 frequencies being given, are pairs that turn by place * frequency: column
/// i with i + r / 2, or where interleaved 2i with 2i + 1. Cosines and sines are times `scale`. The
/// other columns are copied. Where `long_from` is not 0, there are two rows of frequencies: the
/// second turns sequences of more tokens than that, or that have a place behind it.
struct RotaryAttributes {
  int64_t heads = 1;
  int64_t head_size = 0;
  bool interleaved = false;
  float scale = 1.0f;
  int64_t long_from = 0;

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& visitor) {
    visitor("heads", self.heads);
    visitor("head_size", self.head_size);
    visitor("interleaved", self.interleaved, false);
    visitor("scale", self.scale, 1.0f);
    visitor("long_from", self.long_from, int64_t{0});
  }
  friend bool operator==(const RotaryAttributes&, const RotaryAttributes&) = default;
};

/// act(x * weight^T + bias) + residual.
///
/// A QuantizedMatMul has an I8 weight, and its mark on x is on: row i of the weight stands for
/// weight_scale[i] * weight[i, :], and x enters the product as integers of
/// y = fma(x, input_multiplier, -input_offset), column by column (x where they are absent). What
/// the offset takes away is part of the bias. In outlier columns, at most 8 and rising, multiplier,
/// offset and weight are 0, and the untouched x is multiplied with outlier_weight in float:
/// act(y^ * weight^T + x[outliers] * outlier_weight^T + bias) + residual.
struct MatMulAttributes {
  Activation activation = Activation::kNone;

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& visitor) {
    visitor("activation", self.activation);
  }
  friend bool operator==(const MatMulAttributes&, const MatMulAttributes&) = default;
};

/// Which experts compute a row: the `top_k` of the greatest softmax(x weight^T), of equal ones the
/// first. A row of the result names them from the first to the last, their probabilities in front
/// of their numbers; the probabilities are those among all experts, whose sum is 1.
struct RouteTokensAttributes {
  int64_t top_k = 1;

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& visitor) {
    visitor("top_k", self.top_k);
  }
  friend bool operator==(const RouteTokensAttributes&, const RouteTokensAttributes&) = default;
};

/// act(x * weight_e^T) for each expert e of a row side by side, in the order of its routes, where
/// weight_e is rows [e * n, (e + 1) * n). Either all experts of a row read the whole of it, or each
/// its own part. An I8 weight is a QuantizedMatMul's, and the mark on x is on.
struct ExpertMatMulAttributes {
  int64_t experts = 1;
  Activation activation = Activation::kNone;

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& visitor) {
    visitor("experts", self.experts);
    visitor("activation", self.activation);
  }
  friend bool operator==(const ExpertMatMulAttributes&, const ExpertMatMulAttributes&) = default;
};

/// A long short-term memory over the words of each sequence, from both ends. A row of x holds what
/// a word adds to the gates of the direction that starts with the first word (input, forget, cell,
/// output, n columns each), then to those of the other. `forward` and `backward` are what the
/// results of the word before are multiplied with for the gates. Words are all rows but those of
/// labels, whose results are 0. Source: torch.nn.LSTM
struct LstmAttributes {
  int64_t label_token = 0;    ///< rows of labels are those of this token ...
  bool behind_token = false;  ///< ... or of the token behind it

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& visitor) {
    visitor("label_token", self.label_token);
    visitor("behind_token", self.behind_token, false);
  }
  friend bool operator==(const LstmAttributes&, const LstmAttributes&) = default;
};

/// How well each label names each span of words of its sequence: of the span from word i to word j
/// and label c relu(starts[i] + ends[j]) times the first n columns of labels[c], plus its last.
/// Row i has the spans that begin at its word, of 1 to max_width words, each with `labels` scores;
/// 0 where the sequence has no such word or label. Labels and words are an Lstm's.
struct ScoreSpansAttributes {
  int64_t label_token = 0;
  bool behind_token = false;
  int64_t max_width = 1;
  int64_t labels = 1;

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& visitor) {
    visitor("label_token", self.label_token);
    visitor("behind_token", self.behind_token, false);
    visitor("max_width", self.max_width);
    visitor("labels", self.labels);
  }
  friend bool operator==(const ScoreSpansAttributes&, const ScoreSpansAttributes&) = default;
};

struct LayerNormAttributes {
  float epsilon = 1e-12f;

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& visitor) {
    visitor("epsilon", self.epsilon);
  }
  friend bool operator==(const LayerNormAttributes&, const LayerNormAttributes&) = default;
};

/// x / sqrt(mean(x^2) + epsilon) * gamma over each row, or over each of `heads` equal parts of it.
struct RmsNormAttributes {
  float epsilon = 1e-6f;
  int64_t heads = 1;

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& visitor) {
    visitor("epsilon", self.epsilon);
    visitor("heads", self.heads, int64_t{1});
  }
  friend bool operator==(const RmsNormAttributes&, const RmsNormAttributes&) = default;
};

/// What a float node computes in.
enum class FloatArithmetic : uint8_t {
  kF32,
  kBf16,  ///< operands rounded to bf16, sums in fp32
};

/// How `bias` says what a key's distance (its place less the query's) adds to a score.
enum class BiasRule : uint8_t {
  kNone,
  kT5,     ///< [buckets, heads]: T5's buckets of both directions, which end at max_distance
  kAlibi,  ///< [heads]: slope * -|distance|
};

/// Which tokens of a sequence all queries see beside their window's, by its ids.
enum class GlobalRule : uint8_t {
  kNone,
  kFirst,             ///< the first token
  kBeforeSeparator,   ///< those before the first separator; none where there is no separator
  kBehindSeparator,   ///< those from the second behind the first separator on; likewise
  kThroughSeparator,  ///< those up to the first separator, and it; the first token without one
};

/// Of two rows y's where the token is one of those that all see.
struct MergeGlobalAttributes {
  GlobalRule rule = GlobalRule::kFirst;
  int64_t separator = 0;

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& visitor) {
    visitor("rule", self.rule);
    visitor("separator", self.separator);
  }
  friend bool operator==(const MergeGlobalAttributes&, const MergeGlobalAttributes&) = default;
};

/// softmax(scale * (q k + q position_keys[s] + k position_queries[s]) + bias) v over the keys that
/// a query sees, where s is the slot of the distance.
///
/// `arithmetic` is that of a fused Attention: q, k, v and the probabilities are its operands, the
/// softmax is fp32 in either; its parts as nodes of their own are fp32.
struct AttentionAttributes {
  int64_t heads = 1;
  float scale = 1.0f;
  FloatArithmetic arithmetic = FloatArithmetic::kF32;
  int64_t kv_heads =
      0;              ///< divides heads, heads / kv_heads of them share keys and values; 0: as many
  int64_t left = -1;  ///< keys before its own that a query sees; -1: all
  int64_t right = -1;  ///< and behind; 0 is causal
  BiasRule bias = BiasRule::kNone;
  int64_t max_distance = 0;  ///< of bias: beyond it distances count as it does
  /// Disentangled attention (DeBERTa): distances beyond half of `position_buckets` go into log
  /// buckets that end at max_relative_positions; 0: a slot each. Row position_buckets (or, without,
  /// max_relative_positions) of the position tables is distance 0, and a query's later keys come
  /// before it.
  int64_t position_buckets = 0;
  int64_t max_relative_positions = 0;
  GlobalRule global = GlobalRule::kNone;  ///< reads ids; of windows without anything else
  int64_t separator = 0;                  ///< of the rules that have one
  /// BigBird's blocks of so many tokens, of sequences longer than 5 + 2 * random_blocks of them:
  /// the first and the last see all and are seen by all, others their own and both neighbors; keys
  /// of the first count 1 + random_blocks times to these. 0: none.
  int64_t block_size = 0;
  int64_t random_blocks = 0;

  [[nodiscard]] int64_t key_heads() const { return kv_heads == 0 ? heads : kv_heads; }

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& visitor) {
    visitor("heads", self.heads);
    visitor("scale", self.scale);
    visitor("arithmetic", self.arithmetic, FloatArithmetic::kF32);
    visitor("kv_heads", self.kv_heads, int64_t{0});
    visitor("left", self.left, int64_t{-1});
    visitor("right", self.right, int64_t{-1});
    visitor("bias", self.bias, BiasRule::kNone);
    visitor("max_distance", self.max_distance, int64_t{0});
    visitor("position_buckets", self.position_buckets, int64_t{0});
    visitor("max_relative_positions", self.max_relative_positions, int64_t{0});
    visitor("global", self.global, GlobalRule::kNone);
    visitor("separator", self.separator, int64_t{0});
    visitor("block_size", self.block_size, int64_t{0});
    visitor("random_blocks", self.random_blocks, int64_t{0});
  }
  friend bool operator==(const AttentionAttributes&, const AttentionAttributes&) = default;
};

/// The modes' results side by side. Where a pool reads ids, its one mode is the last token: of
/// those other than padding_idx, the first where all are; or of those that are `token`, which each
/// sequence has (BatchLimits::required_token).
struct PoolAttributes {
  std::vector<Pooling> modes;
  int64_t padding_idx = -1;
  int64_t token = -1;

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& visitor) {
    visitor("modes", self.modes);
    visitor("padding_idx", self.padding_idx, int64_t{-1});
    visitor("token", self.token, int64_t{-1});
  }
  friend bool operator==(const PoolAttributes&, const PoolAttributes&) = default;
};

/// What a mark does, as numbers: columns [first_column, first_column + columns) of x go to integers
/// and back, each row in `groups` equal parts with a range of their own; columns = 0: to the end.
/// Columns outside are copied. On pairs (probabilities) a row is that of one query.
struct FakeQuantizeAttributes {
  QuantScheme scheme = QuantScheme::kPerTokenU8;
  int64_t groups = 1;
  int64_t first_column = 0;
  int64_t columns = 0;
  float low = 0;  ///< of the static schemes
  float high = 0;

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& visitor) {
    visitor("scheme", self.scheme);
    visitor("groups", self.groups);
    visitor("first_column", self.first_column);
    visitor("columns", self.columns);
    visitor("low", self.low);
    visitor("high", self.high);
  }
  friend bool operator==(const FakeQuantizeAttributes&, const FakeQuantizeAttributes&) = default;
};

/// The attributes that simulate a mark. Throws Error{kInvalidArgument} naming a static mark that
/// has no range.
[[nodiscard]] FakeQuantizeAttributes fake_quantize_attributes(const Quantizer& mark);

using Attributes =
    std::variant<NoAttributes, PositionIdsAttributes, ActivationAttributes, MatMulAttributes,
                 LayerNormAttributes, AttentionAttributes, PoolAttributes, FakeQuantizeAttributes,
                 GluAttributes, RotaryAttributes, RmsNormAttributes, UnfoldAttributes,
                 ShiftIdsAttributes, TokenDropoutAttributes, MergeGlobalAttributes,
                 RouteTokensAttributes, ExpertMatMulAttributes, LstmAttributes,
                 ScoreSpansAttributes>;

/// The default attributes of an op, of the alternative that its row in ops.inc names.
[[nodiscard]] Attributes default_attributes(OpKind kind);

/// "{heads=12, scale=0.125}", "" if there are none. Fields whose visit() names a default are left
/// out where they have it.
[[nodiscard]] std::string to_string(const Attributes& attributes);

/// Sets the field `name` from its printed form; false if there is no such field or the text does
/// not read.
[[nodiscard]] bool set_attribute(Attributes& attributes, std::string_view name,
                                 std::string_view text);

[[nodiscard]] std::string_view pool_mode_name(Pooling mode);

}  // namespace tamis::graph
