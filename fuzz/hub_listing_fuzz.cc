// Any bytes as the Hub's answers: a commit and safe names, a tree that is written and read again,
// or kCorruptData.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "hub/listing.h"
#include "hub/model_id.h"
#include "hub/tree.h"
#include "hub/url.h"

namespace {

void read_listing(std::string_view text) {
  try {
    const tamis::hub::Listing listing = tamis::hub::parse_listing(text, "fuzz");
    TAMIS_CHECK(tamis::hub::is_commit(listing.commit));
    for (const std::string& name : listing.files) TAMIS_CHECK(tamis::hub::is_file_name(name));
  } catch (const tamis::Error& error) {
    if (error.code() != tamis::ErrorCode::kCorruptData) throw;
  }
}

void read_tree(std::string_view text) {
  tamis::hub::Tree tree;
  try {
    tamis::hub::parse_tree_page(text, "fuzz", tree);
  } catch (const tamis::Error& error) {
    if (error.code() != tamis::ErrorCode::kCorruptData) throw;
  }
  const std::string written = tamis::hub::tree_json(tree);
  const tamis::JsonDocument json = tamis::JsonDocument::parse(written, "written");
  TAMIS_CHECK(json.root().get("files").size() == tree.size());
  for (const auto& [name, entry] : tree) TAMIS_CHECK(tamis::hub::is_file_name(name));
}

void follow(std::string_view text) {
  const std::string to = tamis::hub::resolve_url("https://hub.test/a/b?c", std::string(text));
  TAMIS_CHECK(to.empty() || !tamis::hub::url_origin(to).empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  read_listing(text);
  read_tree(text);
  follow(text.substr(0, 4096));
  return 0;
}
