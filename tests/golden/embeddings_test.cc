// Text in, embedding out: a loaded model's tokenizer, engine and embed task against what
// SentenceTransformer.encode answered (testdata/README.md): prompts, dimensions, normalization.
//
// Every component lies within 1e-5, the distance asked for on the real model; the recorded values
// are of size 1, and golden_test.cc holds the raw outputs to a derived bound below it.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/loaded_model.h"
#include "tests/support/gzip_file.h"

namespace tamis {
namespace {

constexpr float kTolerance = 1e-5F;
constexpr std::string_view kRoot = TAMIS_TESTDATA "/sentence-transformers";

tasks::EmbedOptions options_of(JsonView row) {
  tasks::EmbedOptions options;
  const JsonView prompt = row.get("prompt_name");
  const JsonView dimensions = row.get("dimensions");
  const JsonView normalize = row.get("normalize");
  if (prompt) options.prompt_name = prompt.as_string("prompt_name");
  if (dimensions) options.dimensions = dimensions.as_int("dimensions");
  if (normalize) options.normalize = normalize.as_bool("normalize");
  return options;
}

void check_case(const api::LoadedModel& model, JsonView row) {
  constexpr int64_t kMaxBatchTokens = 4096;
  const tasks::EmbedOptions options = options_of(row);
  const auto results =
      model.run({{std::string(row.get("text").as_string("text"))}}, options, kMaxBatchTokens);
  const auto& embedding = std::get<tasks::EmbedResult>(results.at(0)).embedding;
  const JsonView recorded = row.get("outputs").get("sentence_embedding");
  ASSERT_EQ(embedding.size(), recorded.size());
  for (size_t i = 0; i < recorded.size(); ++i) {
    EXPECT_NEAR(embedding[i], recorded.at(i).as_double("value"), kTolerance) << "component " << i;
  }
}

class Embeddings : public testing::TestWithParam<std::string> {};

TEST_P(Embeddings, AreAsRecorded) {
  const auto folder = std::filesystem::path(kRoot) / GetParam();
  const std::string source = (folder / "golden.json.gz").string();
  const std::string text = test::read_gzip(source);
  const JsonDocument document = JsonDocument::parse(text, source);
  const JsonView cases = document.root().get("cases");
  ASSERT_GT(cases.size(), 0U);
  const auto model = api::LoadedModel::load(api::resolve_model(folder.string()), {});
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(cat("case ", i));
    check_case(*model, cases.at(i));
  }
}

std::vector<std::string> folders() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kRoot)) {
    if (std::filesystem::exists(entry.path() / "golden.json.gz")) {
      names.push_back(entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string folder_name(const testing::TestParamInfo<std::string>& row) {
  std::string name = row.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Recorded, Embeddings, testing::ValuesIn(folders()), folder_name);

}  // namespace
}  // namespace tamis
