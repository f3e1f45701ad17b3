#include "api/model_path.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/staged_folder.h"
#include "formats/checkpoint.h"

namespace tamis::api {

namespace fs = std::filesystem;

namespace {

// A variable that is set and not empty.
std::optional<std::string> environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

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

/// A folder with models--ORG--NAME folders, and what named it.
struct Cache {
  fs::path folder;
  std::string variable;  // empty: the default
};

// A row a variable that may say where the hub's cache is, the first that is set decides
// (huggingface_hub/constants.py).
struct CacheRow {
  const char* variable;
  const char* below;
};
constexpr CacheRow kHubCaches[] = {{"HF_HUB_CACHE", ""},
                                   {"HUGGINGFACE_HUB_CACHE", ""},
                                   {"HF_HOME", "hub"},
                                   {"XDG_CACHE_HOME", "huggingface/hub"}};
// Caches of their own, in the same layout: transformers up to 4, sentence-transformers.
constexpr const char* kOtherCaches[] = {"TRANSFORMERS_CACHE", "SENTENCE_TRANSFORMERS_HOME"};

Cache cache_of(const char* variable, const char* below, const std::string& value) {
  const fs::path folder = expand_variables(expand_home(value));
  return {*below == '\0' ? folder : folder / below, variable};
}

Cache hub_cache() {
  for (const CacheRow& row : kHubCaches) {
    if (const auto value = environment(row.variable)) {
      return cache_of(row.variable, row.below, *value);
    }
  }
  return {fs::path(home_of("")) / ".cache/huggingface/hub", ""};
}

std::vector<Cache> caches() {
  std::vector<Cache> all = {hub_cache()};
  for (const char* variable : kOtherCaches) {
    if (const auto value = environment(variable)) all.push_back(cache_of(variable, "", *value));
  }
  return all;
}

// "name" or "org/name" of letters, digits, '-', '_' and '.', no part beginning or ending with '-'
// or
// '.' (huggingface_hub's validate_repo_id).
bool is_hub_id(std::string_view model) {
  const auto is_part = [](std::string_view part) {
    const auto plain = [](char c) { return is_word(c) || c == '-' || c == '.'; };
    return !part.empty() && part.size() <= 96 && std::all_of(part.begin(), part.end(), plain) &&
           is_word(part.front()) && is_word(part.back());
  };
  if (model.find("--") != model.npos || model.find("..") != model.npos) return false;
  const size_t slash = model.find('/');
  if (slash == model.npos) return is_part(model);
  return is_part(model.substr(0, slash)) && is_part(model.substr(slash + 1));
}

// The ids that a name stands for: sentence-transformers puts its own organization before a name
// that has none.
std::vector<std::string> ids_of(std::string_view model) {
  std::vector<std::string> ids = {std::string(model)};
  if (model.find('/') == model.npos) ids.push_back(cat("sentence-transformers/", model));
  return ids;
}

// models--org--name/snapshots/<commit>, the commit from refs/main. Empty: `why` says what is there
// instead, if something is.
fs::path cached_snapshot(const Cache& cache, std::string id, std::string& why) {
  const size_t slash = id.find('/');
  if (slash != std::string::npos) id.replace(slash, 1, "--");
  const fs::path folder = cache.folder / ("models--" + id);
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) return {};
  const fs::path ref = folder / "refs/main";
  if (!file_exists(ref)) {
    why += cat("; ", folder.string(),
               " has no refs/main: its download has not ended, or was of "
               "another revision");
    return {};
  }
  std::string commit = read_file(ref, 1000);
  commit.erase(commit.find_last_not_of(" \r\n") + 1);
  fs::path snapshot = path_inside(folder / "snapshots", commit, ref.string());
  if (fs::is_directory(snapshot, ignored)) return snapshot;
  why += cat("; ", ref.string(), " names ", snapshot.string(), ", which is not there");
  return {};
}

fs::path find_in_caches(std::string_view model) {
  const std::vector<std::string> ids = ids_of(model);
  std::string looked;
  std::string why;
  for (const Cache& cache : caches()) {
    for (const std::string& id : ids) {
      fs::path snapshot = cached_snapshot(cache, id, why);
      if (!snapshot.empty()) return snapshot;
    }
    looked += cat(looked.empty() ? "" : ", ", cache.folder.string(),
                  cache.variable.empty() ? "" : cat(" (from ", cache.variable, ")"));
  }
  fail(ErrorCode::kNotFound, "\"", model, "\": no such folder, and no snapshot of ", ids[0],
       ids.size() > 1 ? " or " + ids[1] : "", " in the Hugging Face cache: looked in ", looked, why,
       "; nothing is downloaded, fetch it first: hf download ", ids.back());
}

}  // namespace

ModelPath resolve_model(std::string_view model) {
  if (model.empty()) fail(ErrorCode::kInvalidArgument, "the model's path is empty");
  fs::path folder = settled_folder(model);
  std::error_code ignored;
  if (!fs::exists(folder, ignored)) {
    if (!is_hub_id(model)) fail(ErrorCode::kNotFound, "\"", model, "\": no such folder");
    folder = find_in_caches(model);
  }
  if (file_exists(folder / "tamis.json")) return {folder, ModelKind::kBundle};
  if (file_exists(folder / "config.json") || file_exists(folder / "modules.json")) {
    return {folder, ModelKind::kCheckpoint};
  }
  refuse_foreign_folder(folder);
  fail(ErrorCode::kNotFound, "\"", folder.string(),
       "\": not a model; a folder with config.json (Hugging Face) or tamis.json (a bundle) is");
}

}  // namespace tamis::api
