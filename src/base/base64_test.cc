#include "base/base64.h"

#include <gtest/gtest.h>

namespace tamis {
namespace {

// RFC 4648, section 10.
TEST(Base64, EncodesTheStandardsVectors) {
  EXPECT_EQ(encode_base64(""), "");
  EXPECT_EQ(encode_base64("f"), "Zg==");
  EXPECT_EQ(encode_base64("fo"), "Zm8=");
  EXPECT_EQ(encode_base64("foo"), "Zm9v");
  EXPECT_EQ(encode_base64("foob"), "Zm9vYg==");
  EXPECT_EQ(encode_base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(encode_base64("foobar"), "Zm9vYmFy");
}

TEST(Base64, EncodesBytesAboveSeven) {
  EXPECT_EQ(encode_base64(std::string_view("\xff\xef\xbe\x00", 4)), "/+++AA==");
}

}  // namespace
}  // namespace tamis
