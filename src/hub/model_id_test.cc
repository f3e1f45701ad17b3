#include "hub/model_id.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace tamis::hub {
namespace {

TEST(ParseModelId, TakesIdsWithAndWithoutRevisions) {
  const auto plain = parse_model_id("acme/tiny.uncased_v2-x");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->id, "acme/tiny.uncased_v2-x");
  EXPECT_EQ(plain->revision, "main");
  const auto named = parse_model_id("tiny@refs/pr/7");
  ASSERT_TRUE(named);
  EXPECT_EQ(named->id, "tiny");
  EXPECT_EQ(named->revision, "refs/pr/7");
}

TEST(ParseModelId, LeavesPathsAlone) {
  for (const char* path : {"", "a/b/c", "/a", "./a", "a/", ".a", "a--b/c", "a..b", "a b", "-a",
                           "a/b.", "@main", "models--a--b/x"}) {
    EXPECT_FALSE(parse_model_id(path)) << path;
  }
}

TEST(ParseModelId, RefusesWhatIsNoRevision) {
  for (const char* text : {"a/b@", "a/b@../x", "a/b@/x", "a/b@x/", "a/b@x//y", "a/b@x y",
                           "a/b@x\\y", "a/b@x@y", "a/b@."}) {
    try {
      (void)parse_model_id(text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_NE(std::string(error.what()).find(text), std::string::npos);
    }
  }
}

TEST(FileNames, StayInsideTheFolder) {
  for (const char* good : {"a", "a/b.c", "1_Pooling/config.json", "..a", "a..", "ä"}) {
    EXPECT_TRUE(is_file_name(good)) << good;
  }
  for (const std::string& bad :
       {std::string(), std::string("/a"), std::string("a/"), std::string("a//b"),
        std::string("../a"), std::string("a/.."), std::string("a/./b"), std::string("a\\b"),
        std::string("a\nb"), std::string("a\0b", 3), std::string("a\x7f"), std::string(256, 'a')}) {
    EXPECT_FALSE(is_file_name(bad)) << bad;
  }
}

TEST(BlobNames, AreOnePlainPart) {
  EXPECT_TRUE(is_blob_name(std::string(64, 'a')));
  EXPECT_TRUE(is_blob_name("5f2a-17"));
  for (const char* bad : {"", "a/b", "..", ".a", "a b", "a\"", "*"}) {
    EXPECT_FALSE(is_blob_name(bad)) << bad;
  }
  EXPECT_FALSE(is_blob_name(std::string(241, 'a')));
}

TEST(UrlQuote, EncodesAllButUnreserved) {
  EXPECT_EQ(url_quote("refs/pr/1", false), "refs%2Fpr%2F1");
  EXPECT_EQ(url_quote("a b/ü#?%", true), "a%20b/%C3%BC%23%3F%25");
}

}  // namespace
}  // namespace tamis::hub
