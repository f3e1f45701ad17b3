// Sparse weights and vectors of tokens: what counts, in which order, and MaxSim.
#include <gtest/gtest.h>

#include <cmath>

#include "tasks/task_json.h"
#include "tasks/test_model.h"

namespace tamis::tasks {
namespace {

// --- embed-sparse --------------------------------------------------------------------------------

EmbedSparseResult sparse(const EmbedSparseOptions& options, const TaskModel& model,
                         const std::vector<float>& values, int64_t width) {
  return std::get<EmbedSparseResult>(
      decode_rows(encode({"anna sat"}, options, model), values, width, model));
}

std::string names(const EmbedSparseResult& result) {
  std::string text;
  for (const SparseWeight& item : result.weights) text += cat(item.token, "=", item.weight, " ");
  return text;
}

TEST(EmbedSparse, KeepsWhatIsAboveZeroFalling) {
  const TaskModel model = test_model();
  std::vector<float> row(19, 0.0F);
  row[12] = 0.5F;
  row[5] = 2.0F;
  row[9] = 0.5F;
  row[10] = -1.0F;
  row[18] = 0.25F;  // behind the tokenizer's words
  const EmbedSparseResult all = sparse({}, model, row, 19);
  EXPECT_EQ(names(all), "anna=2 in=0.5 cat=0.5 [id 18]=0.25 ");
  EXPECT_EQ(to_json(TaskResult(all)), R"({"sparse":{"anna":2,"in":0.5,"cat":0.5,"[id 18]":0.25}})");
  EmbedSparseOptions two;
  two.top_k = 2;
  EXPECT_EQ(names(sparse(two, model, row, 19)), "anna=2 in=0.5 ");
  two.top_k = 0;
  EXPECT_ERROR(encode({"anna"}, two, model), ErrorCode::kInvalidArgument,
               "top_k must be at least 1, not 0");
  EXPECT_EQ(names(sparse({}, model, std::vector<float>(19, 0.0F), 19)), "");
}

TEST(EmbedSparse, TheSecondLogarithmIsTheModels) {
  TaskModel model = test_model();
  model.sparse_log_twice = true;
  std::vector<float> row(17, 0.0F);
  row[5] = 2.0F;
  EXPECT_FLOAT_EQ(sparse({}, model, row, 17).weights[0].weight, std::log1p(2.0F));
}

// [CLS] anna sat [SEP]: BGE-M3's weights of tokens.
TEST(EmbedSparse, OfTokensTheGreatestCountsAndSpecialOnesDoNot) {
  const TaskModel model = test_model();
  const Encoded encoded = encode({"anna sat anna where"}, EmbedSparseOptions{}, model);
  ASSERT_EQ(encoded.sequences[0].size(), 6);
  const auto result =
      std::get<EmbedSparseResult>(decode_rows(encoded, {9, 0.5F, 0.25F, 0.75F, 0, 9}, 1, model));
  EXPECT_EQ(names(result), "anna=0.75 sat=0.25 ");
}

TEST(EmbedSparse, NotFiniteIsNoAnswer) {
  const TaskModel model = test_model();
  std::vector<float> row(17, 0.0F);
  row[3] = NAN;
  EXPECT_ERROR(sparse({}, model, row, 17), ErrorCode::kUnsupported,
               "the model's output sparse_embedding is not finite");
}

TEST(EmbedSparse, SidesHaveTheirPrompts) {
  TaskModel model = test_model();
  model.prompts = {{"query", "where "}, {"document", "the "}, {"other", "in "}};
  const auto second = [&model](const EmbedSparseOptions& options) {
    return model.tokenizer->id_to_token(encode({"anna"}, options, model).sequences[0].ids[1]);
  };
  EmbedSparseOptions options;
  EXPECT_EQ(second(options), "the");
  options.query = true;
  EXPECT_EQ(second(options), "where");
  options.prompt_name = "other";
  EXPECT_EQ(second(options), "in");
  options.prompt = "";
  EXPECT_EQ(second(options), "anna");
  // Neither another name nor the default stands in, as in sentence-transformers.
  model.prompts = {{"passage", "the "}};
  model.default_prompt_name = "passage";
  EXPECT_EQ(second({}), "anna");
}

// --- embed-multi and rerank ----------------------------------------------------------------------

// Markers 13 and 15, queries of 8 tokens, punctuation skipped in documents.
TaskModel late_model() {
  TaskModel model = test_model();
  model.late_interaction = LateInteraction{};
  LateInteraction& late = *model.late_interaction;
  late.query = {13, 8};
  late.document = {15, 6};
  late.expansion = 4;
  late.skiplist = {11, 14};
  return model;
}

Encoded encoded_side(const TaskModel& model, const std::string& text, bool query) {
  EmbedMultiOptions options;
  options.query = query;
  return encode({text}, options, model);
}

TEST(EmbedMulti, QueriesAreFilledUp) {
  TaskModel model = late_model();
  const Encoded query = encoded_side(model, "anna sat", true);
  EXPECT_EQ(query.sequences[0].ids, (std::vector<int32_t>{2, 13, 5, 16, 3, 4, 4, 4}));
  EXPECT_EQ(query.sequences[0].type_ids, std::vector<int32_t>(8, 0));
  EXPECT_EQ(query.sequences[0].keys, 5);
  model.late_interaction->attend_to_expansion = true;
  EXPECT_EQ(encoded_side(model, "anna sat", true).sequences[0].keys, 0);
  model.late_interaction->expansion.reset();
  EXPECT_EQ(encoded_side(model, "anna sat", true).sequences[0].size(), 5);
  const Encoded full = encoded_side(late_model(), "anna sat in paris the cat sat", true);
  EXPECT_EQ(full.sequences[0].ids, (std::vector<int32_t>{2, 13, 5, 16, 9, 10, 15, 3}));
  EXPECT_TRUE(full.truncated);
}

TEST(EmbedMulti, CutsToTheModelsDimensionAndNormalizes) {
  TaskModel model = late_model();
  model.truncate_dim = 2;
  const Encoded document = encoded_side(model, "", false);
  const auto result =
      std::get<EmbedMultiResult>(decode_rows(document, {3, 4, 12, 6, 8, 0, 1, 0, 5}, 3, model));
  EXPECT_EQ(result.columns, 2);
  EXPECT_EQ(result.vectors, (std::vector<float>{0.6F, 0.8F, 0.6F, 0.8F, 1, 0}));
}

TEST(EmbedMulti, DocumentsLoseWhatIsSkipped) {
  const TaskModel model = late_model();
  const Encoded document = encoded_side(model, "anna sat. the cat", false);
  EXPECT_EQ(document.sequences[0].ids, (std::vector<int32_t>{2, 15, 5, 16, 11, 3}));
  EXPECT_EQ(document.sequences[0].keys, 0);
  std::vector<float> rows(12);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>(i);
  const auto result = std::get<EmbedMultiResult>(decode_rows(document, rows, 2, model));
  EXPECT_EQ(result.token_ids, (std::vector<int32_t>{2, 15, 5, 16, 3}));
  EXPECT_EQ(result.columns, 2);
  EXPECT_EQ(result.vectors, (std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7, 10, 11}));
  EXPECT_TRUE(result.truncated);
  EXPECT_EQ(to_json(TaskResult(EmbedMultiResult{1, {0.5F, 1}, {5, 6}, true})),
            R"({"token_ids":[5,6],"vectors":[[0.5],[1]],"truncated":true})");
}

TEST(EmbedMulti, TheFirstTokenMayNotCount) {
  TaskModel model = late_model();
  model.late_interaction = LateInteraction{};
  model.late_interaction->skip_first = true;
  const Encoded text = encoded_side(model, "anna.", false);
  const auto result = std::get<EmbedMultiResult>(decode_rows(text, {1, 2, 3, 4}, 1, model));
  EXPECT_EQ(result.token_ids, (std::vector<int32_t>{5, 11, 3}));
}

TEST(EmbedMulti, NeedsAModelWithVectors) {
  EXPECT_ERROR(encoded_side(test_model(), "anna", true), ErrorCode::kUnsupported,
               "has no vectors of tokens");
  Truncation one;
  one.max_length = 1;
  EmbedMultiOptions options;
  options.truncation = one;
  EXPECT_ERROR(encode({"anna"}, options, late_model()), ErrorCode::kInvalidArgument,
               "max_length must be at least 2, not 1");
}

TEST(Rerank, ByMaxSimWhereTheModelHasVectors) {
  TaskModel model = late_model();
  model.late_interaction->expansion.reset();
  TaskInput input{"anna"};
  input.texts = {"cat", "anna.", "sat"};
  const Encoded encoded = encode(std::move(input), RerankOptions{}, model);
  ASSERT_EQ(encoded.sequences.size(), 4u);
  // Query: [CLS] marker anna [SEP]; texts of 4, 5 and 4 tokens.
  const std::vector<float> rows = {1, 0, 0, 1, 1, 1, 0, 0,        // sums of the greatest
                                   1, 0, 0, 0, 0, 0, 0, 0,        // 1 + 0 + 1 + 0
                                   1, 0, 0, 1, 0, 0, 9, 9, 0, 0,  // 1 + 1 + 1 + 0: "." is skipped
                                   0, 0, 2, 2, 0, 0, 0, 0};       // 2 + 2 + 4 + 0
  const OutputView view = {kTokenVectors, TensorView(DType::kF32, {17, 2}, rows.data())};
  const auto result = std::get<RerankResult>(decode(encoded, {&view, 1}, model));
  ASSERT_EQ(result.results.size(), 3u);
  EXPECT_EQ(result.results[0].index, 2);
  EXPECT_EQ(result.results[0].score, 8);
  EXPECT_EQ(result.results[1].index, 1);
  EXPECT_EQ(result.results[1].score, 3);
  EXPECT_EQ(result.results[2].score, 2);
  model.mean_max_sim = true;  // of the query's four tokens
  const auto mean = std::get<RerankResult>(decode(encoded, {&view, 1}, model));
  EXPECT_EQ(mean.results[0].score, 2);
  EXPECT_EQ(mean.results[2].score, 0.5f);
}

TEST(Rerank, OfNoTextsByMaxSimIsNone) {
  const TaskModel model = late_model();
  const Encoded encoded = encode({"anna"}, RerankOptions{}, model);
  EXPECT_TRUE(encoded.sequences.empty());
  const OutputView view = {kTokenVectors, TensorView(DType::kF32, {0, 2}, nullptr)};
  EXPECT_TRUE(std::get<RerankResult>(decode(encoded, {&view, 1}, model)).results.empty());
}

// --- embed-all -----------------------------------------------------------------------------------

TEST(EmbedAll, ReadsThreeOutputsOfOneRun) {
  TaskModel model = test_model();
  model.normalize = true;
  model.late_interaction = LateInteraction{};
  model.late_interaction->skip_first = true;
  const Encoded encoded = encode({"anna"}, EmbedAllOptions{}, model);
  const std::vector<float> sentence = {3, 4};
  const std::vector<float> weights = {1, 0.5F, 1};
  const std::vector<float> vectors = {1, 0, 0, 1, 1, 1};
  const OutputView views[] = {
      {kSentenceEmbedding, TensorView(DType::kF32, {1, 2}, sentence.data())},
      {kSparseEmbedding, TensorView(DType::kF32, {3, 1}, weights.data())},
      {kTokenVectors, TensorView(DType::kF32, {3, 2}, vectors.data())}};
  const TaskResult result = decode(encoded, views, model);
  EXPECT_EQ(to_json(result), R"({"embedding":[0.6,0.8],"sparse":{"anna":0.5},"token_ids":[5,3],)"
                             R"("vectors":[[0,1],[1,1]]})");
}

TEST(CanAnswer, WhatAModelWasLoadedForDecides) {
  EXPECT_TRUE(can_answer(TaskKind::kEmbedMulti, TaskKind::kRerank));
  EXPECT_TRUE(can_answer(TaskKind::kEmbedAll, TaskKind::kEmbedSparse));
  EXPECT_TRUE(can_answer(TaskKind::kEmbedAll, TaskKind::kRerank));
  EXPECT_TRUE(can_answer(TaskKind::kRerank, TaskKind::kZeroShot));
  EXPECT_FALSE(can_answer(TaskKind::kEmbed, TaskKind::kEmbedSparse));
  EXPECT_FALSE(can_answer(TaskKind::kEmbedMulti, TaskKind::kEmbed));
  EXPECT_FALSE(can_answer(TaskKind::kEmbedAll, TaskKind::kClassify));
}

}  // namespace
}  // namespace tamis::tasks
