#include "formats/static_embedding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "formats/safetensors.h"
#include "formats/sentence_transformers.h"
#include "formats/test_util.h"

namespace tamis {
namespace {

template <typename T>
Tensor tensor_of(DType dtype, const Shape& shape, const std::vector<T>& values) {
  Tensor tensor(dtype, shape);
  std::copy(values.begin(), values.end(), tensor.mutable_as<T>().begin());
  return tensor;
}

class StaticEmbeddingFolder : public testing::Test {
 protected:
  void write(const std::vector<NamedTensor>& tensors) const {
    write_safetensors(folder_.path() / "model.safetensors", tensors);
  }
  std::shared_ptr<const Tensor> read() const { return read_static_embedding(folder_.path()); }
  void expect(ErrorCode code, std::string_view message) const {
    expect_error(code, message, [this] { (void)read(); });
  }

  TempFolder folder_;
  Tensor table_ = tensor_of<float>(DType::kF32, {2, 2}, {1, 2, 3, 4});
  Tensor mapping_ = tensor_of<int64_t>(DType::kI64, {3}, {1, 0, 1});
  Tensor weights_ = tensor_of<double>(DType::kF64, {3}, {0.5, 2, -1});
};

TEST_F(StaticEmbeddingFolder, ReadsTheTableAsItIs) {
  write({{"embedding.weight", table_.view()}});
  EXPECT_EQ(read()->shape(), Shape({2, 2}));
  write({{"embeddings", tensor_of<uint16_t>(DType::kF16, {2, 1}, {0x3C00, 0x4000}).view()}});
  EXPECT_EQ(read()->dtype(), DType::kF16);
  write({{"embeddings", tensor_of<int8_t>(DType::kI8, {1, 3}, {-128, 0, 127}).view()}});
  const auto integers = read();
  EXPECT_EQ(integers->dtype(), DType::kF32);
  EXPECT_EQ(integers->as<float>()[0], -128.0F);
  EXPECT_EQ(integers->as<float>()[2], 127.0F);
}

TEST_F(StaticEmbeddingFolder, FoldsMappingAndWeights) {
  write(
      {{"embeddings", table_.view()}, {"mapping", mapping_.view()}, {"weights", weights_.view()}});
  const auto made = read();
  ASSERT_EQ(made->shape(), Shape({3, 2}));
  const auto found = made->as<float>();
  EXPECT_EQ(std::vector<float>(found.begin(), found.end()),
            (std::vector<float>{1.5F, 2, 2, 4, -3, -4}));
  const Tensor two = tensor_of<float>(DType::kF32, {2}, {2, 3});
  write({{"embeddings", table_.view()}, {"weights", two.view()}});
  EXPECT_EQ(read()->as<float>()[3], 12.0F);
}

TEST_F(StaticEmbeddingFolder, RefusesTensorsByName) {
  expect(ErrorCode::kNotFound, "no weights here");
  write({{"word.weight", table_.view()}});
  expect(ErrorCode::kNotFound, "no tensor \"embedding.weight\" or \"embeddings\"");
  write({{"embedding.weight", tensor_of<float>(DType::kF32, {4}, {1, 2, 3, 4}).view()}});
  expect(ErrorCode::kCorruptData,
         "tensor \"embedding.weight\" has the shape [4], must be [tokens, columns]");
  write({{"embedding.weight", tensor_of<int32_t>(DType::kI32, {1, 1}, {1}).view()}});
  expect(ErrorCode::kUnsupported, "has dtype I32; accepted are F32, F16, BF16, F64 and I8");
  write({{"embedding.weight", tensor_of<float>(DType::kF32, {1, 1}, {NAN}).view()}});
  expect(ErrorCode::kCorruptData, "NaN");
  write({{"embedding.weight", table_.view()}, {"weights", weights_.view()}});
  expect(ErrorCode::kUnsupported, "tensor \"weights\" beside \"embedding.weight\"");
}

TEST_F(StaticEmbeddingFolder, RefusesMappingsThatDoNotFit) {
  const auto with = [this](const Tensor& mapping) {
    write({{"embeddings", table_.view()}, {"mapping", mapping.view()}});
  };
  with(tensor_of<int64_t>(DType::kI64, {2}, {0, 2}));
  expect(ErrorCode::kCorruptData,
         "tensor \"mapping\" has 2 at 1, but \"embeddings\" has rows 0 to 1");
  with(tensor_of<int32_t>(DType::kI32, {2}, {-1, 1}));
  expect(ErrorCode::kCorruptData, "tensor \"mapping\" has -1 at 0");
  with(tensor_of<int64_t>(DType::kI64, {1, 2}, {0, 1}));
  expect(ErrorCode::kCorruptData, "tensor \"mapping\" has the shape [1, 2], must be [tokens]");
  with(tensor_of<float>(DType::kF32, {2}, {0, 1}));
  expect(ErrorCode::kUnsupported, "tensor \"mapping\" has dtype F32; accepted are I32 and I64");
  write({{"embeddings", table_.view()}, {"weights", weights_.view()}});
  expect(ErrorCode::kCorruptData, "tensor \"weights\" has the shape [3], must be [2]");
  const Tensor huge = tensor_of<double>(DType::kF64, {2}, {1e300, 1});
  write({{"embeddings", table_.view()}, {"weights", huge.view()}});
  expect(ErrorCode::kCorruptData, "not finite in F32");
}

class StaticModules : public testing::Test {
 protected:
  void modules(std::string_view json) const { folder_.write("modules.json", json); }
  SentenceTransformerConfig read() const { return read_sentence_transformer(folder_.path()); }

