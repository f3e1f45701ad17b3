#include "base/version.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <string>

namespace tamis {
namespace {

TEST(Version, IsThreeNumbers) {
  const std::string text(version());
  EXPECT_EQ(std::count(text.begin(), text.end(), '.'), 2) << text;
  for (const char c : text) {
    EXPECT_TRUE(c == '.' || std::isdigit(static_cast<unsigned char>(c)) != 0) << text;
  }
}

TEST(Version, CommitIsHexOrUnknown) {
  std::string text(commit());
  const size_t dirty = text.rfind("-dirty");
  if (dirty != std::string::npos) text.resize(dirty);
  if (text == "unknown") return;
  ASSERT_GE(text.size(), 7U) << text;
  for (const char c : text) EXPECT_NE(std::isxdigit(static_cast<unsigned char>(c)), 0) << text;
}

}  // namespace
}  // namespace tamis
