// The public face, used as an application does.
#include <stdlib.h>
#include <tamis/model.h>
#include <tamis/optimize.h>

#include <cmath>
#include <thread>

#include "base/json.h"
#include "model/test_util.h"

namespace tamis {
namespace {

namespace fs = std::filesystem;
using api::testdata;

Model load(const std::string& name, int threads = 2) {
  LoadOptions options;
  options.threads = threads;
  return Model::load(testdata("models/" + name).string(), options);
}

std::vector<std::string> some_texts(int count) {
  std::vector<std::string> texts;
  std::string text;
  for (int i = 0; i < count; ++i) {
    text = i % 8 == 0 ? "Text" : text + " and more";
    texts.push_back(cat(text, " ", i));
  }
  return texts;
}

TEST(Model, DoesEveryTask) {
  const Model embed = load("bert-base");
  EXPECT_EQ(embed.info().task, "embed");
  EXPECT_EQ(embed.info().family, "bert");
  const auto vectors = embed.embed({"A text.", ""});
  ASSERT_EQ(vectors.size(), 2U);
  EXPECT_EQ(static_cast<int64_t>(vectors[0].embedding.size()), embed.info().output_size);
  const Tokens tokens = embed.tokenize("A text.");
  EXPECT_EQ(tokens.ids.size(), tokens.tokens.size());
  EXPECT_EQ(tokens.ids.size(), tokens.offsets.size());

  const Model classify = load("bert-sequence-classification");
  const auto labels = classify.classify({{"One."}, {"One.", "Two."}});
  ASSERT_EQ(labels.size(), 2U);
  EXPECT_EQ(labels[0].scores.size(), classify.info().labels.size());
  EXPECT_NE(labels[0].logits, labels[1].logits);

  const RerankResult ranked = load("bert-rerank").rerank("Who?", {"Anna.", "No one.", "A table."});
  EXPECT_EQ(ranked.results.size(), 3U);
  EXPECT_GE(ranked.results[0].score, ranked.results[1].score);

  EXPECT_EQ(load("bert-token-classification").ner({"Anna.", "Lagos."}).size(), 2U);
  EXPECT_EQ(load("bert-question-answering").answer("Who?", "Anna did.").answers.size(), 1U);
  EXPECT_EQ(load("bert-masked-lm").fill_mask({"The [MASK]."}).at(0).masks.at(0).size(), 5U);
}

// As CrossEncoder.save_pretrained() lays it out since sentence-transformers 5.4.
TEST(Model, ACrossEncoderAmongModulesReranks) {
  const TempFolder folder;
  fs::copy(testdata("models/bert-rerank"), folder.path(),
           fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  folder.write("modules.json",
               R"([{"idx":0,"name":"0","path":"",)"
               R"("type":"sentence_transformers.base.modules.transformer.Transformer"}])");
  folder.write("sentence_bert_config.json",
               R"({"transformer_task":"sequence-classification","module_output_name":"scores"})");
  RerankOptions raw;
  raw.raw_scores = true;
  const std::vector<std::string> texts = {"Anna.", "No one.", "A table."};
  const RerankResult logits = load("bert-rerank").rerank("Who?", texts, raw);
  const auto scores = [&](std::string_view activation) {
    folder.write(
        "config_sentence_transformers.json",
        cat(R"({"model_type":"CrossEncoder","prompts":{},"activation_fn":")", activation, "\"}"));
    const Model model = Model::load(folder.path().string());
    EXPECT_EQ(model.info().task, "rerank");
    std::vector<float> found;
    for (const RankedText& row : model.rerank("Who?", texts).results) found.push_back(row.score);
    return found;
  };
  const std::vector<float> identity = scores("torch.nn.modules.linear.Identity");
  const std::vector<float> sigmoid = scores("torch.nn.modules.activation.Sigmoid");
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(identity[i], logits.results[i].score);
    EXPECT_NEAR(sigmoid[i], 1 / (1 + std::exp(-logits.results[i].score)), 1e-6F);
  }
}

TEST(Model, AnswersNothingForNothing) {
  EXPECT_TRUE(load("bert-base").embed({}).empty());
  EXPECT_TRUE(load("bert-token-classification").ner({}).empty());
  EXPECT_TRUE(load("bert-rerank").rerank("Who?", {}).results.empty());
}

TEST(Model, SaysWhatItCannotDo) {
  const Model embed = load("bert-base");
  expect_error(ErrorCode::kUnsupported, "", [&] { (void)embed.classify({{"a"}}); });
  expect_error(ErrorCode::kUnsupported, "", [&] { (void)embed.ner({"a"}); });
  expect_error(ErrorCode::kUnsupported, "", [&] { (void)embed.answer("a", "b"); });
  expect_error(ErrorCode::kUnsupported, "", [&] { (void)embed.fill_mask({"a [MASK]"}); });
  expect_error(ErrorCode::kUnsupported, "", [&] { (void)embed.rerank("a", {"b"}); });
  const Model ner = load("bert-token-classification");
  expect_error(ErrorCode::kUnsupported, "", [&] { (void)ner.embed({"a"}); });
  expect_error(ErrorCode::kUnsupported, "", [&] { (void)ner.answer("a", "b"); });
  const Model classify = load("bert-sequence-classification");
  expect_error(ErrorCode::kUnsupported, "", [&] { (void)classify.embed({"a"}); });
  expect_error(ErrorCode::kInvalidArgument, "UTF-8", [&] { (void)embed.embed({"\xff"}); });
}

TEST(Model, SaysWhatItCannotLoad) {
  expect_error(ErrorCode::kNotFound, "no such folder", [] { (void)Model::load("/no/such"); });
  expect_error(ErrorCode::kInvalidArgument, "empty", [] { (void)Model::load(""); });
  LoadOptions options;
  options.task = "divine";
  expect_error(ErrorCode::kInvalidArgument, "known are",
               [&] { (void)Model::load(testdata("models/bert-base").string(), options); });
  options = {};
  options.threads = 5000;
  expect_error(ErrorCode::kInvalidArgument, "threads",
               [&] { (void)Model::load(testdata("models/bert-base").string(), options); });
}

TEST(Model, MakesABundleThatAnswersAlike) {
  const TempFolder folder;
  OptimizeOptions options;
  options.load.precision = "fp32";
  options.load.threads = 2;
  const std::string bundle = (folder.path() / "bundle").string();
  options.seconds = 0.05;
  std::vector<std::string> stages;
  options.progress = [&](std::string_view stage, double fraction) {
    EXPECT_TRUE(fraction >= 0 && fraction <= 1);
    stages.emplace_back(stage);
    return true;
  };
  const OptimizeReport report = optimize(testdata("models/bert-base").string(), bundle, options);
  EXPECT_TRUE(JsonDocument::parse(report.json, "report").root().is_object());
  EXPECT_EQ(report.precision, "fp32");
  EXPECT_TRUE(report.succeeded);
  EXPECT_FALSE(report.shapes.empty());
  EXPECT_FALSE(stages.empty());
  const auto expected = load("bert-base").embed({"A text."});
  EXPECT_EQ(Model::load(bundle).embed({"A text."})[0].embedding, expected[0].embedding);
  expect_error(ErrorCode::kInvalidArgument, "exists already",
               [&] { (void)optimize(testdata("models/bert-base").string(), bundle, options); });
  expect_error(ErrorCode::kUnsupported, "is a bundle already",
               [&] { (void)optimize(bundle, (folder.path() / "other").string(), options); });
}

TEST(Model, QuantizesWithinABudgetAndSaysHow) {
  const TempFolder folder;
  OptimizeOptions options;
  options.budget = "flips=100%";
  options.seconds = 0.05;
  for (const std::string& text : some_texts(40)) options.calibration.push_back({text});
  const std::string bundle = (folder.path() / "bundle").string();
  const std::string model = testdata("models/bert-sequence-classification").string();
  const OptimizeReport report = optimize(model, bundle, options);
  EXPECT_EQ(report.budget, "flips <= 100 %");
  ASSERT_LT(report.chosen, report.plans.size());
  EXPECT_EQ(report.held_out, 20);
  EXPECT_FALSE(report.quantizers.empty());
  EXPECT_NE(report.text.find("budget"), std::string::npos);

  options.force = true;
  options.progress = [](std::string_view, double fraction) { return fraction < 0.5; };
  const Model before = Model::load(bundle);
  expect_error(ErrorCode::kCancelled, "cancelled", [&] { (void)optimize(model, bundle, options); });
  EXPECT_EQ(before.classify({{"A text."}})[0].logits,
            Model::load(bundle).classify({{"A text."}})[0].logits);
  options.progress = {};
  options.calibration_file = "texts.txt";
  expect_error(ErrorCode::kInvalidArgument, "give one",
               [&] { (void)optimize(model, bundle, options); });
  options.calibration_file.clear();
  options.budget = "luck=1";
  expect_error(ErrorCode::kInvalidArgument, "budget",
               [&] { (void)optimize(model, bundle, options); });
}

TEST(Model, GivesVectorsAsOneMatrix) {
  const Model model = load("bert-base");
  const auto texts = some_texts(5);
  const Matrix matrix = model.embed_matrix(texts);
  const auto results = model.embed(texts);
  ASSERT_EQ(matrix.rows, 5);
  ASSERT_EQ(matrix.columns, model.info().output_size);
  for (int64_t i = 0; i < matrix.rows; ++i) {
    const std::vector<float> row(matrix.row(i), matrix.row(i) + matrix.columns);
    EXPECT_EQ(row, results[static_cast<size_t>(i)].embedding);
  }
  EmbedOptions options;
  options.dimensions = 3;
  EXPECT_EQ(model.embed_matrix(texts, options).columns, 3);
  std::vector<float> out(14);
  expect_error(ErrorCode::kInvalidArgument, "room for 14",
               [&] { model.embed_into(texts, options, out.data(), out.size()); });
  EXPECT_EQ(model.embed_matrix({}).rows, 0);
}

TEST(Model, RunsTokenIds) {
  const Model classifier = load("bert-sequence-classification");
  const Tokens tokens = classifier.tokenize("A text.");
  const Matrix logits = classifier.run({{tokens.ids}, {tokens.ids, {}}});
  EXPECT_EQ(logits.rows, 2);
  EXPECT_EQ(std::vector<float>(logits.row(1), logits.row(1) + logits.columns),
            classifier.classify({{"A text."}})[0].logits);
  const Matrix rows = load("bert-token-classification").run({{{2, 5, 3}}, {{2, 3}}});
  EXPECT_EQ(rows.rows, 5);
  EXPECT_EQ(classifier.run({}).rows, 0);
  EXPECT_EQ(classifier.run({}).columns, 3);
  const auto refused = [&](const TokenIds& ids, const char* message) {
    expect_error(ErrorCode::kInvalidArgument, message, [&] {
      (void)classifier.run({{tokens.ids}, ids});
    });
  };
  refused({{}}, "input 1, counted from 0: 0 ids");
  refused({{1, 1 << 30}}, "vocabulary");
  refused({{-1}}, "vocabulary");
  refused({{1, 2}, {0}}, "1 type ids for 2 ids");
  refused({{1, 2}, {0, 9}}, "type id 9");
  refused({std::vector<int32_t>(5000, 1)}, "5000 ids");
}

// What cuts an answer does not cut what the model itself gives.
TEST(Model, RunsTokenIdsOfAModelWhoseVectorsAreCut) {
  const TempFolder folder;
  fs::copy(testdata("models/bert-base"), folder.path(),
           fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  folder.write(
      "modules.json",
      R"([{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},)"
      R"({"idx":1,"name":"1","path":"p","type":"sentence_transformers.models.Pooling"}])");
  fs::create_directory(folder.path() / "p");
  folder.write("p/config.json", R"({"pooling_mode":"mean"})");
  folder.write("config_sentence_transformers.json",
               R"({"truncate_dim":5,"similarity_fn_name":"dot"})");
  const Model model = Model::load(folder.path().string());
  const std::vector<TokenIds> ids = {{model.tokenize("A text.").ids}, {{2, 5, 3}}};
  const Matrix whole = load("bert-base").run(ids);
  const Matrix rows = model.run(ids);
  EXPECT_EQ(rows.rows, 2);
  EXPECT_EQ(rows.columns, 32);
  EXPECT_EQ(rows.values, whole.values);
  EXPECT_EQ(model.info().output_size, 5);
  EXPECT_EQ(model.embed_matrix({"A text."}).columns, 5);
  EXPECT_EQ(model.info().similarity, "dot");
  EXPECT_EQ(load("bert-base").info().similarity, "");
}

TEST(Model, SortsByLabelsItNeverSaw) {
  const TempFolder folder;
  fs::copy(testdata("models/bert-sequence-classification"), folder.path(),
           fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  std::string config = read_file(folder.path() / "config.json");
  for (const std::string name : {"\"negative\"", "\"neutral\""}) {
    for (size_t at = config.find(name); at != std::string::npos; at = config.find(name)) {
      config.replace(at, name.size(),
                     name == "\"negative\"" ? "\"entailment\"" : "\"contradiction\"");
    }
  }
  folder.write("config.json", config);
  const Model model = Model::load(folder.path().string());
  const auto results = model.zero_shot({"A goal in the last minute."}, {"sports", "cooking"});
  ASSERT_EQ(results.size(), 1U);
  ASSERT_EQ(results[0].scores.size(), 2U);
  EXPECT_NEAR(results[0].scores[0].score + results[0].scores[1].score, 1, 1e-5);
}

// Run under ThreadSanitizer by `make tsan`.
TEST(Model, AnswersManyThreadsAtOnce) {
  const Model model = load("bert-base");
  const auto texts = some_texts(40);
  std::vector<std::vector<float>> expected;
  for (const EmbedResult& result : model.embed(texts)) expected.push_back(result.embedding);
  constexpr size_t kThreads = 4;
  std::vector<int> different(kThreads, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 5; ++round) {
        // Another part of the texts each time, so that batches differ.
        const auto begin = static_cast<std::ptrdiff_t>((t * 5 + static_cast<size_t>(round)) % 20);
        const auto results = model.embed({texts.begin() + begin, texts.end()});
        for (size_t i = 0; i < results.size(); ++i) {
          const auto& wanted = expected[static_cast<size_t>(begin) + i];
          different[t] += results[i].embedding == wanted ? 0 : 1;
        }
        different[t] += model.tokenize(texts[t]).ids.empty() ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(different, std::vector<int>(kThreads, 0));
}

TEST(Model, LoadsInManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  std::vector<std::vector<float>> found(4);
  for (size_t t = 0; t < found.size(); ++t) {
    threads.emplace_back(
        [&found, t] { found[t] = load("bert-base", 1).embed({"A text."})[0].embedding; });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& embedding : found) EXPECT_EQ(embedding, found[0]);
}

/// A Hugging Face cache with one model in it.
class HubCache : public testing::Test {
 protected:
  void SetUp() override {
    const fs::path model = folder_.path() / "models--tiny--bert";
    fs::create_directories(model / "snapshots");
    fs::create_directory_symlink(testdata("models/bert-base"), model / "snapshots" / "abc123");
    (void)folder_.write("models--tiny--bert/refs/main", "abc123\n");
    ::setenv("HF_HUB_CACHE", folder_.path().c_str(), 1);
    ::setenv("HF_HUB_OFFLINE", "1", 1);
  }
  void TearDown() override {
    ::unsetenv("HF_HUB_CACHE");
    ::unsetenv("HF_HUB_OFFLINE");
  }

  TempFolder folder_;
};

TEST_F(HubCache, ResolvesAnId) {
  EXPECT_EQ(Model::load("tiny/bert").embed({"A text."})[0].embedding,
            load("bert-base").embed({"A text."})[0].embedding);
}

TEST_F(HubCache, SaysWhatIsNotThere) {
  expect_error(ErrorCode::kNotFound, "nothing is downloaded",
               [] { (void)Model::load("tiny/other"); });
  expect_error(ErrorCode::kNotFound, "no such folder", [] { (void)Model::load("a/b/c"); });
  fs::remove(folder_.path() / "models--tiny--bert" / "snapshots" / "abc123");
  expect_error(ErrorCode::kNotFound, "no such folder", [] { (void)Model::load("tiny/bert"); });
}

TEST_F(HubCache, RefusesARefThatLeavesTheCache) {
  (void)folder_.write("models--tiny--bert/refs/main", "../../elsewhere");
  expect_error(ErrorCode::kCorruptData, "leaves", [] { (void)Model::load("tiny/bert"); });
}

TEST_F(HubCache, FollowsHfHome) {
  ::unsetenv("HF_HUB_CACHE");
  const TempFolder home;
  fs::create_directory_symlink(folder_.path(), home.path() / "hub");
  ::setenv("HF_HOME", home.path().c_str(), 1);
  EXPECT_EQ(api::resolve_model("tiny/bert").kind, api::ModelKind::kCheckpoint);
  ::unsetenv("HF_HOME");
}

}  // namespace
}  // namespace tamis
