#include "serve/http/http_head.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "serve/http/http_host.h"

namespace tamis::serve {

namespace {

constexpr HttpRefusal kTaken = {};

constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table = {};
  for (const char c : std::string_view("!#$%&'*+-.^_`|~"))
    table[static_cast<unsigned char>(c)] = true;
  for (unsigned c = '0'; c <= '9'; ++c) table[c] = true;
  for (unsigned c = 'a'; c <= 'z'; ++c) table[c] = table[c - 'a' + 'A'] = true;
  return table;
}

constexpr std::array<bool, 256> kTokenTable = make_token_table();

bool is_value_byte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

std::string_view without_spaces(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Calls `use` with each member of a comma-separated list, empty ones too.
template <typename Use>
void for_each_member(std::string_view list, const Use& use) {
  for (;;) {
    const size_t comma = list.find(',');
    use(without_spaces(list.substr(0, comma)));
    if (comma == list.npos) return;
    list.remove_prefix(comma + 1);
  }
}

// "HTTP/1.1"; a later minor version of 1 is read as 1.1.
HttpRefusal read_version(std::string_view text, HttpHead& head) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.size() != 8 || !text.starts_with("HTTP/") || !digit(text[5]) || text[6] != '.' ||
      !digit(text[7])) {
    return {400, "malformed HTTP request line"};
  }
  if (text[5] != '1') return {505, "HTTP/1.1 and HTTP/1.0 are spoken here"};
  head.http_1_0 = text[7] == '0';
  head.keep_alive = !head.http_1_0;
  return kTaken;
}

// "/a?b" of an origin-form target or of what follows an authority.
void split_target(std::string_view target, HttpHead& head) {
  const size_t mark = target.find('?');
  const std::string_view path = target.substr(0, mark);
  if (mark != target.npos) head.query = target.substr(mark + 1);
  head.path.reserve(path.size());
  // A base URL that ends in "/" gives "//embed".
  for (const char c : path) {
    if (c != '/' || head.path.empty() || head.path.back() != '/') head.path.push_back(c);
  }
}

// `authority` is set for absolute-form.
HttpRefusal read_target(std::string_view target, HttpHead& head,
                        std::optional<std::string_view>& authority) {
  if (target.front() == '/') {
    split_target(target, head);
    return kTaken;
  }
  if (target == "*" && head.method == "OPTIONS") {
    head.path = "*";
    return kTaken;
  }
  if (head.method == "CONNECT") return {501, "this server is no proxy: CONNECT is not served"};
  const size_t colon = target.find("://");
  const std::string_view scheme = target.substr(0, colon);
  const bool known = equal_ignoring_case(scheme, "http") || equal_ignoring_case(scheme, "https");
  if (colon == target.npos || !known) {
    return {400, "the request's target must be a path or an http URL"};
  }
  std::string_view rest = target.substr(colon + 3);
  const size_t end = std::min(rest.find_first_of("/?"), rest.size());
  authority = rest.substr(0, end);
  rest.remove_prefix(end);
  if (!parse_host(*authority)) return {400, "the request's target has an invalid host"};
  if (rest.empty() || rest.front() == '?') {
    head.path = head.method == "OPTIONS" && rest.empty() ? "*" : "/";
    if (!rest.empty()) head.query = rest.substr(1);
    return kTaken;
  }
  split_target(rest, head);
  return kTaken;
}

HttpRefusal read_request_line(std::string_view line, HttpHead& head,
                              std::optional<std::string_view>& authority) {
  constexpr HttpRefusal kMalformed = {400, "malformed HTTP request line"};
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == line.npos || first == last) return kMalformed;
  const std::string_view target = line.substr(first + 1, last - first - 1);
  if (!is_token(line.substr(0, first)) || target.empty()) return kMalformed;
  if (!is_field_value(target) || target.find_first_of(" \t") != target.npos) return kMalformed;
  head.method = line.substr(0, first);
  if (const HttpRefusal refusal = read_version(line.substr(last + 1), head)) return refusal;
  return read_target(target, head, authority);
}

HttpRefusal read_field(std::string_view line, HttpHead& head) {
  if (line.front() == ' ' || line.front() == '\t') {
    return {400, "a header field is folded over two lines"};
  }
  const size_t colon = line.find(':');
  if (colon == line.npos || !is_token(line.substr(0, colon))) {
    return {400, "a header field has an invalid name"};
  }
  const std::string_view value = without_spaces(line.substr(colon + 1));
  if (!is_field_value(value)) return {400, "a header field has an invalid value"};
  if (head.headers.size() == kMaxHttpFields) return {431, "too many header fields"};
  head.headers.emplace_back(line.substr(0, colon), value);
  return kTaken;
}

