#include "formats/peft_adapter.h"

#include "formats/checkpoint.h"
#include "formats/safetensors.h"
#include "formats/test_util.h"

namespace tamis {
namespace {

using Values = std::vector<float>;

struct Part {
  std::string name;
  Shape shape;
  Values values;
};

class PeftAdapter : public testing::Test {
 protected:
  PeftAdapter() { weights("model.safetensors", base_); }

  void weights(const char* file, const std::vector<Part>& parts) {
    std::vector<Tensor> tensors;
    std::vector<NamedTensor> named;
    for (const Part& part : parts) tensors.push_back(Tensor::from(part.shape, part.values));
    for (size_t i = 0; i < parts.size(); ++i) named.push_back({parts[i].name, tensors[i].view()});
    write_safetensors(folder_.path() / file, named);
  }
  void adapter(std::string_view config, const std::vector<Part>& parts) {
    folder_.write("adapter_config.json", cat(R"({"peft_type":"LORA",)", config, "}"));
    std::vector<Part> prefixed = parts;
    for (Part& part : prefixed) part.name = "base_model.model." + part.name;
    weights("adapter_model.safetensors", prefixed);
  }
  std::vector<StoredTensor> applied() const {
    std::vector<StoredTensor> tensors = read_weights(folder_.path());
    apply_peft_adapter(folder_.path(), tensors);
    return tensors;
  }
  Values value(const std::string& name) const {
    for (const StoredTensor& tensor : applied()) {
      if (tensor.name != name) continue;
      const auto span = tensor.tensor->as<float>();
      return {span.begin(), span.end()};
    }
    return {};
  }
  void expect(ErrorCode code, std::string_view message) const {
    expect_error(code, message, [this] { (void)applied(); });
  }

