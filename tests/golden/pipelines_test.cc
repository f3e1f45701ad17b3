// Text in, answer out: a loaded model's tokenizer, engine and tasks against what Hugging Face's
// pipelines recorded for the tiny checkpoints (testdata/README.md, pipelines.json.gz).
//
// Labels, words, tokens and offsets are equal; scores lie within 1e-5: they are probabilities (or
// raw logits of size 10 at most) of float32 models of two layers, whose logits differ by a few
// 1e-6 (golden_test.cc holds them to a derived bound), and a probability moves by at most a quarter
// of that a logit.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "model/loaded_model.h"
#include "tests/support/gzip_file.h"

namespace tamis {
namespace {

constexpr float kScoreTolerance = 1e-5F;

/// A checkpoint with its tokenizer, ready to answer.
class Pipeline {
 public:
  explicit Pipeline(const std::filesystem::path& folder)
      : model_(api::LoadedModel::load(api::resolve_model(folder.string()), {})) {}

  template <typename Result, typename Options>
  Result answer(tasks::TaskInput input, const Options& options) {
    constexpr int64_t kMaxBatchTokens = 4096;
    auto results = model_->run({std::move(input)}, options, kMaxBatchTokens);
    return std::get<Result>(std::move(results.at(0)));
  }

 private:
  std::shared_ptr<const api::LoadedModel> model_;
};

std::string text_of(JsonView view) { return std::string(view.as_string("text")); }

std::vector<std::string> texts_of(JsonView list) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < list.size(); ++i) texts.push_back(text_of(list.at(i)));
  return texts;
}

std::optional<int64_t> int_of(JsonView parameters, std::string_view key) {
  const JsonView value = parameters.get(key);
  if (value.is_null()) return std::nullopt;
  return value.as_int(key);
}

bool bool_of(JsonView parameters, std::string_view key, bool otherwise) {
  const JsonView value = parameters.get(key);
  return value ? value.as_bool(key) : otherwise;
}

void expect_score(float score, JsonView recorded) {
  EXPECT_NEAR(score, recorded.get("score").as_double("score"), kScoreTolerance);
}

void expect_text(const std::string& text, JsonView recorded, std::string_view key) {
  EXPECT_EQ(text, recorded.get(key).as_string(key));
}

void expect_int(int64_t number, JsonView recorded, std::string_view key) {
  EXPECT_EQ(number, recorded.get(key).as_int(key));
}

void check_classify(Pipeline& pipeline, JsonView inputs, JsonView parameters, JsonView output) {
  tasks::ClassifyOptions options;
  const JsonView top_k = parameters.get("top_k");
  options.top_k = top_k ? int_of(parameters, "top_k") : std::optional<int64_t>(1);
  const JsonView function = parameters.get("function_to_apply");
  if (function) options.function = tasks::score_function_from_name(function.as_string("function"));
  tasks::TaskInput input;
  if (inputs.is_string()) {
    input.text = text_of(inputs);
  } else {
    input = {text_of(inputs.get("text")), text_of(inputs.get("text_pair"))};
  }
  const auto result = pipeline.answer<tasks::ClassifyResult>(input, options);
  ASSERT_EQ(result.scores.size(), output.size());
  for (size_t i = 0; i < output.size(); ++i) {
    expect_text(result.scores[i].label, output.at(i), "label");
    expect_score(result.scores[i].score, output.at(i));
  }
}

void check_ner(Pipeline& pipeline, JsonView inputs, JsonView parameters, JsonView output) {
  tasks::NerOptions options;
  options.aggregation =
      *tasks::aggregation_from_name(parameters.get("aggregation_strategy").as_string("strategy"));
  options.stride = int_of(parameters, "stride");
  const JsonView ignored = parameters.get("ignore_labels");
  if (ignored) options.ignore_labels = texts_of(ignored);
  const auto result = pipeline.answer<tasks::NerResult>({text_of(inputs)}, options);
  ASSERT_EQ(result.entities.size(), output.size());
  for (size_t i = 0; i < output.size(); ++i) {
    const tasks::Entity& entity = result.entities[i];
    expect_text(entity.label, output.at(i), result.grouped ? "entity_group" : "entity");
    expect_text(entity.word, output.at(i), "word");
    expect_int(entity.start, output.at(i), "start");
    expect_int(entity.end, output.at(i), "end");
    if (!result.grouped) expect_int(entity.index, output.at(i), "index");
    expect_score(entity.score, output.at(i));
  }
}

