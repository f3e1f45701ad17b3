#include "formats/peft_adapter.h"

#include <cmath>

#include "formats/adapter_base.h"
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
  parts.push_back({"layer.query.base_layer.bias", {2}, {5, 6}});
  parts.push_back({"classifier.modules_to_save.weight", {1, 2}, {9, 9}});
  parts.push_back({"classifier.bias", {1}, {3}});
  parts.push_back({"classifier.modules_to_save.bias", {1}, {8}});
  parts.push_back({"classifier.original_module.bias", {1}, {7}});
  parts.push_back({"pooler.weight", {1}, {4}});
  adapter(R"("r":1,"lora_alpha":2,"bias":"all","modules_to_save":["classifier"])", parts);
  EXPECT_EQ(value("bert.layer.query.bias"), (Values{5, 6}));
  EXPECT_EQ(value("classifier.weight"), (Values{9, 9}));
  EXPECT_EQ(value("classifier.bias"), Values{3});
  EXPECT_EQ(value("pooler.weight"), Values{4});
  EXPECT_EQ(applied().size(), base_.size() + 2);
}

TEST_F(PeftAdapter, AddsTheUpdatesOwnBias) {
  std::vector<Part> parts = query_;
  parts.push_back({"layer.query.lora_B.bias", {2}, {1, 2}});
  adapter(R"("r":1,"lora_alpha":2,"lora_bias":true)", parts);
  EXPECT_EQ(value("bert.layer.query.bias"), (Values{2, 5}));
}

TEST_F(PeftAdapter, SetsTheLengthsOfDora) {
  // The sum's rows are (3, 2, 7) and (2, 5, 2): each keeps its direction.
  const double first = std::sqrt(62.0);
  const double second = std::sqrt(33.0);
  const Values expected = {static_cast<float>(3 * 2 / first),  static_cast<float>(2 * 2 / first),
                           static_cast<float>(7 * 2 / first),  static_cast<float>(2 * 5 / second),
                           static_cast<float>(5 * 5 / second), static_cast<float>(2 * 5 / second)};
  for (const char* name :
       {"layer.query.lora_magnitude_vector", "layer.query.lora_magnitude_vector.weight"}) {
    std::vector<Part> parts = query_;
    parts.push_back({name, {2}, {2, 5}});
    adapter(R"("r":1,"lora_alpha":2,"use_dora":true)", parts);
    EXPECT_EQ(value("bert.layer.query.weight"), expected);
  }
  // Of a table a column: (11, 2, 23) and (21, 2, 43).
  adapter(R"("r":1,"lora_alpha":1,"use_dora":true)",
          {{"bert.words.lora_embedding_A", {1, 3}, {1, 0, 2}},
           {"bert.words.lora_embedding_B", {2, 1}, {10, 20}},
           {"bert.words.lora_magnitude_vector", {2}, {1, 2}}});
  EXPECT_EQ(value("bert.words.weight")[2], static_cast<float>(2 / std::sqrt(654.0)));
  EXPECT_EQ(value("bert.words.weight")[3], static_cast<float>(2 * 2 / std::sqrt(2294.0)));
}

TEST_F(PeftAdapter, TakesTheAlphaOfTheFirstPatternThatFits) {
  const auto first = [this](const char* patterns) {
    adapter(cat(R"("r":1,"lora_alpha":2,"alpha_pattern":)", patterns), query_);
    return value("bert.layer.query.weight")[0];  // 1 + alpha
  };
  EXPECT_EQ(first("{}"), 3);
  EXPECT_EQ(first(R"({"query":4})"), 5);
  EXPECT_EQ(first(R"({"layer.query":4,"query":5})"), 5);
  EXPECT_EQ(first(R"({"key":4,"query":5})"), 6);
  EXPECT_EQ(first(R"({"^layer.query":4})"), 5);
  EXPECT_EQ(first(R"({"uery":4,"^query":5,"x.query":6,"bert.layer.query":7})"), 3);
}

TEST_F(PeftAdapter, RefusesWhatItDoesNotUnderstand) {
  adapter(R"("r":1,"use_dora":true)", query_);
  expect(ErrorCode::kCorruptData, "\"layer.query\" has no lora_magnitude_vector, but use_dora");
  adapter(R"("r":1,"alpha_pattern":{"layer.[0-5].query":4})", query_);
  expect(ErrorCode::kUnsupported, "alpha_pattern has the pattern \"layer.[0-5].query\"");
  adapter(R"("r":1,"use_qalora":true)", query_);
  expect(ErrorCode::kUnsupported, "adapter_config.json: use_qalora is true: this kind of LoRA");
  adapter(R"("r":1,"init_lora_weights":"pissa")", query_);
  expect(ErrorCode::kUnsupported, "init_lora_weights is \"pissa\"");
  folder_.write("adapter_config.json", R"({"peft_type":"IA3"})");
  expect(ErrorCode::kUnsupported, "peft_type is \"IA3\": only LoRA is built");
  folder_.write("adapter_config.json", "{}");
  expect(ErrorCode::kUnsupported, "no peft_type");

  std::vector<Part> parts = query_;
  parts.push_back({"layer.query.lora_magnitude_vector", {2}, {1, 1}});
  adapter(R"("r":1)", parts);
  expect(ErrorCode::kCorruptData, "has a lora_magnitude_vector, but use_dora is false");
  parts.back().name = "layer.query.lora_ga_vector";
  adapter(R"("r":1)", parts);
  expect(ErrorCode::kUnsupported, "lora_ga_vector\" is not understood");
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

// As save_pretrained() of PEFT leaves it: no config.json, no weights but the adapter's.
TEST_F(PeftAdapter, AloneItIsReadWithTheBaseThatItNames) {
  folder_.write("config.json", R"({"model_type":"other","architectures":["BertForMaskedLM"]})");
  TempFolder alone;
  EXPECT_FALSE(is_adapter_alone(folder_.path()));
  const auto save = [&](std::string_view rest) {
    adapter(cat(R"("r":1,"lora_alpha":2)", rest), query_);
    for (const char* file : {"adapter_config.json", "adapter_model.safetensors"}) {
      std::filesystem::rename(folder_.path() / file, alone.path() / file);
    }
  };
  const auto open = [&] { return Checkpoint::open(alone.path(), {"", "", folder_.path()}); };
  save(R"(,"base_model_name_or_path":"org/name","task_type":"SEQ_CLS","revision":"v1")");
  EXPECT_TRUE(is_adapter_alone(alone.path()));
  EXPECT_EQ(adapter_base(alone.path()), "org/name@v1");
  EXPECT_EQ(open()->tensor("bert.layer.query.weight")->as<float>()[0], 3);
  EXPECT_EQ(open()->config().architectures.front(), "BertForSequenceClassification");
  EXPECT_EQ(open()->config().id2label, std::vector<std::string>{"LABEL_0"});  // classifier's rows
  save(R"(,"auto_mapping":{"base_model_class":"BertModel"})");
  EXPECT_EQ(open()->config().architectures.front(), "BertModel");
  expect_error(ErrorCode::kUnsupported, "base_model_name_or_path names no model",
               [&] { (void)adapter_base(alone.path()); });
  expect_error(ErrorCode::kUnsupported, "adapter_config.json: a PEFT adapter, read with the base",
               [&] { (void)Checkpoint::open(alone.path()); });
  save(R"(,"task_type":"IMAGE")");
  expect_error(ErrorCode::kUnsupported, "task_type is \"IMAGE\"; accepted are null, \"SEQ_CLS\"",
               [&] { (void)open(); });
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
