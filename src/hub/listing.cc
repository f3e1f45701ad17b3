#include "hub/listing.h"

#include "base/error.h"
#include "base/json.h"
#include "hub/model_id.h"

namespace tamis::hub {

Listing parse_listing(std::string_view text, std::string_view source) {
  JsonLimits limits;
  limits.max_bytes = kMaxListingBytes;
  limits.python_numbers = true;
  const JsonDocument document = JsonDocument::parse(text, source, limits);
  const JsonView root = document.root();
  Listing listing;
  listing.commit = root.get("sha").as_string(cat(source, ": sha"));
  if (!is_commit(listing.commit)) {
    fail(ErrorCode::kCorruptData, source, ": sha ", json_quote(listing.commit.substr(0, 200)),
         " is not a commit of 40 hex digits");
  }
  const JsonView siblings = root.get("siblings");
  if (!siblings.is_array()) {
    fail(ErrorCode::kCorruptData, source, ": siblings must be a list of files");
  }
  for (size_t i = 0; i < siblings.size(); ++i) {
    const JsonView name = siblings.at(i).get("rfilename");
    std::string file(name.as_string(cat(source, ": siblings[", i, "].rfilename")));
    if (!is_file_name(file)) {
      fail(ErrorCode::kCorruptData, source, ": the file name ", json_quote(file.substr(0, 200)),
           " is refused; accepted are relative names without \"..\", backslashes and control "
           "characters");
    }
    listing.files.insert(std::move(file));
  }
  return listing;
}

}  // namespace tamis::hub
