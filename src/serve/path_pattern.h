// Paths against patterns: "/v2/models/{model}/infer".
//
// Is: matching of segments. Is not: the table of routes (router). May use: nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tamis::serve {

/// What the pattern's places stand for; empty where it has none.
struct PathMatch {
  std::string model;
  bool decides = false;  ///< the model stood at {deployment}
  std::string version;
  std::string task;
};

/// {model} stands for one or more segments ("org/name"), the most that let the rest match, at the
/// end also with a verb behind it ("{model}:predict"); {deployment} for the same, whatever model
/// the body names; {version} and {task} for one segment. Nothing if the path does not match.
[[nodiscard]] std::optional<PathMatch> match_path(std::string_view pattern, std::string_view path);

}  // namespace tamis::serve
