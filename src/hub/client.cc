#include "hub/client.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/error.h"
#include "hub/url.h"

namespace tamis::hub {

namespace {

constexpr int kMaxRedirects = 10;
// Waits of 0.25, 0.5, 1, 2, 4, 8 and 8 s: a restart of the other end (24 s) is survived.
constexpr int kMaxFailures = 8;
constexpr std::chrono::milliseconds kFirstWait(250);
constexpr std::chrono::milliseconds kLongestWait(8000);
// A server that asks for more than the Hub's own window of 5 minutes is not waited for.
constexpr int64_t kLongestRetryAfterS = 300;
// What nobody answers at all is tried twice: a name without a host, a closed port.
constexpr int kMaxUnreached = 2;

// Hosts beside the endpoint that may see the token, as in huggingface_hub.
constexpr std::string_view kHubOrigins[] = {"https://huggingface.co:443", "https://hf.co:443"};

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool is_transient(int status) { return status == 408 || status == 429 || status >= 500; }

// Seconds, from Retry-After or ratelimit ("\"api\";r=0;t=55"); -1 if neither says.
int64_t asked_wait(const HttpAnswer& answer) {
  std::string text = answer.header("retry-after");
  if (text.empty()) {
    const std::string limit = answer.header("ratelimit");
    const size_t at = limit.find(";t=");
    if (at != std::string::npos) text = limit.substr(at + 3);
  }
  int64_t seconds = -1;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), seconds);
  return parsed.ec == std::errc() && seconds >= 0 ? seconds : -1;
}

std::string name_of(const Subject& subject) {
  return cat(subject.model, "@", subject.revision, subject.file.empty() ? "" : ": " + subject.file);
}

}  // namespace

bool Retry::again(const HttpAnswer& answer, bool progress) {
  if (answer.failure.empty() && !is_transient(answer.status)) return false;
  failures_ = progress ? 1 : failures_ + 1;
  if (failures_ >= (answer.connected ? kMaxFailures : kMaxUnreached)) return false;
  std::chrono::milliseconds wait = std::min(kFirstWait * (1 << (failures_ - 1)), kLongestWait);
  const int64_t asked = asked_wait(answer);
  if (answer.status == 429 || answer.status == 503) {
    if (asked > kLongestRetryAfterS) return false;
    if (asked >= 0) wait = std::chrono::seconds(asked);
  }
  wait_(wait);
  return true;
}

Client::Client(const Settings& settings, Transport& transport, Waiter wait)
    : settings_(settings), transport_(transport), wait_(std::move(wait)) {}

bool Client::is_hub(const std::string& url) const {
  const std::string origin = url_origin(url);
  return origin == url_origin(settings_.endpoint) ||
         std::find(std::begin(kHubOrigins), std::end(kHubOrigins), origin) != std::end(kHubOrigins);
}

HttpRequest Client::request(const std::string& url) const {
  HttpRequest request;
  request.url = url;
  // The size and the hash are those of the bytes as they are.
  request.headers.emplace_back("Accept-Encoding: identity");
  if (!settings_.token.empty() && is_hub(url)) {
    request.headers.push_back("Authorization: Bearer " + settings_.token);
  }
  return request;
}

HttpAnswer Client::get(const std::string& url, int64_t offset, const BodySink& body) {
  std::string at = url;
  HttpAnswer answer;
  for (int hops = 0; hops <= kMaxRedirects; ++hops) {
    HttpRequest ask = request(at);
    if (offset > 0) ask.headers.push_back(cat("Range: bytes=", offset, "-"));
    answer = transport_.send(ask, [&body](const HttpAnswer& head, std::string_view piece) {
      // What a redirect or an error says in its body is not the file.
      return head.status != 200 && head.status != 206 ? true : body(head, piece);
    });
    if (!answer.failure.empty() || !is_redirect(answer.status)) return answer;
    at = resolve_url(at, answer.header("location"));
    if (at.empty()) return answer;
  }
  return answer;
}

