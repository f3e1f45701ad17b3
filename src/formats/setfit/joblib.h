// Arrays of NumPy in a pickle of joblib.
//
// Is: joblib's framing (a NumpyArrayWrapper, behind which the array's bytes lie in the pickle) as
// data. Is not: the opcodes (pytorch/pickle.h), what an array is for. May use: base.
// Source: joblib/numpy_pickle.py, NumpyArrayWrapper
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/pytorch/pickle.h"

namespace tamis {

inline constexpr std::string_view kJoblibArray = "joblib.numpy_pickle.NumpyArrayWrapper";

/// A file that joblib.dump() wrote uncompressed: behind each call of kJoblibArray lie the array's
/// bytes. As Pickle::parse().
[[nodiscard]] Pickle parse_joblib(std::string_view bytes, const std::string& source,
                                  std::span<const std::string_view> allowed, std::string_view what);

/// Borrows the pickle's bytes.
struct NumpyArray {
  char kind = 'f';        ///< 'f' floats, 'i' integers, 'u' unsigned, 'U' text in UTF-32
  int64_t item_size = 0;  ///< bytes
  std::vector<int64_t> shape;
  bool by_column = false;  ///< the first index runs fastest
  int64_t alignment = 0;   ///< of the bytes in the file; 0: none, of joblib before 1.2
  std::string_view bytes;  ///< elements() of item_size bytes each, little-endian
  [[nodiscard]] int64_t elements() const;
};

/// The array that a call of kJoblibArray describes; its bytes are the value's text. Throws Error:
/// kUnsupported for another dtype (objects, big-endian), kCorruptData for anything malformed or
/// larger than 256 MiB.
[[nodiscard]] NumpyArray numpy_array(const PickleValue& wrapper, const std::string& source);

/// Whether it is a call of kJoblibArray.
[[nodiscard]] bool is_joblib_array(const PickleValue& value);

/// What was set on a call's result under that name; null if nothing was.
[[nodiscard]] const PickleValue* attribute_of(const PickleValue& call, std::string_view name);

/// All of its numbers, by rows; of 'f', 'i' and 'u'. Throws kUnsupported for text.
[[nodiscard]] std::vector<double> numbers_of(const NumpyArray& array, const std::string& source);

/// All of its texts, of 'U', as UTF-8. Throws kCorruptData for what is no code point.
[[nodiscard]] std::vector<std::string> texts_of(const NumpyArray& array, const std::string& source);

}  // namespace tamis
