#include "serve/http/compression.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace tamis::serve {
namespace {

constexpr size_t kMost = 1000;

TEST(Compression, WhatWasCompressedComesBack) {
  for (const char* const encoding : {"gzip", "deflate", "GZIP", "x-gzip"}) {
    for (const std::string& body : {std::string(), std::string("{}"), std::string(kMost, 'a')}) {
      EXPECT_EQ(decompress_body(encoding, compress_body(encoding, body), kMost, nullptr), body);
    }
  }
}

// As `cat a.gz b.gz` makes it.
TEST(Compression, AllMembersOfAGzipBodyAreRead) {
  const std::string both = compress_body("gzip", "first ") + compress_body("gzip", "second");
  EXPECT_EQ(decompress_body("gzip", both, kMost, nullptr), "first second");
  const std::string large(kMost, 'a');
  EXPECT_THROW(
      (void)decompress_body("gzip", compress_body("gzip", large) + compress_body("gzip", "b"),
                            kMost, nullptr),
      Error);
}

TEST(Compression, WhatLiesBehindTheEndIsRefused) {
  const std::string gzip = compress_body("gzip", "text");
  const std::string deflate = compress_body("deflate", "text");
  for (const auto& [encoding, body] : {std::pair{"gzip", gzip + "rubbish"},
                                       {"gzip", gzip + std::string(1, '\0')},
                                       {"gzip", gzip.substr(0, gzip.size() - 1)},
                                       {"deflate", deflate + deflate},
                                       {"deflate", deflate.substr(0, deflate.size() - 1)},
                                       {"gzip", std::string()}}) {
    EXPECT_THROW((void)decompress_body(encoding, body, kMost, nullptr), Error) << encoding;
  }
}

TEST(Compression, WhatAClientTakesIsRead) {
  for (const auto& [accept, encoding] : {std::pair{"gzip", "gzip"},
                                         {"deflate, gzip;q=0.5", "gzip"},
                                         {"gzip;q=0, deflate", "deflate"},
                                         {"gzip; q=0.0", ""},
                                         {"gzip;q=0.000,identity", ""},
                                         {"gzip;q=0.001", "gzip"},
                                         {"br, *", ""},
                                         {"", ""}}) {
    EXPECT_EQ(accepted_encoding(accept), encoding) << accept;
  }
}

}  // namespace
}  // namespace tamis::serve
