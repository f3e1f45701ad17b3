#include "serve/protocol/admin_guard.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/error.h"

namespace tamis::serve {

namespace {

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string_view unquoted(std::string_view text) {
  const bool quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  return quoted ? text.substr(1, text.size() - 2) : text;
}

// Calls `use` with each part between separators; false as soon as it says so.
template <typename Use>
bool all_parts(std::string_view list, char separator, const Use& use) {
  for (;;) {
    const size_t end = std::min(list.find(separator), list.size());
    if (!use(trim(list.substr(0, end)))) return false;
    if (end == list.size()) return true;
    list.remove_prefix(end + 1);
  }
}

/// The name and port of "name", "name:port", "[v6]:port" or a bare IPv6 address.
struct HostPort {
  std::string name;  ///< without brackets
  std::string port;
};

HostPort split_host(std::string_view host) {
  if (host.starts_with('[')) {
    const size_t end = std::min(host.find(']'), host.size());
    const std::string_view rest = host.substr(std::min(end + 1, host.size()));
    return {std::string(host.substr(1, end - 1)),
            std::string(rest.starts_with(':') ? rest.substr(1) : rest)};
  }
  const size_t colon = host.find(':');
  if (colon == host.npos || host.find(':', colon + 1) != host.npos) return {std::string(host), ""};
  return {std::string(host.substr(0, colon)), std::string(host.substr(colon + 1))};
}

bool is_address(const std::string& name) {
  std::array<unsigned char, 16> bytes = {};
  return inet_pton(AF_INET, name.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, name.c_str(), bytes.data()) == 1;
}

bool is_loopback(const std::string& name) {
  std::array<unsigned char, 16> bytes = {};
  if (inet_pton(AF_INET, name.c_str(), bytes.data()) == 1) return bytes[0] == 127;
  if (inet_pton(AF_INET6, name.c_str(), bytes.data()) != 1)
    return equal_ignoring_case(name, "localhost");
  constexpr std::array<unsigned char, 16> kSelf = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  constexpr std::array<unsigned char, 13> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127};
  return bytes == kSelf || std::equal(kMapped.begin(), kMapped.end(), bytes.begin());
}

// A name that another's name server may point at this machine is none of these.
bool is_own_name(const HostPort& host, const ServerOptions& options) {
  return is_address(host.name) || equal_ignoring_case(host.name, "localhost") ||
         equal_ignoring_case(host.name, split_host(options.host).name);
}

struct Served {
  std::string_view host;    ///< as the request names it
  std::string_view scheme;  ///< "http" or "https"
};

bool same_host(std::string_view host, const Served& served) {
  return equal_ignoring_case(host, served.host);
}

bool same_origin(std::string_view origin, const Served& served) {
  return equal_ignoring_case(origin, cat(served.scheme, "://", served.host));
}

bool same_site(std::string_view site, const Served&) {
  return equal_ignoring_case(site, "same-origin") || equal_ignoring_case(site, "none");
}

bool from_here(std::string_view address, const Served&) {
  return is_loopback(split_host(unquoted(address)).name);
}

bool same_scheme(std::string_view scheme, const Served& served) {
  return equal_ignoring_case(scheme, served.scheme);
}

bool same_port(std::string_view port, const Served& served) {
  const std::string own = split_host(served.host).port;
  const std::string_view usual = served.scheme == "https" ? "443" : "80";
  return port == (own.empty() ? usual : std::string_view(own));
}

// RFC 7239: for=1.2.3.4;host=a;proto=http, for=...
bool same_forwarded(std::string_view element, const Served& served) {
  return all_parts(element, ';', [&](std::string_view pair) {
    const size_t equals = pair.find('=');
    if (equals == pair.npos) return pair.empty();
    const std::string_view name = trim(pair.substr(0, equals));
    const std::string_view value = unquoted(trim(pair.substr(equals + 1)));
    if (equal_ignoring_case(name, "host")) return same_host(value, served);
    if (equal_ignoring_case(name, "proto")) return same_scheme(value, served);
    const bool node = equal_ignoring_case(name, "for") || equal_ignoring_case(name, "by");
    return node && from_here(value, served);
  });
}

/// A header, and whether one of its values is what a caller of this origin may send.
struct OriginRow {
  std::string_view name;
  bool list;  ///< values stand between commas
  bool (*same)(std::string_view value, const Served& served);
};

constexpr OriginRow kOriginRows[] = {
    {"Origin", false, same_origin},        {"Sec-Fetch-Site", false, same_site},
    {"Forwarded", true, same_forwarded},   {"X-Forwarded-For", true, from_here},
    {"X-Forwarded-Host", true, same_host}, {"X-Forwarded-Proto", true, same_scheme},
    {"X-Forwarded-Port", true, same_port}, {"X-Real-IP", false, from_here},
};

bool of_this_origin(const std::string& name, std::string_view value, const Served& served) {
  for (const OriginRow& row : kOriginRows) {
    if (!equal_ignoring_case(row.name, name)) continue;
    if (!row.list) return row.same(trim(value), served);
    return all_parts(value, ',', [&](std::string_view item) { return row.same(item, served); });
  }
  // Others of the family tell of a proxy too, in words of its own.
  constexpr std::string_view kFamily = "X-Forwarded-";
  return !equal_ignoring_case(std::string_view(name).substr(0, kFamily.size()), kFamily);
}

constexpr std::string_view kWithKey = "; or start the server with --api-key and send the key";

}  // namespace

std::string admin_refusal(const AdminCaller& caller, const ServerOptions& options) {
  if (caller.key.admin) return "";
  if (caller.key.verdict != KeyAnswer::Verdict::kUnasked) {
    return cat("the key of ", caller.key.name,
               " may not load and unload models; \"admin\": true in --api-keys lets it");
  }
  if (options.model_control != ModelControl::kExplicit) {
    return cat(
        "loading and unloading models is off; start the server with --model-control explicit",
        kWithKey);
  }
  if (!caller.loopback) {
    return cat("without an API key models are loaded and unloaded from this machine only",
               kWithKey);
  }
  if (!is_own_name(split_host(caller.host), options)) {
    return cat("Host \"", caller.host,
               "\" is neither an IP address nor localhost nor --host, so a page of another origin "
               "may be asking",
               kWithKey);
  }
  const Served served{caller.host, options.tls_certificate.empty() ? "http" : "https"};
  for (const auto& [name, value] : caller.headers) {
    if (of_this_origin(name, value, served)) continue;
    return cat("\"", name, ": ", value, "\" shows another origin than ", served.scheme, "://",
               served.host, kWithKey);
  }
  return "";
}

}  // namespace tamis::serve
