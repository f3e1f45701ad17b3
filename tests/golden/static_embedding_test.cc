// Folders of StaticEmbedding against what sentence-transformers answers in float32
// (testdata/README.md): each component within 1e-6, and what that itself is off by from float64: of
// 2,000 tokens, whose mean is short before it is normalized, 1e-6 more.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "formats/test_util.h"
#include "model/loaded_model.h"
#include "tests/support/gzip_file.h"

namespace tamis {
namespace {

constexpr double kTolerance = 1e-6;
const std::filesystem::path kRoot = TAMIS_TESTDATA "/static";

std::shared_ptr<const api::LoadedModel> load(const std::filesystem::path& folder,
                                             const api::ModelOptions& options = {}) {
  return api::LoadedModel::load(api::resolve_model(folder.string()), options);
}

class StaticEmbedding : public testing::TestWithParam<std::string> {
 protected:
  StaticEmbedding()
      : source_((kRoot / GetParam() / "golden.json.gz").string()),
        document_(JsonDocument::parse(test::read_gzip(source_), source_)) {}

  [[nodiscard]] JsonView cases() const { return document_.root().get("cases"); }
  [[nodiscard]] JsonView row(size_t i) const { return cases().at(i); }
  [[nodiscard]] std::string text(size_t i) const {
    return std::string(row(i).get("text").as_string("text"));
  }
  [[nodiscard]] EmbedOptions options(size_t i) const {
    EmbedOptions options;
    if (const JsonView name = row(i).get("prompt_name")) {
      options.prompt_name = name.as_string("prompt_name");
    }
    return options;
  }
  void expect_row(size_t i, const TaskResult& result) const {
    const auto& found = std::get<EmbedResult>(result).embedding;
    const JsonView wanted = row(i).get("embedding");
    const double allowed = kTolerance + row(i).get("f64_maxdiff").as_double("f64_maxdiff");
    ASSERT_EQ(found.size(), wanted.size());
    for (size_t j = 0; j < found.size(); ++j) {
      EXPECT_NEAR(found[j], wanted.at(j).as_double("embedding"), allowed)
          << "case " << i << ", component " << j;
    }
  }

