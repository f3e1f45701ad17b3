// Tensors of a checkpoint that its graph does not read: named, or refused where they are a head.
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/log.h"
#include "models/models.h"
#include "models/test_util.h"

namespace tamis::models {
namespace {

std::string refusal(const Checkpoint& checkpoint, const BuildOptions& options = {}) {
  try {
    (void)build_model(checkpoint, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << error.what();
    return error.what();
  }
  return "";
}

TEST(UnusedWeights, ADroppedHeadIsRefused) {
  EditableCheckpoint colbert("bert-base");
  colbert.config.architectures = {"HF_ColBERT"};
  colbert.set("linear.weight", Tensor(DType::kF32, Shape{8, 32}));
  EXPECT_EQ(refusal(colbert.make(), {HeadKind::kEmbedding, {}}),
            "memory: tensor \"linear.weight\" is ColBERT's projection to a vector for each token, "
            "which embedding would leave out; accepted are the tasks embed-multi (--multi) and "
            "rerank");
  EditableCheckpoint tagger("bert-token-classification");
  tagger.set("crf.transitions", Tensor(DType::kF32, Shape{3, 3}));
  EXPECT_NE(refusal(tagger.make()).find("a CRF behind the labels"), std::string::npos);
}

std::vector<std::string> warnings(const Checkpoint& checkpoint, const BuildOptions& options = {}) {
  std::vector<std::string> found;
  set_log_sink([&found](LogLevel, std::string_view message) { found.emplace_back(message); });
  (void)build_model(checkpoint, options);
  set_log_sink({});
  return found;
}

TEST(UnusedWeights, AreCountedOnce) {
  EditableCheckpoint edited("bert-base");
  for (const char* name : {"a.weight", "b", "c", "embeddings.position_ids"}) {
    edited.set(name, Tensor(DType::kF32, Shape{2}));
  }
  EXPECT_EQ(warnings(edited.make()),
            std::vector<std::string>{
                "memory: 3 tensors of the weights are not used: \"a.weight\", \"b\", \"c\""});
  edited.set("d", Tensor(DType::kF32, Shape{2}));
  EXPECT_NE(warnings(edited.make()).at(0).find("4 tensors"), std::string::npos);
}

// Layers of a decoder beyond those that config.json counts.
TEST(UnusedWeights, LayersOfADecoderThatRunsAreNamed) {
  struct Case {
    const char* folder;
    const char* last;
    const char* beyond;
  };
  for (const Case& c :
       {Case{"bart-sequence-classification", "decoder.layers.1.", "decoder.layers.2."},
        Case{"t5-sequence-classification", "decoder.block.1.", "decoder.block.2."}}) {
    EditableCheckpoint edited(c.folder);
    EXPECT_EQ(warnings(edited.make()), std::vector<std::string>()) << c.folder;
    const std::vector<StoredTensor> tensors = edited.tensors;
    size_t added = 0;
    for (const StoredTensor& tensor : tensors) {
      const size_t at = tensor.name.find(c.last);
      if (at == tensor.name.npos) continue;
      std::string name = tensor.name;
      edited.set(name.replace(at, std::string_view(c.last).size(), c.beyond),
                 Tensor(DType::kF32, Shape{2}));
      ++added;
    }
    const std::vector<std::string> found = warnings(edited.make());
    ASSERT_EQ(found.size(), 1u) << c.folder;
    EXPECT_NE(found[0].find(cat(": ", added, " tensors of the weights are not used: ")),
              std::string::npos)
        << found[0];
    EXPECT_NE(found[0].find(c.beyond), std::string::npos) << found[0];
  }
}

TEST(UnusedWeights, OtherHeadsOfTheFamilyAreUsual) {
  for (const char* name : {"bert-masked-lm", "bert-sequence-classification",
                           "distilbert-question-answering", "roberta-masked-lm", "albert-masked-lm",
                           "electra-masked-lm", "bart-sequence-classification"}) {
    EXPECT_EQ(warnings(*Checkpoint::open(testdata_model(name)), {HeadKind::kEmbedding, {}}),
              std::vector<std::string>())
        << name;
  }
}

}  // namespace
}  // namespace tamis::models
