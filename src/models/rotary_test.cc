// Frequencies by every rule, against its formula, and what is refused.
#include "models/rotary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/json.h"

namespace tamis::models {
namespace {

RotaryPositions read(const std::string& json, int64_t size = 8, double theta = 10000) {
  const JsonDocument document = JsonDocument::parse(json, "test");
  return read_rotary(document.root(), "config.json: rope_scaling", {theta, size, 8192});
}

// pow and a division, each rounded, and the factor; what llama3 blends depends four times as much
// on the frequency that it blends.
void expect_frequencies(const RotaryPositions& positions, const std::vector<double>& wanted) {
  ASSERT_EQ(positions.frequencies.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_NEAR(positions.frequencies[i], wanted[i], wanted[i] * 0x1p-20) << i;
  }
}

TEST(Rotary, DefaultIsAPowerOfTheta) {
  const std::vector<double> wanted = {1, 0.1, 0.01, 0.001};
  expect_frequencies(read("null"), wanted);
  expect_frequencies(read("{}"), wanted);
  expect_frequencies(read(R"({"rope_type":"default"})"), wanted);
  // Only what is longer than the model's positions would turn otherwise.
  expect_frequencies(read(R"({"type":"dynamic","factor":4})"), wanted);
  expect_frequencies(read(R"({"rope_theta":16})"), {1, 0.5, 0.25, 0.125});
}

TEST(Rotary, LinearDividesByTheFactor) {
  expect_frequencies(read(R"({"rope_type":"linear","factor":4})"), {0.25, 0.025, 0.0025, 0.00025});
}

RotaryPositions read_file(const std::string& json) {
  const auto document = std::make_shared<const JsonDocument>(JsonDocument::parse(json, "test"));
  ModelConfig config;
  config.fields = ConfigFields(document, "config.json");
  config.max_position_embeddings = 8192;
  return read_rotary(config, rope_theta(config.fields, 10000), 8);
}

TEST(Rotary, OlderKeyWinsUnlessItIsEmpty) {
  const std::vector<double> halved = {0.5, 0.05, 0.005, 0.0005};
  const std::string linear = R"({"rope_type":"linear","factor":2})";
  expect_frequencies(read_file("{}"), {1, 0.1, 0.01, 0.001});
  expect_frequencies(read_file(R"({"rope_theta":16})"), {1, 0.5, 0.25, 0.125});
  expect_frequencies(read_file(cat(R"({"rope_scaling":)", linear, "}")), halved);
  expect_frequencies(read_file(cat(R"({"rope_parameters":)", linear, "}")), halved);
  expect_frequencies(read_file(cat(R"({"rope_scaling":{},"rope_parameters":)", linear, "}")),
                     halved);
  expect_frequencies(
      read_file(cat(R"({"rope_parameters":{"rope_theta":16},"rope_scaling":)", linear, "}")),
      halved);
}

// Waves of 6.28 and 62.8 tokens are below 8192 / 4, that of 6283 is between 2048 and 8192, and one
// of 62832 beyond.
TEST(Rotary, Llama3StretchesLongWaves) {
  const double share = (8192 / (2 * M_PI / 0.001) - 1) / (4 - 1);
  expect_frequencies(
      read(R"({"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,)"
           R"("original_max_position_embeddings":8192})",
           10, 100000),
      {1, 0.1, 0.01, (1 - share) * 0.001 / 8 + share * 0.001, 0.0001 / 8});
  // The model's own length, where the file does not say from which it was stretched.
  expect_frequencies(
      read(R"({"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4})", 10,
           100000),
      {1, 0.1, 0.01, (1 - share) * 0.001 / 8 + share * 0.001, 0.0001 / 8});
}

// Pairs turn 32 times within 8192 tokens at 1.6 and once at 3.1, rounded to 1 and 4.
TEST(Rotary, YarnStretchesLongWavesAndSharpensScores) {
  const RotaryPositions positions = read(R"({"rope_type":"yarn","factor":4})");
  expect_frequencies(positions, {1, 0.1, 0.01 * 2 / 3 + 0.0025 / 3, 0.001 / 3 + 0.00025 * 2 / 3});
  EXPECT_FLOAT_EQ(positions.scale, static_cast<float>(0.1 * std::log(4.0) + 1));
  // Without rounding: 1.008 and 1.61.
  const RotaryPositions bare =
      read(R"({"rope_type":"yarn","factor":4,"original_max_position_embeddings":256,)"
           R"("beta_fast":4,"beta_slow":1,"truncate":false,"mscale":0.7,"mscale_all_dim":1.3})");
  expect_frequencies(bare, {1, 0.1, 0.0025, 0.00025});
  EXPECT_FLOAT_EQ(bare.scale,
                  static_cast<float>((0.07 * std::log(4.0) + 1) / (0.13 * std::log(4.0) + 1)));
  EXPECT_FLOAT_EQ(read(R"({"rope_type":"yarn","factor":4,"attention_factor":0.5})").scale, 0.5f);
  // null: as much as the texts are longer now.
  EXPECT_FLOAT_EQ(
      read(R"({"rope_type":"yarn","factor":null,"original_max_position_embeddings":2048})").scale,
      static_cast<float>(0.1 * std::log(4.0) + 1));
}

