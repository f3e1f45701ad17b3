#include "base/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"

namespace tamis {
namespace {

std::string error_of(std::string_view text, const JsonLimits& limits = {}) {
  try {
    (void)JsonDocument::parse(text, "file.json", limits);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
    return error.what();
  }
  return "";
}

TEST(Json, ReadsEveryKind) {
  const JsonDocument doc = JsonDocument::parse(
      R"({"n":null,"b":true,"i":-7,"d":2.5,"s":"aé\n","a":[1,[2]],"o":{"x":1}})", "file.json");
  const JsonView root = doc.root();
  ASSERT_TRUE(root.is_object());
  EXPECT_EQ(root.size(), 7u);
  EXPECT_TRUE(root.get("n").is_null());
  EXPECT_TRUE(root.get("b").as_bool("b"));
  EXPECT_EQ(root.get("i").as_int("i"), -7);
  EXPECT_EQ(root.get("d").as_double("d"), 2.5);
  EXPECT_EQ(root.get("s").as_string("s"), "a\xc3\xa9\n");
  EXPECT_EQ(root.get("a").at(1).at(0).as_int("a"), 2);
  EXPECT_EQ(root.get("o").member(0).key, "x");
  EXPECT_FALSE(root.get("absent").exists());
  EXPECT_FALSE(root.get("absent").get("deeper").exists());
}

TEST(Json, WholeDoublesReadAsIntegers) {
  const JsonDocument doc = JsonDocument::parse("[1e3, 1.5, 1e300]", "file.json");
  EXPECT_EQ(doc.root().at(0).as_int("x"), 1000);
  EXPECT_THROW((void)doc.root().at(1).as_int("x"), Error);
  EXPECT_THROW((void)doc.root().at(2).as_int("x"), Error);
}

TEST(Json, IntegersBeyond64BitsReadAsDoubles) {
  const JsonDocument doc = JsonDocument::parse(
      R"({"1\\\"-18446744073709551616":[1000000000000000019884624838656,-9223372036854775808],)"
      R"("b":-18446744073709551616, "c":9007199254740993,"d":123456789012345678901e-1})",
      "file.json");
  const JsonView::Member first = doc.root().member(0);
  EXPECT_EQ(first.key, "1\\\"-18446744073709551616");
  EXPECT_EQ(first.value.at(0).as_double("x"), 1e30);
  EXPECT_EQ(first.value.at(1).as_int("x"), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(doc.root().get("b").as_double("x"), -18446744073709551616.0);
  EXPECT_EQ(doc.root().get("c").as_int("x"), 9007199254740993);
  EXPECT_EQ(doc.root().get("d").as_double("x"), 12345678901234567890.1);
  EXPECT_THROW((void)doc.root().get("b").as_int("x"), Error);
  EXPECT_NE(error_of("[018446744073709551616]").find("not valid JSON"), std::string::npos);
  EXPECT_NE(error_of("[18446744073709551616,-]").find("not valid JSON"), std::string::npos);
}

TEST(Json, WrongKindsAreNamed) {
  const JsonDocument doc = JsonDocument::parse(R"({"hidden_size":"big"})", "config.json");
  try {
    (void)doc.root().get("hidden_size").as_int("config.json: hidden_size");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "config.json: hidden_size must be an integer, found a string");
  }
}

TEST(Json, RefusesBadTexts) {
  EXPECT_NE(error_of("{").find("file.json: not valid JSON"), std::string::npos);
  EXPECT_NE(error_of("").find("not valid JSON"), std::string::npos);
  EXPECT_NE(error_of("\"\xff\"").find("not valid JSON"), std::string::npos);
  EXPECT_EQ(error_of(R"({"a":1,"a":2})"),
            "file.json: JSON object has the key \"a\" twice; each key may stand once");
  std::string many = "{";
  for (int i = 0; i < 50; ++i) many += cat("\"k", i, "\":0,");
  EXPECT_NE(error_of(many + "\"k3\":1}").find("\"k3\" twice"), std::string::npos);
  EXPECT_EQ(error_of("[[[[]]]]", {3, 100}), "file.json: JSON nested deeper than 3 levels");
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  EXPECT_EQ(error_of(deep), "file.json: JSON nested deeper than 64 levels");
  EXPECT_NE(error_of("[1,2,3]", {3, 4}).find("over the limit of 4 bytes"), std::string::npos);
}

TEST(Json, NamesAByteOrderMark) {
  EXPECT_EQ(error_of("\xef\xbb\xbf{}"),
            "file.json: not valid JSON: begins with a byte order mark (BOM); save it as UTF-8 "
            "without one");
}

TEST(Json, NamesPythonsNumbers) {
  EXPECT_EQ(error_of(R"({"NaN":[1,-Infinity]})"),
            "file.json: not valid JSON: -Infinity at byte 10; numbers must be finite");
  EXPECT_NE(error_of(R"({"a":"NaN",})").find("not valid JSON"), std::string::npos);
  EXPECT_EQ(error_of(R"({"a":"NaN",})").find("finite"), std::string::npos);
}

TEST(Json, ReadsPythonsNumbersWhereAsked) {
  JsonLimits limits;
  limits.python_numbers = true;
  const JsonDocument doc = JsonDocument::parse(
      R"({"null":null,"a\"NaN":NaN,"b":[null,-Infinity,"null Infinity",Infinity],"c":18446744073709551616})",
      "file.json", limits);
  const JsonView root = doc.root();
  EXPECT_TRUE(root.get("null").is_null());
  EXPECT_TRUE(std::isnan(root.get("a\"NaN").as_double("a")));
  const JsonView b = root.get("b");
  EXPECT_TRUE(b.at(0).is_null());
  EXPECT_EQ(b.at(1).as_double("b"), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(b.at(2).as_string("b"), "null Infinity");
  EXPECT_EQ(b.at(3).as_double("b"), std::numeric_limits<double>::infinity());
  EXPECT_EQ(root.get("c").as_double("c"), 18446744073709551616.0);
  EXPECT_THROW((void)b.at(3).as_int("b"), Error);
  EXPECT_NE(error_of("[NaNa]", limits).find("not valid JSON"), std::string::npos);
}

