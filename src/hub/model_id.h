// Names on the Hub: models, revisions, commits, files.
//
// Is: what a name may be, before it becomes part of a path or an address. May use: base.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tamis::hub {

/// "org/name" or "name", and a branch, tag or commit of it.
struct ModelId {
  std::string id;
  std::string revision = "main";
};

/// Reads "org/name", "name", each with "@revision". Nothing if it is not of that form
/// (huggingface_hub's validate_repo_id). Throws Error{kInvalidArgument} for an id whose revision
/// cannot be one.
[[nodiscard]] std::optional<ModelId> parse_model_id(std::string_view text);

/// 40 lower-case hex digits.
[[nodiscard]] bool is_commit(std::string_view revision);

/// 64 lower-case hex digits.
[[nodiscard]] bool is_sha256(std::string_view text);

/// A branch, tag or commit: letters, digits and marks that git takes, no "..", no empty part.
[[nodiscard]] bool is_revision(std::string_view revision);

/// A relative path below a model's folder: parts between '/', none empty, "." or "..", no '\\' and
/// no control characters.
[[nodiscard]] bool is_file_name(std::string_view name);

/// A name for a blob: one part of a path of at most 255 plain characters.
[[nodiscard]] bool is_blob_name(std::string_view etag);

/// Percent-encodes all but unreserved characters, and '/' if `slashes` is false.
[[nodiscard]] std::string url_quote(std::string_view text, bool slashes);

}  // namespace tamis::hub
