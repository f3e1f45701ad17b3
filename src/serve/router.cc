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
  if (path == "/v2/rerank" || path == "/v2/embed") return Dialect::kCohere;
  if (path.starts_with("/v2")) return Dialect::kKserve;
  if (path.starts_with("/api/")) return Dialect::kOllama;
  if (path.starts_with("/infinity")) return Dialect::kOpenAi;
  if (path.starts_with("/v1")) return Dialect::kOpenAi;
  if (path.starts_with("/openai") || path.starts_with("/engines")) return Dialect::kOpenAi;
  if (path.starts_with("/models")) return Dialect::kHuggingFace;
  return Dialect::kTei;
}

bool method_matches(std::string_view wanted, std::string_view method) {
  return wanted == method || (wanted == "GET" && method == "HEAD");
}

// A row of the whole path, or a path of another method.
void find_exact(std::string_view method, std::string_view path, RouteMatch& result) {
  for (const Route& route : kRoutes) {
    if (route.pattern != path) continue;
    result.dialect = route.dialect;
    result.other_method = true;
    if (!method_matches(route.method, method)) continue;
    result.route = &route;
    return;
  }
}

constexpr std::string_view kPrefix = "/models/";

// "/models/NAME" before an exact path, the longest that there is.
void find_prefixed(std::string_view method, std::string_view path, RouteMatch& result) {
  if (!path.starts_with(kPrefix)) return;
  for (size_t at = kPrefix.size(); (at = path.find('/', at + 1)) != path.npos;) {
    find_exact(method, path.substr(at), result);
    if (!result.other_method) continue;
    result.prefixed = true;
    result.model = path.substr(kPrefix.size(), at - kPrefix.size());
    return;
  }
}

// A pattern that ends with the name takes whatever a path goes on with.
enum class Ends : uint8_t { kInName, kOtherwise };

void find_pattern(std::string_view method, std::string_view path, Ends ends, RouteMatch& result) {
  for (const Route& route : kRoutes) {
    if (route.pattern.find('{') == route.pattern.npos) continue;
    if (route.pattern.ends_with("{model}") != (ends == Ends::kInName)) continue;
    std::optional<PathMatch> found = match_path(route.pattern, path);
    if (!found) continue;
    const bool right = method_matches(route.method, method);
    // What the first that matched says of itself stands.
    if (right || !result.other_method) result.dialect = route.dialect;
    result.other_method = true;
    if (!right) continue;
    result.route = &route;
    result.model = std::move(found->model);
    result.prefixed = found->decides;
    result.version = std::move(found->version);
    result.task = std::move(found->task);
    return;
  }
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

RouteMatch find_route(std::string_view method, std::string_view path,
                      const std::function<bool(std::string_view)>& is_model) {
  RouteMatch result;
  result.dialect = family_of(path);
  if (path.empty() || path.front() != '/') return result;
  const bool named = is_model && path.starts_with(kPrefix) && is_model(path.substr(kPrefix.size()));
  find_exact(method, path, result);
  if (result.route == nullptr) find_pattern(method, path, Ends::kOtherwise, result);
  if (result.route == nullptr && !named) find_prefixed(method, path, result);
  if (result.route == nullptr) find_pattern(method, path, Ends::kInName, result);
  if (result.route != nullptr) result.other_method = false;
  return result;
}

}  // namespace tamis::serve
