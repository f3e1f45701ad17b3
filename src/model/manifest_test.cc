#include "model/manifest.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace tamis::api {
namespace {

Manifest example() {
  Manifest manifest;
  manifest.family = "bert";
  manifest.task = tasks::TaskKind::kClassify;
  manifest.embeddings = quant::EmbeddingStorage::kInt8;
  manifest.max_length = 128;
  manifest.max_tokens = 600;
  manifest.hidden_size = 384;
  manifest.output_size = 2;
  manifest.parameters = 22713216;
  manifest.labels = {"negative", "positive \"quoted\""};
  manifest.problem = tasks::Problem::kSingleLabel;
  manifest.cross_encoder_activation = Activation::kSigmoid;
  manifest.normalize = true;
  manifest.prompts = {{"query", "query: "}, {"passage", "passage: "}};
  manifest.default_prompt_name = "query";
  manifest.pair_template = {{"", "<q>"}, {"query", ""}, {"system", "rank"}, {"document", ""}};
  manifest.files["graph.txt"] = {12, std::string(64, 'a')};
  return manifest;
}

TEST(Manifest, RoundTrips) {
  const std::string text = write_manifest(example());
  const Manifest read = parse_manifest(text, "tamis.json");
  EXPECT_EQ(write_manifest(read), text);
  EXPECT_EQ(read.embeddings, quant::EmbeddingStorage::kInt8);
  EXPECT_EQ(read.labels[1], "positive \"quoted\"");
  EXPECT_EQ(read.cross_encoder_activation, Activation::kSigmoid);
  EXPECT_EQ(read.files.at("graph.txt").bytes, 12);
  EXPECT_EQ(task_model(read).prompts.at("query"), "query: ");
  EXPECT_EQ(task_model(read).pair_template, example().pair_template);
}

TEST(Manifest, RoundTripsWhatRetrievalNeeds) {
  Manifest manifest = example();
  manifest.task = tasks::TaskKind::kEmbedMulti;
  manifest.sparse_log_twice = true;
  manifest.late_interaction =
      tasks::LateInteraction{{7, 32}, {std::nullopt, 180}, 103, true, false, {5, 9}};
  const std::string text = write_manifest(manifest);
  const Manifest read = parse_manifest(text, "tamis.json");
  EXPECT_EQ(write_manifest(read), text);
  EXPECT_EQ(read.late_interaction, manifest.late_interaction);
  EXPECT_TRUE(task_model(read).sparse_log_twice);
  EXPECT_EQ(task_model(read).late_interaction, manifest.late_interaction);
  const auto refused = [&text](std::string_view from, std::string_view to) {
    std::string other = text;
    other.replace(other.find(from), from.size(), to);
    try {
      (void)parse_manifest(other, "tamis.json");
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(refused("\"marker\": 7", "\"marker\": -1"),
            "tamis.json: late_interaction: query: marker is -1, no token id");
  EXPECT_EQ(refused("\"length\": 32", "\"length\": -32"),
            "tamis.json: late_interaction: query: length is -32, must not be negative");
  EXPECT_NE(refused("\"skip_first\": false", "\"skip_first\": 0").find("skip_first"),
            std::string::npos);
}

TEST(Manifest, RoundTripsWhatLabelsNeed) {
  Manifest manifest = example();
  manifest.task = tasks::TaskKind::kNer;
  manifest.span_labels = tasks::SpanLabels{128002, 128003, true, 384, 12, 100};
  const std::string text = write_manifest(manifest);
  const Manifest read = parse_manifest(text, "tamis.json");
  EXPECT_EQ(write_manifest(read), text);
  EXPECT_EQ(read.span_labels, manifest.span_labels);
  EXPECT_EQ(task_model(read).span_labels, manifest.span_labels);
  std::string other = text;
  const std::string_view from = "\"separator\": 128003";
  other.replace(other.find(from), from.size(), "\"separator\": -1");
  try {
    (void)parse_manifest(other, "tamis.json");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "tamis.json: span_labels: separator is -1, no token id");
  }
}

std::string refusal(std::string_view from, std::string_view to) {
  std::string text = write_manifest(example());
  text.replace(text.find(from), from.size(), to);
  try {
    (void)parse_manifest(text, "tamis.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Manifest, RefusesWhatItCannotRead) {
  EXPECT_EQ(
      refusal("\"format_version\": 2", "\"format_version\": 3"),
      "tamis.json: format_version is 3; this program reads 1 to 2: make the bundle again with "
      "tamis optimize, or take a newer program");
  EXPECT_EQ(refusal("\"format_version\": 2", "\"format_version\": 1"), "");
  EXPECT_NE(refusal("\"classify\"", "\"divine\"").find("task \"divine\" is unknown; known are"),
            std::string::npos);
  EXPECT_EQ(refusal("\"max_length\": 128", "\"max_length\": -1"),
            "tamis.json: max_length is -1, must not be negative");
  EXPECT_EQ(refusal("\"family\": \"bert\"", "\"family\": 7"),
            "tamis.json: family must be a string, found an integer");
  EXPECT_EQ(refusal("\"labels\": [", "\"labels\": {\"0\": \"no\"}, \"names\": ["),
            "tamis.json: labels must be an array");
  EXPECT_EQ(refusal("\"prompts\": {", "\"prompts\": 3, \"asked\": {"),
            "tamis.json: prompts must be an object");
  EXPECT_EQ(refusal("\"embeddings\": \"int8\"", "\"embeddings\": \"int4\""),
            "tamis.json: embeddings is \"int4\"; must be fp32, fp16 or int8");
  EXPECT_EQ(refusal("\"embeddings\": \"int8\"", "\"unknown\": \"int8\""), "");
  EXPECT_NE(refusal("graph.txt", "../graph.txt").find("leaves the model's folder"),
            std::string::npos);
  EXPECT_NE(refusal("sigmoid", "sigmoidal").find("\"sigmoidal\" is unknown"), std::string::npos);
}

}  // namespace
}  // namespace tamis::api
