// Any bytes are requests or are refused; what is taken has one reading: its head written out again
// in plain form says the same, and its body ends at the same byte however the bytes come.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "serve/http/http_body.h"
#include "serve/http/http_head.h"

namespace {

using tamis::serve::ByteBudget;
using tamis::serve::ByteCharge;
using tamis::serve::HttpBody;
using tamis::serve::HttpBodyKind;
using tamis::serve::HttpHead;
using tamis::serve::HttpRefusal;

constexpr tamis::serve::HttpBodyLimits kLimits = {4096, 256};

void require(bool holds) {
  if (!holds) std::abort();
}

struct Outcome {
  int status = 0;
  bool done = false;
  std::string body;
  size_t taken = 0;
  bool operator==(const Outcome&) const = default;
};

Outcome read_body(const HttpHead& head, std::string_view bytes, size_t step) {
  ByteBudget budget(1 << 16);
  Outcome outcome;
  {
    HttpBody body(head, kLimits, budget);
    HttpRefusal refusal = body.check_length();
    while (!refusal && !body.done() && outcome.taken < bytes.size()) {
      std::string_view part = bytes.substr(outcome.taken, step);
      const size_t size = part.size();
      refusal = body.read(part);
      outcome.taken += size - part.size();
      require(body.size() <= kLimits.max_bytes);
      require(budget.held() >= body.size());
    }
    outcome.status = refusal.status;
    outcome.done = body.done() && !refusal;
    ByteCharge charge;
    outcome.body = body.take(charge);
  }
  require(budget.held() == 0);
  if (outcome.status != 0) outcome.taken = 0;
  return outcome;
}

void check_head(const HttpHead& head) {
  std::string again = head.method + " " + head.path + (head.query.empty() ? "" : "?" + head.query) +
                      (head.http_1_0 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
  for (const auto& [name, value] : head.headers) {
    require(tamis::serve::is_token(name) && tamis::serve::is_field_value(value));
    again.append(name).append(":").append(value).append("\r\n");
  }
  again += "\r\n";
  HttpHead second;
  require(!tamis::serve::parse_head(again, second));
  require(second.path == head.path && second.query == head.query);
  require(second.headers == head.headers && second.keep_alive == head.keep_alive);
  require(second.body == head.body && second.content_length == head.content_length);
  require(!(head.http_1_0 && head.body == HttpBodyKind::kChunked));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  size_t from = 0;
  const size_t end = tamis::serve::find_head_end(bytes, from);
  HttpHead head;
  const HttpRefusal refusal = tamis::serve::parse_head(bytes.substr(0, end), head);
  if (refusal) return 0;
  check_head(head);
  const Outcome whole = read_body(head, bytes.substr(end), size + 1);
  require(read_body(head, bytes.substr(end), 1) == whole);
  require(read_body(head, bytes.substr(end), 7) == whole);
  return 0;
}
