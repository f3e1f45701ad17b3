#include "serve/router.h"

#include <algorithm>
#include <vector>

namespace tamis::serve {

#define X(method, pattern, function, dialect, open) void function(const CallPtr& call);
#include "serve/routes.inc"
#undef X

namespace {

constexpr Route kRoutes[] = {
#define X(method, pattern, function, dialect, open) \
  {#function, method, pattern, function, Dialect::dialect, open},
#include "serve/routes.inc"
#undef X
};

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

using Segments = std::span<const std::string_view>;

// The segments end to end, as they stood in the path.
std::string join(Segments segments) {
  std::string text;
  for (const std::string_view segment : segments) {
    if (!text.empty()) text.push_back('/');
    text.append(segment);
  }
  return text;
}

bool match(Segments pattern, Segments path, RouteMatch& found) {
  if (pattern.empty()) return path.empty();
  if (path.empty()) return false;
  if (pattern.front() == "{model}") {
    // The shortest that lets the rest match would cut "org/name"; what follows decides.
    for (size_t taken = path.size(); taken >= 1; --taken) {
      if (!match(pattern.subspan(1), path.subspan(taken), found)) continue;
      found.model = join(path.first(taken));
      return !found.model.empty();
    }
    return false;
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

// The family of clients that asks for such paths.
Dialect family_of(std::string_view path) {
  if (path.starts_with("/v2")) return path == "/v2/rerank" ? Dialect::kCohere : Dialect::kKserve;
  if (path.starts_with("/v1")) return Dialect::kOpenAi;
  if (path.starts_with("/models")) return Dialect::kHuggingFace;
  return Dialect::kTei;
}

bool method_matches(std::string_view wanted, std::string_view method) {
  return wanted == method || (wanted == "GET" && method == "HEAD");
}

}  // namespace

std::span<const Route> routes() { return kRoutes; }

RouteMatch find_route(std::string_view method, std::string_view path) {
  RouteMatch result;
  result.dialect = family_of(path);
  if (path.empty() || path.front() != '/') return result;
  for (const Route& route : kRoutes) {
    if (route.pattern != path) continue;
    result.dialect = route.dialect;
    if (method_matches(route.method, method)) {
      result.route = &route;
      return result;
    }
    result.other_method = true;
  }
  const std::vector<std::string_view> segments = split(path);
  for (const Route& route : kRoutes) {
    if (route.pattern.find('{') == route.pattern.npos) continue;
    RouteMatch found;
    if (!match(split(route.pattern), segments, found)) continue;
    if (!method_matches(route.method, method)) {
      result.other_method = true;
      result.dialect = route.dialect;
      continue;
    }
    found.route = &route;
    found.dialect = route.dialect;
    return found;
  }
  return result;
}

}  // namespace tamis::serve
