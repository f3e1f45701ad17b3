// Text in; sparse weights, vectors of tokens and MaxSim out: what sentence-transformers,
// colbert-ai's definition and FlagEmbedding's definition answer (testdata/README.md), for every
// layout.
//
// Every number lies within 1e-5 of the recorded one, times its size where that is above 1; a sum of
// n products of unit vectors within n times that.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "formats/test_util.h"
#include "math/agreement.h"
#include "model/loaded_model.h"
#include "tests/support/gzip_file.h"

namespace tamis {
namespace {

constexpr double kTolerance = 1e-5;
constexpr int64_t kMaxBatchTokens = 4096;
const std::filesystem::path kRoot = TAMIS_TESTDATA "/retrieval";

using Weights = std::map<int64_t, double>;

std::shared_ptr<const api::LoadedModel> load(const std::string& folder,
                                             const api::ModelOptions& options = {}) {
  return api::LoadedModel::load(api::resolve_model((kRoot / folder).string()), options);
}

template <typename Result>
std::vector<Result> answers(const api::LoadedModel& model, std::vector<std::string> texts,
                            const tasks::TaskOptions& options) {
  std::vector<tasks::TaskInput> inputs;
  for (std::string& text : texts) inputs.push_back({std::move(text)});
  std::vector<Result> results;
  for (TaskResult& result : model.run(std::move(inputs), options, kMaxBatchTokens)) {
    results.push_back(std::get<Result>(std::move(result)));
  }
  return results;
}

Weights recorded_weights(JsonView sparse) {
  Weights weights;
  for (size_t i = 0; i < sparse.size(); ++i) {
    const JsonView::Member member = sparse.member(i);
    weights[std::stoll(std::string(member.key))] = member.value.as_double("weight");
  }
  return weights;
}

Weights weights_of(const EmbedSparseResult& result) {
  Weights weights;
  for (const SparseWeight& item : result.weights) weights[item.id] = item.weight;
  return weights;
}

// What one of both lacks is a 0 there.
void expect_weights(const Weights& found, const Weights& wanted) {
  Weights all = wanted;
  for (const auto& item : found) all.emplace(item.first, 0.0);
  ASSERT_FALSE(wanted.empty());
  for (const auto& [id, weight] : all) {
    const auto at = found.find(id);
    EXPECT_NEAR(at == found.end() ? 0.0 : at->second, weight,
                kTolerance * std::max(1.0, std::abs(weight)))
        << "token " << id;
  }
}

void expect_vectors(const EmbedMultiResult& found, JsonView rows) {
  ASSERT_EQ(found.token_ids.size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    ASSERT_EQ(static_cast<size_t>(found.columns), rows.at(i).size());
    for (size_t j = 0; j < rows.at(i).size(); ++j) {
      ASSERT_NEAR(found.vectors[i * rows.at(i).size() + j], rows.at(i).at(j).as_double("value"),
                  kTolerance)
          << "token " << i << ", component " << j;
    }
  }
}

/// A folder's golden.json.gz.
class Golden {
 public:
  explicit Golden(const std::string& folder)
      : source_((kRoot / folder / "golden.json.gz").string()),
        document_(JsonDocument::parse(test::read_gzip(source_), source_)) {}

  [[nodiscard]] JsonView root() const { return document_.root(); }
  [[nodiscard]] JsonView cases() const { return root().get("cases"); }

