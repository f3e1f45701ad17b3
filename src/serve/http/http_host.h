// A host and its port as Host, a URL's authority and --host spell them (RFC 3986 3.2).
//
// Is: syntax. Is not: a lookup (listen_socket). May use: the standard library.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tamis::serve {

struct HttpHost {
  std::string_view name;    ///< without the brackets of an IPv6 address
  std::string_view port;    ///< digits; empty: none
  bool ip_literal = false;  ///< an IPv4 or IPv6 address
};

/// "name", "name:port", "[::1]:port". Nothing where that is no host: empty, user information, a
/// port beyond 65535.
[[nodiscard]] std::optional<HttpHost> parse_host(std::string_view text);

/// "[::1]" as "::1"; others as they are.
[[nodiscard]] std::string_view without_brackets(std::string_view host);

/// An IPv6 address gets its brackets, and its zone's "%" is escaped (RFC 6874).
[[nodiscard]] std::string host_in_url(std::string_view host);

}  // namespace tamis::serve
