// Sparse weights, vectors of tokens and MaxSim on the command line.
#include <gtest/gtest.h>

#include "base/json.h"
#include "tests/cli/tamis_program.h"

namespace tamis::cli_test {
namespace {

std::string model(const std::string& name) { return testdata("retrieval/" + name); }

JsonDocument answer(const std::vector<std::string>& arguments) {
  const Outcome outcome = tamis(arguments);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  return JsonDocument::parse(outcome.out, "answer");
}

TEST(CliRetrieval, SparseWeightsFall) {
  const JsonDocument all = answer({"embed", model("splade"), "A lighthouse.", "--sparse"});
  const JsonView weights = all.root().get("sparse");
  ASSERT_GT(weights.size(), 2u);
  double last = weights.member(0).value.as_double("weight");
  for (size_t i = 1; i < weights.size(); ++i) {
    EXPECT_LE(weights.member(i).value.as_double("weight"), last);
    last = weights.member(i).value.as_double("weight");
  }
  const JsonDocument two =
      answer({"embed", model("splade"), "A lighthouse.", "--sparse", "--top-k", "2"});
  ASSERT_EQ(two.root().get("sparse").size(), 2u);
  EXPECT_EQ(two.root().get("sparse").member(0).key, weights.member(0).key);
}

TEST(CliRetrieval, QueriesAndDocumentsHaveVectorsOfTheirOwn) {
  const JsonDocument query =
      answer({"embed", model("colbert"), "lighthouse", "--multi", "--query"});
  const JsonDocument document = answer({"embed", model("colbert"), "lighthouse", "--multi"});
  EXPECT_EQ(query.root().get("vectors").size(), 24u);
  EXPECT_LT(document.root().get("vectors").size(), 24u);
  EXPECT_EQ(document.root().get("token_ids").size(), document.root().get("vectors").size());
}

TEST(CliRetrieval, AllAtOnce) {
  const JsonDocument found = answer({"embed", model("bge-m3"), "A lighthouse.", "--all"});
  EXPECT_EQ(found.root().get("embedding").size(), 16u);
  EXPECT_GT(found.root().get("sparse").size(), 0u);
  EXPECT_EQ(found.root().get("vectors").at(0).size(), 8u);
}

TEST(CliRetrieval, RerankByMaxSim) {
  const JsonDocument found =
      answer({"rerank", model("colbert"), "--query", "Where?", "A lighthouse.", "Rain."});
  EXPECT_EQ(found.root().get("results").size(), 2u);
}

TEST(CliRetrieval, WhatDoesNotGoTogetherIsRefused) {
  const struct {
    std::vector<std::string> arguments;
    int status;
    std::string message;
  } kCases[] = {
      {{"--sparse", "--multi"}, 2, "--sparse, --multi and --all exclude each other"},
      {{"--query"}, 2, "--query is for --sparse, --multi and --all"},
      {{"--top-k", "3"}, 2, "--top-k is for --sparse"},
      {{"--sparse", "--normalize"}, 2, "are for a text's one vector"},
      {{"--sparse", "--output", "x.npy"}, 2, ".npy holds one vector for each text"},
      {{"--multi"}, 5, "no head for multi-vector embedding"},
      {{}, 5, "its modules are for sparse embedding"},
  };
  for (const auto& test : kCases) {
    std::vector<std::string> arguments = {"embed", model("splade"), "A lighthouse."};
    arguments.insert(arguments.end(), test.arguments.begin(), test.arguments.end());
    const Outcome outcome = tamis(arguments);
    EXPECT_EQ(outcome.status, test.status) << outcome.err;
    EXPECT_NE(outcome.err.find(test.message), std::string::npos) << outcome.err;
  }
}

}  // namespace
}  // namespace tamis::cli_test
