#include "optimize/evaluate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "model/model_path.h"
#include "model/test_util.h"

namespace tamis::api {
namespace {

std::shared_ptr<const LoadedModel> load(const std::string& name,
                                        std::optional<tasks::TaskKind> task = {}) {
  ModelOptions options;
  options.pool = std::make_shared<ThreadPool>(1);
  options.task = task;
  return LoadedModel::load(resolve_model(TAMIS_TESTDATA "/models/" + name), options);
}

Evaluation run(const LoadedModel& model, std::string_view jsonl,
               const LoadedModel* other = nullptr) {
  const auto rows = parse_text_data(jsonl, TextFormat::kJsonl, "rows.jsonl");
  return evaluate(model, other, rows, {"rows.jsonl", 64, {}});
}

std::string refusal(const LoadedModel& model, std::string_view jsonl,
                    const LoadedModel* other = nullptr) {
  try {
    (void)run(model, jsonl, other);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "";
}

std::string best_label(const LoadedModel& model, const std::string& text) {
  const auto results = model.run({{text}}, tasks::ClassifyOptions{}, 64);
  return std::get<tasks::ClassifyResult>(results[0]).scores[0].label;
}

constexpr const char* kTexts[] = {"A fine film.", "It rained on us.", "No."};

TEST(Evaluate, CountsRightLabelsByNameAndByIndex) {
  const auto model = load("bert-sequence-classification");
  const std::vector<std::string>& names = model->manifest().labels;
  std::string right;
  std::string one_wrong;
  for (const char* text : kTexts) {
    const std::string name = best_label(*model, text);
    const auto index = std::find(names.begin(), names.end(), name) - names.begin();
    right += cat(R"({"text":")", text, R"(","label":")", name, "\"}\n");
    const bool wrong = text == kTexts[2];
    one_wrong +=
        cat(R"({"text":")", text, R"(","label":)",
            wrong ? (static_cast<size_t>(index) + 1) % names.size() : static_cast<size_t>(index),
            "}\n");
  }
  EXPECT_EQ(run(*model, right).accuracy, 1);
  EXPECT_EQ(run(*model, right).macro_f1, 1);
  EXPECT_DOUBLE_EQ(*run(*model, one_wrong).accuracy, 2.0 / 3);
  EXPECT_LT(*run(*model, one_wrong).macro_f1, 1);
}

TEST(Evaluate, CountsSetsOfLabels) {
  const auto model = load("bert-multi-label");
  const auto results = model->run({{kTexts[0]}}, tasks::ClassifyOptions{}, 64);
  const auto& result = std::get<tasks::ClassifyResult>(results[0]);
  std::string held;
  for (const LabelScore& row : result.scores) {
    if (row.score > 0.5F) held += cat(held.empty() ? "" : ",", json_quote(row.label));
  }
  const std::string row = cat(R"({"text":")", kTexts[0], R"(","label":[)");
  // A set that is not empty, whatever the model finds.
  const std::string all = json_quote(model->manifest().labels[0]);
  const Evaluation right = run(*model, cat(row, held.empty() ? all : held, "]}"));
  EXPECT_EQ(right.accuracy, held.empty() ? 0 : 1);
  EXPECT_EQ(refusal(*model, row + "\"no such\"]}").substr(0, 30),
            "rows.jsonl:1: label \"no such\" ");
}

TEST(Evaluate, NamesLineOfWhatIsWrong) {
  const auto model = load("bert-sequence-classification");
  const std::string bad =
      refusal(*model, "{\"text\":\"a\",\"label\":0}\n{\"text\":\"b\",\"label\":99}");
  EXPECT_NE(bad.find("rows.jsonl:2: label \"99\" is none of this model's; accepted are "),
            std::string::npos)
      << bad;
  EXPECT_EQ(refusal(*model, "{\"text\":\"a\",\"label\":0}\n{\"text\":\"b\"}"),
            "rows.jsonl:2: has no label, though other rows have");
  EXPECT_EQ(refusal(*model, "{\"question\":\"a\",\"context\":\"b\",\"label\":0}"),
            "rows.jsonl:1: classify needs a text");
  EXPECT_NE(refusal(*model, "{\"text\":\"a\"}").find("--against OTHER"), std::string::npos);
  const auto ner = load("bert-token-classification");
  EXPECT_NE(refusal(*ner, R"({"tokens":["a"],"tags":["B-DISH"]})").find("tag \"B-DISH\" is of no"),
            std::string::npos);
  EXPECT_NE(refusal(*model, "{\"text\":\"a\"}", ner.get()).find("both must do the same task"),
            std::string::npos);
}

TEST(Evaluate, AgreesWithItself) {
  for (const char* name : {"bert-sequence-classification", "bert-multi-label",
                           "bert-token-classification", "bert-base", "bert-rerank"}) {
    SCOPED_TRACE(name);
    const auto model = load(name);
    const auto other = load(name);
    const bool pairs = model->task() == tasks::TaskKind::kRerank;
    std::string rows;
    for (const char* text : kTexts) {
      rows += cat("{\"text\":\"", text, pairs ? "\",\"text_pair\":\"A pair." : "", "\"}\n");
    }
    const Evaluation result = run(*model, rows, other.get());
    ASSERT_TRUE(result.against);
    if (model->task() == tasks::TaskKind::kEmbed) {
      EXPECT_FALSE(result.against->flips);
      EXPECT_NEAR(*result.against->cosine_median, 1, 1e-12);
      EXPECT_NEAR(*result.against->cosine_p01, 1, 1e-12);
    } else {
      EXPECT_EQ(result.against->flip_share(), 0);
      EXPECT_NEAR(*result.against->kl, 0, 1e-12);
      EXPECT_GT(*result.against->flips_upper_95(), 0);
      EXPECT_FALSE(result.against->cosine_median);
    }
  }
}

TEST(Evaluate, SeesThatAnotherModelDiffers) {
  const auto model = load("bert-sequence-classification");
  const auto other = load("electra-sequence-classification");
  std::string rows;
  for (int i = 0; i < 40; ++i) rows += cat("{\"text\":\"Text number ", i, " of many.\"}\n");
  const Evaluation result = run(*model, rows, other.get());
  EXPECT_GT(*result.against->kl, 0);
  const Evaluation back = run(*other, rows, model.get());
  EXPECT_EQ(back.against->flips, result.against->flips);
  EXPECT_NE(*back.against->kl, *result.against->kl);
}

TEST(Evaluate, FindsTheEntitiesItFinds) {
  const auto model = load("bert-token-classification");
  const std::string text = "Maria Keller works for Northwind Bank in Zurich .";
  tasks::NerOptions options;
  options.aggregation = tasks::Aggregation::kFirst;
  const auto results = model->run({{text}}, options, 64);
  std::string entities;
  for (const Entity& entity : std::get<NerResult>(results[0]).entities) {
    entities += cat(entities.empty() ? "" : ",", R"({"start":)", entity.start, R"(,"end":)",
                    entity.end, R"(,"label":")", entity.label, "\"}");
  }
  ASSERT_FALSE(entities.empty());
  const std::string row = cat(R"({"text":")", text, R"(","entities":[)", entities);
  EXPECT_EQ(run(*model, row + "]}").entity_f1, 1);
  const double missed = *run(*model, cat(row, R"(,{"start":0,"end":1,"label":"PER"}]})")).entity_f1;
  EXPECT_LT(missed, 1);
  EXPECT_GT(missed, 0);
  // The same by words and tags: all "O" finds nothing.
  const Evaluation tags = run(*model, R"({"tokens":["Maria","Keller"],"tags":["O","O"]})");
  EXPECT_EQ(tags.entity_f1, 0);
}

TEST(Evaluate, ScoresAnswers) {
  const auto model = load("bert-question-answering");
  const auto results =
      model->run({{"Who wrote it?", "Ada Lovelace wrote it in London."}}, tasks::QaOptions{}, 64);
  const std::string answer = std::get<QaResult>(results[0]).answers.at(0).answer;
  const std::string row =
      R"({"question":"Who wrote it?","context":"Ada Lovelace wrote it in London.","answers":[)";
  const Evaluation right = run(*model, cat(row, json_quote(answer), "]}"), model.get());
  EXPECT_EQ(right.exact_match, 1);
  EXPECT_EQ(right.answer_f1, 1);
  EXPECT_EQ(right.against->flip_share(), 0);
  EXPECT_NEAR(*right.against->kl, 0, 1e-12);
  EXPECT_EQ(run(*model, row + "\"zebra\"]}").exact_match, 0);
}

TEST(Evaluate, RanksPairsByCosineOrLogit) {
  const auto embed = load("bert-base");
  const std::string rows =
      "{\"text\":\"a b\",\"text_pair\":\"a b\",\"score\":5}\n"
      "{\"text\":\"a b\",\"text_pair\":\"Zurich is far.\",\"score\":1}";
  // A text and itself have the greatest cosine there is.
  EXPECT_NEAR(*run(*embed, rows).spearman, 1, 1e-12);
  const auto rerank = load("bert-rerank");
  EXPECT_NEAR(std::abs(*run(*rerank, rows).spearman), 1, 1e-12);
  const auto regression = load("bert-regression");
  EXPECT_NEAR(std::abs(*run(*regression, rows).spearman), 1, 1e-12);
  EXPECT_FALSE(run(*regression, rows, regression.get()).against->flips);
}

TEST(Evaluate, BoundsOfFewTextsBoundNothing) {
  const auto embed = load("bert-base");
  std::string rows;
  for (int i = 0; i < 4; ++i) rows += cat("{\"text\":\"Text number ", i, ".\"}\n");
  EXPECT_EQ(run(*embed, rows, embed.get()).against->cosine_lower_95,
            -std::numeric_limits<double>::infinity());
  rows += "{\"text\":\"One more.\"}\n";
  EXPECT_NEAR(*run(*embed, rows, embed.get()).against->cosine_lower_95, 1, 1e-12);
  const auto classify = load("bert-sequence-classification");
  const std::string one = "{\"text\":\"One.\"}\n";
  EXPECT_EQ(run(*classify, one, classify.get()).against->kl_upper_95,
            std::numeric_limits<double>::infinity());
  EXPECT_NEAR(*run(*classify, rows, classify.get()).against->kl_upper_95, 0, 1e-12);
}

TEST(Evaluate, WritesOnlyTheKeysThatApply) {
  const auto model = load("bert-base");
  EXPECT_EQ(evaluation_json(run(*model, "")), "{\"n\":0}");
  const std::string json =
      evaluation_json(run(*model, "{\"text\":\"a b\"}\n{\"text\":\"c\"}", model.get()));
  const JsonDocument document = JsonDocument::parse(json, "eval");
  EXPECT_EQ(document.root().size(), 2U);
  const JsonView against = document.root().get("against");
  for (const char* key :
       {"compared", "cosine_median", "cosine_lower_95", "cosine_p01", "divergence"}) {
    EXPECT_TRUE(against.get(key).exists()) << key << json;
  }
  EXPECT_EQ(against.size(), 5U) << json;
}

TEST(Evaluate, FlagsRowsThatWereCut) {
  const auto model = load("bert-base");
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "word ";
  const Evaluation result =
      run(*model, cat("{\"text\":\"", text, "\"}\n{\"text\":\"short\"}"), model.get());
  EXPECT_EQ(result.truncated, 1);
}

// Pooled so that a longer text has a longer vector, whose product is the greater one, and its angle
// the wider one.
TEST(Evaluate, RanksPairsAsTheFolderSays) {
  const TempFolder folder;
  std::filesystem::copy(testdata("models/bert-base"), folder.path());
  folder.write(
      "modules.json",
      R"([{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},)"
      R"({"idx":1,"name":"1","path":"p","type":"sentence_transformers.models.Pooling"}])");
  std::filesystem::create_directory(folder.path() / "p");
  folder.write("p/config.json", R"({"pooling_mode":"mean_sqrt_len_tokens"})");
  const auto correlation = [&folder](const std::string& name) {
    folder.write("config_sentence_transformers.json",
                 cat(R"({"similarity_fn_name":")", name, "\"}"));
    ModelOptions options;
    options.pool = std::make_shared<ThreadPool>(1);
    const auto model = LoadedModel::load(resolve_model(folder.path().string()), options);
    return *run(*model, R"({"text":"a b","text_pair":"a b","score":2})"
                        "\n"
                        R"({"text":"a b","text_pair":"It rained on us in Zurich, a b.","score":1})")
                .spearman;
  };
  EXPECT_NEAR(correlation("cosine"), 1, 1e-12);
  EXPECT_NEAR(correlation("euclidean"), 1, 1e-12);
  EXPECT_NEAR(correlation("manhattan"), 1, 1e-12);
  EXPECT_NEAR(correlation("dot"), -1, 1e-12);
  EXPECT_THROW(correlation("chebyshev"), Error);
}

