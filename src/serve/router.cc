#include "serve/router.h"

#include "base/error.h"
#include "serve/path_pattern.h"

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

std::string allowed_methods(std::string_view path) {
  std::string methods;
  for (const char* method : {"GET", "HEAD", "POST"}) {
    const bool there = path == "*" || find_route(method, path).route != nullptr;
    if (there) methods += cat(methods.empty() ? "" : ", ", std::string_view(method));
  }
  return methods.empty() ? methods : methods + ", OPTIONS";
}

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
  for (const Route& route : kRoutes) {
    if (route.pattern.find('{') == route.pattern.npos) continue;
    std::optional<PathMatch> found = match_path(route.pattern, path);
    if (!found) continue;
    result.dialect = route.dialect;
    if (method_matches(route.method, method)) {
      result.route = &route;
      result.model = std::move(found->model);
      result.version = std::move(found->version);
      result.task = std::move(found->task);
      return result;
    }
    result.other_method = true;
  }
  return result;
}

}  // namespace tamis::serve
