// Which endpoint a path means.
//
// Is: the rows of routes.inc and their matching. Is not: an endpoint. May use: call.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "serve/protocol/call.h"

namespace tamis::serve {

using Endpoint = void (*)(const CallPtr& call);

struct Route {
  std::string_view name;  ///< of the function
  std::string_view method;
  std::string_view pattern;
  Endpoint endpoint;
  Dialect dialect;
  bool open;  ///< answered without an API key
};

/// The rows of routes.inc.
[[nodiscard]] std::span<const Route> routes();

/// What a path matched.
struct RouteMatch {
  const Route* route = nullptr;     ///< null: nothing
  bool other_method = false;        ///< the path is known, the method is not
  bool prefixed = false;            ///< the model stands before the route, and counts
  Dialect dialect = Dialect::kTei;  ///< of a path that matched nothing: how to say so
  std::string model;
  std::string version;
  std::string task;
};

/// The methods that a path is there for, as Allow lists them; empty: no such path. "*" stands for
/// the server as a whole.
[[nodiscard]] std::string allowed_methods(std::string_view path);

/// {model} stands for one or more segments ("org/name"), {version} and {task} for one. Before an
/// exact path may stand "/models/NAME": for clients that cannot name a model. A name that ends like
/// a path ("/models/org/embed") is a model's where `is_model` knows it.
[[nodiscard]] RouteMatch find_route(std::string_view method, std::string_view path,
                                    const std::function<bool(std::string_view)>& is_model = {});

}  // namespace tamis::serve