// Words of a longer text are more and heavier: its product with its like is the greater one, though
// the shorter ones are the same.
TEST(Evaluate, RanksSparsePairsAsTheFolderSays) {
  const TempFolder folder;
  std::filesystem::copy(testdata("retrieval/splade"), folder.path(),
                        std::filesystem::copy_options::recursive);
  const std::filesystem::path config = folder.path() / "config_sentence_transformers.json";
  const std::string original = read_file(config);
  const std::string named = R"("similarity_fn_name": "dot")";
  ASSERT_NE(original.find(named), std::string::npos);
  const auto correlation = [&](const std::string& name) {
    std::string json = original;
    json.replace(json.find(named), named.size(), cat(R"("similarity_fn_name": )", name));
    std::filesystem::remove(config);
    write_file(config, json);
    ModelOptions options;
    options.pool = std::make_shared<ThreadPool>(1);
    const auto model = LoadedModel::load(resolve_model(folder.path().string()), options);
    EXPECT_EQ(model->task(), tasks::TaskKind::kEmbedSparse);
    return *run(*model, R"({"text":"rain","text_pair":"rain","score":2})"
                        "\n"
                        R"({"text":"It rained on us in Zurich.",)"
                        R"("text_pair":"It rained on us in Zurich, a b.","score":1})")
                .spearman;
  };
  EXPECT_NEAR(correlation("\"cosine\""), 1, 1e-12);
  EXPECT_NEAR(correlation("\"euclidean\""), 1, 1e-12);
  EXPECT_NEAR(correlation("\"manhattan\""), 1, 1e-12);
  EXPECT_NEAR(correlation("\"dot\""), -1, 1e-12);
  EXPECT_NEAR(correlation("null"), -1, 1e-12) << "what sparse encoders have where none is named";
  EXPECT_THROW(correlation("\"chebyshev\""), Error);
}

}  // namespace
}  // namespace tamis::api
