// A value of an ONNX graph that does not depend on hidden states.
//
// Is: a constant, as it lies in the file until it is computed with, or what ids and sizes give in
// every probe. Is not: a weight of the graph under construction. May use: formats, onnx/probe.
#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "formats/onnx/onnx_model.h"
#include "onnx/probe.h"

namespace tamis::onnx {

/// Which constant it is, the same in every reading of a file: where it lies or, computed, its name.
struct ConstantId {
  const TensorProto* stored = nullptr;
  std::string computed;
  std::shared_ptr<const TensorProto> keeper;  ///< so that no other constant comes to lie there

  friend bool operator<(const ConstantId& a, const ConstantId& b) {
    return std::tie(a.stored, a.computed) < std::tie(b.stored, b.computed);
  }
};

/// What a value depends on of the ids that a text has, beyond how many they are.
enum class IdsUse : uint8_t {
  kNone,      ///< nothing
  kIds,       ///< these are the ids, perhaps in another shape
  kCompared,  ///< where they are an id that the probes have
  kLengths,   ///< on how many each text has
  kOther,     ///< something that the probes may not show
};

/// What a size is in every batch, not in the probes alone.
enum class SizeKind : uint8_t {
  kOther,
  kFixed,      ///< the same number
  kSequences,  ///< how many there are
  kTokens,     ///< of each sequence, padding included
};

/// What the probes show holds for sequences of any length.
inline constexpr int64_t kAnyTokens = std::numeric_limits<int64_t>::max();

/// Not thread-safe: values are decoded when they are first asked for.
class Known {
 public:
  /// An initializer; the tensor outlives it.
  explicit Known(const TensorProto& tensor) : name_(tensor.name), tensor_(&tensor) {}
  /// A constant that was made of initializers.
  explicit Known(std::shared_ptr<const TensorProto> tensor)
      : name_(tensor->name), tensor_(tensor.get()), owned_(std::move(tensor)) {}
  /// The initializer turned around: [columns, rows].
  static Known turned(const Known& other);
  /// One value in all probes.
  Known(std::string name, Array array) : name_(std::move(name)), arrays_{std::move(array)} {}
  /// Sizes, and what each is.
  Known(std::string name, ProbeArrays arrays, std::vector<SizeKind> kinds)
      : name_(std::move(name)), kinds_(std::move(kinds)), arrays_(arrays.begin(), arrays.end()) {}
  Known(std::string name, ProbeArrays arrays, IdsUse ids_use = IdsUse::kNone,
        int64_t holds_for = kAnyTokens)
      : name_(std::move(name)),
        ids_use_(ids_use),
        holds_for_(holds_for),
        arrays_(arrays.begin(), arrays.end()) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] bool is_constant() const { return arrays_.size() != kProbes; }
  [[nodiscard]] Dims dims(size_t probe = 0) const;
  [[nodiscard]] ElementType type() const;
  [[nodiscard]] IdsUse ids_use() const { return ids_use_; }
  /// Tokens of a sequence up to which the value goes on as the probes show it (rules/horizon.h).
  [[nodiscard]] int64_t holds_for() const { return holds_for_; }
  [[nodiscard]] const Array& at(size_t probe) const;
  /// Of sizes: what each is; empty: these are others than a shape's.
  [[nodiscard]] const std::vector<SizeKind>& size_kinds() const { return kinds_; }
  /// In every probe.
  [[nodiscard]] std::vector<Array> all() const;
  /// The single element, if it is the same in every probe.
  [[nodiscard]] std::optional<double> scalar() const;
  /// The length of a constant whose axes but the last are 1.
  [[nodiscard]] std::optional<int64_t> vector_size() const;

  /// The constant as it lies in memory, null if it was computed.
  [[nodiscard]] const TensorProto* tensor() const { return tensor_; }
  [[nodiscard]] bool is_turned() const { return turned_; }
  /// Whether it is turned is not part of it.
  [[nodiscard]] ConstantId id() const { return {tensor_, tensor_ == nullptr ? name_ : "", owned_}; }

 private:
  std::string name_;
  const TensorProto* tensor_ = nullptr;
  std::shared_ptr<const TensorProto> owned_;
  IdsUse ids_use_ = IdsUse::kNone;
  int64_t holds_for_ = kAnyTokens;
  bool turned_ = false;
  std::vector<SizeKind> kinds_;
  mutable std::vector<Array> arrays_;  // one, or one a probe
};

/// A matrix or vector of floats with the constant's values. With `turn` a matrix is transposed.
/// The bytes stay in the file where they lie there as they are wanted. Throws Error: kUnsupported
/// (no floats), kCorruptData (NaN, infinity), naming `what` and the constant.
[[nodiscard]] std::shared_ptr<const Tensor> float_tensor(const Known& known, bool turn,
                                                         const std::string& what);

/// Which scale an integer has where there are several.
struct ScaleAxis {
  int64_t axis = -1;
  int64_t block = 0;  ///< indices of the axis that share one; 0: each index has its own
};

/// scale * (integer - zero point) for each integer of a constant, in float32, under its name.
/// `scale` and `zero` (null: 0) hold one number, or one for each index of the axis, or, in blocks,
/// as many axes as the integers. Throws Error: kUnsupported (values that are no constants, integers
/// of other types than INT32 and INT16, INT8 and INT4 with and without a sign; scales of another
/// shape), naming `what` and the constant.
[[nodiscard]] std::shared_ptr<const Known> dequantized(const Known& integers, const Known& scale,
                                                       const Known* zero, const ScaleAxis& axis,
                                                       const std::string& what);

/// Float32 values as a constant of that name.
[[nodiscard]] std::shared_ptr<const Known> computed_constant(std::string name, Dims dims,
                                                             std::vector<float> values);

}  // namespace tamis::onnx
