// One HTTP exchange.
//
// Is: the seam between the Hub's rules and the library that speaks HTTP, so that the program has
// one and libtamis none (CMake's TAMIS_HUB, TAMIS_HUB_LIBRARY). Is not: redirects, retries, tokens
// (client). May use: base.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tamis::hub {

enum class HttpMethod : uint8_t { kGet, kHead, kPost };

struct HttpRequest {
  HttpMethod method = HttpMethod::kGet;
  std::string url;
  std::vector<std::string> headers;  ///< "Name: value"
  std::string body = {};             ///< of kPost
  /// Asked about once a second and with each piece; false breaks the exchange off. Null: goes on.
  std::function<bool()> goes_on = {};
};

struct HttpAnswer {
  int status = 0;                              ///< 0: none arrived
  std::map<std::string, std::string> headers;  ///< by name in lower case
  std::string failure;     ///< why the exchange broke off; empty: it ended as it should
  bool connected = false;  ///< the server was reached

  [[nodiscard]] std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  }
};

/// Takes a piece of the body, once the headers are known. False breaks the exchange off.
using BodySink = std::function<bool(const HttpAnswer& answer, std::string_view piece)>;

/// One exchange at a time; connections are kept between them.
class Transport {
 public:
  Transport() = default;
  virtual ~Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  /// Follows no redirect. Failures of the network are in the answer.
  virtual HttpAnswer send(const HttpRequest& request, const BodySink& body) = 0;
};

/// `timeout_s`: without a byte. Throws Error{kUnsupported} where the build has no HTTP client.
[[nodiscard]] std::unique_ptr<Transport> make_transport(int64_t timeout_s);

}  // namespace tamis::hub
