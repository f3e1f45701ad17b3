// The Hub's answer to "what is in this model": GET /api/models/ID/revision/REVISION.
//
// Is: bytes from outside to a commit and file names that are safe to use. May use: base.
// Source: https://huggingface.co/docs/hub/api
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace tamis::hub {

struct Listing {
  std::string commit;           ///< 40 hex digits
  std::set<std::string> files;  ///< is_file_name() holds for each
};

/// The longest answer that is read; a repository of 10,000 files has 1 MB.
inline constexpr size_t kMaxListingBytes = size_t{32} << 20;

/// Throws Error{kCorruptData} naming `source` and what is wrong.
[[nodiscard]] Listing parse_listing(std::string_view text, std::string_view source);

}  // namespace tamis::hub
