// Addresses: where one leads, and whose it is.
//
// Is: what a redirect needs. Is not: a general parser. May use: base.
// Source: RFC 3986, section 5
#pragma once

#include <string>
#include <string_view>

namespace tamis::hub {

/// "scheme://host:port" of an absolute http or https address, host in lower case; empty for others.
[[nodiscard]] std::string url_origin(std::string_view url);

/// Where a redirect from `base` leads: absolute, "//host/...", "/path" or relative. Empty for
/// schemes other than http and https.
[[nodiscard]] std::string resolve_url(const std::string& base, const std::string& location);

}  // namespace tamis::hub
