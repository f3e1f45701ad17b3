#include "serve/http/http_head.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "serve/http/http_host.h"

namespace tamis::serve {
namespace {

struct Case {
  std::string head;
  int status;          // 0: taken
  const char* reason;  // part of it
  HttpBodyKind body = HttpBodyKind::kNone;
  bool keep_alive = true;
};

std::string post(std::string_view fields) {
  return cat("POST /embed HTTP/1.1\r\nHost: a\r\n", fields, "\r\n");
}

void check(const Case& item) {
  SCOPED_TRACE(item.head);
  HttpHead head;
  const HttpRefusal refusal = parse_head(item.head, head);
  EXPECT_EQ(refusal.status, item.status) << refusal.reason;
  EXPECT_NE(refusal.reason.find(item.reason), std::string::npos) << refusal.reason;
  if (refusal) return;
  EXPECT_EQ(head.body, item.body);
  EXPECT_EQ(head.keep_alive, item.keep_alive);
}

TEST(HttpHead, RequestLines) {
  const auto with = [](std::string_view line) { return cat(line, "\r\nHost: a\r\n\r\n"); };
  const Case cases[] = {
      {with("GET / HTTP/1.1"), 0, ""},
      {with("GET / HTTP/1.7"), 0, ""},
      {with("GET / HTTP/1.0"), 0, "", HttpBodyKind::kNone, false},
      {with("GET / HTTP/2.0"), 505, "HTTP/1.1"},
      {with("GET / HTTP/0.9"), 505, "HTTP/1.1"},
      {with("GET / http/1.1"), 400, "request line"},
      {with("GET / HTTP/1.10"), 400, "request line"},
      {with("GET / HTTP/1"), 400, "request line"},
      {with("GET /"), 400, "request line"},
      {with("GET"), 400, "request line"},
      {with(""), 400, "request line"},
      {with("GET  HTTP/1.1"), 400, "request line"},
      {with("GET  / HTTP/1.1"), 400, "request line"},
      {with("GET /  HTTP/1.1"), 400, "request line"},
      {with("GET /a b HTTP/1.1"), 400, "request line"},
      {with("GET\t/ HTTP/1.1"), 400, "request line"},
      {with("GET / HTTP/1.1 "), 400, "request line"},
      {with(" GET / HTTP/1.1"), 400, "request line"},
      {with("G(T / HTTP/1.1"), 400, "request line"},
      {with("GET /\x01 HTTP/1.1"), 400, "request line"},
      {with("GET /\x7f HTTP/1.1"), 400, "request line"},
      {with("GET /\r HTTP/1.1"), 400, "request line"},
      {with("GET /a\nb HTTP/1.1"), 400, "request line"},
      {with("GET /caf\xc3\xa9 HTTP/1.1"), 0, ""},
      {with("GET embed HTTP/1.1"), 400, "target"},
      {with("GET * HTTP/1.1"), 400, "target"},
      {with("OPTIONS * HTTP/1.1"), 0, ""},
      {with("CONNECT a:443 HTTP/1.1"), 501, "proxy"},
      {with("GET ftp://a/ HTTP/1.1"), 400, "target"},
      {with("GET http HTTP/1.1"), 400, "a path or an http URL"},
      {with("GET https HTTP/1.1"), 400, "a path or an http URL"},
      {with("GET http:///embed HTTP/1.1"), 400, "host"},
      {with("GET http://user@a/embed HTTP/1.1"), 400, "host"},
      {with("GET http://a:99999/embed HTTP/1.1"), 400, "host"},
  };
  for (const Case& item : cases) check(item);
}

TEST(HttpHead, Fields) {
  const Case cases[] = {
      {post(""), 0, ""},
      {post("A:\r\n"), 0, ""},
      {post("A: \t b \t \r\n"), 0, ""},
      {post("A: caf\xe9\r\n"), 0, ""},
      {post("A : b\r\n"), 400, "name"},
      {post("A\t: b\r\n"), 400, "name"},
      {post(": b\r\n"), 400, "name"},
      {post("A\r\n"), 400, "name"},
      {post("A(: b\r\n"), 400, "name"},
      {post("\x80: b\r\n"), 400, "name"},
      {post("A: b\r\n c\r\n"), 400, "folded"},
      {post("A: b\r\n\tc\r\n"), 400, "folded"},
      {"POST / HTTP/1.1\r\n Host: a\r\n\r\n", 400, "folded"},
      {post(cat("A: ", std::string(1, '\0'), "\r\n")), 400, "value"},
      {post("A: b\x7f\r\n"), 400, "value"},
      {post("A: b\rC: d\r\n"), 400, "value"},
      {post("A: b\nC: d\r\n"), 400, "value"},
      {"GET / HTTP/1.1\nHost: a\n\n", 400, "malformed"},
  };
  for (const Case& item : cases) check(item);
}

TEST(HttpHead, FieldsAreCounted) {
  std::string fields;
  for (size_t i = 1; i < kMaxHttpFields; ++i) fields += "A: b\r\n";
  check({post(fields), 0, ""});
  check({post(fields + "A: b\r\n"), 431, "too many"});
}

TEST(HttpHead, Hosts) {
  const auto get = [](std::string_view version, std::string_view fields) {
    return cat("GET / HTTP/", version, "\r\n", fields, "\r\n");
  };
  const Case cases[] = {
      {get("1.1", ""), 400, "missing"},
      {get("1.0", ""), 0, "", HttpBodyKind::kNone, false},
      {get("1.1", "Host: a\r\nhost: a\r\n"), 400, "more than one"},
      {get("1.0", "Host: a\r\nHost: b\r\n"), 400, "more than one"},
      {get("1.1", "Host:\r\n"), 400, "invalid"},
      {get("1.1", "Host: a b\r\n"), 400, "invalid"},
      {get("1.1", "Host: a/b\r\n"), 400, "invalid"},
      {get("1.1", "Host: a@b\r\n"), 400, "invalid"},
      {get("1.1", "Host: a, b\r\n"), 400, "invalid"},
      {get("1.1", "Host: http://a\r\n"), 400, "invalid"},
      {get("1.1", "Host: a:b\r\n"), 400, "invalid"},
      {get("1.1", "Host: a:1:2\r\n"), 400, "invalid"},
      {get("1.1", "Host: a:65536\r\n"), 400, "invalid"},
      {get("1.1", "Host: [::1\r\n"), 400, "invalid"},
      {get("1.1", "Host: [::g]\r\n"), 400, "invalid"},
      {get("1.1", "Host: ::1\r\n"), 400, "invalid"},
      {get("1.1", "Host: [::1]8000\r\n"), 400, "invalid"},
      {get("1.1", "Host: a%zz\r\n"), 400, "invalid"},
      {get("1.1", "Host: [::1]:8000\r\n"), 0, ""},
      {get("1.1", "Host: 127.0.0.1:65535\r\n"), 0, ""},
      {get("1.1", "Host: my_service.ns.svc:80\r\n"), 0, ""},
      {get("1.1", "Host: a:\r\n"), 0, ""},
  };
  for (const Case& item : cases) check(item);
}

TEST(HttpHead, Framing) {
  constexpr HttpBodyKind kLength = HttpBodyKind::kLength;
  constexpr HttpBodyKind kChunked = HttpBodyKind::kChunked;
  const Case cases[] = {
      {post("Content-Length: 5\r\n"), 0, "", kLength},
      {post("Content-Length: 005\r\n"), 0, "", kLength},
      {post("Content-Length: 0\r\n"), 0, ""},
      {post("Content-Length:\r\n"), 400, "Content-Length"},
      {post("Content-Length: -5\r\n"), 400, "Content-Length"},
      {post("Content-Length: +5\r\n"), 400, "Content-Length"},
      {post("Content-Length: 0x5\r\n"), 400, "Content-Length"},
      {post("Content-Length: 5 5\r\n"), 400, "Content-Length"},
      {post("Content-Length: 5, 5\r\n"), 400, "Content-Length"},
      {post("Content-Length: 99999999999999999999\r\n"), 400, "Content-Length"},
      {post("Content-Length: 5\r\nContent-Length: 5\r\n"), 400, "more than one"},
      {post("Content-Length: 5\r\ncontent-length: 6\r\n"), 400, "more than one"},
      {post("Transfer-Encoding: chunked\r\n"), 0, "", kChunked},
      {post("transfer-encoding: CHUNKED\r\n"), 0, "", kChunked},
      {post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400, "beside"},
      {post("Transfer-Encoding: gzip\r\nContent-Length: 0\r\n"), 400, "beside"},
      {post("Transfer-Encoding: gzip\r\n"), 400, "chunked"},
      {post("Transfer-Encoding: identity\r\n"), 400, "chunked"},
      {post("Transfer-Encoding:\r\n"), 400, "chunked"},
      {post("Transfer-Encoding: chunked, gzip\r\n"), 400, "chunked"},
      {post("Transfer-Encoding: chunked, identity\r\n"), 400, "chunked"},
      {post("Transfer-Encoding: chunked, chunked\r\n"), 400, "chunked"},
      {post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400, "chunked"},
      {post("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n"), 400, "chunked"},
      {post("Transfer-Encoding: chunked;a=b\r\n"), 400, "chunked"},
      {post("Transfer-Encoding: \"chunked\"\r\n"), 400, "chunked"},
      {post("Transfer-Encoding: xchunked\r\n"), 400, "chunked"},
      {post("Transfer-Encoding: chunked,\r\n"), 400, "chunked"},
      {post("Transfer-Encoding: gzip, chunked\r\n"), 501, "chunked alone"},
      {post("Transfer-Encoding: , chunked\r\n"), 501, "chunked alone"},
      {post("Transfer-Encoding : chunked\r\n"), 400, "name"},
      {post("Transfer-Encoding: \x0b"
            "chunked\r\n"),
       400, "value"},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "HTTP/1.0"},
  };
  for (const Case& item : cases) check(item);
}

TEST(HttpHead, ConnectionOptions) {
  const auto old = [](std::string_view fields) {
    return cat("GET / HTTP/1.0\r\n", fields, "\r\n");
  };
  constexpr HttpBodyKind kNone = HttpBodyKind::kNone;
  const Case cases[] = {
      {post("Connection: close\r\n"), 0, "", kNone, false},
      {post("Connection: Close , x\r\n"), 0, "", kNone, false},
      {post("Connection: x\r\nConnection: close\r\n"), 0, "", kNone, false},
      {post("Connection: keep-alive, close\r\n"), 0, "", kNone, false},
      {post("Connection: closed\r\n"), 0, "", kNone, true},
      {old(""), 0, "", kNone, false},
      {old("Connection: Keep-Alive\r\n"), 0, "", kNone, true},
      {old("Connection: keep-alive\r\nConnection: close\r\n"), 0, "", kNone, false},
  };
  for (const Case& item : cases) check(item);
}

TEST(HttpHead, Targets) {
  struct Target {
    const char* target;
    const char* path;
    const char* query;
    const char* host;
  };
  const Target cases[] = {
      {"/embed", "/embed", "", "x"},
      {"/embed?a=b?c//d", "/embed", "a=b?c//d", "x"},
      {"//embed", "/embed", "", "x"},
      {"/v1//embeddings", "/v1/embeddings", "", "x"},
      {"///v2///models/", "/v2/models/", "", "x"},
      {"/%2F/a", "/%2F/a", "", "x"},
      {"http://b:80/embed?q", "/embed", "q", "b:80"},
      {"HTTPS://[::1]/embed", "/embed", "", "[::1]"},
      {"http://b", "/", "", "b"},
      {"http://b?q", "/", "q", "b"},
      {"http://b//embed", "/embed", "", "b"},
  };
  for (const Target& item : cases) {
    HttpHead head;
    EXPECT_EQ(parse_head(cat("GET ", item.target, " HTTP/1.1\r\nHost: x\r\n\r\n"), head).status, 0);
    EXPECT_EQ(head.path, item.path) << item.target;
    EXPECT_EQ(head.query, item.query) << item.target;
    ASSERT_EQ(head.headers.size(), 1U);
    EXPECT_EQ(head.headers[0].second, item.host) << item.target;
  }
  HttpHead head;
  EXPECT_EQ(parse_head("OPTIONS http://b HTTP/1.1\r\nHost: x\r\n\r\n", head).status, 0);
  EXPECT_EQ(head.path, "*");
}

TEST(HttpHead, ARefusedHeadSaysWhatWasAsked) {
  HttpHead head;
  EXPECT_EQ(parse_head("POST /v1/embeddings HTTP/1.1\r\nA : b\r\n\r\n", head).status, 400);
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.path, "/v1/embeddings");
}

