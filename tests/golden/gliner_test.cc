// GLiNER folders against the package's own scores and predict_entities (testdata/README.md), in
// every kernel set, alone and together.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "formats/test_util.h"
#include "model/loaded_model.h"
#include "model/span_labels.h"
#include "tests/support/gzip_file.h"

namespace tamis {
namespace {

const std::filesystem::path kRoot = TAMIS_TESTDATA "/gliner";
const std::vector<std::string> kLabels = {"person", "programming language", "city"};
// float32 of PyTorch and here, of scores that are sums over six layers: 2^-17 of the largest.
constexpr double kShare = 0x1p-17;
// What that moves a sigmoid by, of scores up to 32.
constexpr double kScore = 1e-4;

std::shared_ptr<const api::LoadedModel> load(const std::filesystem::path& folder,
                                             const api::ModelOptions& options = {}) {
  return api::LoadedModel::load(api::resolve_model(folder.string()), options);
}

std::string text_of(JsonView item) { return std::string(item.get("text").as_string("text")); }

NerOptions labelled(std::vector<std::string> labels = kLabels) {
  NerOptions options;
  options.labels = std::move(labels);
  return options;
}

NerOptions options_of(JsonView call) {
  NerOptions options;
  const JsonView labels = call.get("labels");
  for (size_t i = 0; i < labels.size(); ++i) {
    options.labels.emplace_back(labels.at(i).as_string("labels"));
  }
  if (const JsonView threshold = call.get("threshold")) {
    options.threshold = static_cast<float>(threshold.as_double("threshold"));
  }
  if (const JsonView flat = call.get("flat_ner")) options.nested = !flat.as_bool("flat_ner");
  if (const JsonView several = call.get("multi_label")) {
    options.multi_label = several.as_bool("multi_label");
  }
  return options;
}

/// The rows of scores that a text has, those of its words alone.
std::vector<float> scores_of(const api::LoadedModel& model, const tasks::Encoded& encoded,
                             size_t labels) {
  std::vector<float> scores;
  model.runner().run({&encoded, 1}, 4096, [&](size_t, std::span<const tasks::OutputView> outputs) {
    const auto width = static_cast<size_t>(outputs[0].tensor.shape()[1]);
    const auto rows = outputs[0].tensor.as<float>().subspan(labels * width);
    scores.assign(rows.begin(), rows.end());
  });
  return scores;
}

class Gliner : public testing::TestWithParam<std::string> {
 protected:
  Gliner()
      : source_((kRoot / GetParam() / "golden.json.gz").string()),
        document_(JsonDocument::parse(test::read_gzip(source_), source_)) {}

  [[nodiscard]] JsonView cases() const { return document_.root().get("cases"); }
  [[nodiscard]] static std::filesystem::path folder() { return kRoot / GetParam(); }

