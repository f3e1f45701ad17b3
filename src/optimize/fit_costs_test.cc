#include "optimize/fit_costs.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "base/cpu.h"

namespace tamis::api {
namespace {

TEST(FitCosts, PrintsATableOfEverySetThatTheCpuHas) {
  std::string text;
  fit_costs({1, 128}, [&](std::string_view part) { text += part; });
  if (!detected_isas().has(Isa::kAvx2)) GTEST_SKIP() << "this CPU has no kernel set of a table";
  // Of 128 columns; what outliers cost is measured on more.
  struct Expected {
    Isa isa;
    std::set<std::string> rows;
  };
  const std::vector<Expected> kExpected = {
      {Isa::kAvx2,
       {"Avx2 GemmF32", "Avx2 GemmS8", "Avx2 AttentionBf16", "Avx2 Attention", "Avx2 LayerNorm"}},
      {Isa::kAvxVnni, {"AvxVnni GemmS8"}},
      {Isa::kAvx512,
       {"Avx512 GemmF32", "Avx512 GemmS8", "Avx512 AttentionBf16", "Avx512 Attention",
        "Avx512 LayerNorm"}},
      {Isa::kAvx512Vnni, {"Avx512Vnni GemmS8"}},
      {Isa::kAvx512Bf16, {"Avx512Bf16 GemmBf16", "Avx512Bf16 AttentionBf16"}},
      {Isa::kAmx, {"Amx GemmBf16", "Amx GemmS8", "Amx AttentionBf16"}}};
  std::multiset<std::string> expected;
  for (const Expected& set : kExpected) {
    if (detected_isas().has(set.isa)) expected.insert(set.rows.begin(), set.rows.end());
  }
  static const std::regex kRow(R"(TAMIS_COST\(([A-Za-z0-9]+), ([A-Za-z0-9]+), )"
                               R"([0-9]+, [0-9]+, [0-9.e+-]+\))");
  std::istringstream lines(text);
  std::multiset<std::string> rows;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("//")) continue;
    std::smatch parts;
    ASSERT_TRUE(std::regex_match(line, parts, kRow)) << line;
    rows.insert(parts.str(1) + " " + parts.str(2));
  }
  EXPECT_EQ(rows, expected);
  EXPECT_NE(text.find("(Avx2, GemmS8, 128, 128, "), std::string::npos) << text;
  EXPECT_EQ(text.find("512, 128"), std::string::npos) << text;
}

}  // namespace
}  // namespace tamis::api
