#include "serve/http/http_body.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace tamis::serve {
namespace {

constexpr HttpBodyLimits kLimits = {100, 50};

HttpHead chunked_head() {
  HttpHead head;
  head.body = HttpBodyKind::kChunked;
  return head;
}

HttpHead head_of_length(uint64_t length) {
  HttpHead head;
  head.body = length == 0 ? HttpBodyKind::kNone : HttpBodyKind::kLength;
  head.content_length = length;
  return head;
}

struct Read {
  int status;
  std::string body;
  std::string left;  // bytes behind the body; all of them if it is not whole
};

// Whole, and byte by byte: the same must come of it.
Read read(const HttpHead& head, const std::string& bytes) {
  Read results[2];
  for (int pass = 0; pass < 2; ++pass) {
    ByteBudget budget(1 << 20);
    HttpBody body(head, kLimits, budget);
    HttpRefusal refusal = body.check_length();
    size_t at = 0;
    while (!refusal && !body.done() && at < bytes.size()) {
      std::string_view part = std::string_view(bytes).substr(at, pass == 0 ? bytes.npos : 1);
      const size_t before = part.size();
      refusal = body.read(part);
      at += before - part.size();
    }
    const bool done = body.done() && !refusal;
    ByteCharge charge;
    results[pass] = {refusal.status, done ? body.take(charge) : "?", done ? bytes.substr(at) : ""};
    EXPECT_TRUE(!done || charge.bytes() >= results[pass].body.size()) << bytes;
    charge.give_back();
    EXPECT_TRUE(!done || budget.held() == 0) << bytes;
  }
  EXPECT_EQ(results[0].status, results[1].status) << bytes;
  EXPECT_EQ(results[0].body, results[1].body) << bytes;
  EXPECT_EQ(results[0].left, results[1].left) << bytes;
  return results[0];
}

TEST(HttpBody, Lengths) {
  EXPECT_EQ(read(head_of_length(0), "GET").left, "GET");
  EXPECT_EQ(read(head_of_length(3), "abcGET").body, "abc");
  EXPECT_EQ(read(head_of_length(3), "abcGET").left, "GET");
  EXPECT_EQ(read(head_of_length(3), "ab").body, "?");
  EXPECT_EQ(read(head_of_length(100), std::string(100, 'x')).body.size(), 100U);
  EXPECT_EQ(read(head_of_length(101), "").status, 413);
}

TEST(HttpBody, Chunks) {
  struct Case {
    std::string bytes;
    int status;
    const char* body;
    const char* left;
  };
  const std::string filler(60, 'x');
  const Case cases[] = {
      {"0\r\n\r\nGET", 0, "", "GET"},
      {"3\r\nabc\r\n0\r\n\r\n", 0, "abc", ""},
      {"1\r\na\r\n0002\r\nbc\r\n00\r\n\r\nG", 0, "abc", "G"},
      {"A\r\n0123456789\r\n0\r\n\r\n", 0, "0123456789", ""},
      {"3;a=b\r\nabc\r\n0;c\r\n\r\n", 0, "abc", ""},
      {"3 ;a=\"b\"\r\nabc\r\n0\r\n\r\n", 0, "abc", ""},
      {"1\r\na\r\n0\r\nX: y\r\nZ:\r\n\r\nG", 0, "a", "G"},
      {"1\r\na\r\n", 0, "?", ""},
      {"1\r\na\r\n0\r\n", 0, "?", ""},
      {"\r\n", 400, "?", ""},
      {"x\r\n", 400, "?", ""},
      {"-1\r\n", 400, "?", ""},
      {"0x1\r\n", 400, "?", ""},
      {" 1\r\na", 400, "?", ""},
      {"1\na", 400, "?", ""},
      {"1\r\rna", 400, "?", ""},
      {"1\r\nab\r\n", 400, "?", ""},
      {"1\r\na\n0\r\n\r\n", 400, "?", ""},
      {"1\r\na\r\r0\r\n\r\n", 400, "?", ""},
      {"1;\n\r\na\r\n", 400, "?", ""},
      {cat(std::string(80, '0'), "1\r\n"), 431, "?", ""},
      {"00000000000000001\r\na\r\n00000000000000000\r\n\r\n", 0, "a", ""},
      {"ffffffffffffffff\r\n", 413, "?", ""},
      {"65\r\n", 413, "?", ""},
      {cat("3c\r\n", filler, "\r\n3c\r\n"), 413, "?", ""},
      {cat("1;", filler, "\r\n"), 431, "?", ""},
      {cat("1;", filler.substr(0, 30), "\r\na\r\n1;", filler.substr(0, 30), "\r\n"), 431, "?", ""},
      {cat("0\r\nX: ", filler, "\r\n\r\n"), 431, "?", ""},
      {"0\r\nX\r\n\r\n", 400, "?", ""},
      {"0\r\n X: y\r\n\r\n", 400, "?", ""},
      {"0\r\nX : y\r\n\r\n", 400, "?", ""},
      {"0\r\nX: y\n\r\n\r\n", 400, "?", ""},
      {"0\r\nX: y\r\n z\r\n\r\n", 400, "?", ""},
      {"0\r\n\rX", 400, "?", ""},
  };
  for (const Case& item : cases) {
    const Read got = read(chunked_head(), item.bytes);
    EXPECT_EQ(got.status, item.status) << item.bytes;
    EXPECT_EQ(got.body, item.body) << item.bytes;
    EXPECT_EQ(got.left, item.left) << item.bytes;
  }
}

// Who announces much and sends little holds little, and there is an end to all together.
TEST(HttpBody, IsChargedForWhatCameAndRefusedWhenThereIsNoRoom) {
  ByteBudget budget(100'000);
  const HttpBodyLimits limits = {1 << 20, 50};
  HttpBody body(head_of_length(1 << 20), limits, budget);
  std::string_view first = "x";
  EXPECT_EQ(body.read(first).status, 0);
  EXPECT_LE(budget.held(), 4096U);
  const std::string much(75'001, 'x');
  std::string_view rest = much;
  EXPECT_EQ(body.read(rest).status, 503);
}

TEST(HttpBody, GivesBackWhatAnUnfinishedBodyHeld) {
  ByteBudget budget(100'000);
  {
    HttpBody body(chunked_head(), {1 << 20, 50}, budget);
    std::string_view bytes = "400\r\nabc";
    EXPECT_EQ(body.read(bytes).status, 0);
    EXPECT_GT(budget.held(), 0U);
  }
  EXPECT_EQ(budget.held(), 0U);
}

TEST(ByteBudget, KeepsAQuarterForSmallCharges) {
  ByteBudget budget(400'000);
  ByteCharge large = budget.charge(300'000);
  EXPECT_EQ(large.bytes(), 300'000U);
  EXPECT_EQ(budget.charge(70'000).bytes(), 0U);
  ByteCharge small = budget.charge(60'000);
  EXPECT_EQ(small.bytes(), 60'000U);
  EXPECT_EQ(budget.charge(60'000).bytes(), 0U);
  large = std::move(small);
  EXPECT_EQ(budget.held(), 60'000U);
  large.give_back();
  EXPECT_EQ(budget.held(), 0U);
  EXPECT_EQ(budget.take_peak(), 360'000U);
  EXPECT_EQ(budget.take_peak(), 0U);
  EXPECT_EQ(budget.charge(300'001).bytes(), 0U);
}

}  // namespace
}  // namespace tamis::serve
