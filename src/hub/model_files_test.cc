#include "hub/model_files.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"
#include "base/file.h"

namespace tamis::hub {
namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;

/// A folder for the small files that name others.
class ModelFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "tamis_files_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { fs::remove_all(root_); }

  void put(const std::string& name, const std::string& text) const {
    fs::create_directories((root_ / name).parent_path());
    write_file(root_ / name, text);
  }
  Names choose(const Names& files, Parts parts = Parts::kModel) const {
    return choose_files(files, parts, "a/b@main",
                        [this](const std::string& name) { return root_ / name; });
  }

  fs::path root_;
};

TEST_F(ModelFilesTest, SafetensorsBeforeBinAndNothingOfOthers) {
  EXPECT_EQ(choose({".gitattributes", "README.md", "config.json", "flax_model.msgpack",
                    "model.safetensors", "onnx/model.onnx", "openvino/openvino_model.bin",
                    "pytorch_model.bin", "rust_model.ot", "tf_model.h5", "tokenizer.json",
                    "tokenizer_config.json", "training_args.bin", "vocab.txt"}),
            (Names{"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
                   "vocab.txt"}));
  EXPECT_EQ(choose({"config.json", "pytorch_model.bin", "tf_model.h5"}),
            (Names{"config.json", "pytorch_model.bin"}));
}

TEST_F(ModelFilesTest, ATemplateIsPartOfAModel) {
  const Names files = {"chat_template.jinja", "config.json", "model.safetensors", "tokenizer.json"};
  EXPECT_EQ(choose(files), files);
}

TEST_F(ModelFilesTest, AStaticEmbeddingHasNoConfig) {
  put("modules.json", R"([{"path":"0_StaticEmbedding"},{"path":"1_Normalize"}])");
  const Names files = {"0_StaticEmbedding/model.safetensors", "0_StaticEmbedding/tokenizer.json",
                       "modules.json"};
  Names more = files;
  more.insert({"onnx/model.onnx", "0_StaticEmbedding/onnx/tokenizer.json"});
  EXPECT_EQ(choose(more), files);
  put("modules.json", R"([{"path":"."}])");
  const Names beside = {"config.json", "model.safetensors", "modules.json", "tokenizer.json"};
  EXPECT_EQ(choose(beside), beside);
}

TEST_F(ModelFilesTest, BesideAnOnnxFileLieNoWeightsOfTheFolder) {
  put("modules.json", R"([{"path":""},{"path":"1_Pooling"},{"path":"2_Dense"}])");
  EXPECT_EQ(choose({"1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors",
                    "config.json", "config_sentence_transformers.json", "model.onnx",
                    "model.onnx_data", "model.safetensors", "modules.json", "onnx/model.onnx",
                    "other.onnx", "tokenizer.json"},
                   Parts::kBesideOnnx),
            (Names{"1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors",
                   "config.json", "config_sentence_transformers.json", "modules.json",
                   "tokenizer.json"}));
  EXPECT_EQ(choose({"config.json", "model.onnx"}, Parts::kBesideOnnx), (Names{"config.json"}));
}

TEST_F(ModelFilesTest, ShardsAreThoseOfTheIndex) {
  put("model.safetensors.index.json",
      R"({"weight_map":{"x":"model-1.safetensors","y":"model-2.safetensors","z":"model-1.safetensors"}})");
  const Names files = {"config.json",         "model-1.safetensors",          "model-2.safetensors",
                       "model-3.safetensors", "model.safetensors.index.json", "pytorch_model.bin"};
  EXPECT_EQ(choose(files), (Names{"config.json", "model-1.safetensors", "model-2.safetensors",
                                  "model.safetensors.index.json"}));
  Names less = files;
  less.erase("model-2.safetensors");
  EXPECT_THROW((void)choose(less), Error);
}

TEST_F(ModelFilesTest, ModulesOfSentenceTransformers) {
  put("modules.json",
      R"([{"type":"T","path":""},{"type":"P","path":"1_Pooling"},{"type":"D","path":"2_Dense"},
          {"type":"N","path":"3_Normalize"}])");
  EXPECT_EQ(
      choose({"1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors",
              "2_Dense/pytorch_model.bin", "config.json", "config_sentence_transformers.json",
              "model.safetensors", "modules.json", "onnx/config.json", "onnx/model.onnx",
              "sentence_bert_config.json", "sentence_xlm-roberta_config.json"}),
      (Names{"1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors",
             "config.json", "config_sentence_transformers.json", "model.safetensors",
             "modules.json", "sentence_bert_config.json", "sentence_xlm-roberta_config.json"}));
}

TEST_F(ModelFilesTest, ATransformerInItsOwnFolder) {
  put("modules.json", R"([{"type":"T","path":"0_Transformer/"},{"type":"P","path":"1_Pooling"}])");
  EXPECT_EQ(choose({"0_Transformer/config.json", "0_Transformer/pytorch_model.bin",
                    "0_Transformer/vocab.txt", "1_Pooling/config.json", "modules.json",
                    "pytorch_model.bin"}),
            (Names{"0_Transformer/config.json", "0_Transformer/pytorch_model.bin",
                   "0_Transformer/vocab.txt", "1_Pooling/config.json", "modules.json"}));
}

