#include "base/sha256.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string_view>

#include "base/error.h"
#include "base/file.h"

namespace tamis {
namespace {

std::string hash(std::string_view text) {
  const std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) / cat("tamis_sha256_", ::getpid());
  write_file(path, text);
  const HashedFile hashed = hash_file(path);
  std::filesystem::remove(path);
  EXPECT_EQ(hashed.bytes, static_cast<int64_t>(text.size()));
  return hashed.sha256;
}

// FIPS 180-2, appendix B.
TEST(Sha256, KnownAnswers) {
  EXPECT_EQ(hash(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace tamis