 private:
  std::string source_;
  JsonDocument document_;
};

TEST_P(StaticEmbedding, AnswersAsRecordedAloneAndInBatches) {
  for (const Isa isa : all_isas()) {
    if (!detected_isas().has(isa)) continue;
    SCOPED_TRACE(isa_name(isa));
    api::ModelOptions load_options;
    load_options.isas = isas_up_to(isa_name(isa));
    const auto model = load(kRoot / GetParam(), load_options);
    EXPECT_EQ(model->task(), tasks::TaskKind::kEmbed);
    std::vector<tasks::TaskInput> together;
    for (size_t i = 0; i < cases().size(); ++i) {
      expect_row(i, model->run({{text(i)}}, options(i), 4096).at(0));
      if (!options(i).prompt_name) together.push_back({text(i)});
    }
    for (const int64_t most : {1, 64, 100000}) {
      const auto results = model->run(together, EmbedOptions{}, most);
      for (size_t i = 0; i < results.size(); ++i) expect_row(i, results[i]);
    }
  }
}

TEST_P(StaticEmbedding, ReadsTheRecordedTokens) {
  const auto model = load(kRoot / GetParam());
  for (size_t i = 0; i < cases().size(); ++i) {
    std::vector<int32_t> wanted;
    const JsonView ids = row(i).get("input_ids");
    for (size_t j = 0; j < ids.size(); ++j) {
      wanted.push_back(static_cast<int32_t>(ids.at(j).as_int("input_ids")));
    }
    if (wanted.empty()) wanted = {model->manifest().empty_text_id.value()};
    EXPECT_EQ(model->encode({text(i)}, options(i)).sequences.at(0).ids, wanted) << "case " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(All, StaticEmbedding,
                         testing::Values("today", "dense", "half", "model2vec"));

// A Router's queries by the table, with its own tokenizer and Dense, its documents by a
// transformer.
TEST(StaticRouter, RoutesQueriesAndDocumentsAsRecorded) {
  const std::string source = (kRoot / "router/golden.json.gz").string();
  const JsonDocument golden = JsonDocument::parse(test::read_gzip(source), source);
  const JsonView cases = golden.root().get("cases");
  ASSERT_EQ(cases.size(), 20U);
  for (const std::string route : {"document", "query"}) {
    const TempFolder folder;
    std::filesystem::copy(kRoot / "router", folder.path(),
                          std::filesystem::copy_options::recursive);
    std::string config = read_file(folder.path() / "router_config.json");
    const std::string_view known = "\"default_route\": \"document\"";
    config.replace(config.find(known), known.size(), "\"default_route\": \"" + route + "\"");
    folder.write("router_config.json", config);
    const auto model = load(folder.path());
    EXPECT_TRUE(model->routes_queries());
    for (size_t i = 0; i < cases.size(); ++i) {
      const JsonView row = cases.at(i);
      if (row.get("default_route").as_string("default_route") != route) continue;
      EmbedOptions options;
      if (const JsonView name = row.get("prompt_name")) {
        options.prompt_name = name.as_string("prompt_name");
      }
      const std::string text(row.get("text").as_string("text"));
      // Beside a text of the other route or the same.
      const auto found = model->run({{text}, {"another text"}}, options, 4096);
      const auto& vector = std::get<EmbedResult>(found.at(0)).embedding;
      const double allowed = 1e-5 + row.get("f64_maxdiff").as_double("f64_maxdiff");
      ASSERT_EQ(vector.size(), row.get("embedding").size());
      for (size_t j = 0; j < vector.size(); ++j) {
        EXPECT_NEAR(vector[j], row.get("embedding").at(j).as_double("embedding"), allowed)
            << route << " case " << i << ", component " << j;
      }
    }
  }
}

class RouterFolder : public testing::Test {
 protected:
  RouterFolder() {
    std::filesystem::copy(kRoot / "router", folder_.path(),
                          std::filesystem::copy_options::recursive);
  }
  void parameters(std::string_view text) {
    std::string config = read_file(folder_.path() / "router_config.json");
    const size_t at = config.find("\"parameters\"");
    folder_.write("router_config.json", cat(config.substr(0, at), "\"parameters\": ", text, "}"));
  }
  [[nodiscard]] std::vector<float> embed(const api::LoadedModel& model,
                                         std::optional<std::string> prompt) const {
    EmbedOptions options;
    options.prompt_name = std::move(prompt);
    return std::get<EmbedResult>(model.run({{"A lighthouse."}}, options, 64).front()).embedding;
  }

  TempFolder folder_;
};

TEST_F(RouterFolder, WithoutADefaultRouteNeedsAName) {
  parameters(R"({"default_route": null, "allow_empty_key": false})");
  const auto model = load(folder_.path());
  const auto usual = load(kRoot / "router");
  for (const char* name : {"query", "document"})
    EXPECT_EQ(embed(*model, name), embed(*usual, name));
  expect_error(ErrorCode::kInvalidArgument, "has no default route; name a prompt",
               [&] { (void)embed(*model, std::nullopt); });
}

TEST_F(RouterFolder, EmbedsAlone) {
  api::ModelOptions options;
  options.task = tasks::TaskKind::kFillMask;
  expect_error(ErrorCode::kUnsupported, "a Router with a StaticEmbedding is built for embed",
               [&] { (void)load(folder_.path(), options); });
  parameters(R"json({"route_mappings": {"('query', None)": "query"}})json");
  expect_error(ErrorCode::kUnsupported, "routes by other names are not built",
               [&] { (void)load(folder_.path()); });
}

class StaticFolder : public testing::Test {
 protected:
  StaticFolder() {
    std::filesystem::copy(kRoot / "today", folder_.path(),
                          std::filesystem::copy_options::recursive);
  }
  void expect(ErrorCode code, std::string_view message, const api::ModelOptions& options = {}) {
    expect_error(code, message, [&] { (void)load(folder_.path(), options); });
  }

  TempFolder folder_;
};

TEST_F(StaticFolder, EmbedsAlone) {
  api::ModelOptions options;
  options.task = tasks::TaskKind::kClassify;
  expect(ErrorCode::kUnsupported, "a StaticEmbedding has no head for sequence classification",
         options);
  options.task.reset();
  options.family = "bert";
  expect(ErrorCode::kInvalidArgument, "modules.json names a StaticEmbedding", options);
  options.family.clear();
  options.engine = "onnxruntime";
  expect(ErrorCode::kUnsupported, "runs on this program's own kernels alone", options);
}

TEST_F(StaticFolder, NeedsATokenizerThatFits) {
  const std::filesystem::path path = folder_.path() / "tokenizer.json";
  const std::string json = read_file(path);
  folder_.write("tokenizer.json", "[]");
  expect(ErrorCode::kCorruptData, "tokenizer.json: expected an object");
  std::string more = json;
  const size_t at = more.find("\"vocab\"");
  more.insert(more.find('{', at) + 1, "\"a-token-more\":260,");
  folder_.write("tokenizer.json", more);
  expect(ErrorCode::kCorruptData,
         "the tokenizer has 261 tokens, but the model a vocab_size of 260");
  std::filesystem::remove(path);
  expect(ErrorCode::kNotFound, "no tokenizer; expected tokenizer.json");
}

TEST_F(StaticFolder, IgnoresWhatLiesBesideTheTokenizer) {
  folder_.write(
      "tokenizer_config.json",
      R"({"tokenizer_class":"BertTokenizer","do_lower_case":false,"model_max_length":3})");
  folder_.write("sentence_bert_config.json", R"({"max_seq_length":2})");
  const auto model = load(folder_.path());
  EXPECT_EQ(model->manifest().max_length, 0);
  const auto plain = load(kRoot / "today");
  const tasks::TaskInput input{"The LIGHTHOUSE keeper counted 12 ships."};
  EXPECT_EQ(model->encode(input, EmbedOptions{}).sequences[0].ids,
            plain->encode(input, EmbedOptions{}).sequences[0].ids);
}

TEST_F(StaticFolder, TruncatesAsItsTokenizerSays) {
  std::string json = read_file(folder_.path() / "tokenizer.json");
  const std::string none = "\"truncation\": null";
  const size_t at = json.find(none);
  ASSERT_NE(at, json.npos);
  const auto with = [&](std::string_view block) {
    std::string text = json;
    folder_.write("tokenizer.json", text.replace(at, none.size(), cat("\"truncation\":", block)));
  };
  with(R"({"direction":"Left","max_length":3,"strategy":"OnlyFirst","stride":0})");
  const tasks::Encoded encoded =
      load(folder_.path())->encode({"lighthouse keeper"}, EmbedOptions{});
  EXPECT_TRUE(encoded.truncated);
  EXPECT_EQ(encoded.sequences[0].size(), 3);
  const tasks::Encoded whole = load(kRoot / "today")->encode({"lighthouse keeper"}, EmbedOptions{});
  EXPECT_EQ(encoded.sequences[0].ids.back(), whole.sequences[0].ids.back());
  with(R"({"direction":"Right","max_length":0,"strategy":"LongestFirst","stride":0})");
  expect(ErrorCode::kCorruptData, "truncation max_length is 0; must be from 1 to");
  with(R"({"direction":"Right","max_length":9,"strategy":"OnlySecond","stride":0})");
  expect(ErrorCode::kUnsupported, "truncation strategy \"OnlySecond\" needs pairs of texts");
}

TEST_F(StaticFolder, AnOnnxFileBesideItIsAnotherModel) {
  const TempFolder folder;
  std::filesystem::copy(kRoot / "half", folder.path(), std::filesystem::copy_options::recursive);
  folder.write("onnx/model.onnx", "no model");
  EXPECT_EQ(load(folder.path())->task(), tasks::TaskKind::kEmbed);
}

}  // namespace
}  // namespace tamis
