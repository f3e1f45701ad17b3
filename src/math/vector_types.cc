#include "math/vector_types.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tamis::math {

namespace {

constexpr std::array<std::string_view, 5> kNames = {"float", "int8", "uint8", "binary", "ubinary"};
// The steps of 8 bits.
constexpr float kSteps = 255;

// 0..255. As sentence_transformers, which cuts the fraction off.
int32_t step_of(float value, float least, float most) {
  const float step = (most - least) / kSteps;
  if (!(step > 0)) return 0;
  return static_cast<int32_t>(std::clamp((value - least) / step, 0.0F, kSteps));
}

std::vector<int32_t> bits_of(std::span<const float> vector) {
  std::vector<int32_t> bytes((vector.size() + 7) / 8, 0);
  for (size_t i = 0; i < vector.size(); ++i) {
    if (vector[i] > 0) bytes[i / 8] |= 128 >> (i % 8);
  }
  return bytes;
}

}  // namespace

std::string_view vector_type_name(VectorType type) { return kNames[static_cast<size_t>(type)]; }

std::optional<VectorType> vector_type_from_name(std::string_view name) {
  const auto at = std::find(kNames.begin(), kNames.end(), name);
  if (at == kNames.end()) return std::nullopt;
  return static_cast<VectorType>(at - kNames.begin());
}

VectorRange range_of(std::span<const float> rows, size_t width) {
  VectorRange range;
  range.least.assign(rows.begin(), rows.begin() + static_cast<ptrdiff_t>(width));
  range.most = range.least;
  for (size_t i = width; i < rows.size(); ++i) {
    range.least[i % width] = std::min(range.least[i % width], rows[i]);
    range.most[i % width] = std::max(range.most[i % width], rows[i]);
  }
  return range;
}

std::vector<int32_t> quantize_vector(std::span<const float> vector, VectorType type,
                                     const VectorRange& range) {
  const bool bits = type == VectorType::kBinary || type == VectorType::kUbinary;
  std::vector<int32_t> numbers = bits ? bits_of(vector) : std::vector<int32_t>(vector.size());
  if (!bits) {
    for (size_t i = 0; i < vector.size(); ++i) {
      numbers[i] = step_of(vector[i], range.least[i], range.most[i]);
    }
  }
  const bool is_signed = type == VectorType::kBinary || type == VectorType::kInt8;
  if (is_signed) {
    for (int32_t& number : numbers) number -= 128;
  }
  return numbers;
}

std::string bytes_of(std::span<const int32_t> numbers) {
  std::string bytes;
  bytes.reserve(numbers.size());
  for (const int32_t number : numbers) bytes.push_back(static_cast<char>(number));
  return bytes;
}

}  // namespace tamis::math
