#include "hub/url.h"

#include <algorithm>
#include <cctype>

namespace tamis::hub {

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// Of "https://host/path": the length of "https"; 0 without "://".
size_t scheme_length(std::string_view url) {
  const size_t at = url.find("://");
  return at == url.npos ? 0 : at;
}

// Where the path begins.
size_t authority_end(std::string_view url) {
  return std::min(url.find_first_of("/?#", scheme_length(url) + 3), url.size());
}

}  // namespace

std::string url_origin(std::string_view url) {
  const std::string scheme = lower(url.substr(0, scheme_length(url)));
  if (scheme != "http" && scheme != "https") return "";
  const size_t begin = scheme.size() + 3;
  std::string_view host = url.substr(begin, authority_end(url) - begin);
  // What stands before '@' is a name, not a host; '\\' is read as '/' by some.
  if (host.empty() || host.find_first_of("@\\") != host.npos) return "";
  const size_t colon = host.find(':', host.rfind(']') == host.npos ? 0 : host.rfind(']'));
  std::string port(scheme == "http" ? "80" : "443");
  if (colon != host.npos) {
    if (colon + 1 < host.size()) port = host.substr(colon + 1);
    host = host.substr(0, colon);
  }
  return scheme + "://" + lower(host) + ":" + port;
}

std::string resolve_url(const std::string& base, const std::string& location) {
  std::string url;
  if (location.empty()) return "";
  const size_t colon = location.find(':');
  if (colon != std::string::npos && colon < location.find_first_of("/?#")) {
    url = location;
  } else if (location.starts_with("//")) {
    url = base.substr(0, scheme_length(base) + 1) + location;
  } else if (location.starts_with('/')) {
    url = base.substr(0, authority_end(base)) + location;
  } else {
    const std::string path = base.substr(0, base.find_first_of("?#"));
    const size_t slash = path.rfind('/');
    url = (slash >= authority_end(path) ? path.substr(0, slash) : path) + "/" + location;
  }
  const bool plain =
      std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c < 0x7f; });
  return plain && !url_origin(url).empty() ? url : "";
}

}  // namespace tamis::hub
