// The keys that clients send: whose they are, and how often each may ask.
//
// Is: the file of keys, the comparison, and a bucket of requests for each key. Is not: the headers
// (http_filters, grpc_call). May use: base, server_options,
// http_counts.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "serve/batching/server_options.h"
#include "serve/core/http_counts.h"

namespace tamis::serve {

/// Reads the file of --api-keys: {"keys": [{"name", "key", "requests_per_minute", "admin"}]}, the
/// last two optional. Throws Error naming file and member: kNotFound, kCorruptData (no such JSON),
/// kInvalidArgument (no keys, a name or key that is empty or comes twice, a key with characters
/// that no header has, a rate that is not above 0).
[[nodiscard]] std::vector<ApiKey> read_api_keys(const std::string& path);

/// What a caller's key lets it do.
struct KeyAnswer {
  enum class Verdict : uint8_t {
    kUnasked,  ///< the server asks for no key
    kAllowed,
    kUnknown,  ///< no key, or none of this server's
    kLimited,  ///< it has asked too often
  };
  Verdict verdict = Verdict::kUnasked;
  std::string name = {};       ///< whose it is; empty for --api-key
  bool admin = false;          ///< may load and unload models
  int64_t retry_after_ms = 0;  ///< of kLimited

  [[nodiscard]] bool allowed() const {
    return verdict == Verdict::kUnasked || verdict == Verdict::kAllowed;
  }
};

/// What a caller whose verdict is kLimited is told.
[[nodiscard]] Error key_limit_error(const KeyAnswer& key);

/// Thread-safe.
class ApiKeys {
 public:
  explicit ApiKeys(const ServerOptions& options, const Clock& clock = Clock::steady());
  ~ApiKeys();
  ApiKeys(const ApiKeys&) = delete;
  ApiKeys& operator=(const ApiKeys&) = delete;

  /// One request with `authorization` ("Bearer KEY", the word in any case) or, as Azure's clients
  /// send it, with `bare` ("KEY") alone. Takes as long for a wrong key as for a right one of its
  /// length. A key with a limit has requests for a minute to begin with, and gets them back evenly.
  [[nodiscard]] KeyAnswer admit(std::string_view authorization, std::string_view bare = {});
  /// Whether a request with these may go on to admit(): it has a key of this server's, or none is
  /// asked for. Counts nothing.
  [[nodiscard]] bool knows(std::string_view authorization, std::string_view bare = {});
  /// Of the keys that have a name, in the order of the file.
  [[nodiscard]] std::vector<KeyCount> counts() const;

 private:
  struct Holder;
  [[nodiscard]] Holder* find_locked(std::string_view authorization, std::string_view bare);

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::vector<Holder> holders_;
};

}  // namespace tamis::serve