TEST(JsonWriter, WritesWhatReadsBack) {
  JsonWriter writer;
  const float third = 1.0f / 3.0f;
  writer.begin_object().member("a", 1).key("b").begin_array();
  writer.value(third).value(true).null().value("q\"\\\n\x01\xc3\xa9");
  writer.value(std::numeric_limits<double>::infinity()).end_array();
  writer.key("c").begin_object().end_object().end_object();
  const std::string text = writer.take();
  EXPECT_EQ(text,
            "{\"a\":1,\"b\":[0.33333334,true,null,\"q\\\"\\\\\\n\\u0001\xc3\xa9\",null],\"c\":{}}");
  const JsonDocument doc = JsonDocument::parse(text, "round trip");
  EXPECT_EQ(static_cast<float>(doc.root().get("b").at(0).as_double("b")), third);
  JsonWriter again;
  again.value(doc.root());
  EXPECT_EQ(again.str().find("{\"a\":1,\"b\":["), 0u);
}

TEST(JsonWriter, WritesUtf8WhateverItIsGiven) {
  constexpr const char* kMark = "\xef\xbf\xbd";
  struct Case {
    std::string text;
    std::string written;
  };
  const Case cases[] = {
      {"a\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80", "a\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80"},
      {"\xf4\x8f\xbf\xbf\xee\x80\x80", "\xf4\x8f\xbf\xbf\xee\x80\x80"},
      {"a\xff"
       "b",
       cat("a", kMark, "b")},
      {"\xc3", kMark},
      {"\xc0\xaf", cat(kMark, kMark)},
      {"\xe0\x80\xaf", cat(kMark, kMark, kMark)},
      {"\xed\xa0\x80", cat(kMark, kMark, kMark)},
      {"\xf0\x80\x80\x80", cat(kMark, kMark, kMark, kMark)},
      {"\xf4\x90\x80\x80", cat(kMark, kMark, kMark, kMark)},
      {"\xe2\x80x", cat(kMark, kMark, "x")},
      {"\xf0\x9f\x98", cat(kMark, kMark, kMark)},
  };
  for (const Case& item : cases) EXPECT_EQ(json_quote(item.text), cat("\"", item.written, "\""));
}

TEST(JsonWriter, KeepsTheSignOfZero) {
  JsonWriter writer;
  writer.begin_array().value(-0.0).value(-0.0f).value(0.0).end_array();
  EXPECT_EQ(writer.str(), "[-0.0,-0.0,0]");
  const JsonDocument doc = JsonDocument::parse(writer.str(), "file.json");
  EXPECT_TRUE(std::signbit(doc.root().at(0).as_double("x")));
}

TEST(JsonWriter, Indents) {
  JsonWriter writer(2);
  writer.begin_object().member("a", 1).key("b").begin_array().value(2).end_array().end_object();
  EXPECT_EQ(writer.str(), "{\n  \"a\": 1,\n  \"b\": [\n    2\n  ]\n}");
}

}  // namespace
}  // namespace tamis
