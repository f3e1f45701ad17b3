#include "hub/cache.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace tamis::hub {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMaxRefBytes = 1000;
constexpr size_t kMaxTreeBytes = size_t{64} << 20;
constexpr int64_t kTreeFormat = 1;

// So that backup programs leave caches out: https://bford.info/cachedir/
constexpr std::string_view kCacheTag =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This file is a cache directory tag created by huggingface_hub.\n"
    "# For information about cache directory tags, see:\n"
    "#\thttps://bford.info/cachedir/\n";

void make_folders(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    fail(ErrorCode::kUnavailable, folder.string(), ": cannot be created: ", error.message());
  }
}

// A reader sees the old contents or the new.
void replace_file(const fs::path& path, std::string_view contents) {
  static std::atomic<int64_t> writes{0};
  const fs::path stage =
      cat(path.string(), ".", static_cast<int64_t>(::getpid()), "-", writes.fetch_add(1), ".tmp");
  write_file(stage, contents);
  {
    const Descriptor file(::open(stage.c_str(), O_RDONLY | O_CLOEXEC));
    if (file) write_through(file.get(), stage);
  }
  std::error_code error;
  fs::rename(stage, path, error);
  if (error) {
    fail(ErrorCode::kUnavailable, path.string(), ": cannot be written: ", error.message());
  }
}

std::string folder_name(std::string id) {
  const size_t slash = id.find('/');
  if (slash != std::string::npos) id.replace(slash, 1, "--");
  return "models--" + id;
}

}  // namespace

ModelFolder::ModelFolder(fs::path cache, const std::string& id)
    : cache_(std::move(cache)), name_(folder_name(id)), folder_(cache_ / name_) {}

fs::path ModelFolder::blob(const std::string& etag) const { return folder_ / "blobs" / etag; }
fs::path ModelFolder::lock(const std::string& etag) const {
  return cache_ / ".locks" / name_ / (etag + ".lock");
}
fs::path ModelFolder::snapshot(const std::string& commit) const {
  return folder_ / "snapshots" / commit;
}
fs::path ModelFolder::tree(const std::string& commit) const {
  return folder_ / "trees" / (commit + ".json");
}

std::string ModelFolder::commit_of(const std::string& revision) const {
  if (is_commit(revision)) return revision;
  const fs::path ref = folder_ / "refs" / revision;
  if (!file_exists(ref)) return "";
  std::string commit = read_file(ref, kMaxRefBytes);
  commit.erase(commit.find_last_not_of(" \r\n") + 1);
  (void)path_inside(folder_ / "snapshots", commit, ref.string());
  return commit;
}

std::optional<std::set<std::string>> ModelFolder::files_of(const std::string& commit) const {
  const fs::path path = tree(commit);
  if (!file_exists(path)) return std::nullopt;
  try {
    const JsonDocument json = JsonDocument::parse(read_file(path, kMaxTreeBytes), path.string());
    const JsonView files = json.root().get("files");
    if (json.root().get("format_version").as_int("format_version") != kTreeFormat ||
        !files.is_object()) {
      return std::nullopt;
    }
    std::set<std::string> names;
    for (size_t i = 0; i < files.size(); ++i) names.emplace(files.member(i).key);
    if (!std::all_of(names.begin(), names.end(), is_file_name)) return std::nullopt;
    return names;
  } catch (const Error&) {
    // A cache of what the Hub says: unreadable is the same as absent.
    return std::nullopt;
  }
}

bool ModelFolder::is_complete(const std::string& commit, Parts parts) const {
  const fs::path here = snapshot(commit);
  const auto files = files_of(commit);
  if (!files) {
    // A folder without modules.json may lack it: then its pooling is unknown. It is known to have
    // none if another program asked for it in vain.
    const bool asked = file_exists(here / "modules.json") || file_exists(here / "tamis.json") ||
                       file_exists(folder_ / ".no_exist" / commit / "modules.json");
    return (asked || parts == Parts::kTokenizer) && looks_complete(here, parts);
  }
  try {
    const auto needed = choose_files(*files, parts, here.string(),
                                     [&](const std::string& name) { return here / name; });
    return std::all_of(needed.begin(), needed.end(),
                       [&](const std::string& name) { return file_exists(here / name); });
  } catch (const Error& error) {
    // Weights of other frameworks alone: nothing that could be brought would change that.
    return error.code() == ErrorCode::kUnsupported && file_exists(here / "config.json");
  }
}

void ModelFolder::create(const std::string& commit) const {
  make_folders(folder_ / "blobs");
  make_folders(snapshot(commit));
  make_folders(cache_ / ".locks" / name_);
  const fs::path tag = cache_ / "CACHEDIR.TAG";
  std::error_code error;
  if (fs::exists(tag, error)) return;
  try {
    write_file(tag, kCacheTag);
  } catch (const Error&) {
    // For backup programs alone.
  }
}

void ModelFolder::write_ref(const std::string& revision, const std::string& commit) const {
  if (revision == commit || commit_of(revision) == commit) return;
  const fs::path ref = folder_ / "refs" / revision;
  make_folders(ref.parent_path());
  replace_file(ref, commit);
}

void ModelFolder::write_tree(const std::string& commit, const std::string& json) const {
  make_folders(folder_ / "trees");
  replace_file(tree(commit), json);
}

void ModelFolder::write_pointer(const std::string& commit, const std::string& name,
                                const std::string& etag) const {
  const fs::path pointer = snapshot(commit) / name;
  std::error_code error;
  if (fs::exists(pointer, error)) return;
  make_folders(pointer.parent_path());
  fs::remove(pointer, error);  // a link to a blob that has gone
  const fs::path target = blob(etag).lexically_relative(pointer.parent_path());
  fs::create_symlink(target, pointer, error);
  // The other of two processes was faster.
  if (!error || error == std::errc::file_exists) return;
  fs::copy_file(blob(etag), pointer, fs::copy_options::overwrite_existing, error);
  if (error) {
    fail(ErrorCode::kUnavailable, pointer.string(), ": cannot be created: ", error.message());
  }
}

std::optional<fs::path> cached_snapshot(const CachePlace& cache, const ModelId& model,
                                        std::string& why) {
  const ModelFolder folder(cache.folder, model.id);
  std::error_code ignored;
  if (!fs::is_directory(folder.path(), ignored)) return std::nullopt;
  const std::string commit = folder.commit_of(model.revision);
  if (commit.empty()) {
    why += cat("; ", folder.path().string(), " has no refs/", model.revision,
               ": its download has not ended, or was of another revision");
    return std::nullopt;
  }
  fs::path snapshot = folder.snapshot(commit);
  if (fs::is_directory(snapshot, ignored)) return snapshot;
  why += cat("; ", (folder.path() / "refs" / model.revision).string(), " names ", snapshot.string(),
             ", which is not there");
  return std::nullopt;
}

}  // namespace tamis::hub