 private:
  std::string source_;
  JsonDocument document_;
};

template <typename Options>
Options options_of(JsonView row) {
  Options options;
  options.query = row.get("query").as_bool("query");
  return options;
}

std::string text_of(JsonView row) { return std::string(row.get("text").as_string("text")); }

class Sparse : public testing::TestWithParam<std::string> {};

TEST_P(Sparse, IsAsRecorded) {
  const Golden golden(GetParam());
  const auto model = load(GetParam());
  EXPECT_EQ(model->task(), tasks::TaskKind::kEmbedSparse);
  for (size_t i = 0; i < golden.cases().size(); ++i) {
    const JsonView row = golden.cases().at(i);
    SCOPED_TRACE(cat("case ", i));
    const auto result = answers<EmbedSparseResult>(*model, {text_of(row)},
                                                   options_of<tasks::EmbedSparseOptions>(row));
    expect_weights(weights_of(result[0]), recorded_weights(row.get("sparse")));
  }
}

INSTANTIATE_TEST_SUITE_P(Recorded, Sparse,
                         testing::Values("splade", "splade-router", "sparse-static"),
                         [](const auto& row) {
                           std::string name = row.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

// A checkpoint with a masked-word head is SPLADE's where that is asked for.
TEST(Sparse, OfAPlainMaskedLanguageModelToo) {
  api::ModelOptions options;
  options.task = tasks::TaskKind::kEmbedSparse;
  const auto model = api::LoadedModel::load(
      api::resolve_model(TAMIS_TESTDATA "/models/distilbert-masked-lm"), options);
  const auto result = answers<EmbedSparseResult>(*model, {"lighthouse"}, EmbedSparseOptions{});
  EXPECT_FALSE(result[0].weights.empty());
}

class Multi : public testing::TestWithParam<std::string> {};

TEST_P(Multi, IsAsRecorded) {
  const Golden golden(GetParam());
  const auto model = load(GetParam());
  EXPECT_EQ(model->task(), tasks::TaskKind::kEmbedMulti);
  std::vector<std::string> documents;
  for (size_t i = 0; i < golden.cases().size(); ++i) {
    const JsonView row = golden.cases().at(i);
    SCOPED_TRACE(cat("case ", i));
    const auto options = options_of<tasks::EmbedMultiOptions>(row);
    expect_vectors(answers<EmbedMultiResult>(*model, {text_of(row)}, options)[0],
                   row.get("vectors"));
    if (!options.query) documents.push_back(text_of(row));
  }
  // Batched, sequences with tokens that none sees beside such without: the same bits.
  const auto together = answers<EmbedMultiResult>(*model, documents, EmbedMultiOptions{});
  for (size_t i = 0; i < documents.size(); ++i) {
    EXPECT_EQ(answers<EmbedMultiResult>(*model, {documents[i]}, EmbedMultiOptions{})[0].vectors,
              together[i].vectors);
  }
}

TEST_P(Multi, RanksByMaxSim) {
  const Golden golden(GetParam());
  api::ModelOptions options;
  options.task = tasks::TaskKind::kRerank;
  const auto model = load(GetParam(), options);
  tasks::TaskInput input{std::string(golden.root().get("query").as_string("query"))};
  const JsonView texts = golden.root().get("texts");
  for (size_t i = 0; i < texts.size(); ++i) input.texts.emplace_back(texts.at(i).as_string("text"));
  const auto result =
      std::get<RerankResult>(model->run({input}, RerankOptions{}, kMaxBatchTokens)[0]);
  ASSERT_EQ(result.results.size(), texts.size());
  constexpr double kTokens = 32;  // of a query at most
  for (const RankedText& item : result.results) {
    EXPECT_NEAR(item.score,
                golden.root().get("scores").at(static_cast<size_t>(item.index)).as_double("score"),
                kTokens * kTolerance);
  }
}

INSTANTIATE_TEST_SUITE_P(Recorded, Multi,
                         testing::Values("colbert", "colbert-pylate", "colbert-today"),
                         [](const auto& row) {
                           std::string name = row.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// One run of BGE-M3, and each of its heads on its own.
TEST(BgeM3, AnswersInThreeWays) {
  const Golden golden("bge-m3");
  const auto of_task = [](tasks::TaskKind task) {
    api::ModelOptions options;
    options.task = task;
    return load("bge-m3", options);
  };
  const auto all = of_task(tasks::TaskKind::kEmbedAll);
  const auto sparse = of_task(tasks::TaskKind::kEmbedSparse);
  const auto multi = of_task(tasks::TaskKind::kEmbedMulti);
  EXPECT_EQ(load("bge-m3")->task(), tasks::TaskKind::kEmbed);
  for (size_t i = 0; i < golden.cases().size(); ++i) {
    const JsonView row = golden.cases().at(i);
    SCOPED_TRACE(cat("case ", i));
    const auto found =
        answers<EmbedAllResult>(*all, {text_of(row)}, options_of<EmbedAllOptions>(row))[0];
    const JsonView dense = row.get("dense");
    ASSERT_EQ(found.embedding.size(), dense.size());
    for (size_t j = 0; j < dense.size(); ++j) {
      EXPECT_NEAR(found.embedding[j], dense.at(j).as_double("value"), kTolerance);
    }
    const Weights wanted = recorded_weights(row.get("sparse"));
    expect_weights(weights_of(found.sparse), wanted);
    expect_vectors(found.multi, row.get("vectors"));
    // Loaded for more, it answers for each.
    const auto part = answers<EmbedSparseResult>(*all, {text_of(row)}, EmbedSparseOptions{})[0];
    EXPECT_EQ(weights_of(part), weights_of(found.sparse));
    expect_weights(
        weights_of(answers<EmbedSparseResult>(*sparse, {text_of(row)}, EmbedSparseOptions{})[0]),
        wanted);
    expect_vectors(answers<EmbedMultiResult>(*multi, {text_of(row)}, EmbedMultiOptions{})[0],
                   row.get("vectors"));
  }
}

// FlagEmbedding's trainer writes no modules.json.
TEST(BgeM3, EmbedsByItsFirstTokenWithoutModules) {
  const TempFolder folder;
  for (const auto& entry : std::filesystem::directory_iterator(kRoot / "bge-m3")) {
    const std::filesystem::path& from = entry.path();
    if (!entry.is_regular_file() || from.filename() == "modules.json") continue;
    std::filesystem::copy_file(from, folder.path() / from.filename());
  }
  const Golden golden("bge-m3");
  for (const auto task : {tasks::TaskKind::kEmbedAll, tasks::TaskKind::kEmbed}) {
    api::ModelOptions options;
    options.task = task;
    const auto model = api::LoadedModel::load(api::resolve_model(folder.path().string()), options);
    const JsonView row = golden.cases().at(0);
    const JsonView dense = row.get("dense");
    const auto found = answers<EmbedResult>(*model, {text_of(row)}, EmbedOptions{})[0];
    ASSERT_EQ(found.embedding.size(), dense.size());
    for (size_t j = 0; j < dense.size(); ++j) {
      EXPECT_NEAR(found.embedding[j], dense.at(j).as_double("value"), kTolerance);
    }
  }
}

std::vector<float> dense_weights(const EmbedSparseResult& result, size_t size) {
  std::vector<float> row(size, 0.0F);
  for (const SparseWeight& item : result.weights) row[static_cast<size_t>(item.id)] = item.weight;
  return row;
}

// Rounding to bf16 errs by 2^-9 of a number, to 8 bits by 2^-8 of a row's range: over two layers a
// few percent of a vector's length, so that its cosine keeps 0.998 and 0.98.
TEST(Retrieval, FewBitsStayNear) {
  const std::vector<std::string> texts = {"The lighthouse keeper counted 12 ships, then slept."};
  const auto plain = load("splade");
  const auto wanted = answers<EmbedSparseResult>(*plain, texts, EmbedSparseOptions{})[0];
  const auto vectors =
      answers<EmbedMultiResult>(*load("colbert"), texts, EmbedMultiOptions{})[0].vectors;
  for (const auto& [precision, least] :
       {std::pair{engine::Precision::kBf16, 0.998}, std::pair{engine::Precision::kInt8, 0.98}}) {
    SCOPED_TRACE(engine::precision_name(precision));
    api::ModelOptions options;
    options.precision = precision;
    constexpr size_t kVocabulary = 260;
    const auto found =
        answers<EmbedSparseResult>(*load("splade", options), texts, EmbedSparseOptions{})[0];
    EXPECT_GT(math::cosine(dense_weights(found, kVocabulary), dense_weights(wanted, kVocabulary)),
              least);
    const auto other =
        answers<EmbedMultiResult>(*load("colbert", options), texts, EmbedMultiOptions{})[0];
    EXPECT_GT(math::cosine(other.vectors, vectors), least);
  }
}

TEST(Retrieval, WhatAModelCannotIsNamed) {
  const auto refusal = [](const std::string& folder, tasks::TaskKind task) {
    api::ModelOptions options;
    options.task = task;
    try {
      (void)load(folder, options);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_NE(refusal("colbert", tasks::TaskKind::kEmbed).find("accepted are the tasks embed-multi"),
            std::string::npos);
  EXPECT_NE(refusal("splade", tasks::TaskKind::kEmbedMulti).find("no head for multi-vector"),
            std::string::npos);
  EXPECT_NE(refusal("colbert", tasks::TaskKind::kEmbedAll).find("embedding"), std::string::npos);
  EXPECT_NE(refusal("colbert", tasks::TaskKind::kEmbedSparse).find("embedding"), std::string::npos);
}

}  // namespace
}  // namespace tamis
