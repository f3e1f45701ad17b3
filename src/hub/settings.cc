#include "hub/settings.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "base/error.h"
#include "base/file.h"

namespace tamis::hub {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMaxTokenBytes = 4096;

// A variable that is set and not empty.
std::optional<std::string> environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// The home folder of a user, of this one if `name` is empty.
std::string home_of(const std::string& name) {
  if (name.empty()) {
    if (const auto home = environment("HOME")) return *home;
  }
  const passwd* const user = name.empty() ? ::getpwuid(::getuid()) : ::getpwnam(name.c_str());
  return user == nullptr ? "~" + name : user->pw_dir;
}

// As Python's os.path.expanduser: "~" or "~user" at the beginning.
std::string expand_home(const std::string& path) {
  if (!path.starts_with('~')) return path;
  const size_t end = std::min(path.find('/'), path.size());
  return home_of(path.substr(1, end - 1)) + path.substr(end);
}

// As Python's os.path.expandvars: $NAME and ${NAME}; what is not set stays as it is.
std::string expand_variables(const std::string& path) {
  std::string out;
  for (size_t at = 0; at < path.size();) {
    const bool braced = path.compare(at, 2, "${") == 0;
    const size_t begin = at + (braced ? 2 : 1);
    size_t end = begin;
    if (braced) {
      end = path.find('}', begin);
    } else if (path[at] == '$') {
      while (end < path.size() && is_word(path[end])) ++end;
    }
    const bool named = end != std::string::npos && end > begin;
    const auto value = named ? environment(path.substr(begin, end - begin)) : std::nullopt;
    if (value) {
      out += *value;
      at = end + (braced ? 1 : 0);
    } else {
      out.push_back(path[at++]);
    }
  }
  return out;
}

fs::path expand(const std::string& value) { return expand_variables(expand_home(value)); }

// One row for each variable that may say where a folder is; the first that is set decides.
struct PlaceRow {
  const char* variable;
  const char* below;
};
constexpr PlaceRow kHubCaches[] = {{"HF_HUB_CACHE", ""},
                                   {"HUGGINGFACE_HUB_CACHE", ""},
                                   {"HF_HOME", "hub"},
                                   {"XDG_CACHE_HOME", "huggingface/hub"}};
constexpr PlaceRow kTokenFiles[] = {
    {"HF_TOKEN_PATH", ""}, {"HF_HOME", "token"}, {"XDG_CACHE_HOME", "huggingface/token"}};
// Caches of their own, in the same layout: transformers up to 4, sentence-transformers.
constexpr PlaceRow kOtherCaches[] = {{"TRANSFORMERS_CACHE", ""},
                                     {"SENTENCE_TRANSFORMERS_HOME", ""}};

std::optional<CachePlace> place_of(const PlaceRow& row) {
  const auto value = environment(row.variable);
  if (!value) return std::nullopt;
  const fs::path folder = expand(*value);
  return CachePlace{*row.below == '\0' ? folder : folder / row.below, row.variable};
}

template <size_t N>
CachePlace first_place(const PlaceRow (&rows)[N], const char* below_home) {
  for (const PlaceRow& row : rows) {
    if (const auto place = place_of(row)) return *place;
  }
  return {fs::path(home_of("")) / ".cache/huggingface" / below_home, ""};
}

bool is_true(const char* variable) {
  std::string value = environment(variable).value_or("");
  std::transform(value.begin(), value.end(), value.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

bool is_plain(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// A token goes into a header: what would break one is refused, and never shown.
std::string checked_token(const std::string& text, const std::string& source) {
  std::string token = trimmed(text);
  if (!is_plain(token) || token.size() > kMaxTokenBytes) {
    fail(ErrorCode::kInvalidArgument, source,
         ": not an access token; accepted is one line of printable ASCII without blanks");
  }
  return token;
}

std::string read_token() {
  // As huggingface_hub: none but a token given in code, which this program has not.
  if (is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN")) return "";
  for (const char* variable : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    std::string token = checked_token(environment(variable).value_or(""), variable);
    if (!token.empty()) return token;
  }
  const fs::path file = first_place(kTokenFiles, "token").folder;
  if (!file_exists(file)) return "";
  return checked_token(read_file(file, kMaxTokenBytes), file.string());
}

std::string read_endpoint() {
  std::string endpoint = environment("HF_ENDPOINT").value_or("https://huggingface.co");
  while (endpoint.ends_with('/')) endpoint.pop_back();
  const bool is_http = endpoint.starts_with("http://") || endpoint.starts_with("https://");
  if (!is_http || !is_plain(endpoint) || endpoint.find_first_of("?#@") != std::string::npos) {
    fail(ErrorCode::kInvalidArgument, "HF_ENDPOINT \"", endpoint.substr(0, 200),
         "\": accepted is http:// or https:// with a host, a port and a path");
  }
  return endpoint;
}

int64_t read_timeout() {
  constexpr const char* kName = "HF_HUB_DOWNLOAD_TIMEOUT";
  const auto text = environment(kName);
  if (!text) return Settings().timeout_s;
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
  if (error != std::errc() || end != text->data() + text->size() || seconds < 1 ||
      seconds > 86400) {
    fail(ErrorCode::kInvalidArgument, kName, " \"", text->substr(0, 200),
         "\": accepted are 1 to 86400 seconds");
  }
  return seconds;
}

}  // namespace

Settings read_settings() {
  Settings settings;
  settings.caches.push_back(first_place(kHubCaches, "hub"));
  for (const PlaceRow& row : kOtherCaches) {
    if (const auto place = place_of(row)) settings.caches.push_back(*place);
  }
  for (const char* variable : {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}) {
    if (settings.offline.empty() && is_true(variable)) settings.offline = variable;
  }
  if (!settings.offline.empty()) return settings;
  settings.endpoint = read_endpoint();
  settings.token = read_token();
  settings.timeout_s = read_timeout();
  return settings;
}

}  // namespace tamis::hub