// 8192 tokens are four times those of training.
TEST(Rotary, LongropeHasFactorsOfTheirOwnForLongTexts) {
  const std::string rule =
      R"({"rope_type":"longrope","short_factor":[1,1,2,4],"long_factor":[2,4,8,16],)"
      R"("original_max_position_embeddings":2048)";
  const RotaryPositions positions = read(rule + "}");
  expect_frequencies(positions, {1, 0.1, 0.005, 0.00025});
  RotaryPositions longer;
  longer.frequencies = positions.long_frequencies;
  expect_frequencies(longer, {0.5, 0.025, 0.00125, 0.0000625});
  EXPECT_EQ(positions.long_from, 2048);
  EXPECT_FLOAT_EQ(positions.scale,
                  static_cast<float>(std::sqrt(1 + std::log(4.0) / std::log(2048.0))));
  EXPECT_FLOAT_EQ(read(rule + R"(,"factor":0.5})").scale, 1.0f);
  EXPECT_FLOAT_EQ(read(rule + R"(,"attention_factor":0.8})").scale, 0.8f);
}

// The model's own key wins over the rule's; the factor is what the rule says, and only where it
// says none the ratio of the lengths. transformers 4 took the ratio wherever the model's key was
// there.
TEST(Rotary, LongropesLengthAndFactorMayStandInTwoPlaces) {
  const std::string factors = R"("short_factor":[1,1,2,4],"long_factor":[2,4,8,16])";
  struct Case {
    const char* inner;
    const char* outer;
    int64_t long_from;
    double factor;
  };
  for (const Case& c :
       {Case{"", "", 8192, 1}, Case{R"(,"original_max_position_embeddings":2048)", "", 2048, 4},
        Case{"", R"("original_max_position_embeddings":1024,)", 1024, 8},
        Case{R"(,"original_max_position_embeddings":2048)",
             R"("original_max_position_embeddings":1024,)", 1024, 8},
        Case{R"(,"original_max_position_embeddings":2048,"factor":32)", "", 2048, 32},
        Case{R"(,"factor":32)", R"("original_max_position_embeddings":1024,)", 1024, 32},
        Case{R"(,"factor":null)", R"("original_max_position_embeddings":1024,)", 1024, 8},
        Case{R"(,"factor":32)", "", 8192, 32}}) {
    for (const char* key : {"rope_scaling", "rope_parameters"}) {
      for (const char* type : {"rope_type", "type"}) {
        const RotaryPositions positions = read_file(cat(
            "{", c.outer, "\"", key, "\":{\"", type, "\":\"longrope\",", factors, c.inner, "}}"));
        EXPECT_EQ(positions.long_from, c.long_from) << c.outer << c.inner;
        const double length = std::log(static_cast<double>(c.long_from));
        EXPECT_FLOAT_EQ(positions.scale,
                        static_cast<float>(std::sqrt(1 + std::log(c.factor) / length)))
            << c.outer << c.inner;
      }
    }
  }
}

std::string refusal(const std::string& json, ErrorCode code, int64_t size = 8) {
  try {
    (void)read(json, size);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  return "";
}

TEST(Rotary, WhatIsNotBuiltIsNamed) {
  EXPECT_EQ(refusal(R"({"rope_type":"proportional","factor":4})", ErrorCode::kUnsupported),
            "config.json: rope_scaling: rope_type \"proportional\" is not built; accepted are "
            "default, dynamic, linear, llama3, longrope and yarn");
  EXPECT_EQ(refusal(R"({"rope_type":"yarn"})", ErrorCode::kCorruptData),
            "config.json: rope_scaling.factor is absent; rope_type \"yarn\" needs a number");
  EXPECT_EQ(refusal(R"({"rope_type":"linear","factor":0})", ErrorCode::kCorruptData),
            "config.json: rope_scaling.factor is 0; accepted are 0.001 to 1e+06");
  EXPECT_EQ(refusal("[]", ErrorCode::kCorruptData), "config.json: rope_scaling must be an object");
  EXPECT_EQ(refusal("{}", ErrorCode::kCorruptData, 7),
            "config.json: rope_scaling: 7 columns of a head cannot turn; accepted are even numbers "
            "from 2 on");
  EXPECT_NE(refusal(R"({"partial_rotary_factor":0.5})", ErrorCode::kUnsupported)
                .find("partial_rotary_factor"),
            std::string::npos);
  EXPECT_EQ(refusal(R"({"rope_type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":4})",
                    ErrorCode::kCorruptData),
            "config.json: rope_scaling.high_freq_factor is 4; accepted is more than 4");
  EXPECT_EQ(refusal(R"({"rope_type":"longrope","short_factor":[1,1,1]})", ErrorCode::kCorruptData),
            "config.json: rope_scaling.short_factor has 3 numbers; rope_type \"longrope\" needs an "
            "array of 4");
  EXPECT_EQ(
      refusal(R"({"rope_type":"longrope","short_factor":[1,1,1,1]})", ErrorCode::kCorruptData),
      "config.json: rope_scaling.long_factor has no numbers; rope_type \"longrope\" needs an "
      "array of 4");
  EXPECT_EQ(
      refusal(R"({"rope_type":"longrope","short_factor":[1,1,1,0]})", ErrorCode::kCorruptData),
      "config.json: rope_scaling.short_factor holds 0; accepted are 1e-06 to 1e+06");
}

}  // namespace
}  // namespace tamis::models
