// The Hub's rules over HTTP: redirects, who gets the token, when to try again, what a refusal
// means.
//
// Is: exchanges that end with what was asked for or an Error that says why not. Is not: files
// (blob), the cache. May use: base, settings, transport.
// Source: https://github.com/huggingface/huggingface_hub, utils/_http.py
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/error.h"
#include "hub/settings.h"
#include "hub/transport.h"

namespace tamis::hub {

/// How a wait is spent; a test's does not.
using Waiter = std::function<void(std::chrono::milliseconds)>;

/// What is asked for, in the words of error messages.
struct Subject {
  std::string model;     ///< "org/name"
  std::string revision;  ///< "main"
  std::string file;      ///< empty: the model itself
};

/// Nobody answered: the model may be there or not, and no other name of it is worth a try.
class UnreachableError : public Error {
 public:
  using Error::Error;
};

/// Counts the tries that brought nothing, and waits between them.
class Retry {
 public:
  explicit Retry(const Waiter& wait) : wait_(wait) {}
  /// True after a wait if `answer` is worth another try: 408, 429, 5xx or a broken exchange, and
  /// not the last. `progress`: bytes came, so the count starts anew.
  [[nodiscard]] bool again(const HttpAnswer& answer, bool progress);

 private:
  const Waiter& wait_;
  int failures_ = 0;
};

class Client {
 public:
  Client(const Settings& settings, Transport& transport, Waiter wait);

  /// The body of a GET, at most `max_bytes`; `headers` may take those that came. Throws Error.
  [[nodiscard]] std::string get_text(const std::string& url, size_t max_bytes,
                                     const Subject& subject, HttpAnswer* headers = nullptr);
  /// The headers of a file: redirects are followed within the Hub alone, because its own answer
  /// describes the file (X-Linked-Etag, X-Linked-Size). Throws Error.
  [[nodiscard]] HttpAnswer head(const std::string& url, const Subject& subject);
  /// One try at a file from byte `offset` on; redirects are followed. Failures are in the answer.
  [[nodiscard]] HttpAnswer get(const std::string& url, int64_t offset, const BodySink& body);
  /// Throws the Error that `answer`, which is not what was asked for, stands for.
  [[noreturn]] void refuse(const HttpAnswer& answer, const std::string& url,
                           const Subject& subject) const;

  [[nodiscard]] const std::string& endpoint() const { return settings_.endpoint; }
  [[nodiscard]] const Waiter& waiter() const { return wait_; }

 private:
  [[nodiscard]] HttpRequest request(const std::string& url) const;
  [[nodiscard]] bool is_hub(const std::string& url) const;

  const Settings& settings_;
  Transport& transport_;
  Waiter wait_;
};

}  // namespace tamis::hub
