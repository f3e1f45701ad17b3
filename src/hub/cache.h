// The Hugging Face cache: where blobs, snapshots, refs, listings and locks of a model lie.
//
// Is: huggingface_hub's layout, so that either reads what the other wrote. Is not: the network. May
// use: model_files, settings.
// Source: https://huggingface.co/docs/huggingface_hub/guides/manage-cache, file_download.py,
// _snapshot_download.py, _tree_cache.py
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>

#include "hub/model_files.h"
#include "hub/model_id.h"
#include "hub/settings.h"

namespace tamis::hub {

/// models--ORG--NAME of a cache.
class ModelFolder {
 public:
  ModelFolder(std::filesystem::path cache, const std::string& id);

  [[nodiscard]] const std::filesystem::path& path() const { return folder_; }
  [[nodiscard]] std::filesystem::path blob(const std::string& etag) const;
  [[nodiscard]] std::filesystem::path lock(const std::string& etag) const;
  [[nodiscard]] std::filesystem::path snapshot(const std::string& commit) const;
  /// A listing of the repository's files at that commit (huggingface_hub from 1.0 on).
  [[nodiscard]] std::filesystem::path tree(const std::string& commit) const;

  /// The commit that a revision stands for, by refs/REVISION; empty: none is known.
  [[nodiscard]] std::string commit_of(const std::string& revision) const;
  /// The repository's files at that commit, if a listing lies here.
  [[nodiscard]] std::optional<std::set<std::string>> files_of(const std::string& commit) const;
  /// Whether all that `parts` needs of that commit lies here.
  [[nodiscard]] bool is_complete(const std::string& commit, Parts parts) const;

  /// Makes the folders that hold blobs, snapshots and locks, and marks the cache as one.
  void create(const std::string& commit) const;
  /// refs/REVISION, replaced as a whole; nothing for a commit.
  void write_ref(const std::string& revision, const std::string& commit) const;
  void write_tree(const std::string& commit, const std::string& json) const;
  /// snapshots/COMMIT/NAME, a relative link to the blob; a copy where there are no links.
  void write_pointer(const std::string& commit, const std::string& name,
                     const std::string& etag) const;

 private:
  std::filesystem::path cache_;
  std::string name_;
  std::filesystem::path folder_;
};

/// The snapshot of a model in one cache. None: `why` gets what is there instead, if something is.
[[nodiscard]] std::optional<std::filesystem::path> cached_snapshot(const CachePlace& cache,
                                                                   const ModelId& model,
                                                                   std::string& why);

}  // namespace tamis::hub
