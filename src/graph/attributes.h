// What parametrises each op, as small structs in one variant.
//
// Each struct names its fields once, in visit(), and from that come printing, parsing and equality.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/activation.h"
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

struct ActivationAttributes {
  Activation activation = Activation::kNone;

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& visitor) {
    visitor("activation", self.activation);
  }
  friend bool operator==(const ActivationAttributes&, const ActivationAttributes&) = default;
};

/// act(x * weight^T + bias) + residual.
///
/// With a weight_scale the weight is I8 and the mark on x is on: row i of the weight stands for
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

struct LayerNormAttributes {
  float epsilon = 1e-12f;

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& visitor) {
    visitor("epsilon", self.epsilon);
  }
  friend bool operator==(const LayerNormAttributes&, const LayerNormAttributes&) = default;
};

/// What a float node computes in.
enum class FloatArithmetic : uint8_t {
  kF32,
  kBf16,  ///< operands rounded to bf16, sums in fp32
};

/// `scale` multiplies the scores before the softmax. `arithmetic` is that of a fused Attention: q,
/// k, v and the probabilities are its operands, the softmax is fp32 in either; its parts as nodes
/// of their own are fp32.
struct AttentionAttributes {
  int64_t heads = 1;
  float scale = 1.0f;
  FloatArithmetic arithmetic = FloatArithmetic::kF32;

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& visitor) {
    visitor("heads", self.heads);
    visitor("scale", self.scale);
    visitor("arithmetic", self.arithmetic);
  }
  friend bool operator==(const AttentionAttributes&, const AttentionAttributes&) = default;
};

/// Pooling modes of sentence-transformers.
enum class PoolMode : uint8_t { kCls, kMean, kMax, kMeanSqrtLen, kWeightedMean, kLastToken };

/// The modes' results side by side.
struct PoolAttributes {
  std::vector<PoolMode> modes;

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& visitor) {
    visitor("modes", self.modes);
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
                 LayerNormAttributes, AttentionAttributes, PoolAttributes, FakeQuantizeAttributes>;

/// The default attributes of an op, of the alternative that its row in ops.inc names.
[[nodiscard]] Attributes default_attributes(OpKind kind);

/// "{heads=12, scale=0.125}", "" if there are none. Arithmetic in fp32 is not named.
[[nodiscard]] std::string to_string(const Attributes& attributes);

/// Sets the field `name` from its printed form; false if there is no such field or the text does
/// not read.
[[nodiscard]] bool set_attribute(Attributes& attributes, std::string_view name,
                                 std::string_view text);

[[nodiscard]] std::string_view pool_mode_name(PoolMode mode);

}  // namespace tamis::graph