TEST(HttpHead, FindsTheEndHoweverTheBytesCome) {
  const std::string text = "GET / HTTP/1.1\r\nHost: a\r\n\r\nrest\r\n\r\n";
  const size_t end = text.find("rest");
  size_t from = 0;
  for (size_t size = 0; size < end; ++size) {
    EXPECT_EQ(find_head_end(std::string_view(text).substr(0, size), from), 0U);
  }
  EXPECT_EQ(find_head_end(text, from), end);
}

TEST(HttpHost, UrlsOfHosts) {
  EXPECT_EQ(host_in_url("::1"), "[::1]");
  EXPECT_EQ(host_in_url("[::1]"), "[::1]");
  EXPECT_EQ(host_in_url("fe80::1%eth0"), "[fe80::1%25eth0]");
  EXPECT_EQ(host_in_url("localhost"), "localhost");
  EXPECT_EQ(host_in_url("0.0.0.0"), "0.0.0.0");
  EXPECT_TRUE(parse_host("[::1]:8000")->ip_literal);
  EXPECT_EQ(parse_host("[::1]:8000")->name, "::1");
  EXPECT_EQ(parse_host("a.b:80")->port, "80");
  EXPECT_FALSE(parse_host("a.b")->ip_literal);
  EXPECT_TRUE(parse_host("10.0.0.1")->ip_literal);
}

}  // namespace
}  // namespace tamis::serve
