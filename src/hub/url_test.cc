#include "hub/url.h"

#include <gtest/gtest.h>

namespace tamis::hub {
namespace {

TEST(UrlOrigin, IsSchemeHostAndPort) {
  EXPECT_EQ(url_origin("https://Hub.example/a?b"), "https://hub.example:443");
  EXPECT_EQ(url_origin("HTTP://hub.example"), "http://hub.example:80");
  EXPECT_EQ(url_origin("http://[::1]:81/x"), "http://[::1]:81");
  EXPECT_EQ(url_origin("http://[::1]/x:9"), "http://[::1]:80");
  EXPECT_EQ(url_origin("https://h:/"), "https://h:443");
  for (const char* other : {"", "file:///etc/passwd", "ftp://h/", "http://", "//h/x", "h/x",
                            "https://hub.example@evil.example/", "https://a\\b/"}) {
    EXPECT_EQ(url_origin(other), "") << other;
  }
}

TEST(ResolveUrl, FollowsEveryKindOfReference) {
  const std::string base = "https://h:8/a/b?q=/x";
  EXPECT_EQ(resolve_url(base, "http://o/c"), "http://o/c");
  EXPECT_EQ(resolve_url(base, "//o/c?d=1"), "https://o/c?d=1");
  EXPECT_EQ(resolve_url(base, "/c"), "https://h:8/c");
  EXPECT_EQ(resolve_url(base, "c"), "https://h:8/a/c");
  EXPECT_EQ(resolve_url("https://h", "c"), "https://h/c");
  for (const char* bad : {"", "file:///x", "javascript:1", "/a b", "/a\nb", "http://u@o/"}) {
    EXPECT_EQ(resolve_url(base, bad), "") << bad;
  }
}

}  // namespace
}  // namespace tamis::hub
