// /openapi.json: every route of routes.inc in OpenAPI 3.0.
//
// Is: generated from the routes, so that none is left out. Is not: a validator: the endpoints read
// requests themselves. May use: router.
#pragma once

#include <string>
#include <string_view>

namespace tamis::serve {

/// What is said of an endpoint.
struct Operation {
  std::string_view endpoint;  ///< the function of routes.inc
  std::string_view summary;
  std::string_view request;  ///< a name of openapi_schemas.inc; empty: no body
  std::string_view answer;   ///< the same; empty: no body; "text": text/plain
};

/// Null: openapi_operations.inc has no such row.
[[nodiscard]] const Operation* find_operation(std::string_view endpoint);

/// The whole document.
[[nodiscard]] std::string openapi_json();

}  // namespace tamis::serve