  const std::vector<Part> base_ = {{"bert.layer.query.weight", {2, 3}, {1, 2, 3, 4, 5, 6}},
                                   {"bert.layer.query.bias", {2}, {0, 1}},
                                   {"bert.words.weight", {3, 2}, {1, 1, 2, 2, 3, 3}},
                                   {"classifier.weight", {1, 2}, {7, 8}}};
  const std::vector<Part> query_ = {{"layer.query.lora_A.weight", {1, 3}, {1, 0, 2}},
                                    {"layer.query.lora_B.weight", {2, 1}, {1, -1}}};
  TempFolder folder_;
};

TEST_F(PeftAdapter, NoneLeavesTheWeightsAsTheyAre) {
  EXPECT_EQ(value("bert.layer.query.weight"), (Values{1, 2, 3, 4, 5, 6}));
}

TEST_F(PeftAdapter, AddsTheScaledProduct) {
  // alpha / r = 2; the names stand without the prefix of the class with a head.
  adapter(R"("r":1,"lora_alpha":2)", query_);
  EXPECT_EQ(value("bert.layer.query.weight"), (Values{3, 2, 7, 2, 5, 2}));
  EXPECT_EQ(value("bert.layer.query.bias"), (Values{0, 1}));
}

TEST_F(PeftAdapter, ScalesByTheRootWithRslora) {
  const std::vector<Part> rank4 = {
      {"bert.layer.query.lora_A.weight", {4, 3}, {1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
      {"bert.layer.query.lora_B.weight", {2, 4}, {1, 0, 0, 0, -1, 0, 0, 0}}};
  adapter(R"("r":4,"lora_alpha":4,"use_rslora":true)", rank4);
  EXPECT_EQ(value("bert.layer.query.weight"), (Values{3, 2, 7, 2, 5, 2}));
  adapter(R"("r":4,"lora_alpha":4)", rank4);
  EXPECT_EQ(value("bert.layer.query.weight"), (Values{2, 2, 5, 3, 5, 4}));
}

TEST_F(PeftAdapter, AddsToEmbeddingsTransposed) {
  adapter(R"("r":1,"lora_alpha":1)", {{"bert.words.lora_embedding_A", {1, 3}, {1, 0, 2}},
                                      {"bert.words.lora_embedding_B", {2, 1}, {10, 20}}});
  EXPECT_EQ(value("bert.words.weight"), (Values{11, 21, 2, 2, 23, 43}));
}

TEST_F(PeftAdapter, PutsInBiasesAndWholeModules) {
  std::vector<Part> parts = query_;
  parts.push_back({"layer.query.bias", {2}, {5, 6}});
  parts.push_back({"classifier.modules_to_save.weight", {1, 2}, {9, 9}});
  parts.push_back({"pooler.weight", {1}, {4}});
  adapter(R"("r":1,"lora_alpha":2,"bias":"all","modules_to_save":["classifier"])", parts);
  EXPECT_EQ(value("bert.layer.query.bias"), (Values{5, 6}));
  EXPECT_EQ(value("classifier.weight"), (Values{9, 9}));
  EXPECT_EQ(value("pooler.weight"), Values{4});
}

TEST_F(PeftAdapter, AddsTheUpdatesOwnBias) {
  std::vector<Part> parts = query_;
  parts.push_back({"layer.query.lora_B.bias", {2}, {1, 2}});
  adapter(R"("r":1,"lora_alpha":2,"lora_bias":true)", parts);
  EXPECT_EQ(value("bert.layer.query.bias"), (Values{2, 5}));
}

TEST_F(PeftAdapter, RefusesWhatItDoesNotUnderstand) {
  adapter(R"("r":1,"use_dora":true)", query_);
  expect(ErrorCode::kUnsupported, "adapter_config.json: use_dora is true: this kind of LoRA");
  adapter(R"("r":1,"alpha_pattern":{"query":4})", query_);
  expect(ErrorCode::kUnsupported, "alpha_pattern is {\"query\":4}");
  adapter(R"("r":1,"init_lora_weights":"pissa")", query_);
  expect(ErrorCode::kUnsupported, "init_lora_weights is \"pissa\"");
  folder_.write("adapter_config.json", R"({"peft_type":"IA3"})");
  expect(ErrorCode::kUnsupported, "peft_type is \"IA3\": only LoRA is built");
  folder_.write("adapter_config.json", "{}");
  expect(ErrorCode::kUnsupported, "no peft_type");

  std::vector<Part> parts = query_;
  parts.push_back({"layer.query.lora_magnitude_vector", {2}, {1, 1}});
  adapter(R"("r":1)", parts);
  expect(ErrorCode::kUnsupported, "lora_magnitude_vector\" is not understood");
}

TEST_F(PeftAdapter, RefusesWhatDoesNotFit) {
  adapter(R"("r":1)", {query_[0]});
  expect(ErrorCode::kCorruptData, "\"layer.query\" has only one of the two parts");
  adapter(R"("r":1)", {query_[0], {"layer.query.lora_B.weight", {3, 1}, {1, 1, 1}}});
  expect(ErrorCode::kCorruptData, "A [1, 3] and B [3, 1] do not fit");
  adapter(R"("r":1)", {{"layer.key.lora_A.weight", {1, 3}, {1, 1, 1}},
                       {"layer.key.lora_B.weight", {2, 1}, {1, 1}}});
  expect(ErrorCode::kCorruptData, "changes \"layer.key.weight\"");
}

TEST_F(PeftAdapter, AloneItIsNamed) {
  TempFolder alone;
  alone.write("adapter_config.json", "{}");
  expect_error(ErrorCode::kUnsupported, "adapter_config.json: a PEFT adapter without its base",
               [&] { (void)Checkpoint::open(alone.path()); });
}

// Jina v3 keeps an adapter for each of its tasks in a folder of its own.
TEST_F(PeftAdapter, OneOfSeveralFoldersIsApplied) {
  folder_.write("config.json", R"({"model_type":"other"})");
  for (const char* name : {"retrieval", "matching"}) {
    adapter(name[0] == 'm' ? R"("r":1,"lora_alpha":2)" : R"("r":1,"lora_alpha":1)", query_);
    std::filesystem::create_directories(folder_.path() / name);
    for (const char* file : {"adapter_config.json", "adapter_model.safetensors"}) {
      std::filesystem::rename(folder_.path() / file, folder_.path() / name / file);
    }
  }
  EXPECT_EQ(adapter_names(folder_.path()), (std::vector<std::string>{"matching", "retrieval"}));
  expect_error(ErrorCode::kNotFound, "no adapter \"retrieve\"; it has matching, retrieval", [this] {
    (void)Checkpoint::open(folder_.path(), {"", "retrieve"});
  });
  const auto first = [this](const char* adapter) {
    const auto checkpoint = Checkpoint::open(folder_.path(), {"", adapter});
    return checkpoint->tensor("bert.layer.query.weight")->as<float>()[0];
  };
  EXPECT_EQ(first(""), 1);
  EXPECT_EQ(first("retrieval"), 2);
  EXPECT_EQ(first("matching"), 3);
}

}  // namespace
}  // namespace tamis
