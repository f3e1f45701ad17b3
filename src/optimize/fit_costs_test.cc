#include "optimize/fit_costs.h"

#include <gtest/gtest.h>

#include <regex>
#include <sstream>
#include <string>

#include "base/cpu.h"

namespace tamis::api {
namespace {

TEST(FitCosts, PrintsATableOfEverySetThatTheCpuHas) {
  std::string text;
  fit_costs({1, 128}, [&](std::string_view part) { text += part; });
  if (!detected_isas().has(Isa::kAvx2)) GTEST_SKIP() << "this CPU has no kernel set of a table";
  static const std::regex kRow(
      R"(TAMIS_COST\((Avx2|AvxVnni|Avx512|Avx512Vnni|Avx512Bf16), )"
      R"((GemmF32|GemmBf16|GemmS8|Outlier|AttentionBf16|Attention|LayerNorm), )"
      R"([0-9]+, [0-9]+, [0-9.e+-]+\))");
  std::istringstream lines(text);
  int rows = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("//")) continue;
    ++rows;
    EXPECT_TRUE(std::regex_match(line, kRow)) << line;
  }
  EXPECT_GE(rows, 5);  // AVX2 alone has no row for 16-bit floats
  EXPECT_NE(text.find("(Avx2, GemmS8, 128, 128, "), std::string::npos) << text;
  EXPECT_EQ(text.find("512, 128"), std::string::npos) << text;
}

}  // namespace
}  // namespace tamis::api