std::string Client::get_text(const std::string& url, size_t max_bytes, const Subject& subject,
                             HttpAnswer* headers) {
  for (Retry retry(wait_);;) {
    std::string text;
    bool over = false;
    HttpAnswer answer = get(url, 0, [&](const HttpAnswer&, std::string_view piece) {
      over = text.size() + piece.size() > max_bytes;
      if (!over) text += piece;
      return !over;
    });
    if (over) {
      fail(ErrorCode::kCorruptData, url, ": the answer is over the limit of ", max_bytes, " bytes");
    }
    if (answer.failure.empty() && answer.status == 200) {
      if (headers != nullptr) *headers = std::move(answer);
      return text;
    }
    if (!retry.again(answer, false)) refuse(answer, url, subject);
  }
}

HttpAnswer Client::head(const std::string& url, const Subject& subject) {
  std::string at = url;
  HttpAnswer first;
  for (int hops = 0; hops <= kMaxRedirects;) {
    Retry retry(wait_);
    HttpAnswer answer;
    do {
      HttpRequest ask = request(at);
      ask.method = HttpMethod::kHead;
      answer = transport_.send(ask, [](const HttpAnswer&, std::string_view) { return true; });
    } while (retry.again(answer, false));
    // The commit and the linked file's size and hash may stand on any hop.
    for (const char* name : {"x-repo-commit", "x-linked-etag", "x-linked-size"}) {
      if (answer.header(name).empty() && !first.header(name).empty()) {
        answer.headers[name] = first.header(name);
      }
    }
    if (!answer.failure.empty() || (answer.status != 200 && !is_redirect(answer.status))) {
      refuse(answer, at, subject);
    }
    const std::string next =
        is_redirect(answer.status) ? resolve_url(at, answer.header("location")) : std::string();
    if (next.empty() || !is_hub(next)) return answer;
    first = std::move(answer);
    at = next;
    ++hops;
  }
  fail(ErrorCode::kUnavailable, name_of(subject), ": over ", kMaxRedirects, " redirects from ",
       url);
}

void Client::refuse(const HttpAnswer& answer, const std::string& url,
                    const Subject& subject) const {
  const std::string name = name_of(subject);
  if (!answer.failure.empty()) {
    const std::string why =
        cat(name, ": cannot be downloaded from ", settings_.endpoint, ": ", answer.failure);
    if (!answer.connected) throw UnreachableError(ErrorCode::kNotFound, why);
    fail(ErrorCode::kUnavailable, why);
  }
  const std::string code = answer.header("x-error-code");
  const std::string page = cat(settings_.endpoint, "/", subject.model);
  const char* const token = settings_.token.empty()
                                ? "no token was sent; set HF_TOKEN to one that may read it, or run "
                                  "`hf auth login`"
                                : "the token that was sent (HF_TOKEN, or the token file) may not "
                                  "read it";
  if (code == "GatedRepo" || answer.status == 403) {
    fail(ErrorCode::kUnavailable, name, ": ", settings_.endpoint, " answers ", answer.status,
         code == "GatedRepo" ? ": a gated model, whose conditions are accepted at " : ": see ",
         page, "; ", token);
  }
  if (answer.status == 401) {
    fail(ErrorCode::kNotFound, name, ": ", settings_.endpoint,
         " answers 401: no such model, or a private one; ", token);
  }
  if (answer.status == 404) {
    if (code == "RevisionNotFound") {
      fail(ErrorCode::kNotFound, subject.model, ": ", settings_.endpoint,
           " has this model, but no revision ", subject.revision);
    }
    fail(ErrorCode::kNotFound, name, ": ", settings_.endpoint, " answers 404: no such ",
         subject.file.empty() ? "model" : "file");
  }
  const int64_t asked = asked_wait(answer);
  fail(ErrorCode::kUnavailable, name, ": ", url.substr(0, url.find('?')), " answers ",
       answer.status, asked >= 0 ? cat(", asking to wait ", asked, " s") : "", "; try again later");
}

}  // namespace tamis::hub
