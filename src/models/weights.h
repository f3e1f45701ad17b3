// Parameters of transformers' classes, found under any spelling that checkpoints use.
//
// Is: names, shapes, dtypes and conversion to float32. Is not: a graph. May use: formats.
#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/checkpoint.h"

namespace tamis::models {

/// A part of parameter names for which a family's older checkpoints have another.
struct Respelling {
  std::string_view name;
  std::string_view other;
};

/// Borrows the checkpoint. Const access is safe from any thread.
class Weights {
 public:
  /// `prefix` is what the encoder's parameters begin with in classes that have a head ("bert").
  /// `spellings` outlive this.
  Weights(const Checkpoint& checkpoint, std::string_view prefix,
          std::span<const Respelling> spellings = {})
      : checkpoint_(checkpoint), prefix_(prefix), respellings_(spellings) {}

  /// True if a tensor lies in the checkpoint under some spelling of the name.
  [[nodiscard]] bool has(std::string_view name) const { return !stored_name({name}).empty(); }

  /// The parameter as float32, under the first of `names` that is there in any spelling: with or
  /// without the prefix, with all of the family's other names for its parts or none, and gamma and
  /// beta for the weight and bias of a layer norm. Throws
  /// Error{kCorruptData} naming the tensor: missing (with the names tried), of another shape or
  /// dtype, not finite.
  [[nodiscard]] std::shared_ptr<const Tensor> load(std::initializer_list<std::string_view> names,
                                                   const Shape& shape) const;

  /// As load(), but F32, F16 or BF16 as the checkpoint has it.
  [[nodiscard]] std::shared_ptr<const Tensor> load_stored(
      std::initializer_list<std::string_view> names, const Shape& shape) const;

  /// `"a", "b"`: the spellings that are looked for.
  [[nodiscard]] std::string spelled(std::initializer_list<std::string_view> names) const;

  /// The checkpoint's own spelling of the first of `names` that is there; "" if none is.
  [[nodiscard]] std::string stored_name(std::initializer_list<std::string_view> names) const;

  /// Rows of the tensor of that name, in any spelling; 0 if there is none.
  [[nodiscard]] int64_t rows(std::string_view name) const;

  /// True if both are there and hold the same bytes.
  [[nodiscard]] bool same(std::string_view left, std::string_view right) const;

 private:
  /// A tensor of that shape, of floats, and what names it in messages.
  struct Found {
    std::shared_ptr<const Tensor> tensor;
    std::string what;
  };
  [[nodiscard]] Found find(std::initializer_list<std::string_view> names, const Shape& shape) const;
  std::vector<std::string> spellings(std::string_view name) const;

  const Checkpoint& checkpoint_;
  std::string prefix_;
  std::span<const Respelling> respellings_;
};

/// The tensor itself if it is float32, else its values as float32. `what` names it in messages.
/// Throws Error{kCorruptData}: another shape, not floats, values beyond float32.
[[nodiscard]] std::shared_ptr<const Tensor> as_float32(const std::shared_ptr<const Tensor>& tensor,
                                                       const Shape& shape, std::string_view what);

}  // namespace tamis::models
