#include "serve/protocol/api_key.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cmath>

#include "base/file.h"
#include "base/json.h"
#include "base/key_table.h"
#include "serve/http/http_message.h"

namespace tamis::serve {

namespace {

constexpr KeyRow kFile[] = {honored("keys")};
constexpr KeyRow kEntry[] = {honored("name"), honored("key"), honored("requests_per_minute"),
                             honored("admin")};
static_assert(keys_are_distinct(kEntry));

// More is a file of something else.
constexpr size_t kMostKeys = 10'000;
constexpr double kMostPerMinute = 1e9;
constexpr int64_t kMinuteMs = 60'000;

// What a header can hold without quoting (RFC 9110 5.5), without spaces.
bool fits_header(std::string_view key) {
  return std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

ApiKey read_entry(JsonView entry, const std::string& where) {
  check_keys(entry, where, kEntry);
  ApiKey key;
  key.name = entry.get("name").as_string(cat(where, ": name"));
  key.key = entry.get("key").as_string(cat(where, ": key"));
  if (key.name.empty()) fail(ErrorCode::kInvalidArgument, where, ": `name` is empty");
  if (key.key.empty() || !fits_header(key.key)) {
    fail(ErrorCode::kInvalidArgument, where, ": the key of ", key.name,
         " must be of visible ASCII characters");
  }
  if (const JsonView rate = entry.get("requests_per_minute"); !rate.is_null()) {
    key.requests_per_minute = rate.as_double(cat(where, ": requests_per_minute"));
    if (!(key.requests_per_minute > 0 && key.requests_per_minute <= kMostPerMinute)) {
      fail(ErrorCode::kInvalidArgument, where, ": `requests_per_minute` of ", key.name,
           " must be above 0, and at most 1e9");
    }
  }
  if (const JsonView admin = entry.get("admin"); !admin.is_null()) {
    key.admin = admin.as_bool(cat(where, ": admin"));
  }
  return key;
}

void check_distinct(const std::vector<ApiKey>& keys, const std::string& path) {
  std::vector<std::string_view> names;
  std::vector<std::string_view> secrets;
  for (const ApiKey& key : keys) {
    names.push_back(key.name);
    secrets.push_back(key.key);
  }
  std::sort(names.begin(), names.end());
  std::sort(secrets.begin(), secrets.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    fail(ErrorCode::kInvalidArgument, path, ": the name ", *twice, " comes twice");
  }
  if (std::adjacent_find(secrets.begin(), secrets.end()) != secrets.end()) {
    fail(ErrorCode::kInvalidArgument, path, ": two names have the same key");
  }
}

bool is_key(std::string_view key, std::string_view given) {
  return given.size() == key.size() && CRYPTO_memcmp(given.data(), key.data(), key.size()) == 0;
}

}  // namespace

std::vector<ApiKey> read_api_keys(const std::string& path) {
  const JsonDocument document = JsonDocument::parse(read_file(path), path);
  check_keys(document.root(), path, kFile);
  const JsonView entries = document.root().get("keys");
  if (!entries.is_array() || entries.size() == 0) {
    fail(ErrorCode::kInvalidArgument, path, ": `keys` must be a list of keys");
  }
  std::vector<ApiKey> keys;
  if (entries.size() > kMostKeys) {
    fail(ErrorCode::kInvalidArgument, path, ": has ", entries.size(), " keys; at most ", kMostKeys,
         " are taken");
  }
  for (size_t i = 0; i < entries.size(); ++i) {
    keys.push_back(read_entry(entries.at(i), cat(path, ", keys[", i, "]")));
  }
  check_distinct(keys, path);
  return keys;
}

Error key_limit_error(const KeyAnswer& key) {
  return Error(ErrorCode::kOverloaded,
               cat("the key of ", key.name, " has used its requests of this minute"));
}

// A bucket of requests: full is a minute's.
struct ApiKeys::Holder {
  ApiKey key;
  double left = 0;
  int64_t filled_ns = 0;
  uint64_t allowed = 0;
  uint64_t limited = 0;

  [[nodiscard]] double per_ns() const { return key.requests_per_minute / (kMinuteMs * 1e6); }
  [[nodiscard]] double most() const { return std::max(1.0, key.requests_per_minute); }

  // How long until there is one; 0: it was taken.
  int64_t take(int64_t now_ns) {
    if (key.requests_per_minute == 0) return 0;
    left = std::min(most(), left + static_cast<double>(now_ns - filled_ns) * per_ns());
    filled_ns = now_ns;
    if (left >= 1) {
      left -= 1;
      return 0;
    }
    return std::max<int64_t>(1, std::llround(std::ceil((1 - left) / per_ns() / 1e6)));
  }
};

ApiKeys::ApiKeys(const ServerOptions& options, const Clock& clock) : clock_(clock) {
  if (!options.api_key.empty()) holders_.push_back({{"", options.api_key, 0, true}});
  for (const ApiKey& key : options.api_keys) holders_.push_back({key});
  for (Holder& holder : holders_) {
    holder.left = holder.most();
    holder.filled_ns = clock.now_ns();
  }
}

ApiKeys::~ApiKeys() = default;

ApiKeys::Holder* ApiKeys::find_locked(std::string_view authorization, std::string_view bare) {
  constexpr std::string_view kScheme = "Bearer ";
  std::string_view given = bare;
  if (equal_ignoring_case(authorization.substr(0, kScheme.size()), kScheme)) {
    given = authorization.substr(kScheme.size());
  }
  // All are looked at: the time says nothing of where one stands.
  Holder* found = nullptr;
  for (Holder& holder : holders_) {
    if (is_key(holder.key.key, given)) found = &holder;
  }
  return found;
}

bool ApiKeys::knows(std::string_view authorization, std::string_view bare) {
  if (holders_.empty()) return true;
  const std::lock_guard lock(mutex_);
  return find_locked(authorization, bare) != nullptr;
}

KeyAnswer ApiKeys::admit(std::string_view authorization, std::string_view bare) {
  if (holders_.empty()) return {};
  const std::lock_guard lock(mutex_);
  Holder* const found = find_locked(authorization, bare);
  if (found == nullptr) return {KeyAnswer::Verdict::kUnknown};
  const int64_t wait_ms = found->take(clock_.now_ns());
  ++(wait_ms == 0 ? found->allowed : found->limited);
  const auto verdict = wait_ms == 0 ? KeyAnswer::Verdict::kAllowed : KeyAnswer::Verdict::kLimited;
  return {verdict, found->key.name, found->key.admin, wait_ms};
}

std::vector<KeyCount> ApiKeys::counts() const {
  const std::lock_guard lock(mutex_);
  std::vector<KeyCount> counts;
  for (const Holder& holder : holders_) {
    if (holder.key.name.empty()) continue;
    counts.push_back({holder.key.name, holder.allowed, holder.limited});
  }
  return counts;
}

}  // namespace tamis::serve
