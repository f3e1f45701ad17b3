#include "math/vector_types.h"

#include <gtest/gtest.h>

namespace tamis::math {
namespace {

using Numbers = std::vector<int32_t>;

TEST(VectorTypes, NamesAreThoseOfClients) {
  for (const char* const name : {"float", "int8", "uint8", "binary", "ubinary"}) {
    EXPECT_EQ(vector_type_name(vector_type_from_name(name).value()), name);
  }
  EXPECT_FALSE(vector_type_from_name("int4"));
}

// As numpy.packbits(x > 0), and that minus 128.
TEST(VectorTypes, BitsAreSigns) {
  const std::vector<float> vector = {1, -1, 0.5F, 0, -0.0F, 2, -3, 1e-9F, 1, 1};
  EXPECT_EQ(quantize_vector(vector, VectorType::kUbinary, {}), (Numbers{0b10100101, 0b11000000}));
  EXPECT_EQ(quantize_vector(vector, VectorType::kBinary, {}), (Numbers{165 - 128, 192 - 128}));
}

// As quantize_embeddings(rows, precision="int8", ranges=...), which cuts fractions off.
TEST(VectorTypes, EightBitsSpanTheRangeOfTheirPlace) {
  const std::vector<float> rows = {-1, 0, 5, 1, 2, 5, 0, 1, 5};
  const VectorRange range = range_of(rows, 3);
  EXPECT_EQ(range.least, (std::vector<float>{-1, 0, 5}));
  EXPECT_EQ(range.most, (std::vector<float>{1, 2, 5}));
  const auto of = [&](std::vector<float> vector, VectorType type) {
    return quantize_vector(vector, type, range);
  };
  // 2 / (2 / 255) is a little under 255 in float32.
  EXPECT_EQ(of({-1, 2, 5}, VectorType::kUint8), (Numbers{0, 254, 0}));
  EXPECT_EQ(of({-1, 2, 5}, VectorType::kInt8), (Numbers{-128, 126, -128}));
  EXPECT_EQ(of({0, 0.5F, 9}, VectorType::kUint8), (Numbers{127, 63, 0}));
  EXPECT_EQ(of({-7, 7, 5}, VectorType::kInt8), (Numbers{-128, 127, -128}));
}

}  // namespace
}  // namespace tamis::math
