#include "base/key_table.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"

namespace tamis {
namespace {

constexpr KeyRow kTable[] = {
    honored("width"),
    harmless("author"),
    refused("causal", "attention to the left only is not built", {"false"}),
    refused("scale", "scaling is not built", {"1", "\"none\"", "{}"}),
    honored("*_token"),
    refused("bad_token", "it is not built"),
};
static_assert(keys_are_distinct(kTable));
constexpr KeyRow kTwice[] = {honored("a"), harmless("b"), harmless("a")};
static_assert(!keys_are_distinct(kTwice));

// What check_keys() logs for the text; a refusal stands last, after "error: ".
std::vector<std::string> messages(std::string_view text) {
  std::vector<std::string> found;
  set_log_sink([&found](LogLevel level, std::string_view message) {
    EXPECT_EQ(level, LogLevel::kWarning);
    found.emplace_back(message);
  });
  try {
    const JsonDocument document = JsonDocument::parse(text, "a.json");
    check_keys(document.root(), "a.json", kTable);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    found.push_back(cat("error: ", error.what()));
  }
  set_log_sink({});
  return found;
}

using Messages = std::vector<std::string>;

TEST(KeyTable, AnEndingCoversKeysThatNoOtherRowNames) {
  EXPECT_TRUE(messages(R"({"cls_token":1,"_token":2})").empty());
  EXPECT_EQ(messages(R"({"bad_token":1})").size(), 1u);
  EXPECT_EQ(messages(R"({"token":1})").size(), 1u);
}

TEST(KeyTable, HonoredAndHarmlessAreSilent) {
  EXPECT_EQ(messages(R"({"width":3,"author":{"name":"x"}})"), Messages());
  EXPECT_EQ(messages("[1]"), Messages());
}

TEST(KeyTable, AnUnknownKeyIsNamedOnce) {
  EXPECT_EQ(messages(R"({"width":3,"widht\n":4})"),
            Messages{R"(a.json: the key "widht\n" is unknown and not looked at)"});
}

TEST(KeyTable, ManyUnknownKeysAreCounted) {
  std::string text = "{\"k\":0";
  for (size_t i = 1; i < kMaxKeyWarnings + 3; ++i) text += cat(",\"k", i, "\":0");
  const Messages found = messages(text + "}");
  ASSERT_EQ(found.size(), kMaxKeyWarnings + 1);
  EXPECT_EQ(found.back(), "a.json: 3 more keys are unknown and not looked at");
}

TEST(KeyTable, ARefusedKeyMayHaveItsDefault) {
  EXPECT_EQ(messages(R"({"causal":false,"scale":1.0})"), Messages());
  EXPECT_EQ(messages(R"({"causal":null,"scale":"none"})"), Messages());
  EXPECT_EQ(messages(R"({"scale":{}})"), Messages());
}

TEST(KeyTable, ARefusalNamesFileKeyValueAndWhatIsAccepted) {
  EXPECT_EQ(messages(R"({"causal":true})"),
            Messages{"error: a.json: causal is true: attention to the left only is not built; "
                     "accepted are null, false"});
  EXPECT_EQ(
      messages(R"({"scale":{"a": [2]}})"),
      Messages{"error: a.json: scale is {\"a\":[2]}: scaling is not built; accepted are null, "
               "1, \"none\", {}"});
}

}  // namespace
}  // namespace tamis
