// Every pass on the cases of testdata/passes/<pass>.txt: what it makes of a graph, and that the
// graph still computes the same.
//
// A file holds cases between lines "====": a graph, a line "----", and the graph after the pass or
// the word "unchanged". Lines that start with '#' are comments. Constants get random values by
// name.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "engine/engine.h"
#include "graph/testing/text_constants.h"
#include "passes/pipeline.h"

namespace tamis::passes {
namespace {

struct Case {
  std::string file;
  int line = 0;
  std::string before;
  std::string after;
};

std::vector<Case> read_cases(const std::string& pass) {
  const std::filesystem::path path =
      std::filesystem::path(TAMIS_TESTDATA) / "passes" / (pass + ".txt");
  std::istringstream text(read_file(path));
  std::vector<Case> cases;
  Case current{path.filename().string(), 1, "", ""};
  std::string* part = &current.before;
  std::string line;
  int number = 0;
  while (std::getline(text, line)) {
    ++number;
    if (line.starts_with("#")) continue;
    if (line == "----") {
      part = &current.after;
    } else if (line == "====") {
      cases.push_back(current);
      current = Case{current.file, number + 1, "", ""};
      part = &current.before;
    } else {
      *part += line + "\n";
    }
  }
  cases.push_back(current);
  return cases;
}

std::vector<float> run(const graph::Graph& graph) {
  std::vector<int32_t> ids;
  std::vector<int32_t> types;
  std::vector<int32_t> cu_seqlens = {0, 3, 4, 11};
  for (int32_t i = 0; i < 11; ++i) {
    ids.push_back(i * 3 % 8);
    types.push_back(i % 2);
  }
  const auto session = engine::make_engine(graph, {})->make_session();
  engine::Outputs outputs;
  session->run({ids, types, {}, cu_seqlens, {}, 7}, outputs);
  std::vector<float> all;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const auto values = outputs.view(i).as<float>();
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

void check_case(const Pass& pass, const Case& test, bool& fired, bool& stayed) {
  SCOPED_TRACE(cat(test.file, ":", test.line));
  graph::testing::TextConstants constants(test.before);
  const graph::Graph before =
      graph::parse_graph(test.before, test.file, graph::testing::TextConstants::find, &constants);
  graph::Graph after = before;
  const bool changed = pass.run(after);
  graph::verify(after);
  const bool expect_unchanged = test.after.find("unchanged") == 0;
  (expect_unchanged ? stayed : fired) = true;
  EXPECT_EQ(changed, !expect_unchanged);
  std::string wanted = expect_unchanged ? test.before : test.after;
  wanted.erase(0, wanted.find_first_not_of('\n'));
  EXPECT_EQ(graph::print(after), wanted);
  const std::vector<float> want = run(before);
  const std::vector<float> got = run(after);
  ASSERT_EQ(want.size(), got.size());
  // Sums of at most 24 terms of size about 1, through at most three of them and a LayerNorm.
  const float tolerance = 0x1p-24f * 24 * 8;
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(want[i], got[i], tolerance * (1 + std::abs(want[i]))) << i;
  }
}

class PassCases : public ::testing::TestWithParam<Pass> {};

TEST_P(PassCases, ComeOutAsWritten) {
  bool fired = false;
  bool stayed = false;
  for (const Case& test : read_cases(std::string(GetParam().name))) {
    check_case(GetParam(), test, fired, stayed);
  }
  EXPECT_TRUE(fired) << "no case in which the pass fires";
  EXPECT_TRUE(stayed) << "no case in which the pass must not fire";
}

INSTANTIATE_TEST_SUITE_P(All, PassCases,
                         ::testing::ValuesIn(all_passes().begin(), all_passes().end()),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace tamis::passes
