#include "base/plain_text.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace tamis {
namespace {

struct Row {
  std::string_view text;
  std::string_view plain;
};

TEST(PlainText, SpellsOutWhatATerminalObeys) {
  const Row rows[] = {
      {"", ""},
      {"Où est-il ? 東京 🙂", "Où est-il ? 東京 🙂"},
      {"\x1b[31mred", "\\u001b[31mred"},
      {"a\nb\tc\rd", "a\\nb\\tc\\rd"},
      {"bell\a back\b del\x7f", "bell\\u0007 back\\u0008 del\\u007f"},
      {"\xc2\x9b"
       "31m",
       "\\u009b31m"},  // C1's one-character CSI
      {"\xc2\xa0", "\xc2\xa0"},
      {"\xe2\x80\xae"
       "evil",
       "\\u202eevil"},
      {"\xe2\x81\xa6"
       "x",
       "\\u2066x"},
      {"\xff\xc3", "\\xff\\xc3"},
      {"\x9b"
       "31m",
       "\\x9b31m"},
  };
  for (const Row& row : rows) EXPECT_EQ(plain_text(row.text), row.plain);
  EXPECT_EQ(plain_text(std::string_view("a\0b", 3)), "a\\u0000b");
}

TEST(PlainText, LinesStay) { EXPECT_EQ(plain_lines("a\tb\n\x1b[2J\r\n"), "a\tb\n\\u001b[2J\\r\n"); }

// JSON reaches terminals too.
TEST(PlainText, JsonHasNoControlCharacters) {
  EXPECT_EQ(json_quote("\x1b\x7f\xc2\x9b\xc2\xa0\xc3\x9b"),
            "\"\\u001b\\u007f\\u009b\xc2\xa0\xc3\x9b\"");
  EXPECT_EQ(json_quote("\xc2"), "\"\xef\xbf\xbd\"");
}

}  // namespace
}  // namespace tamis
