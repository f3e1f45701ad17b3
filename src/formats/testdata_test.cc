// The readers on the committed checkpoints: what Hugging Face's libraries really write.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "formats/checkpoint.h"
#include "formats/sentence_transformers.h"

namespace tamis {
namespace {

namespace fs = std::filesystem;

// Folders below testdata/`name` that hold a config.json, at any depth but no module's.
std::vector<fs::path> models_in(std::string_view name) {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(TAMIS_TESTDATA) / name)) {
    const fs::path folder = entry.path().parent_path();
    if (entry.path().filename() == "config.json" && file_exists(folder / "tokenizer_config.json")) {
      folders.push_back(folder);
    }
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

// The shape of the tensor whose name ends so, nothing if there is none.
std::optional<Shape> shape_of(const Checkpoint& checkpoint, std::string_view end) {
  for (const std::string& name : checkpoint.names()) {
    if (name.ends_with(end)) return checkpoint.find(name)->shape();
  }
  return std::nullopt;
}

TEST(Testdata, EveryCheckpointMatchesItsConfig) {
  const std::vector<fs::path> folders = models_in("models");
  ASSERT_GT(folders.size(), 40u);
  for (const fs::path& folder : folders) {
    SCOPED_TRACE(folder.string());
    const auto checkpoint = Checkpoint::open(folder);
    const ModelConfig& config = checkpoint->config();
    for (const std::string& name : checkpoint->names()) {
      EXPECT_NE(checkpoint->tensor(name)->view().data(), nullptr) << name;
    }
    // Not every family calls them so, or has positions or segments.
    const auto words = shape_of(*checkpoint, "embeddings.word_embeddings.weight");
    if (words) {
      EXPECT_EQ(*words, Shape({config.vocab_size, config.embedding_size}));
    }
    const auto positions = shape_of(*checkpoint, "embeddings.position_embeddings.weight");
    if (positions) {
      EXPECT_EQ(*positions, Shape({config.max_position_embeddings, config.embedding_size}));
    }
    const auto types = shape_of(*checkpoint, "embeddings.token_type_embeddings.weight");
    EXPECT_EQ(types.has_value(), words.has_value() && config.type_vocab_size != 0);
    if (types) {
      EXPECT_EQ(*types, Shape({config.type_vocab_size, config.embedding_size}));
    }
    if (const auto classifier = shape_of(*checkpoint, "classifier.weight")) {
      EXPECT_EQ((*classifier)[0], config.num_labels);
    }
  }
}

// One set of weights in five layouts: the same tensors, bit for bit.
TEST(Testdata, EveryLayoutHoldsTheSameWeights) {
  const fs::path variants = fs::path(TAMIS_TESTDATA) / "models" / "variants";
  const auto sharded = Checkpoint::open(variants / "sharded");
  const std::vector<std::string> names = sharded->names();
  ASSERT_EQ(names.size(), 39u);
  for (const std::string_view layout :
       {"bin", "bin-sharded", "bin-views", "bin-parameters", "bin-and-safetensors"}) {
    const auto other = Checkpoint::open(variants / layout);
    EXPECT_EQ(other->names(), names) << layout;
    for (const std::string& name : names) {
      SCOPED_TRACE(cat(layout, ": ", name));
      const auto expected = sharded->tensor(name);
      const auto found = other->tensor(name);
      ASSERT_EQ(found->shape(), expected->shape());
      ASSERT_EQ(found->dtype(), expected->dtype());
      EXPECT_EQ(std::memcmp(found->view().data(), expected->view().data(), found->size_bytes()), 0);
    }
  }
}

struct Expected {
  std::string_view folder;
  std::vector<Pooling> modes;
  size_t pooled = 0;
  bool normalize = true;
};

TEST(Testdata, SentenceTransformersFoldersAreUnderstood) {
  using enum Pooling;
  const Expected cases[] = {
      {"cls", {kCls}},
      {"mean", {kMean}},
      {"max", {kMax}},
      {"mean_sqrt_len", {kMeanSqrtLen}},
      {"weightedmean", {kWeightedMean}},
      {"lasttoken", {kLastToken}},
      {"cls-mean", {kCls, kMean}},
      {"today", {kMean, kCls}},
      {"no-normalize", {kMean}, 0, false},
      {"dense-tanh", {kMean}, 1},
      {"dense-linear-bin", {kCls}, 1},
      {"wide-window", {kMean}},
      {"lowered", {kMean}},
      {"prompts", {kMean}},
      {"prompts-default", {kMean}},
      {"prompts-excluded", {kMean}},
  };
  const fs::path root = fs::path(TAMIS_TESTDATA) / "sentence-transformers";
  for (const Expected& expected : cases) {
    SCOPED_TRACE(expected.folder);
    const SentenceTransformerConfig config = read_sentence_transformer(root / expected.folder);
    ASSERT_TRUE(config.pooling.has_value());
    EXPECT_EQ(config.pooling->modes, expected.modes);
    EXPECT_EQ(config.pooling->embedding_dimension, 16);
    EXPECT_EQ(config.pooling->include_prompt, expected.folder != "prompts-excluded");
    EXPECT_EQ(config.pooled.size(), expected.pooled);
    EXPECT_EQ(config.normalize, expected.normalize);
    EXPECT_EQ(config.do_lower_case, expected.folder == "lowered");
    EXPECT_EQ(config.similarity_fn_name, "cosine");
    EXPECT_EQ(config.prompts.contains("passage"), expected.folder.starts_with("prompts"));
    EXPECT_EQ(config.default_prompt_name.has_value(), expected.folder == "prompts-default");
    const bool has_length = expected.folder != "wide-window" && expected.folder != "today";
    EXPECT_EQ(config.max_seq_length, has_length ? std::optional<int64_t>(32) : std::nullopt);
    EXPECT_EQ(Checkpoint::open(config.transformer_folder)->config().hidden_size, 16);
  }
  const auto dense_of = [&](const char* name) {
    return std::get<DenseConfig>(read_sentence_transformer(root / name).pooled.at(0));
  };
  const auto tanh = dense_of("dense-tanh");
  EXPECT_EQ(tanh.activation, Activation::kTanh);
  EXPECT_NE(tanh.bias, nullptr);
  const auto linear = dense_of("dense-linear-bin");
  EXPECT_EQ(linear.activation, Activation::kNone);
  EXPECT_EQ(linear.bias, nullptr);
  EXPECT_EQ(linear.weight->shape(), Shape({linear.out_features, linear.in_features}));
}

}  // namespace
}  // namespace tamis
