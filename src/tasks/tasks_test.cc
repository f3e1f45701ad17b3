// Tasks that score whole sequences: embed, classify, rerank, zero-shot; and the JSON of all.
#include <gtest/gtest.h>

#include <cmath>

#include "tasks/code_points.h"
#include "tasks/task_json.h"
#include "tasks/test_model.h"

namespace tamis::tasks {
namespace {

// Scores of a few terms, computed in double and rounded once: half a float32 ulp of values below 1.
constexpr float kUlp = 6e-8F;

TEST(Tasks, NamesAreTheCommands) {
  EXPECT_EQ(task_name(TaskKind::kFillMask), "fill-mask");
  for (const char* name : {"embed", "classify", "rerank", "ner", "qa", "fill-mask", "zero-shot",
                           "embed-sparse", "embed-multi", "embed-all"}) {
    const auto kind = task_from_name(name);
    ASSERT_TRUE(kind) << name;
    EXPECT_EQ(task_name(*kind), name);
    EXPECT_EQ(kind_of(default_options(*kind)), *kind);
  }
  EXPECT_FALSE(task_from_name("sing"));
  EXPECT_EQ(known_tasks(),
            "embed, classify, rerank, ner, qa, fill-mask, zero-shot, embed-sparse, embed-multi, "
            "embed-all");
  EXPECT_EQ(task_output(TaskKind::kEmbed), "sentence_embedding");
  EXPECT_EQ(task_output(TaskKind::kQa), "logits");
  EXPECT_EQ(task_outputs(TaskKind::kEmbedAll).size(), 3u);
}

TEST(CodePoints, SlicesAsPythonDoes) {
  const CodePoints text("a\xC3\xA9\xF0\x9F\x98\x80z");
  EXPECT_EQ(text.size(), 4);
  EXPECT_EQ(text.slice(1, 3), "\xC3\xA9\xF0\x9F\x98\x80");
  EXPECT_EQ(text.slice(3, 9), "z");
  EXPECT_EQ(text.slice(2, 2), "");
  EXPECT_EQ(text.slice(3, 1), "");
  EXPECT_EQ(text.slice(7, 9), "");
  EXPECT_EQ(CodePoints("").slice(0, 1), "");
  EXPECT_EQ(lower_case("\u039F\u0394\u039F\u03A3 \u03A3. \u03A3\u0391"),
            "\u03BF\u03B4\u03BF\u03C2 \u03C3. \u03C3\u03B1");
  EXPECT_EQ(lower_case("\xC3\x89T\xC3\x89 A"), "\xC3\xA9t\xC3\xA9 a");
}

// --- embed ---------------------------------------------------------------------------------------

EmbedResult embed(const EmbedOptions& options, const TaskModel& model, std::vector<float> row) {
  const auto width = static_cast<int64_t>(row.size());
  return std::get<EmbedResult>(decode_rows(encode({"anna"}, options, model), row, width, model));
}

TEST(Embed, NormalizesAsTheModelUnlessTold) {
  TaskModel model = test_model();
  EXPECT_EQ(embed({}, model, {3, 4}).embedding, (std::vector<float>{3, 4}));
  model.normalize = true;
  EXPECT_EQ(embed({}, model, {3, 4}).embedding, (std::vector<float>{0.6F, 0.8F}));
  EmbedOptions raw;
  raw.normalize = false;
  EXPECT_EQ(embed(raw, model, {3, 4}).embedding, (std::vector<float>{3, 4}));
  EXPECT_EQ(embed({}, model, {0, 0}).embedding, (std::vector<float>{0, 0}));
}

TEST(Embed, CutsBeforeItNormalizes) {
  TaskModel model = test_model();
  model.normalize = true;
  EmbedOptions options;
  options.dimensions = 2;
  EXPECT_EQ(embed(options, model, {3, 4, 12}).embedding, (std::vector<float>{0.6F, 0.8F}));
  options.dimensions = 4;
  EXPECT_ERROR(embed(options, model, {3, 4, 12}), ErrorCode::kInvalidArgument,
               "dimensions must be at most the model's 3, not 4");
  options.dimensions = 0;
  EXPECT_ERROR(embed(options, model, {1}), ErrorCode::kInvalidArgument,
               "dimensions must be at least 1, not 0");
}

// sentence-transformers' truncate_dim comes behind the module Normalize, and normalize_embeddings
// behind both.
TEST(Embed, CutsToTheModelsOwnDimensionBehindItsNormalize) {
  TaskModel model = test_model();
  model.truncate_dim = 2;
  EXPECT_EQ(embed({}, model, {3, 4, 12}).embedding, (std::vector<float>{3, 4}));
  model.normalize = true;
  EXPECT_EQ(embed({}, model, {3, 4, 12}).embedding, (std::vector<float>{3.0F / 13, 4.0F / 13}));
  EmbedOptions options;
  options.normalize = true;
  EXPECT_EQ(embed(options, model, {3, 4, 12}).embedding, (std::vector<float>{0.6F, 0.8F}));
  options = {};
  options.dimensions = 3;  // what is asked for counts
  EXPECT_EQ(embed(options, model, {3, 4, 12}).embedding,
            (std::vector<float>{3.0F / 13, 4.0F / 13, 12.0F / 13}));
  model.truncate_dim = 4;
  EXPECT_EQ(embed({}, model, {0, 3, 4}).embedding, (std::vector<float>{0, 0.6F, 0.8F}));
}

TEST(Embed, PutsThePromptBeforeTheText) {
  TaskModel model = test_model();
  model.prompts = {{"query", "where "}, {"passage", "the "}};
  const auto ids = [&model](const EmbedOptions& options) {
    return encode({"cat"}, options, model).sequences[0].ids;
  };
  EXPECT_EQ(ids({}), (std::vector<int32_t>{2, 12, 3}));
  EmbedOptions options;
  options.prompt_name = "query";
  EXPECT_EQ(ids(options), (std::vector<int32_t>{2, 13, 12, 3}));
  options.prompt = "in ";
  EXPECT_EQ(ids(options), (std::vector<int32_t>{2, 9, 12, 3}));
  model.default_prompt_name = "passage";
  EXPECT_EQ(ids({}), (std::vector<int32_t>{2, 15, 12, 3}));
  options = {};
  options.prompt_name = "none";
  EXPECT_ERROR(ids(options), ErrorCode::kInvalidArgument,
               "unknown prompt \"none\"; this model has passage, query");
}

// [CLS] and the prompt; what the tokenizer puts behind it does not count.
TEST(Embed, LeavesThePromptOutOfThePooling) {
  TaskModel model = test_model();
  EmbedOptions options;
  options.prompt = "where the ";
  const auto unpooled = [&](const std::string& text) {
    return encode({text}, options, model).sequences[0].unpooled;
  };
  EXPECT_EQ(unpooled("cat"), 0);
  model.include_prompt = false;
  EXPECT_EQ(unpooled("cat"), 3);
  EXPECT_EQ(unpooled(""), 3);
  options.truncation.max_length = 3;
  EXPECT_EQ(unpooled("cat"), 2);
  options.prompt = "";
  EXPECT_EQ(unpooled("cat"), 0);
}

TEST(Embed, TruncatesAndSaysSo) {
  const TaskModel model = test_model();
  EmbedOptions options;
  options.truncation.max_length = 3;
  const Encoded cut = encode({"the cat sat"}, options, model);
  EXPECT_EQ(cut.sequences[0].ids, (std::vector<int32_t>{2, 15, 3}));
  EXPECT_TRUE(cut.truncated);
  EXPECT_EQ(to_json(decode_rows(cut, {0.5F}, 1, model)), R"({"embedding":[0.5],"truncated":true})");
  options.truncation.side = tokenizer::Side::kLeft;
  EXPECT_EQ(encode({"the cat sat"}, options, model).sequences[0].ids,
            (std::vector<int32_t>{2, 16, 3}));
  options.truncation.max_length = 99;  // never above the model's 16
  EXPECT_EQ(encode({std::string(100, '.')}, options, model).sequences[0].size(), 16);
  options.truncation.enabled = false;
  EXPECT_ERROR(encode({std::string(100, '.')}, options, model), ErrorCode::kInvalidArgument,
               "the text has 102 tokens, special tokens included, more than the 16");
  EXPECT_EQ(encode({std::string(14, '.')}, options, model).sequences[0].size(), 16);
  options.truncation.max_length = -1;
  EXPECT_ERROR(encode({"cat"}, options, model), ErrorCode::kInvalidArgument, "max_length");
}

TEST(Embed, TakesOneTextThatIsUtf8) {
  TaskModel model = test_model();
  EXPECT_EQ(encode({""}, EmbedOptions{}, model).sequences[0].ids, (std::vector<int32_t>{2, 3}));
  EXPECT_ERROR(encode({"a", "b"}, EmbedOptions{}, model), ErrorCode::kInvalidArgument,
               "embed takes one text, not a pair");
  EXPECT_ERROR(encode({"\xFF"}, EmbedOptions{}, model), ErrorCode::kInvalidArgument, "UTF-8");
  model.do_lower_case = true;
  EXPECT_ERROR(encode({"cat\xC3"}, EmbedOptions{}, model), ErrorCode::kInvalidArgument, "UTF-8");
}

// --- classify ------------------------------------------------------------------------------------

ClassifyResult classify(const ClassifyOptions& options, const TaskModel& model,
                        const std::vector<float>& logits) {
  const auto width = static_cast<int64_t>(logits.size());
  return std::get<ClassifyResult>(
      decode_rows(encode({"cat"}, options, model), logits, width, model));
}

TEST(Classify, SortsAndCutsAtTopK) {
  const TaskModel model = test_model({"no", "maybe", "yes"});
  const float ln2 = std::log(2.0F);
  const ClassifyResult all = classify({}, model, {0, ln2, 0});
  ASSERT_EQ(all.scores.size(), 3U);
  EXPECT_EQ(all.scores[0].label, "maybe");
  EXPECT_NEAR(all.scores[0].score, 0.5F, kUlp);
  EXPECT_EQ(all.scores[1].label, "no");  // equals keep id2label's order
  EXPECT_EQ(all.scores[2].label, "yes");
  EXPECT_EQ(all.logits, (std::vector<float>{0, ln2, 0}));
  ClassifyOptions options;
  options.top_k = 1;
  EXPECT_EQ(classify(options, model, {0, ln2, 0}).scores.size(), 1U);
  options.top_k = 99;
  EXPECT_EQ(classify(options, model, {0, ln2, 0}).scores.size(), 3U);
  options.top_k = 0;
  EXPECT_ERROR(classify(options, model, {0, 0, 0}), ErrorCode::kInvalidArgument,
               "top_k must be at least 1, not 0");
}

TEST(Classify, ChoosesTheFunctionAsThePipeline) {
  EXPECT_EQ(default_score_function(Problem::kUnknown, 2), ScoreFunction::kSoftmax);
  EXPECT_EQ(default_score_function(Problem::kUnknown, 1), ScoreFunction::kSigmoid);
  EXPECT_EQ(default_score_function(Problem::kSingleLabel, 1), ScoreFunction::kSigmoid);
  EXPECT_EQ(default_score_function(Problem::kSingleLabel, 3), ScoreFunction::kSoftmax);
  EXPECT_EQ(default_score_function(Problem::kMultiLabel, 3), ScoreFunction::kSigmoid);
  EXPECT_EQ(default_score_function(Problem::kRegression, 1), ScoreFunction::kNone);
  EXPECT_EQ(score_function_from_name("sigmoid"), ScoreFunction::kSigmoid);
  EXPECT_FALSE(score_function_from_name("tanh"));

  TaskModel model = test_model({"a", "b"});
  model.problem = Problem::kMultiLabel;
  EXPECT_EQ(classify({}, model, {0, -1}).scores[0].score, 0.5F);
  ClassifyOptions options;
  options.function = ScoreFunction::kNone;
  EXPECT_EQ(classify(options, model, {2, 3}).scores[0].score, 3.0F);
}

TEST(Classify, EncodesPairsAndTypeIds) {
  TaskModel model = test_model({"a"});
  const Sequence pair = encode({"the", "cat"}, ClassifyOptions{}, model).sequences[0];
  EXPECT_EQ(pair.ids, (std::vector<int32_t>{2, 15, 3, 12, 3}));
  EXPECT_EQ(pair.type_ids, (std::vector<int32_t>{0, 0, 0, 1, 1}));
  EXPECT_TRUE(pair.selected.empty());
  model.uses_type_ids = false;
  EXPECT_TRUE(encode({"the", "cat"}, ClassifyOptions{}, model).sequences[0].type_ids.empty());
}

TEST(Classify, RefusesALabelListOfAnotherWidth) {
  EXPECT_ERROR(classify({}, test_model({"a", "b"}), {1, 2, 3}), ErrorCode::kUnsupported,
               "gives 3 logits, but its config.json names 2 labels");
}

TEST(Classify, WritesTheObjectOfTheDocuments) {
  TaskModel model = test_model({"same", "same"});
  ClassifyOptions options;
  options.function = ScoreFunction::kNone;
  const Encoded encoded = encode({"cat"}, options, model);
  EXPECT_EQ(to_json(decode_rows(encoded, {0.25F, 0.5F}, 2, model)),
            R"-({"label":"same","score":0.5,"scores":{"same":0.5,"same (LABEL_0)":0.25},)-"
            R"("logits":[0.25,0.5]})");
}

// --- rerank --------------------------------------------------------------------------------------

TEST(Rerank, SortsBySigmoidUnlessTheModelNamesAnother) {
  TaskModel model = test_model({"LABEL_0"});
  const TaskInput input{"where", std::nullopt, {"cat", "", "anna"}};
  const Encoded encoded = encode(input, RerankOptions{}, model);
  ASSERT_EQ(encoded.sequences.size(), 3U);
  EXPECT_EQ(encoded.sequences[0].ids, (std::vector<int32_t>{2, 13, 3, 12, 3}));
  EXPECT_EQ(encoded.sequences[1].ids, (std::vector<int32_t>{2, 13, 3, 3}));
  const std::vector<float> logits = {-1, 0, -1};
  EXPECT_EQ(
      to_json(decode_rows(encode(input, RerankOptions{true, 2, {}}, model), logits, 1, model)),
      R"({"results":[{"index":1,"score":0,"text":""},{"index":0,"score":-1,"text":"cat"}]})");
  const auto score = [&] {
    return std::get<RerankResult>(decode_rows(encoded, logits, 1, model)).results[0].score;
  };
  EXPECT_EQ(score(), 0.5F);
  model.cross_encoder_activation = Activation::kNone;
  EXPECT_EQ(score(), 0.0F);
}

TEST(Rerank, PutsTheDefaultPromptBeforeTheQueryAlone) {
  TaskModel model = test_model({"x"});
  model.prompts = {{"q", "where "}};
  const TaskInput input{"cat", std::nullopt, {"anna"}};
  const auto ids = [&] { return encode(input, RerankOptions{}, model).sequences[0].ids; };
  const std::vector<int32_t> plain = ids();
  model.default_prompt_name = "q";
  std::vector<int32_t> with_prompt = plain;
  with_prompt.insert(with_prompt.begin() + 1, 13);
  EXPECT_EQ(ids(), with_prompt);
  EXPECT_ERROR(encode({"cat", "anna"}, ClassifyOptions{}, model), ErrorCode::kUnsupported,
               "default_prompt_name \"q\" of config_sentence_transformers.json");
}

TEST(Rerank, NamesTheTextThatIsTooLong) {
  const TaskModel model = test_model({"x"});
  RerankOptions options;
  options.truncation.enabled = false;
  const TaskInput input{"where", std::nullopt, {"cat", std::string(20, '.')}};
  EXPECT_ERROR(encode(input, options, model), ErrorCode::kInvalidArgument,
               "text 1, counted from 0, has 24 tokens");
}

TEST(Rerank, KeepsTheOrderOfEquals) {
  const TaskModel model = test_model({"x"});
  const TaskInput input{"where", std::nullopt, {"cat", "cat", "cat"}};
  const auto result = std::get<RerankResult>(
      decode_rows(encode(input, RerankOptions{}, model), {1, 2, 1}, 1, model));
  EXPECT_EQ(result.results[0].index, 1);
  EXPECT_EQ(result.results[1].index, 0);
  EXPECT_EQ(result.results[2].index, 2);
}

TEST(Rerank, RefusesModelsWithSeveralLabels) {
  EXPECT_ERROR(encode({"q", std::nullopt, {"t"}}, RerankOptions{}, test_model({"a", "b"})),
               ErrorCode::kUnsupported, "one label; this one has 2");
}

TEST(Rerank, AnswersNoTextsWithNothing) {
  const TaskModel model = test_model({"x"});
  const Encoded encoded = encode({"where"}, RerankOptions{}, model);
  EXPECT_TRUE(encoded.sequences.empty());
  EXPECT_EQ(to_json(decode_rows(encoded, {}, 1, model)), R"({"results":[]})");
}

// --- zero-shot -----------------------------------------------------------------------------------

TEST(ZeroShot, MakesAHypothesisOfEachLabel) {
  const TaskModel model = test_model({"contradiction", "neutral", "ENTAILMENT"});
  ZeroShotOptions options;
  options.hypothesis_template = "in {}.";
  const Encoded encoded = encode({"the cat", std::nullopt, {"paris", "anna"}}, options, model);
  ASSERT_EQ(encoded.sequences.size(), 2U);
  EXPECT_EQ(encoded.sequences[0].ids, (std::vector<int32_t>{2, 15, 12, 3, 9, 10, 11, 3}));
  EXPECT_EQ(to_json(decode_rows(encoded, {0, 0, 1, 0, 0, 1}, 3, model)),
            R"({"sequence":"the cat","labels":["anna","paris"],"scores":[0.5,0.5]})");
}

TEST(ZeroShot, ScoresEachLabelForItselfIfSeveralMayHold) {
  const TaskModel model = test_model({"contradiction", "neutral", "entailment"});
  ZeroShotOptions options;
  options.multi_label = true;
  const Encoded encoded = encode({"cat", std::nullopt, {"paris", "anna"}}, options, model);
  const float ln3 = std::log(3.0F);
  const auto scores =
      std::get<ZeroShotResult>(decode_rows(encoded, {0, 9, ln3, ln3, 9, 0}, 3, model)).scores;
  EXPECT_EQ(scores[0].label, "paris");
  EXPECT_NEAR(scores[0].score, 0.75F, kUlp);
  EXPECT_NEAR(scores[1].score, 0.25F, kUlp);
}

TEST(ZeroShot, NeedsAnEntailmentLabelALabelAndATemplate) {
  const TaskModel model = test_model({"entailment", "contradiction"});
  const auto run = [](const TaskModel& of, const std::string& form,
                      std::vector<std::string> labels) {
    ZeroShotOptions options;
    options.hypothesis_template = form;
    return encode({"cat", std::nullopt, std::move(labels)}, options, of);
  };
  EXPECT_ERROR(run(test_model({"a", "b"}), "{}", {"x"}), ErrorCode::kUnsupported, "entail");
  EXPECT_ERROR(run(model, "no place", {"x"}), ErrorCode::kInvalidArgument, "one {}");
  for (const char* form :
       {"{} {}", "{} {0}", "{0} {}", "{1}", "{0!r}", "{0:>9}", "{{}}", "{}}", "{"}) {
    EXPECT_ERROR(run(model, form, {"x"}), ErrorCode::kInvalidArgument,
                 "one {} or any number of {0}");
  }
  EXPECT_ERROR(run(model, "}{}", {"x"}), ErrorCode::kInvalidArgument, "one {}");
  EXPECT_ERROR(run(model, "{}", {}), ErrorCode::kInvalidArgument, "at least one label");
  EXPECT_EQ(run(model, "{}", {"x"}).sequences.size(), 1U);
}

TEST(ZeroShot, FormatsAsPythonDoes) {
  const TaskModel model = test_model({"entailment", "contradiction"});
  const auto ids = [&model](const std::string& form) {
    ZeroShotOptions options;
    options.hypothesis_template = form;
    return encode({"cat", std::nullopt, {"anna"}}, options, model).sequences.at(0).ids;
  };
  EXPECT_EQ(ids("{0} in {0}"), ids("anna in {}"));
  EXPECT_EQ(ids("{{{}}}"), ids("{{{0}}}"));
  EXPECT_NE(ids("{{{}}}"), ids("{}"));
}

TEST(ZeroShot, TakesTheIdThatTheConfigGivesEntailment) {
  TaskModel model = test_model({"LABEL_0", "LABEL_1"});
  const Encoded encoded = [&model] {
    model.entailment_id = 1;
    return encode({"cat", std::nullopt, {"paris", "anna"}}, ZeroShotOptions{}, model);
  }();
  const auto scores = std::get<ZeroShotResult>(decode_rows(encoded, {9, 0, 0, 5}, 2, model)).scores;
  EXPECT_EQ(scores[0].label, "anna");
  model.entailment_id = 2;
  EXPECT_ERROR(encode({"cat", std::nullopt, {"x"}}, ZeroShotOptions{}, model),
               ErrorCode::kUnsupported, "label2id gives entailment the id 2; accepted are 0 to 1");
}

TEST(Decode, TripsOverOutputsOfOtherRows) {
  const TaskModel model = test_model({"a"});
  const Encoded encoded = encode({"cat"}, ClassifyOptions{}, model);
  EXPECT_ERROR(decode(encoded, {}, model), ErrorCode::kInternal, "");
  EXPECT_ERROR(decode_rows(encoded, {1, 2}, 1, model), ErrorCode::kInternal, "");
}

}  // namespace
}  // namespace tamis::tasks
