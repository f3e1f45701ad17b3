#include "base/error.h"

#include <gtest/gtest.h>

namespace tamis {
namespace {

TEST(Error, CarriesCodeAndMessage) {
  try {
    fail(ErrorCode::kCorruptData, "offset ", 812, " past ", size_t{800}, ' ', true, " ", 1.5f);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
    EXPECT_STREQ(error.what(), "offset 812 past 800 true 1.5");
    return;
  }
  FAIL() << "nothing thrown";
}

TEST(Error, NamesAndExitStatusesFollowTheDesign) {
  EXPECT_EQ(error_code_name(ErrorCode::kInvalidArgument), "kInvalidArgument");
  EXPECT_EQ(exit_status(ErrorCode::kInvalidArgument), 2);
  EXPECT_EQ(exit_status(ErrorCode::kOutOfMemory), 10);
  EXPECT_EQ(error_code_name(ErrorCode::kInternal), "kInternal");
  EXPECT_EQ(exit_status(ErrorCode::kInternal), 70);
}

TEST(Error, CheckNamesConditionAndPlace) {
  try {
    TAMIS_CHECK(1 + 1 == 3);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInternal);
    EXPECT_NE(std::string(error.what()).find("1 + 1 == 3 at src/base/error_test.cc:"),
              std::string::npos)
        << error.what();
    return;
  }
  FAIL() << "nothing thrown";
}

}  // namespace
}  // namespace tamis
