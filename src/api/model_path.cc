#include "api/model_path.h"

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/file.h"

namespace tamis::api {

namespace fs = std::filesystem;

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// huggingface_hub's rule: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub.
fs::path hub_cache() {
  if (const std::string cache = environment("HF_HUB_CACHE"); !cache.empty()) return cache;
  if (const std::string home = environment("HF_HOME"); !home.empty()) return fs::path(home) / "hub";
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty()) {
    return fs::path(cache) / "huggingface" / "hub";
  }
  return fs::path(environment("HOME")) / ".cache" / "huggingface" / "hub";
}

bool is_hub_id(std::string_view model) {
  return std::count(model.begin(), model.end(), '/') == 1 && model.front() != '/' &&
         model.back() != '/' && model.front() != '.';
}

// models--org--name/snapshots/<commit>, the commit from refs/main.
fs::path cached_snapshot(std::string_view model) {
  std::string name(model);
  name.replace(name.find('/'), 1, "--");
  const fs::path folder = hub_cache() / ("models--" + name);
  if (!file_exists(folder / "refs" / "main")) return {};
  std::string commit = read_file(folder / "refs" / "main", 1000);
  commit.erase(commit.find_last_not_of(" \r\n") + 1);
  return path_inside(folder / "snapshots", commit, (folder / "refs" / "main").string());
}

}  // namespace

ModelPath resolve_model(std::string_view model) {
  if (model.empty()) fail(ErrorCode::kInvalidArgument, "the model's path is empty");
  fs::path folder(model);
  std::error_code ignored;
  if (!fs::exists(folder, ignored) && is_hub_id(model)) {
    folder = cached_snapshot(model);
    if (folder.empty()) {
      fail(ErrorCode::kNotFound, "\"", model, "\": no such folder, and ", hub_cache().string(),
           " holds no snapshot of it; nothing is downloaded, fetch it with huggingface-cli first");
    }
  }
  if (!fs::exists(folder, ignored)) {
    fail(ErrorCode::kNotFound, "\"", model, "\": no such folder");
  }
  if (file_exists(folder / "tamis.json")) return {folder, ModelKind::kBundle};
  if (file_exists(folder / "config.json") || file_exists(folder / "modules.json")) {
    return {folder, ModelKind::kCheckpoint};
  }
  fail(ErrorCode::kNotFound, "\"", folder.string(),
       "\": not a model; a folder with config.json (Hugging Face) or tamis.json (a bundle) is");
}

}  // namespace tamis::api
