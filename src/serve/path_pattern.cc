#include "serve/path_pattern.h"

#include <algorithm>
#include <span>
#include <vector>

namespace tamis::serve {

namespace {

using Segments = std::span<const std::string_view>;

constexpr std::string_view kModel = "{model}";
constexpr std::string_view kDeployment = "{deployment}";

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> segments;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const size_t end = std::min(path.find('/'), path.size());
    segments.push_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return segments;
}

// The segments end to end, as they stood in the path.
std::string join(Segments segments) {
  std::string text;
  for (const std::string_view segment : segments) {
    if (!text.empty()) text.push_back('/');
    text.append(segment);
  }
  return text;
}

// "{model}:verb", at the end: the model up to the last colon.
bool match_verb(std::string_view pattern, Segments path, PathMatch& found) {
  const std::string_view verb = pattern.substr(kModel.size());
  found.model = join(path);
  if (!found.model.ends_with(verb)) return false;
  found.model.resize(found.model.size() - verb.size());
  return !found.model.empty();
}

bool match(Segments pattern, Segments path, PathMatch& found) {
  if (pattern.empty()) return path.empty();
  if (path.size() < pattern.size()) return false;
  if (pattern.front().starts_with("{model}:")) return match_verb(pattern.front(), path, found);
  if (pattern.front() == kModel || pattern.front() == kDeployment) {
    found.decides = pattern.front() == kDeployment;
    // Each further segment of the pattern takes exactly one: {model} takes what they leave.
    const size_t taken = path.size() - (pattern.size() - 1);
    found.model = join(path.first(taken));
    return !found.model.empty() && match(pattern.subspan(1), path.subspan(taken), found);
  }
  if (pattern.front() == "{version}") {
    found.version = path.front();
  } else if (pattern.front() == "{task}") {
    found.task = path.front();
  } else if (pattern.front() != path.front()) {
    return false;
  }
  return match(pattern.subspan(1), path.subspan(1), found);
}

}  // namespace

std::optional<PathMatch> match_path(std::string_view pattern, std::string_view path) {
  if (path.empty() || path.front() != '/') return std::nullopt;
  PathMatch found;
  if (!match(split(pattern), split(path), found)) return std::nullopt;
  return found;
}

}  // namespace tamis::serve
