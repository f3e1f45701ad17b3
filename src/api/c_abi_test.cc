// The C face, used as a C program does.
#include <gtest/gtest.h>
#include <tamis/model.h>
#include <tamis/tamis.h>

#include <cstring>
#include <string>
#include <vector>

#include "model/test_util.h"

namespace tamis::api {
namespace {

/// A model of testdata that is freed.
class Loaded {
 public:
  explicit Loaded(const std::string& name) : Loaded("models/" + name, nullptr) {}
  Loaded(const std::string& path, const char* task) {
    tamis_load_options options;
    tamis_load_options_init(&options);
    options.threads = 2;
    options.task = task;
    EXPECT_EQ(tamis_model_load(testdata(path).c_str(), &options, &model_), TAMIS_OK)
        << tamis_last_error();
  }
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;
  ~Loaded() { tamis_model_free(model_); }
  [[nodiscard]] const tamis_model* get() const { return model_; }

 private:
  tamis_model* model_ = nullptr;
};

/// Results that are freed.
struct Results {
  Results() = default;
  Results(const Results&) = delete;
  Results& operator=(const Results&) = delete;
  ~Results() { tamis_results_free(results); }
  tamis_results* results = nullptr;
};

tamis_string text_of(const char* text) { return {text, std::strlen(text)}; }

TEST(CAbi, SaysItsVersion) {
  EXPECT_EQ(tamis_abi_version(), TAMIS_ABI_VERSION);
  EXPECT_STRNE(tamis_version(), "");
}

TEST(CAbi, EmbedsAsTheCppFaceDoes) {
  const Loaded model("bert-base");
  int64_t width = 0;
  ASSERT_EQ(tamis_embedding_size(model.get(), nullptr, &width), TAMIS_OK);
  const tamis_string texts[] = {text_of("A text."), {"with\0zero", 9}, {nullptr, 0}};
  std::vector<float> out(static_cast<size_t>(3 * width));
  ASSERT_EQ(tamis_embed(model.get(), texts, 3, nullptr, out.data(), out.size()), TAMIS_OK)
      << tamis_last_error();
  const Model same = Model::load(testdata("models/bert-base").string());
  EXPECT_EQ(out, same.embed_matrix({"A text.", std::string("with\0zero", 9), ""}).values);
  EXPECT_EQ(tamis_embed(model.get(), texts, 3, nullptr, out.data(), 1), TAMIS_INVALID_ARGUMENT);
  EXPECT_NE(std::string(tamis_last_error()).find("room for 1"), std::string::npos);
  tamis_embed_options options;
  tamis_embed_options_init(&options);
  options.dimensions = -4;
  EXPECT_EQ(tamis_embedding_size(model.get(), &options, &width), TAMIS_INVALID_ARGUMENT);
}

TEST(CAbi, RefusesOptionsAndCountsThatAreNone) {
  tamis_load_options_init(nullptr);
  tamis_embed_options_init(nullptr);
  tamis_ner_options_init(nullptr);
  tamis_qa_options_init(nullptr);
  tamis_fill_mask_options_init(nullptr);
  tamis_optimize_options_init(nullptr);
  const Loaded model("bert-base");
  tamis_embed_options options;
  tamis_embed_options_init(&options);
  options.normalize = 7;
  int64_t width = 0;
  EXPECT_EQ(tamis_embedding_size(model.get(), &options, &width), TAMIS_INVALID_ARGUMENT);
  const tamis_string text = text_of("a");
  float out = 0;
  EXPECT_EQ(tamis_embed(model.get(), &text, SIZE_MAX, nullptr, &out, 1), TAMIS_INVALID_ARGUMENT);
  EXPECT_NE(std::string(tamis_last_error()).find("no memory holds"), std::string::npos);
  const tamis_string endless = {text.data, SIZE_MAX};
  EXPECT_EQ(tamis_embed(model.get(), &endless, 1, nullptr, &out, 1), TAMIS_INVALID_ARGUMENT);
  Results results;
  const int32_t id = 1;
  const tamis_ids ids = {&id, nullptr, SIZE_MAX};
  EXPECT_EQ(tamis_run(model.get(), &ids, 1, &results.results), TAMIS_INVALID_ARGUMENT);
}

TEST(CAbi, ScoresPairsAsItRanksThem) {
  const Loaded model("bert-rerank");
  const tamis_string texts[] = {text_of("Anna."), text_of("A table.")};
  const tamis_input pairs[] = {
      {text_of("Who?"), texts[0]}, {text_of("What?"), texts[1]}, {text_of("Who?"), texts[1]}};
  float scores[3] = {};
  ASSERT_EQ(tamis_score(model.get(), pairs, 3, nullptr, scores, 3), TAMIS_OK) << tamis_last_error();
  Results results;
  ASSERT_EQ(tamis_rerank(model.get(), pairs[0].text, texts, 2, nullptr, &results.results),
            TAMIS_OK);
  const tamis_ranked_text* ranked = nullptr;
  size_t count = 0;
  ASSERT_EQ(tamis_results_ranked(results.results, &ranked, &count), TAMIS_OK);
  ASSERT_EQ(count, 2U);
  for (size_t i = 0; i < count; ++i) EXPECT_EQ(ranked[i].score, scores[2 * ranked[i].index]);
  EXPECT_EQ(tamis_score(model.get(), pairs, 3, nullptr, scores, 2), TAMIS_INVALID_ARGUMENT);
  const tamis_input alone = {texts[0], {nullptr, 0}};
  EXPECT_EQ(tamis_score(model.get(), &alone, 1, nullptr, scores, 1), TAMIS_INVALID_ARGUMENT);
  tamis_rerank_options options;
  tamis_rerank_options_init(&options);
  options.top_k = 1;
  EXPECT_EQ(tamis_score(model.get(), pairs, 3, &options, scores, 3), TAMIS_INVALID_ARGUMENT);
  const Loaded embedder("bert-base");
  EXPECT_EQ(tamis_score(embedder.get(), pairs, 3, nullptr, scores, 3), TAMIS_UNSUPPORTED);
}

TEST(CAbi, EmbedsInThreeWays) {
  const Loaded model("retrieval/bge-m3", "embed-all");
  const tamis_string texts[] = {text_of("A lighthouse."), text_of("Rain.")};
  Results all;
  ASSERT_EQ(tamis_embed_all(model.get(), texts, 2, nullptr, &all.results), TAMIS_OK)
      << tamis_last_error();
  LoadOptions options;
  options.task = "embed-all";
  const Model same = Model::load(testdata("retrieval/bge-m3").string(), options);
  const std::vector<EmbedAllResult> wanted = same.embed_all({"A lighthouse.", "Rain."});
  for (size_t i = 0; i < 2; ++i) {
    const float* values = nullptr;
    size_t count = 0;
    ASSERT_EQ(tamis_results_embedding(all.results, i, &values, &count), TAMIS_OK);
    EXPECT_EQ(std::vector<float>(values, values + count), wanted[i].embedding);
    const tamis_sparse_weight* weights = nullptr;
    ASSERT_EQ(tamis_results_sparse(all.results, i, &weights, &count), TAMIS_OK);
    ASSERT_EQ(count, wanted[i].sparse.weights.size());
    ASSERT_GT(count, 0U);
    EXPECT_EQ(std::string(weights[0].token.data, weights[0].token.size),
              wanted[i].sparse.weights[0].token);
    EXPECT_EQ(weights[0].id, wanted[i].sparse.weights[0].id);
    EXPECT_EQ(weights[0].weight, wanted[i].sparse.weights[0].weight);
    const int32_t* ids = nullptr;
    size_t columns = 0;
    ASSERT_EQ(tamis_results_vectors(all.results, i, &values, &ids, &count, &columns), TAMIS_OK);
    EXPECT_EQ(std::vector<int32_t>(ids, ids + count), wanted[i].multi.token_ids);
    EXPECT_EQ(std::vector<float>(values, values + count * columns), wanted[i].multi.vectors);
  }
}

TEST(CAbi, EmbedsInOneOfTheWays) {
  const Loaded model("retrieval/bge-m3", "embed-all");
  const tamis_string text = text_of("A lighthouse.");
  tamis_embed_sparse_options options;
  tamis_embed_sparse_options_init(&options);
  options.top_k = 1;
  Results sparse;
  ASSERT_EQ(tamis_embed_sparse(model.get(), &text, 1, &options, &sparse.results), TAMIS_OK);
  const tamis_sparse_weight* weights = nullptr;
  size_t count = 0;
  ASSERT_EQ(tamis_results_sparse(sparse.results, 0, &weights, &count), TAMIS_OK);
  EXPECT_EQ(count, 1U);
  const float* values = nullptr;
  EXPECT_EQ(tamis_results_embedding(sparse.results, 0, &values, &count), TAMIS_INVALID_ARGUMENT);
  Results vectors;
  ASSERT_EQ(tamis_embed_multi(model.get(), &text, 1, nullptr, &vectors.results), TAMIS_OK);
  EXPECT_EQ(tamis_results_sparse(vectors.results, 0, &weights, &count), TAMIS_INVALID_ARGUMENT);
  const Loaded dense("bert-base");
  EXPECT_EQ(tamis_embed_multi(dense.get(), &text, 1, nullptr, &vectors.results), TAMIS_UNSUPPORTED);
}

TEST(CAbi, ToleratesOlderAndNewerStructs) {
  const Loaded model("bert-base");
  tamis_embed_options options;
  tamis_embed_options_init(&options);
  options.struct_size = offsetof(tamis_embed_options, prompt_name);
  options.dimensions = 3;
  options.prompt_name = "not read";
  int64_t width = 0;
  EXPECT_EQ(tamis_embedding_size(model.get(), &options, &width), TAMIS_OK);
  EXPECT_EQ(width, 3);
  options.struct_size = 0;
  EXPECT_EQ(tamis_embedding_size(model.get(), &options, &width), TAMIS_INVALID_ARGUMENT);
  tamis_model_info info = {};
  EXPECT_EQ(tamis_model_get_info(model.get(), &info), TAMIS_INVALID_ARGUMENT);
  info.struct_size = offsetof(tamis_model_info, task);
  EXPECT_EQ(tamis_model_get_info(model.get(), &info), TAMIS_OK);
  EXPECT_STREQ(info.family, "bert");
  EXPECT_EQ(info.task, nullptr);
}

TEST(CAbi, Labels) {
  size_t count = 0;
  {
    const Loaded model("bert-sequence-classification");
    const tamis_input inputs[] = {{text_of("One."), {nullptr, 0}},
                                  {text_of("One."), text_of("Two.")}};
    Results results;
    ASSERT_EQ(tamis_classify(model.get(), inputs, 2, nullptr, &results.results), TAMIS_OK);
    EXPECT_EQ(tamis_results_count(results.results), 2U);
    const tamis_label_score* labels = nullptr;
    ASSERT_EQ(tamis_results_labels(results.results, 1, &labels, &count), TAMIS_OK);
    ASSERT_GE(count, 1U);
    EXPECT_EQ(labels[0].label.data[labels[0].label.size], '\0');
    const float* logits = nullptr;
    EXPECT_EQ(tamis_results_logits(results.results, 0, &logits, &count), TAMIS_OK);
    EXPECT_EQ(tamis_results_labels(results.results, 2, &labels, &count), TAMIS_INVALID_ARGUMENT);
    const tamis_entity* entities = nullptr;
    EXPECT_EQ(tamis_results_entities(results.results, 0, &entities, &count),
              TAMIS_INVALID_ARGUMENT);
  }
  {
    const Loaded model("bert-rerank");
    const tamis_string texts[] = {text_of("Anna."), text_of("A table.")};
    Results results;
    ASSERT_EQ(tamis_rerank(model.get(), text_of("Who?"), texts, 2, nullptr, &results.results),
              TAMIS_OK);
    const tamis_ranked_text* ranked = nullptr;
    ASSERT_EQ(tamis_results_ranked(results.results, &ranked, &count), TAMIS_OK);
    ASSERT_EQ(count, 2U);
    EXPECT_GE(ranked[0].score, ranked[1].score);
  }
}

TEST(CAbi, SpansOverGivenLabels) {
  size_t count = 0;
  const Loaded model("../gliner/bert");
  const tamis_string texts[] = {text_of("Ada Lovelace wrote in C++ and lived in London.")};
  const tamis_string labels[] = {text_of("person"), text_of("city")};
  tamis_ner_options options;
  tamis_ner_options_init(&options);
  options.labels = labels;
  options.label_count = 2;
  const auto found = [&] {
    Results results;
    EXPECT_EQ(tamis_ner(model.get(), texts, 1, &options, &results.results), TAMIS_OK);
    const tamis_entity* entities = nullptr;
    EXPECT_EQ(tamis_results_entities(results.results, 0, &entities, &count), TAMIS_OK);
    return count;
  };
  const size_t flat = found();
  EXPECT_GT(flat, 0U);
  options.threshold = 0.3f;
  options.nested = options.multi_label = 1;
  EXPECT_GT(found(), flat);
  options.labels = nullptr;
  Results results;
  EXPECT_EQ(tamis_ner(model.get(), texts, 1, &options, &results.results), TAMIS_INVALID_ARGUMENT);
}

TEST(CAbi, Spans) {
  size_t count = 0;
  {
    const Loaded model("bert-token-classification");
    const tamis_string texts[] = {text_of("Anna lives in Lagos.")};
    tamis_ner_options options;
    tamis_ner_options_init(&options);
    options.aggregation = TAMIS_AGGREGATION_NONE;
    options.ignore_labels = texts;  // no label is named so
    options.ignore_label_count = 1;
    Results results;
    ASSERT_EQ(tamis_ner(model.get(), texts, 1, &options, &results.results), TAMIS_OK);
    const tamis_entity* entities = nullptr;
    ASSERT_EQ(tamis_results_entities(results.results, 0, &entities, &count), TAMIS_OK);
    EXPECT_GE(count, 5U);
  }
  {
    const Loaded model("bert-question-answering");
    Results results;
    ASSERT_EQ(
        tamis_answer(model.get(), text_of("Who?"), text_of("Anna did."), nullptr, &results.results),
        TAMIS_OK);
    const tamis_answer_span* answers = nullptr;
    ASSERT_EQ(tamis_results_answers(results.results, &answers, &count), TAMIS_OK);
    EXPECT_EQ(count, 1U);
  }
  {
    const Loaded model("bert-masked-lm");
    const tamis_string texts[] = {text_of("The [MASK].")};
    Results results;
    ASSERT_EQ(tamis_fill_mask(model.get(), texts, 1, nullptr, &results.results), TAMIS_OK);
    EXPECT_EQ(tamis_results_mask_count(results.results, 0), 1U);
    const tamis_masked_token* tokens = nullptr;
    ASSERT_EQ(tamis_results_masked(results.results, 0, 0, &tokens, &count), TAMIS_OK);
    EXPECT_EQ(count, 5U);
    EXPECT_EQ(tamis_results_masked(results.results, 0, 1, &tokens, &count), TAMIS_INVALID_ARGUMENT);
  }
}

TEST(CAbi, TakesAndGivesTokens) {
  const Loaded model("bert-sequence-classification");
  Results tokens;
  ASSERT_EQ(tamis_tokenize(model.get(), text_of("A text."), &tokens.results), TAMIS_OK);
  const tamis_token* list = nullptr;
  size_t count = 0;
  ASSERT_EQ(tamis_results_tokens(tokens.results, &list, &count), TAMIS_OK);
  std::vector<int32_t> ids;
  for (size_t i = 0; i < count; ++i) ids.push_back(list[i].id);
  const tamis_ids input = {ids.data(), nullptr, ids.size()};
  Results matrix;
  ASSERT_EQ(tamis_run(model.get(), &input, 1, &matrix.results), TAMIS_OK) << tamis_last_error();
  const float* values = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  ASSERT_EQ(tamis_results_matrix(matrix.results, &values, &rows, &columns), TAMIS_OK);
  EXPECT_EQ(rows, 1);
}

TEST(CAbi, RefusesWithoutHarm) {
  tamis_model* none = nullptr;
  EXPECT_EQ(tamis_model_load("/no/such", nullptr, &none), TAMIS_NOT_FOUND);
  EXPECT_EQ(none, nullptr);
  EXPECT_NE(std::string(tamis_last_error()).find("/no/such"), std::string::npos);
  EXPECT_EQ(tamis_model_load(nullptr, nullptr, &none), TAMIS_INVALID_ARGUMENT);
  EXPECT_EQ(tamis_model_load("x", nullptr, nullptr), TAMIS_INVALID_ARGUMENT);
  tamis_model_free(nullptr);
  tamis_results_free(nullptr);
  EXPECT_EQ(tamis_results_count(nullptr), 0U);
  const Loaded model("bert-sequence-classification");
  Results results;
  EXPECT_EQ(tamis_classify(model.get(), nullptr, 1, nullptr, &results.results),
            TAMIS_INVALID_ARGUMENT);
  tamis_classify_options options;
  tamis_classify_options_init(&options);
  options.function = static_cast<tamis_score_function>(9);
  const tamis_input input = {text_of("x"), {nullptr, 0}};
  EXPECT_EQ(tamis_classify(model.get(), &input, 1, &options, &results.results),
            TAMIS_INVALID_ARGUMENT);
  const tamis_string bad = {"\xff", 1};
  const tamis_string label = text_of("x");
  EXPECT_EQ(tamis_zero_shot(model.get(), &bad, 1, &label, 1, nullptr, &results.results),
            TAMIS_UNSUPPORTED);
  EXPECT_EQ(results.results, nullptr);
}

TEST(CAbi, MakesABundle) {
  const TempFolder folder;
  const std::string bundle = (folder.path() / "bundle").string();
  tamis_optimize_options options;
  tamis_optimize_options_init(&options);
  options.load.precision = "fp32";
  options.embeddings = "int8";
  options.seconds = 0.05;
  int calls = 0;
  options.progress_context = &calls;
  options.progress = [](void* context, tamis_string, double) {
    ++*static_cast<int*>(context);
    return int32_t{1};
  };
  Results report;
  ASSERT_EQ(tamis_optimize(testdata("models/bert-base").c_str(), bundle.c_str(), &options,
                           &report.results),
            TAMIS_OK)
      << tamis_last_error();
  EXPECT_GT(calls, 0);
  tamis_string text = {nullptr, 0};
  ASSERT_EQ(tamis_results_text(report.results, &text), TAMIS_OK);
  EXPECT_NE(std::string_view(text.data, text.size).find(R"("storage": "int8")"),
            std::string_view::npos);
  options.force = 1;
  options.embeddings = "int4";
  EXPECT_EQ(tamis_optimize(testdata("models/bert-base").c_str(), bundle.c_str(), &options, nullptr),
            TAMIS_INVALID_ARGUMENT);
  options.embeddings = nullptr;
  options.progress = [](void*, tamis_string, double) { return int32_t{0}; };
  EXPECT_EQ(tamis_optimize(testdata("models/bert-base").c_str(), bundle.c_str(), &options, nullptr),
            TAMIS_CANCELLED);
}

}  // namespace
}  // namespace tamis::api
