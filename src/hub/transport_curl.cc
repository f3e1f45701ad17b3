#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <exception>
#include <memory>

#include "base/error.h"
#include "base/version.h"
#include "hub/transport.h"

namespace tamis::hub {

namespace {

// The largest that libcurl takes; 16 KB, its default, cost a tenth of the rate on loopback.
constexpr long kReceiveBytes = 512 * 1024;
constexpr size_t kMaxHeaderBytes = 64 * 1024;
constexpr long kConnectTimeoutS = 10;

// What one exchange collects. An exception must not pass through C: it waits until send() returns.
struct Exchange {
  HttpAnswer answer;
  const BodySink* body = nullptr;
  const std::function<bool()>* goes_on = nullptr;
  std::exception_ptr thrown;
  size_t header_bytes = 0;
};

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// Of "HTTP/1.1 200 OK"; 0 if there is none.
int status_of(std::string_view line) {
  const std::string_view rest = line.substr(std::min(line.find(' ') + 1, line.size()));
  int status = 0;
  std::from_chars(rest.data(), rest.data() + rest.size(), status);
  return status;
}

// False ends the exchange.
bool take_header(Exchange& exchange, std::string_view line) {
  exchange.header_bytes += line.size();
  if (exchange.header_bytes > kMaxHeaderBytes) return false;
  exchange.answer.connected = true;
  if (line.starts_with("HTTP/")) {
    // 100 Continue, a proxy's own answer: the last block of headers counts.
    exchange.answer.headers.clear();
    exchange.answer.status = status_of(line);
    return true;
  }
  const size_t colon = line.find(':');
  if (colon != line.npos) {
    exchange.answer.headers[lower(std::string(line.substr(0, colon)))] =
        trimmed(line.substr(colon + 1));
  }
  return true;
}

// Nothing may be thrown through libcurl.
size_t on_header(char* data, size_t, size_t size, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  try {
    return take_header(exchange, {data, size}) ? size : 0;
  } catch (...) {
    exchange.thrown = std::current_exception();
    return 0;
  }
}

size_t on_body(char* data, size_t, size_t size, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  try {
    return (*exchange.body)(exchange.answer, {data, size}) ? size : 0;
  } catch (...) {
    exchange.thrown = std::current_exception();
    return 0;
  }
}

// Only where the request has a goes_on().
int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& exchange = *static_cast<Exchange*>(user);
  try {
    return (*exchange.goes_on)() ? 0 : 1;
  } catch (...) {
    exchange.thrown = std::current_exception();
    return 1;
  }
}

struct FreeHeaders {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeHeaders>;

class CurlTransport final : public Transport {
 public:
  explicit CurlTransport(int64_t timeout_s) : curl_(curl_easy_init()) {
    if (curl_ == nullptr) fail(ErrorCode::kOutOfMemory, "libcurl cannot be started");
    agent_ = cat("tamis/", version());
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_USERAGENT, agent_.c_str());
    set(CURLOPT_CONNECTTIMEOUT, std::min(kConnectTimeoutS, static_cast<long>(timeout_s)));
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(timeout_s));
    set(CURLOPT_BUFFERSIZE, kReceiveBytes);
    set(CURLOPT_HEADERFUNCTION, on_header);
    set(CURLOPT_WRITEFUNCTION, on_body);
    set(CURLOPT_XFERINFOFUNCTION, on_progress);
    set(CURLOPT_ERRORBUFFER, error_);
  }
  ~CurlTransport() override { curl_easy_cleanup(curl_); }

  HttpAnswer send(const HttpRequest& request, const BodySink& body) override {
    Exchange exchange;
    exchange.body = &body;
    exchange.goes_on = &request.goes_on;
    HeaderList headers;
    for (const std::string& header : request.headers) {
      curl_slist* const longer = curl_slist_append(headers.get(), header.c_str());
      if (longer == nullptr) fail(ErrorCode::kOutOfMemory, "no memory for a request's headers");
      (void)headers.release();
      headers.reset(longer);
    }
    set(CURLOPT_NOBODY, request.method == HttpMethod::kHead ? 1L : 0L);
    if (request.method == HttpMethod::kGet) set(CURLOPT_HTTPGET, 1L);
    if (request.method == HttpMethod::kPost) {
      set(CURLOPT_POST, 1L);
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      set(CURLOPT_POSTFIELDS, request.body.data());
    }
    set(CURLOPT_URL, request.url.c_str());
    set(CURLOPT_HTTPHEADER, headers.get());
    set(CURLOPT_HEADERDATA, &exchange);
    set(CURLOPT_WRITEDATA, &exchange);
    set(CURLOPT_XFERINFODATA, &exchange);
    set(CURLOPT_NOPROGRESS, request.goes_on ? 0L : 1L);
    error_[0] = '\0';
    const CURLcode code = curl_easy_perform(curl_);
    if (exchange.thrown) std::rethrow_exception(exchange.thrown);
    // A server that takes the connection and says nothing was reached, too.
    exchange.answer.connected = exchange.answer.connected || was_connected();
    if (code != CURLE_OK) {
      exchange.answer.failure = error_[0] != '\0' ? error_ : curl_easy_strerror(code);
    }
    return std::move(exchange.answer);
  }

 private:
  // All is ready for the first byte: names, the connection, TLS.
  bool was_connected() const {
    curl_off_t ready_us = 0;
    curl_easy_getinfo(curl_, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    return ready_us > 0;
  }

  template <typename Value>
  void set(CURLoption option, Value value) {
    const CURLcode code = curl_easy_setopt(curl_, option, value);
    if (code == CURLE_OUT_OF_MEMORY) fail(ErrorCode::kOutOfMemory, "no memory for a request");
    TAMIS_CHECK(code == CURLE_OK);
  }

  CURL* curl_;
  std::string agent_;
  char error_[CURL_ERROR_SIZE] = {};
};

}  // namespace

std::unique_ptr<Transport> make_transport(int64_t timeout_s) {
  // Once in a process; threads wait for the first.
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) fail(ErrorCode::kUnavailable, "libcurl cannot be started");
  return std::make_unique<CurlTransport>(timeout_s);
}

}  // namespace tamis::hub