TEST_F(ModelFilesTest, ARoutersModulesAndHeadsBesideTheWeights) {
  put("modules.json", R"([{"type":"Router","path":""}])");
  put("router_config.json",
      R"({"types":{"query_0_Static":"S","document_0_MLM":"M","../x":"N"},"structure":{}})");
  EXPECT_EQ(choose({"document_0_MLM/config.json", "document_0_MLM/model.safetensors",
                    "modules.json", "other/config.json", "query_0_Static/config.json",
                    "query_0_Static/model.safetensors", "router_config.json"}),
            (Names{"document_0_MLM/config.json", "document_0_MLM/model.safetensors", "modules.json",
                   "query_0_Static/config.json", "query_0_Static/model.safetensors",
                   "router_config.json"}));
  EXPECT_EQ(choose({"artifact.metadata", "colbert_linear.pt", "config.json", "model.safetensors",
                    "other.pt", "sparse_linear.pt"}),
            (Names{"artifact.metadata", "colbert_linear.pt", "config.json", "model.safetensors",
                   "sparse_linear.pt"}));
}

TEST_F(ModelFilesTest, ARoutersTableHasNoConfig) {
  const Names files = {"document_0_Transformer/config.json",
                       "document_0_Transformer/model.safetensors",
                       "modules.json",
                       "query_0_StaticEmbedding/model.safetensors",
                       "query_0_StaticEmbedding/tokenizer.json",
                       "router_config.json"};
  put("modules.json", R"([{"type":"Router","path":""}])");
  put("router_config.json",
      R"({"types":{"query_0_StaticEmbedding":"S","document_0_Transformer":"T"},"structure":{}})");
  Names more = files;
  more.insert("other/tokenizer.json");
  EXPECT_EQ(choose(more), files);
  // As Asym and a Router behind its own path lie.
  put("modules.json", R"([{"type":"Router","path":"0_Router"}])");
  Names below = {"modules.json"};
  for (const std::string& name : files) {
    if (name != "modules.json") below.insert("0_Router/" + name);
  }
  EXPECT_EQ(choose(below), below);
}

TEST_F(ModelFilesTest, APathThatLeavesTheFolderIsRefused) {
  put("modules.json", R"([{"type":"T","path":"../other"}])");
  EXPECT_THROW((void)choose({"modules.json"}), Error);
}

TEST_F(ModelFilesTest, AnAdapterBesideItsBase) {
  EXPECT_EQ(choose({"adapter_config.json", "adapter_model.bin", "adapter_model.safetensors",
                    "config.json", "model.safetensors"}),
            (Names{"adapter_config.json", "adapter_model.safetensors", "config.json",
                   "model.safetensors"}));
}

TEST_F(ModelFilesTest, AnAdapterAlone) {
  const Names files = {"README.md", "adapter_config.json", "adapter_model.safetensors",
                       "tokenizer.json", "training_args.bin"};
  EXPECT_EQ(choose(files),
            (Names{"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"}));
  // It says whose tokenizer it is where it has none.
  EXPECT_EQ(choose(files, Parts::kTokenizer), (Names{"adapter_config.json", "tokenizer.json"}));
}

// As Jina v3 has one for each task.
TEST_F(ModelFilesTest, AdaptersInTheirOwnFolders) {
  const Names files{"config.json",
                    "model.safetensors",
                    "retrieval.query/adapter_config.json",
                    "retrieval.query/adapter_model.safetensors",
                    "separation/adapter_config.json",
                    "separation/adapter_model.bin",
                    "deep/er/adapter_config.json",
                    "deep/er/adapter_model.bin",
                    "unfinished/adapter_config.json"};
  EXPECT_EQ(choose(files),
            (Names{"config.json", "model.safetensors", "retrieval.query/adapter_config.json",
                   "retrieval.query/adapter_model.safetensors", "separation/adapter_config.json",
                   "separation/adapter_model.bin"}));
  EXPECT_EQ(choose(files, Parts::kTokenizer), (Names{"config.json"}));
}

TEST_F(ModelFilesTest, OnlyTheTokenizer) {
  EXPECT_EQ(
      choose({"config.json", "merges.txt", "model.safetensors", "vocab.json"}, Parts::kTokenizer),
      (Names{"config.json", "merges.txt", "vocab.json"}));
}

TEST_F(ModelFilesTest, ABundleIsItsFiles) {
  EXPECT_EQ(choose({".gitattributes", "README.md", "graph.txt", "model.safetensors", "sub/x",
                    "tamis.json", "tokenizer.json"}),
            (Names{"graph.txt", "model.safetensors", "tamis.json", "tokenizer.json"}));
}

TEST_F(ModelFilesTest, WeightsOfOtherFrameworksAloneAreRefusedByName) {
  try {
    (void)choose({"config.json", "tf_model.h5"});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_EQ(std::string(error.what()),
              "a/b@main: no weights that are read; accepted are model.safetensors, "
              "model.safetensors.index.json, pytorch_model.bin, pytorch_model.bin.index.json");
  }
}

TEST_F(ModelFilesTest, AFolderLooksCompleteWithWeightsAndATokenizer) {
  EXPECT_FALSE(looks_complete(root_, Parts::kModel));
  put("config.json", "{}");
  put("vocab.txt", "a");
  EXPECT_FALSE(looks_complete(root_, Parts::kModel));
  EXPECT_TRUE(looks_complete(root_, Parts::kTokenizer));
  put("model.safetensors", "");
  EXPECT_TRUE(looks_complete(root_, Parts::kModel));
  fs::remove(root_ / "vocab.txt");
  EXPECT_FALSE(looks_complete(root_, Parts::kModel));
}

}  // namespace
}  // namespace tamis::hub