// What the fields that frame a message say, gathered in one pass.
struct Framing {
  int hosts = 0;
  int lengths = 0;
  std::string_view host;
  std::string_view length;
  bool has_transfer_encoding = false;
  int codings = 0;
  int chunked = 0;
  bool chunked_last = false;
  bool close = false;
  bool keep_alive = false;
  bool expects_continue = false;
};

// An option of Connection.
void read_option(std::string_view option, Framing& framing) {
  if (equal_ignoring_case(option, "close")) framing.close = true;
  if (equal_ignoring_case(option, "keep-alive")) framing.keep_alive = true;
}

void read_coding(std::string_view coding, Framing& framing) {
  ++framing.codings;
  framing.chunked_last = equal_ignoring_case(coding, "chunked");
  framing.chunked += framing.chunked_last ? 1 : 0;
}

Framing framing_of(const HttpHead& head) {
  Framing framing;
  for (const auto& [name, value] : head.headers) {
    if (equal_ignoring_case(name, "Host")) {
      ++framing.hosts;
      framing.host = value;
    } else if (equal_ignoring_case(name, "Content-Length")) {
      ++framing.lengths;
      framing.length = value;
    } else if (equal_ignoring_case(name, "Transfer-Encoding")) {
      framing.has_transfer_encoding = true;
      for_each_member(value, [&](std::string_view coding) { read_coding(coding, framing); });
    } else if (equal_ignoring_case(name, "Connection")) {
      for_each_member(value, [&](std::string_view option) { read_option(option, framing); });
    } else if (equal_ignoring_case(name, "Expect")) {
      framing.expects_continue = equal_ignoring_case(value, "100-continue");
    }
  }
  return framing;
}

HttpRefusal read_transfer_encoding(const Framing& framing, HttpHead& head) {
  if (head.http_1_0) return {400, "HTTP/1.0 has no Transfer-Encoding"};
  if (framing.lengths != 0) return {400, "Content-Length beside Transfer-Encoding"};
  if (framing.chunked != 1 || !framing.chunked_last) {
    return {400, "Transfer-Encoding must end in one \"chunked\""};
  }
  if (framing.codings != 1) return {501, "of transfer codings, chunked alone is known"};
  head.body = HttpBodyKind::kChunked;
  return kTaken;
}

HttpRefusal read_content_length(std::string_view text, HttpHead& head) {
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, head.content_length);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != end) {
    return {400, "Content-Length is not a number of bytes"};
  }
  head.body = head.content_length == 0 ? HttpBodyKind::kNone : HttpBodyKind::kLength;
  return kTaken;
}

HttpRefusal check_host(const Framing& framing, const HttpHead& head) {
  if (framing.hosts > 1) return {400, "more than one Host"};
  if (framing.hosts == 0) return head.http_1_0 ? kTaken : HttpRefusal{400, "Host is missing"};
  return parse_host(framing.host) ? kTaken : HttpRefusal{400, "Host is invalid"};
}

HttpRefusal read_framing(HttpHead& head) {
  const Framing framing = framing_of(head);
  if (const HttpRefusal refusal = check_host(framing, head)) return refusal;
  if (framing.lengths > 1) return {400, "more than one Content-Length"};
  head.expects_continue = !head.http_1_0 && framing.expects_continue;
  head.keep_alive = !framing.close && (head.keep_alive || framing.keep_alive);
  if (framing.has_transfer_encoding) return read_transfer_encoding(framing, head);
  return framing.lengths == 0 ? kTaken : read_content_length(framing.length, head);
}

// A proxy routed by the target, so Host is of no account.
void set_host(std::string_view authority, HttpHead& head) {
  for (auto& [name, value] : head.headers) {
    if (equal_ignoring_case(name, "Host")) value = authority;
  }
}

}  // namespace

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return kTokenTable[static_cast<unsigned char>(c)];
  });
}

bool is_field_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), is_value_byte);
}

size_t find_head_end(std::string_view bytes, size_t& from) {
  constexpr std::string_view kEnd = "\r\n\r\n";
  const size_t at = bytes.find(kEnd, from);
  if (at != bytes.npos) return at + kEnd.size();
  from = bytes.size() < kEnd.size() ? 0 : bytes.size() - kEnd.size() + 1;
  return 0;
}

HttpRefusal parse_head(std::string_view bytes, HttpHead& head) {
  std::optional<std::string_view> authority;
  bool request_line = true;
  for (;;) {
    const size_t end = bytes.find("\r\n");
    if (end == bytes.npos) return {400, "malformed HTTP request"};
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end + 2);
    if (line.empty() && !request_line) break;
    const HttpRefusal refusal =
        request_line ? read_request_line(line, head, authority) : read_field(line, head);
    if (refusal) return refusal;
    request_line = false;
  }
  if (const HttpRefusal refusal = read_framing(head)) return refusal;
  if (authority) set_host(*authority, head);
  return kTaken;
}

}  // namespace tamis::serve
