#include "serve/protocol/api_key.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"

namespace tamis::serve {
namespace {

using Verdict = KeyAnswer::Verdict;

constexpr int64_t kSecond = 1'000'000'000;

ServerOptions two_keys() {
  ServerOptions options;
  options.api_keys = {{"search", "s3cret", 60, false}, {"ops", "0ps", 0, true}};
  return options;
}

TEST(ApiKeys, NobodyIsAskedWhereThereAreNone) {
  ApiKeys keys{ServerOptions()};
  EXPECT_EQ(keys.admit("").verdict, Verdict::kUnasked);
  EXPECT_TRUE(keys.admit("Bearer x").allowed());
}

TEST(ApiKeys, AreToldApart) {
  ManualClock clock;
  ServerOptions options = two_keys();
  options.api_key = "main";
  ApiKeys keys(options, clock);
  struct Case {
    const char* authorization;
    const char* bare;
    Verdict verdict;
    const char* name;
    bool admin;
  };
  const Case cases[] = {
      {"Bearer s3cret", "", Verdict::kAllowed, "search", false},
      {"bearer 0ps", "", Verdict::kAllowed, "ops", true},
      {"Bearer main", "", Verdict::kAllowed, "", true},
      {"", "s3cret", Verdict::kAllowed, "search", false},
      {"Basic eDp5", "s3cret", Verdict::kAllowed, "search", false},
      {"Bearer wrong", "s3cret", Verdict::kUnknown, "", false},
      {"s3cret", "", Verdict::kUnknown, "", false},
      {"Bearer s3cre", "", Verdict::kUnknown, "", false},
      {"Bearer ", "", Verdict::kUnknown, "", false},
      {"", "", Verdict::kUnknown, "", false},
  };
  for (const Case& item : cases) {
    const KeyAnswer answer = keys.admit(item.authorization, item.bare);
    EXPECT_EQ(answer.verdict, item.verdict) << item.authorization << "|" << item.bare;
    EXPECT_EQ(answer.name, item.name) << item.authorization;
    EXPECT_EQ(answer.admin, item.admin) << item.authorization;
  }
}

TEST(ApiKeys, ALimitGivesRequestsBackEvenly) {
  ManualClock clock;
  ApiKeys keys(two_keys(), clock);
  for (int i = 0; i < 60; ++i) EXPECT_TRUE(keys.admit("Bearer s3cret").allowed()) << i;
  const KeyAnswer limited = keys.admit("Bearer s3cret");
  EXPECT_EQ(limited.verdict, Verdict::kLimited);
  EXPECT_EQ(limited.retry_after_ms, 1000);
  EXPECT_TRUE(keys.admit("Bearer 0ps").allowed());
  clock.advance_ns(kSecond / 2);
  EXPECT_EQ(keys.admit("Bearer s3cret").retry_after_ms, 500);
  clock.advance_ns(kSecond / 2);
  EXPECT_TRUE(keys.admit("Bearer s3cret").allowed());
  EXPECT_FALSE(keys.admit("Bearer s3cret").allowed());
  // No more than a minute's are kept.
  clock.advance_ns(3600 * kSecond);
  int taken = 0;
  while (keys.admit("Bearer s3cret").allowed()) ++taken;
  EXPECT_EQ(taken, 60);
  const std::vector<KeyCount> counts = keys.counts();
  ASSERT_EQ(counts.size(), 2U);
  EXPECT_EQ(counts[0].name, "search");
  EXPECT_EQ(counts[0].allowed, 121U);
  EXPECT_EQ(counts[0].limited, 4U);
  EXPECT_EQ(counts[1].allowed, 1U);
}

TEST(ApiKeys, LessThanOneAMinute) {
  ManualClock clock;
  ServerOptions options;
  options.api_keys = {{"slow", "k", 0.5, false}};
  ApiKeys keys(options, clock);
  EXPECT_TRUE(keys.admit("Bearer k").allowed());
  EXPECT_EQ(keys.admit("Bearer k").retry_after_ms, 120'000);
  clock.advance_ns(120 * kSecond);
  EXPECT_TRUE(keys.admit("Bearer k").allowed());
}

class ReadApiKeys : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(::mkdtemp(folder_.data()), nullptr); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::vector<ApiKey> read(std::string_view json) const {
    write_file(folder_ + "/keys.json", json);
    return read_api_keys(folder_ + "/keys.json");
  }
  [[nodiscard]] std::string refusal(std::string_view json) const {
    try {
      (void)read(json);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  std::string folder_ = ::testing::TempDir() + "tamis-keys-XXXXXX";
};

TEST_F(ReadApiKeys, ReadsEachMember) {
  const std::vector<ApiKey> keys = read(
      R"({"keys":[{"name":"search","key":"a","requests_per_minute":30},{"name":"ops","key":"b","admin":true}]})");
  ASSERT_EQ(keys.size(), 2U);
  EXPECT_EQ(keys[0].name, "search");
  EXPECT_EQ(keys[0].key, "a");
  EXPECT_EQ(keys[0].requests_per_minute, 30);
  EXPECT_FALSE(keys[0].admin);
  EXPECT_EQ(keys[1].requests_per_minute, 0);
  EXPECT_TRUE(keys[1].admin);
}

TEST_F(ReadApiKeys, NamesWhatIsWrongAndNeverAKey) {
  struct Case {
    const char* json;
    const char* part;
  };
  const Case cases[] = {
      {"[]", "must be a list of keys"},
      {R"({"keys":[]})", "must be a list of keys"},
      {R"({"keys":{}})", "must be a list of keys"},
      {R"({"keys":[{"key":"hush"}]})", "keys[0]: name"},
      {R"({"keys":[{"name":"a"}]})", "keys[0]: key"},
      {R"({"keys":[{"name":"","key":"hush"}]})", "`name` is empty"},
      {R"({"keys":[{"name":"a","key":"hush hush"}]})", "visible ASCII"},
      {R"({"keys":[{"name":"a","key":"hush"},{"name":"a","key":"b"}]})", "name a comes twice"},
      {R"({"keys":[{"name":"a","key":"hush"},{"name":"b","key":"hush"}]})", "the same key"},
      {R"({"keys":[{"name":"a","key":"hush","requests_per_minute":0}]})", "must be above 0"},
      {R"({"keys":[{"name":"a","key":"hush","requests_per_minute":"9"}]})", "requests_per_minute"},
      {R"({"keys":[{"name":"a","key":"hush","admin":1}]})", "keys[0]: admin"},
      {R"({"keys":)", "keys.json"},
  };
  for (const Case& item : cases) {
    const std::string text = refusal(item.json);
    EXPECT_NE(text.find(item.part), std::string::npos) << item.json << ": " << text;
    EXPECT_EQ(text.find("hush"), std::string::npos) << text;
  }
  EXPECT_THROW((void)read_api_keys(folder_ + "/absent.json"), Error);
}

}  // namespace
}  // namespace tamis::serve
