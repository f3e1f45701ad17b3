#include "serve/http/http_host.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace tamis::serve {

namespace {

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// unreserved, sub-delims and percent-encoding.
bool is_name(std::string_view text) {
  constexpr std::string_view kOthers = "-._~!$&'()*+,;=";
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size() || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) return false;
      i += 2;
    } else if (!is_alphanumeric(text[i]) && kOthers.find(text[i]) == kOthers.npos) {
      return false;
    }
  }
  return !text.empty();
}

bool is_address(int family, std::string_view text) {
  unsigned char address[sizeof(in6_addr)];
  return inet_pton(family, std::string(text).c_str(), address) == 1;
}

// An IPv6 address, with a zone or without.
bool is_ipv6(std::string_view text) {
  const size_t zone = text.find('%');
  return is_address(AF_INET6, text.substr(0, zone)) &&
         (zone == text.npos || is_name(text.substr(zone)));
}

bool is_port(std::string_view text) {
  unsigned number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  return text.empty() || (parsed.ec == std::errc() && parsed.ptr == end && number <= 65535);
}

}  // namespace

std::optional<HttpHost> parse_host(std::string_view text) {
  HttpHost host;
  std::string_view rest;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == text.npos || !is_ipv6(text.substr(1, end - 1))) return std::nullopt;
    host.name = text.substr(1, end - 1);
    host.ip_literal = true;
    rest = text.substr(end + 1);
  } else {
    host.name = text.substr(0, text.find(':'));
    if (!is_name(host.name)) return std::nullopt;
    host.ip_literal = is_address(AF_INET, host.name);
    rest = text.substr(host.name.size());
  }
  if (rest.empty()) return host;
  host.port = rest.substr(1);
  if (rest.front() != ':' || !is_port(host.port)) return std::nullopt;
  return host;
}

std::string_view without_brackets(std::string_view host) {
  if (host.size() < 2 || host.front() != '[' || host.back() != ']') return host;
  return host.substr(1, host.size() - 2);
}

std::string host_in_url(std::string_view host) {
  host = without_brackets(host);
  if (host.find(':') == host.npos) return std::string(host);
  std::string url = "[";
  for (const char c : host) url += c == '%' ? std::string("%25") : std::string(1, c);
  return url + "]";
}

}  // namespace tamis::serve
