// What is offered for a model_type that no family has.
#include "models/families.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "models/models.h"
#include "models/test_util.h"

namespace tamis::models {
namespace {

std::string refusal(const Checkpoint& checkpoint) {
  try {
    (void)build_model(checkpoint);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << error.what();
    return error.what();
  }
  return "";
}

// A model_type of its own over the keys and tensors of a family.
Checkpoint named_otherwise(const std::string& name, const std::string& model_type) {
  const EditableCheckpoint original(name);
  std::string json = read_file(testdata_model(name) / "config.json");
  const std::string key = "\"model_type\": \"" + original.config.model_type;
  json.replace(json.find(key), key.size(), "\"model_type\": \"" + model_type);
  return Checkpoint("memory", ModelConfig::parse(json, "config.json"), original.tensors);
}

TEST(Families, UnknownFamiliesThatFitOneAreOfferedItByName) {
  const auto hint = [](const std::string& name) {
    const std::string text = refusal(named_otherwise(name, "mine"));
    const size_t at = text.find("; keys and tensors are those of ");
    return at == text.npos ? "" : text.substr(at + 2);
  };
  EXPECT_EQ(hint("qwen3-token-classification"),
            "keys and tensors are those of qwen3: if it is one, try --family qwen3");
  EXPECT_EQ(hint("roberta-sequence-classification"),
            "keys and tensors are those of roberta or camembert or xlm-roberta: if it is one, try "
            "--family with its name");
  // A tensor that no family reads, or of another shape: nothing is offered.
  EditableCheckpoint edited("qwen3-base");
  edited.set("layers.0.gate", Tensor(DType::kF32, Shape{2}));
  const std::string json = R"({"model_type": "mine", "hidden_size": 16})";
  EXPECT_EQ(refusal(Checkpoint("memory", ModelConfig::parse(json, "config.json"), edited.tensors))
                .find("--family"),
            std::string::npos);
  EXPECT_EQ(build_model(named_otherwise("qwen3-base", "mine").read_as("qwen3")).family, "qwen3");
}

// --family names a family, and only where config.json's own is not built.
TEST(Families, AFamilyIsGivenOnlyForAnUnknownOne) {
  const auto code = [](std::string_view json, std::string_view family) {
    try {
      (void)ModelConfig::parse(json, "config.json", family);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << error.what();
      return true;
    }
    return false;
  };
  EXPECT_TRUE(code(R"({"model_type":"bert"})", "roberta"));
  EXPECT_TRUE(code(R"({"model_type":"mine"})", "yours"));
  EXPECT_FALSE(code(R"({"model_type":"mine"})", "roberta"));
}

}  // namespace
}  // namespace tamis::models