void check_qa(Pipeline& pipeline, JsonView inputs, JsonView parameters, JsonView output) {
  tasks::QaOptions options;
  options.top_k = int_of(parameters, "top_k");
  options.max_answer_len = int_of(parameters, "max_answer_len").value_or(options.max_answer_len);
  options.handle_impossible_answer = bool_of(parameters, "handle_impossible_answer", false);
  options.align_to_words = bool_of(parameters, "align_to_words", true);
  options.max_seq_len = int_of(parameters, "max_seq_len");
  options.doc_stride = int_of(parameters, "doc_stride");
  const auto result = pipeline.answer<tasks::QaResult>(
      {text_of(inputs.get("question")), text_of(inputs.get("context"))}, options);
  ASSERT_EQ(result.answers.size(), output.size());
  for (size_t i = 0; i < output.size(); ++i) {
    const tasks::Answer& answer = result.answers[i];
    expect_text(answer.answer, output.at(i), "answer");
    expect_int(answer.start, output.at(i), "start");
    expect_int(answer.end, output.at(i), "end");
    expect_score(answer.score, output.at(i));
  }
}

void check_fill_mask(Pipeline& pipeline, JsonView inputs, JsonView parameters, JsonView output) {
  tasks::FillMaskOptions options;
  options.top_k = int_of(parameters, "top_k").value_or(options.top_k);
  options.targets = texts_of(parameters.get("targets"));
  const auto result = pipeline.answer<tasks::FillMaskResult>({text_of(inputs)}, options);
  ASSERT_EQ(result.masks.size(), output.size());
  for (size_t m = 0; m < output.size(); ++m) {
    ASSERT_EQ(result.masks[m].size(), output.at(m).size());
    for (size_t i = 0; i < output.at(m).size(); ++i) {
      const tasks::MaskedToken& token = result.masks[m][i];
      const JsonView recorded = output.at(m).at(i);
      expect_int(token.token, recorded, "token");
      expect_text(token.token_str, recorded, "token_str");
      expect_text(token.sequence, recorded, "sequence");
      expect_score(token.score, recorded);
    }
  }
}

void check_rerank(Pipeline& pipeline, JsonView inputs, JsonView parameters, JsonView output) {
  tasks::RerankOptions options;
  options.raw_scores = parameters.get("function_to_apply").as_string("function") == "none";
  options.top_k = int_of(parameters, "top_k");
  const auto documents = texts_of(inputs.get("documents"));
  const auto result = pipeline.answer<tasks::RerankResult>(
      {text_of(inputs.get("query")), std::nullopt, documents}, options);
  ASSERT_EQ(result.results.size(), output.size());
  for (size_t i = 0; i < output.size(); ++i) {
    const tasks::RankedText& row = result.results[i];
    EXPECT_EQ(row.text, documents[static_cast<size_t>(row.index)]);
    if (output.at(i).is_object()) {
      expect_int(row.index, output.at(i), "corpus_id");
      expect_score(row.score, output.at(i));
    } else {  // predict: scores in the order of the documents
      const JsonView score = output.at(static_cast<size_t>(row.index));
      EXPECT_NEAR(row.score, score.as_double("score"), kScoreTolerance);
    }
  }
}

using Check = void (*)(Pipeline&, JsonView inputs, JsonView parameters, JsonView output);

const std::map<std::string, Check, std::less<>> kChecks = {
    {"text-classification", check_classify},
    {"token-classification", check_ner},
    {"question-answering", check_qa},
    {"fill-mask", check_fill_mask},
    {"rerank", check_rerank},
};

std::string one_line(JsonView view) {
  JsonWriter json;
  json.value(view);
  return json.take();
}

