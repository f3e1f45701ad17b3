#include "hub/tree.h"

#include "base/error.h"
#include "base/json.h"
#include "hub/listing.h"
#include "hub/model_id.h"

namespace tamis::hub {

namespace {

std::string hash_of(JsonView value, const std::string& what, bool (*is_hash)(std::string_view)) {
  std::string hash(value.as_string(what));
  if (!is_hash(hash)) {
    fail(ErrorCode::kCorruptData, what, " ", json_quote(hash.substr(0, 200)), " is not a hash");
  }
  return hash;
}

}  // namespace

void parse_tree_page(std::string_view text, std::string_view source, Tree& tree) {
  JsonLimits limits;
  limits.max_bytes = kMaxListingBytes;
  const JsonDocument document = JsonDocument::parse(text, source, limits);
  const JsonView root = document.root();
  if (!root.is_array()) fail(ErrorCode::kCorruptData, source, ": must be a list of files");
  for (size_t i = 0; i < root.size(); ++i) {
    const JsonView item = root.at(i);
    const std::string what = cat(source, ": [", i, "]");
    if (item.get("type").as_string(what + ".type") != "file") continue;
    std::string path(item.get("path").as_string(what + ".path"));
    if (!is_file_name(path)) {
      fail(ErrorCode::kCorruptData, what, ": the path ", json_quote(path.substr(0, 200)),
           " is refused; accepted are relative names without \"..\"");
    }
    TreeEntry entry;
    entry.size = item.get("size").as_int(what + ".size");
    entry.blob_id = hash_of(item.get("oid"), what + ".oid", is_commit);
    if (const JsonView lfs = item.get("lfs"); !lfs.is_null()) {
      entry.lfs_size = lfs.get("size").as_int(what + ".lfs.size");
      entry.lfs_sha256 = hash_of(lfs.get("oid"), what + ".lfs.oid", is_sha256);
    }
    if (const JsonView xet = item.get("xetHash"); !xet.is_null()) {
      entry.xet_hash = hash_of(xet, what + ".xetHash", is_sha256);
    }
    tree[std::move(path)] = std::move(entry);
  }
}

std::string tree_json(const Tree& tree) {
  JsonWriter json(1);
  json.begin_object().member("format_version", 1).key("files").begin_object();
  for (const auto& [path, entry] : tree) {
    json.key(path).begin_object();
    json.member("size", entry.size).member("blob_id", entry.blob_id);
    if (entry.lfs_size) {
      json.member("lfs_sha256", entry.lfs_sha256).member("lfs_size", *entry.lfs_size);
    }
    if (!entry.xet_hash.empty()) json.member("xet_hash", entry.xet_hash);
    json.end_object();
  }
  return json.end_object().end_object().take();
}

}  // namespace tamis::hub
