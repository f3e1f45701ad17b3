// The Hub's listing of a commit with sizes and hashes: GET /api/models/ID/tree/COMMIT.
//
// Is: the answer's pages to the file that huggingface_hub keeps of them. May use: base.
// Source: huggingface_hub, hf_api.py (RepoFile) and _tree_cache.py
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace tamis::hub {

struct TreeEntry {
  int64_t size = 0;
  std::string blob_id;
  std::optional<int64_t> lfs_size;
  std::string lfs_sha256;
  std::string xet_hash;  ///< empty: none
};

/// By path, as huggingface_hub sorts them.
using Tree = std::map<std::string, TreeEntry>;

/// Adds the files of one page. Throws Error{kCorruptData} naming `source`.
void parse_tree_page(std::string_view text, std::string_view source, Tree& tree);

/// The contents of trees/COMMIT.json.
[[nodiscard]] std::string tree_json(const Tree& tree);

}  // namespace tamis::hub
