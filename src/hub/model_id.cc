#include "hub/model_id.h"

#include <algorithm>

#include "base/error.h"

namespace tamis::hub {

namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// One part of an id: letters, digits, '-', '_' and '.', not beginning or ending with '-' or '.'.
bool is_id_part(std::string_view part) {
  const auto plain = [](char c) { return is_word(c) || c == '-' || c == '.'; };
  return !part.empty() && part.size() <= 96 && std::all_of(part.begin(), part.end(), plain) &&
         is_word(part.front()) && is_word(part.back());
}

bool is_id(std::string_view id) {
  if (id.find("--") != id.npos || id.find("..") != id.npos) return false;
  const size_t slash = id.find('/');
  if (slash == id.npos) return is_id_part(id);
  return is_id_part(id.substr(0, slash)) && is_id_part(id.substr(slash + 1));
}

bool is_hex(std::string_view text, size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == text.npos;
}

}  // namespace

bool is_commit(std::string_view revision) { return is_hex(revision, 40); }
bool is_sha256(std::string_view text) { return is_hex(text, 64); }

bool is_revision(std::string_view revision) {
  const auto plain = [](char c) {
    return is_word(c) || std::string_view("-./+=,").find(c) != std::string_view::npos;
  };
  return revision.size() <= 255 && std::all_of(revision.begin(), revision.end(), plain) &&
         revision.find("..") == revision.npos && is_file_name(revision);
}

bool is_file_name(std::string_view name) {
  if (name.empty() || name.size() > 1024) return false;
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\') return false;
  }
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.size() > 255) return false;
    begin = end + 1;
  }
  return true;
}

bool is_blob_name(std::string_view etag) {
  const auto plain = [](char c) { return is_word(c) || c == '-' || c == '.'; };
  // Room for ".incomplete" behind it.
  return !etag.empty() && etag.size() <= 240 && etag.front() != '.' &&
         std::all_of(etag.begin(), etag.end(), plain);
}

std::optional<ModelId> parse_model_id(std::string_view text) {
  const size_t at = text.find('@');
  const std::string_view id = text.substr(0, at);
  if (!is_id(id)) return std::nullopt;
  ModelId model;
  model.id = id;
  if (at == text.npos) return model;
  model.revision = text.substr(at + 1);
  if (!is_revision(model.revision)) {
    fail(ErrorCode::kInvalidArgument, "\"", text.substr(0, 400),
         "\": no revision stands behind '@'; accepted is the name of a branch or tag, or a commit");
  }
  return model;
}

std::string url_quote(std::string_view text, bool slashes) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (is_word(c) || c == '-' || c == '.' || c == '~' || (c == '/' && slashes)) {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(kHex[byte >> 4]);
    out.push_back(kHex[byte & 15]);
  }
  return out;
}

}  // namespace tamis::hub
