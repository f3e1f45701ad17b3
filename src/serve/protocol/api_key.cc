#include "serve/protocol/api_key.h"

#include <openssl/crypto.h>

#include "serve/http/http_message.h"

namespace tamis::serve {

bool key_allows(std::string_view key, std::string_view authorization) {
  if (key.empty()) return true;
  constexpr std::string_view kScheme = "Bearer ";
  if (!equal_ignoring_case(authorization.substr(0, kScheme.size()), kScheme)) return false;
  const std::string_view given = authorization.substr(kScheme.size());
  return given.size() == key.size() && CRYPTO_memcmp(given.data(), key.data(), key.size()) == 0;
}

}  // namespace tamis::serve
