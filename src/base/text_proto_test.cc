#include "base/text_proto.h"

#include <gtest/gtest.h>

#include <vector>

namespace tamis {
namespace {

TEST(TextProto, NestsAndEscapes) {
  TextProtoWriter out;
  const std::vector<int64_t> dims = {-1, 384};
  out.comment("one").text("name", "a\"b\\c\n\x01ü").begin("input");
  out.word("data_type", "TYPE_FP32").numbers("dims", dims).numbers("none", {}).flag("on", true);
  out.end().number("size", 64);
  EXPECT_EQ(out.str(),
            "# one\n"
            "name: \"a\\\"b\\\\c\\n\\001ü\"\n"
            "input {\n"
            "  data_type: TYPE_FP32\n"
            "  dims: [ -1, 384 ]\n"
            "  none: [ ]\n"
            "  on: true\n"
            "}\n"
            "size: 64\n");
}

}  // namespace
}  // namespace tamis