 private:
  std::string source_;
  JsonDocument document_;
};

void expect_scores(const api::LoadedModel& model, JsonView item) {
  const tasks::Encoded encoded = model.encode({text_of(item)}, labelled());
  const JsonView ids = item.get("input_ids");
  std::vector<int32_t> wanted;
  for (size_t i = 0; i < ids.size(); ++i) {
    wanted.push_back(static_cast<int32_t>(ids.at(i).as_int("input_ids")));
  }
  ASSERT_EQ(encoded.sequences[0].ids, wanted);
  const JsonView logits = item.get("logits");
  ASSERT_EQ(encoded.windows[0].offsets.size(), logits.size());
  const auto& shape = *model.task_model().span_labels;
  const std::vector<float> scores = scores_of(model, encoded, kLabels.size());
  double largest = 0;
  double worst = 0;
  for (size_t word = 0; word < logits.size(); ++word) {
    const auto widths =
        std::min<size_t>(static_cast<size_t>(shape.max_width), logits.size() - word);
    for (size_t width = 0; width < widths; ++width) {
      for (size_t label = 0; label < kLabels.size(); ++label) {
        const double want = logits.at(word).at(width).at(label).as_double("logits");
        const size_t at = (word * static_cast<size_t>(shape.max_width) + width) *
                              static_cast<size_t>(shape.most_labels) +
                          label;
        largest = std::max(largest, std::abs(want));
        worst = std::max(worst, std::abs(want - double{scores[at]}));
      }
    }
  }
  EXPECT_LE(worst, kShare * largest);
}

void expect_entities(const NerResult& result, JsonView call) {
  const JsonView wanted = call.get("entities");
  ASSERT_EQ(result.entities.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    const Entity& entity = result.entities[i];
    EXPECT_EQ(entity.label, wanted.at(i).get("label").as_string("label"));
    EXPECT_EQ(entity.word, wanted.at(i).get("text").as_string("text"));
    EXPECT_EQ(entity.start, wanted.at(i).get("start").as_int("start"));
    EXPECT_EQ(entity.end, wanted.at(i).get("end").as_int("end"));
    EXPECT_NEAR(entity.score, wanted.at(i).get("score").as_double("score"), kScore);
  }
}

TEST_P(Gliner, GivesTheRecordedScoresAndEntities) {
  size_t found = 0;
  for (const Isa isa : all_isas()) {
    if (!detected_isas().has(isa)) continue;
    SCOPED_TRACE(isa_name(isa));
    api::ModelOptions options;
    options.isas = isas_up_to(isa_name(isa));
    const auto model = load(folder(), options);
    EXPECT_EQ(model->task(), tasks::TaskKind::kNer);
    for (size_t i = 0; i < cases().size(); ++i) {
      SCOPED_TRACE(cat("case ", i));
      const JsonView item = cases().at(i);
      if (item.get("logits")) expect_scores(*model, item);
      const JsonView calls = item.get("calls");
      for (size_t c = 0; c < calls.size(); ++c) {
        SCOPED_TRACE(cat("call ", c));
        const auto results = model->run({{text_of(item)}}, options_of(calls.at(c)), 4096);
        expect_entities(std::get<NerResult>(results[0]), calls.at(c));
        found += std::get<NerResult>(results[0]).entities.size();
      }
    }
  }
  EXPECT_GT(found, 0U);
}

// Bits, of words with labels in front of them and other texts beside.
TEST_P(Gliner, TogetherOrAloneOnAnyThreadsIsTheSame) {
  for (const auto precision :
       {engine::Precision::kFp32, engine::Precision::kBf16, engine::Precision::kInt8}) {
    SCOPED_TRACE(engine::precision_name(precision));
    api::ModelOptions options;
    options.precision = precision;
    options.check_int8 = false;
    options.pool = std::make_shared<ThreadPool>(1);
    const auto one = load(folder(), options);
    options.pool = std::make_shared<ThreadPool>(3);
    const auto three = load(folder(), options);
    std::vector<tasks::Encoded> all;
    for (size_t i = 0; i < cases().size(); ++i) {
      all.push_back(one->encode({text_of(cases().at(i))}, labelled()));
    }
    std::vector<std::vector<float>> together(all.size());
    three->runner().run(all, 4096, [&](size_t i, std::span<const tasks::OutputView> outputs) {
      const auto rows = outputs[0].tensor.as<float>();
      together[i].assign(rows.begin(), rows.end());
    });
    for (size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(scores_of(*one, all[i], 0), together[i]) << "case " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Gliner, testing::Values("bert", "deberta-v2", "modernbert"),
                         [](const auto& row) {
                           std::string name = row.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

std::shared_ptr<const api::LoadedModel> bert() { return load(kRoot / "bert"); }

TEST(GlinerText, IsCutAtTheWordsThatAreRead) {
  const auto model = bert();
  std::string text;
  for (int i = 0; i < 17; ++i) text += "word ";
  EXPECT_TRUE(std::get<NerResult>(model->run({{text}}, labelled(), 4096)[0]).truncated);
  NerOptions whole = labelled();
  whole.truncation.enabled = false;
  expect_error(ErrorCode::kInvalidArgument, "the text has 17 words, of which 16 are taken",
               [&] { (void)model->encode({text}, whole); });
  whole.truncation = {};
  whole.truncation.max_length = 36;
  const tasks::Encoded cut = model->encode({text}, whole);
  EXPECT_TRUE(cut.truncated);
  EXPECT_LE(cut.tokens(), 36);
  EXPECT_LT(cut.windows[0].offsets.size(), 16U);
}

// The package keeps zeros in its place: an answer without it is said to be cut.
TEST(GlinerText, AWordWithoutTokensIsSaid) {
  const auto model = load(kRoot / "bert");
  const auto run = [&](const std::string& text, const NerOptions& options) {
    return std::get<NerResult>(model->run({{text}}, options, 4096)[0]);
  };
  NerOptions options = labelled();
  const NerResult plain = run("Ada lived in London.", options);
  EXPECT_FALSE(plain.truncated);
  const NerResult marked = run("Ada \x01 lived in London.", options);
  EXPECT_TRUE(marked.truncated);
  ASSERT_EQ(marked.entities.size(), plain.entities.size());
  for (size_t i = 0; i < plain.entities.size(); ++i) {
    EXPECT_EQ(marked.entities[i].score, plain.entities[i].score);
  }
  options.truncation.enabled = false;
  EXPECT_FALSE(run("Ada lived in London.", options).truncated);
  expect_error(ErrorCode::kInvalidArgument, "none that the tokenizer drops",
               [&] { (void)run("Ada \x01 lived in London.", options); });
}

TEST(GlinerText, OptionsThatDoNotFitAreRefused) {
  const auto model = bert();
  const auto refused = [&model](const NerOptions& options, std::string_view message) {
    expect_error(ErrorCode::kInvalidArgument, message,
                 [&] { (void)model->encode({"Ada lived."}, options); });
  };
  refused({}, "this model reads labels with the text; at least one is needed");
  refused(labelled({""}), "the label \"\" has no tokens");
  refused(labelled({"a <<ENT>> b"}), "holds the token that marks labels");
  std::vector<std::string> many;
  for (int i = 0; i < 101; ++i) many.push_back(cat("label ", i));
  refused(labelled(many), "101 labels; at most 100 are accepted");
  NerOptions options = labelled();
  options.threshold = 1.5f;
  refused(options, "threshold must be from 0 to 1, not 1.5");
  options = labelled();
  options.stride = 2;
  refused(options, "stride is for models with labels of their own");
  options = labelled();
  options.aggregation = Aggregation::kFirst;
  refused(options, "aggregation is for models with labels of their own");
  options = labelled();
  options.truncation.max_length = 8;
  refused(options, "the labels take ");
  options = labelled();
  options.truncation.side = Side::kLeft;
  expect_error(ErrorCode::kUnsupported, "truncation from the left is not built",
               [&] { (void)model->encode({"Ada lived."}, options); });
  expect_error(ErrorCode::kInvalidArgument, "text is not UTF-8",
               [&] { (void)model->encode({"Ada \xff lived."}, labelled()); });
}

TEST(GlinerText, LabelsAreForModelsThatReadThem) {
  const auto model = load(TAMIS_TESTDATA "/models/bert-token-classification");
  expect_error(ErrorCode::kInvalidArgument, "labels is for models that read labels with the text",
               [&] { (void)model->encode({"Ada lived."}, labelled()); });
  NerOptions options;
  options.threshold = 0.5f;
  expect_error(ErrorCode::kInvalidArgument, "threshold is for models that read labels",
               [&] { (void)model->encode({"Ada lived."}, options); });
}

TEST(GlinerFolder, CanDoNothingElse) {
  api::ModelOptions options;
  options.task = tasks::TaskKind::kEmbed;
  expect_error(ErrorCode::kUnsupported, "a GLiNER model, made for entities over given labels",
               [&] { (void)load(kRoot / "bert", options); });
}

/// A copy of a folder with other text in its gliner_config.json.
class Edited {
 public:
  Edited(std::string_view from, std::string_view to) {
    std::filesystem::copy(kRoot / "bert", folder_.path());
    const std::filesystem::path file = folder_.path() / "gliner_config.json";
    std::string text = read_file(file);
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    write_file(file, text);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return folder_.path(); }

 private:
  TempFolder folder_;
};

TEST(GlinerFolder, FormsThatAreNotBuiltAreRefusedByName) {
  struct Row {
    std::string_view from;
    std::string_view to;
    std::string_view message;
  };
  constexpr Row kRows[] = {
      {R"("markerV0")", R"("token_level")", "span_mode"},
      {R"("labels_encoder": null)", R"("labels_encoder": "bge")", "labels_encoder"},
      {R"("labels_decoder": null)", R"("labels_decoder": "gpt2")", "labels_decoder"},
      {R"("relations_layer": null)", R"("relations_layer": "biaffine")", "relations_layer"},
      {R"("fuse_layers": false)", R"("fuse_layers": true)", "fuse_layers"},
      {R"("post_fusion_schema": "")", R"("post_fusion_schema": "l2l")", "post_fusion_schema"},
      {R"("whitespace")", R"("spacy")", "words_splitter_type"},
      {R"("subtoken_pooling": "first")", R"("subtoken_pooling": "mean")", "subtoken_pooling"},
      {R"("model_type": "bert")", R"("model_type": "qwen2")", "not built in a GLiNER model"},
      {R"("hidden_size": 10)", R"("hidden_size": 11)", "hidden_size 11"},
  };
  for (const Row& row : kRows) {
    const Edited folder(row.from, row.to);
    expect_error(ErrorCode::kUnsupported, row.message, [&] { (void)load(folder.path()); });
  }
}

TEST(GlinerFolder, MarksMustBeTheTokenizers) {
  const Edited folder(R"("ent_token": "<<ENT>>")", R"("ent_token": "<<SEP>>")");
  expect_error(ErrorCode::kUnsupported, "class_token_index", [&] { (void)load(folder.path()); });
}

// As the first models were published: the encoder's config by its name alone.
TEST(GlinerFolder, TakesTheEncodersConfigFromBesideIt) {
  const TempFolder folder;
  std::filesystem::copy(kRoot / "bert", folder.path());
  const std::filesystem::path file = folder.path() / "gliner_config.json";
  const std::string text = read_file(file);
  const JsonDocument document = JsonDocument::parse(text, "config");
  JsonWriter encoder;
  encoder.value(document.root().get("encoder_config"));
  JsonWriter rest;
  rest.begin_object();
  for (size_t i = 0; i < document.root().size(); ++i) {
    const JsonView::Member member = document.root().member(i);
    if (member.key != "encoder_config") rest.key(member.key).value(member.value);
  }
  write_file(file, rest.end_object().take());
  expect_error(ErrorCode::kUnsupported, "no config.json of \"tiny/bert\"",
               [&] { (void)load(folder.path()); });
  write_file(folder.path() / "config.json", encoder.take());
  const auto whole = bert()->run({{"Ada lived in London."}}, labelled(), 64);
  const auto other = load(folder.path())->run({{"Ada lived in London."}}, labelled(), 64);
  const auto& a = std::get<NerResult>(whole[0]).entities;
  const auto& b = std::get<NerResult>(other[0]).entities;
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].score, b[i].score);
}

}  // namespace
}  // namespace tamis