  TempFolder folder_;
};

TEST_F(StaticModules, AreReadUnderEachPath) {
  for (const std::string_view type :
       {"sentence_transformers.models.StaticEmbedding",
        "sentence_transformers.sentence_transformer.modules.static_embedding.StaticEmbedding"}) {
    modules(cat(R"([{"path":".","type":")", type,
                R"("},{"path":"1","type":"sentence_transformers.models.Normalize"}])"));
    // Of a Transformer: not read here.
    folder_.write("sentence_bert_config.json", R"({"max_seq_length":7,"do_lower_case":true})");
    folder_.write("config_sentence_transformers.json",
                  R"({"prompts":{"q":"q: "},"truncate_dim":3})");
    const SentenceTransformerConfig config = read();
    EXPECT_TRUE(config.is_static());
    EXPECT_TRUE(config.normalize);
    EXPECT_EQ(config.max_seq_length, std::nullopt);
    EXPECT_FALSE(config.do_lower_case);
    EXPECT_EQ(config.truncate_dim, 3);
    EXPECT_EQ(config.prompts.at("q"), "q: ");
    EXPECT_TRUE(std::filesystem::equivalent(config.transformer_folder, folder_.path()));
  }
}

TEST_F(StaticModules, StandFirstAndAlone) {
  folder_.write("1/config.json", "{}");
  const std::string one = R"({"path":"","type":"sentence_transformers.models.StaticEmbedding"})";
  const auto expect = [&](std::string_view rest, std::string_view message) {
    modules(cat("[", one, ",", rest, "]"));
    expect_error(ErrorCode::kUnsupported, message, [&] { (void)read(); });
  };
  expect(one, "the Transformer must be the first module and the only one");
  expect(R"({"path":"1","type":"sentence_transformers.models.Pooling"})",
         "a Pooling module behind a StaticEmbedding, which gives one vector for a text");
  expect(R"({"path":"1","type":"sentence_transformers.sparse_encoder.models.SpladePooling"})",
         "SpladePooling needs a Transformer for masked words");
}

TEST_F(StaticModules, ARouterMayReadQueriesByOne) {
  const auto router = [&](const char* query, const char* document, const char* parameters = "{}") {
    folder_.write("router_config.json",
                  cat(R"({"types":{"q":"sentence_transformers.models.)", query,
                      R"(","n":"sentence_transformers.models.Normalize",)",
                      R"("d":"sentence_transformers.models.)", document,
                      R"(","p":"sentence_transformers.models.Pooling"},)",
                      R"("structure":{"query":["q","n"],"document":["d","p"]},"parameters":)",
                      parameters, "}"));
  };
  modules(R"([{"path":"","type":"sentence_transformers.models.Router"}])");
  folder_.write("p/config.json", R"({"pooling_mode":"cls"})");
  router("StaticEmbedding", "Transformer");
  SentenceTransformerConfig config = read();
  ASSERT_NE(config.query, nullptr);
  EXPECT_EQ(config.query->transformer_folder, folder_.path() / "q");
  EXPECT_TRUE(config.query->is_static());
  EXPECT_TRUE(config.query->normalize);
  EXPECT_EQ(config.transformer_folder, folder_.path() / "d");
  EXPECT_TRUE(config.pooling.has_value());
  EXPECT_FALSE(config.normalize);
  // The first of the routes, as the class has it.
  EXPECT_EQ(config.by_default, DefaultRoute::kQuery);
  router("StaticEmbedding", "Transformer", R"({"default_route":"document"})");
  EXPECT_EQ(read().by_default, DefaultRoute::kDocument);
  router("StaticEmbedding", "Transformer", R"({"allow_empty_key":false})");
  EXPECT_EQ(read().by_default, DefaultRoute::kNone);
  router("StaticEmbedding", "Transformer", R"({"default_route":"passage"})");
  expect_error(ErrorCode::kCorruptData,
               "default_route \"passage\" is no route; accepted are \"query\" and \"document\"",
               [&] { (void)read(); });
  router("StaticEmbedding", "Transformer");

  // What stands behind the Router is behind both routes.
  modules(R"([{"path":"","type":"sentence_transformers.models.Router"},)"
          R"({"path":"1","type":"sentence_transformers.models.Normalize"}])");
  EXPECT_TRUE(read().normalize);
  EXPECT_TRUE(read().query->normalize);

  const auto refuses = [&](const char* why) {
    expect_error(ErrorCode::kUnsupported, why, [&] { (void)read(); });
  };
  router("Transformer", "Transformer");
  refuses("it begins with \"sentence_transformers.models.Transformer\"");
  router("StaticEmbedding", "StaticEmbedding");
  refuses("a Router whose documents need no transformer");
  router("StaticEmbedding", "Transformer");
  modules(R"([{"path":"","type":"sentence_transformers.models.Router"},)"
          R"({"path":"p","type":"sentence_transformers.models.Pooling"}])");
  refuses("Pooling in another place");
}

TEST_F(StaticModules, WeightsOfTokensStandAlone) {
  modules(R"([{"path":"","type":"sentence_transformers.models.SparseStaticEmbedding"},)"
          R"({"path":"1","type":"sentence_transformers.models.Normalize"}])");
  expect_error(ErrorCode::kUnsupported, "the Transformer must be the first module",
               [&] { (void)read(); });
}

}  // namespace
}  // namespace tamis
