#include "base/sha256.h"

#include <openssl/evp.h>

#include <memory>
#include <span>
#include <vector>

#include "base/descriptor.h"
#include "base/error.h"

namespace tamis {

namespace {

constexpr size_t kChunk = size_t{1} << 20;

std::string hex(std::span<const unsigned char> digest) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : digest) {
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

}  // namespace

HashedFile hash_file(const std::filesystem::path& path) {
  size_t ignored = 0;
  const Descriptor file = open_regular(path, ignored);
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   EVP_MD_CTX_free);
  TAMIS_CHECK(context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
  std::vector<std::byte> buffer(kChunk);
  HashedFile hashed;
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(ErrorCode::kUnavailable, path.string(), ": cannot be read: ", errno_text());
    if (got == 0) break;
    TAMIS_CHECK(EVP_DigestUpdate(context.get(), buffer.data(), static_cast<size_t>(got)) == 1);
    hashed.bytes += got;
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  TAMIS_CHECK(EVP_DigestFinal_ex(context.get(), digest, &length) == 1);
  hashed.sha256 = hex({digest, length});
  return hashed;
}

std::string sha256_of(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  TAMIS_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest, &length, EVP_sha256(), nullptr) == 1);
  return hex({digest, length});
}

}  // namespace tamis