/// The models that have a file of that name.
std::vector<std::string> folders(const std::string& file) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(TAMIS_TESTDATA "/models")) {
    if (std::filesystem::exists(entry.path() / file)) {
      names.push_back(entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Pipelines : public testing::TestWithParam<std::string> {};

/// Asks the model in `folder` all that the file recorded.
void check_recorded(const std::filesystem::path& folder, const std::filesystem::path& file) {
  const std::string text = test::read_gzip(file);
  const JsonDocument document = JsonDocument::parse(text, file.string());
  const JsonView root = document.root();
  const auto check = kChecks.find(root.get("task").as_string("task"));
  ASSERT_NE(check, kChecks.end());
  Pipeline pipeline(folder);
  const JsonView cases = root.get("cases");
  ASSERT_GT(cases.size(), 0U);
  for (size_t i = 0; i < cases.size(); ++i) {
    const JsonView row = cases.at(i);
    SCOPED_TRACE(cat("case ", i, " ", one_line(row.get("inputs")).substr(0, 200), " ",
                     one_line(row.get("parameters"))));
    check->second(pipeline, row.get("inputs"), row.get("parameters"), row.get("output"));
  }
}

std::filesystem::path folder_of(const std::string& name) {
  return std::filesystem::path(TAMIS_TESTDATA "/models") / name;
}

TEST_P(Pipelines, AnswerAsRecorded) {
  check_recorded(folder_of(GetParam()), folder_of(GetParam()) / "pipelines.json.gz");
}

// sentence-transformers' CrossEncoder over the scores of two next words.
TEST(NextWordReranker, AnswersAsRecorded) {
  const std::filesystem::path folder = TAMIS_TESTDATA "/sentence-transformers/qwen3-reranker";
  check_recorded(folder, folder / "pipelines.json.gz");
}

class PaddingLeft : public testing::TestWithParam<std::string> {};

// A tokenizer that pads on the left puts the context before the question.
TEST_P(PaddingLeft, AnswersAsRecorded) {
  const auto folder = folder_of(GetParam());
  const auto copy = std::filesystem::path(testing::TempDir()) / ("padding_left_" + GetParam());
  std::filesystem::remove_all(copy);
  std::filesystem::copy(folder, copy);
  std::string config = read_file((folder / "tokenizer_config.json").string());
  config.insert(config.find('{') + 1, "\"padding_side\": \"left\",");
  write_file((copy / "tokenizer_config.json").string(), config);
  check_recorded(copy, folder / "padding-left.json.gz");
  std::filesystem::remove_all(copy);
}

tasks::ZeroShotOptions zero_shot_options(JsonView parameters) {
  tasks::ZeroShotOptions options;
  options.multi_label = bool_of(parameters, "multi_label", false);
  const JsonView form = parameters.get("hypothesis_template");
  if (form) options.hypothesis_template = text_of(form);
  return options;
}

class ZeroShot : public testing::TestWithParam<std::string> {};

// The weights of a classifier whose classes are called as an NLI model's.
TEST_P(ZeroShot, AnswersAsRecorded) {
  const auto folder = folder_of(GetParam());
  const std::string text = test::read_gzip(folder / "zero-shot.json.gz");
  const JsonDocument document = JsonDocument::parse(text, "zero-shot.json.gz");
  const auto loaded = api::LoadedModel::load(api::resolve_model(folder.string()), {});
  tasks::TaskModel model = loaded->task_model();
  model.labels = texts_of(document.root().get("id2label"));
  const JsonView cases = document.root().get("cases");
  ASSERT_GT(cases.size(), 0U);
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(cat("case ", i));
    const JsonView parameters = cases.at(i).get("parameters");
    const tasks::Encoded encoded[] = {
        tasks::encode({text_of(cases.at(i).get("inputs")), std::nullopt,
                       texts_of(parameters.get("candidate_labels"))},
                      zero_shot_options(parameters), model)};
    tasks::ZeroShotResult result;
    loaded->runner().run(encoded, 4096, [&](size_t, std::span<const tasks::OutputView> outputs) {
      result = std::get<tasks::ZeroShotResult>(tasks::decode(encoded[0], outputs, model));
    });
    const JsonView output = cases.at(i).get("output");
    ASSERT_EQ(result.scores.size(), output.get("labels").size());
    for (size_t k = 0; k < result.scores.size(); ++k) {
      EXPECT_EQ(result.scores[k].label, text_of(output.get("labels").at(k)));
      EXPECT_NEAR(result.scores[k].score, output.get("scores").at(k).as_double("score"),
                  kScoreTolerance);
    }
  }
}
std::string folder_name(const testing::TestParamInfo<std::string>& row) {
  std::string name = row.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Recorded, ZeroShot, testing::ValuesIn(folders("zero-shot.json.gz")),
                         folder_name);
INSTANTIATE_TEST_SUITE_P(Recorded, PaddingLeft, testing::ValuesIn(folders("padding-left.json.gz")),
                         folder_name);
INSTANTIATE_TEST_SUITE_P(Recorded, Pipelines, testing::ValuesIn(folders("pipelines.json.gz")),
                         folder_name);

}  // namespace
}  // namespace tamis
