// Layouts of sparse and multi-vector models: what is read, and what is refused by name.
#include "formats/retrieval_modules.h"

#include "formats/safetensors.h"
#include "formats/sentence_transformers.h"
#include "formats/test_util.h"

namespace tamis {
namespace {

constexpr std::string_view kSparse = "sentence_transformers.sparse_encoder.models.";

class RetrievalFolder : public testing::Test {
 protected:
  // "sentence_transformers.models.Transformer:", ...
  void modules(const std::vector<std::string>& list) {
    std::string json = "[";
    for (const std::string& item : list) {
      const size_t colon = item.find(':');
      json += cat(json.size() > 1 ? "," : "", R"({"idx":0,"name":"0","path":")",
                  item.substr(colon + 1), R"(","type":")", item.substr(0, colon), R"("})");
    }
    folder_.write("modules.json", json + "]");
  }
  void weights(const std::string& path, const std::string& name, const Shape& shape) {
    const Tensor tensor(DType::kF32, shape);
    write_safetensors(folder_.path() / path, {{{name, tensor.view()}}});
  }
  void splade(std::string_view config) {
    modules({cat(kSparse, "MLMTransformer:"), cat(kSparse, "SpladePooling:1_SpladePooling")});
    folder_.write("1_SpladePooling/config.json", config);
  }
  void dense(std::string_view more = "") {
    folder_.write("1_Dense/config.json",
                  cat(R"({"in_features":4,"out_features":2,"bias":false)", more, "}"));
    weights("1_Dense/model.safetensors", "linear.weight", {2, 4});
  }
  void pylate(std::string_view config = R"({"query_prefix":"[Q] ","document_prefix":"[D] "})") {
    modules({"sentence_transformers.models.Transformer:", "pylate.models.Dense.Dense:1_Dense"});
    dense();
    folder_.write("config_sentence_transformers.json", config);
  }
  void router(std::string_view document = R"(["d0","d1"])", std::string_view more = "") {
    modules({"sentence_transformers.models.Router:"});
    folder_.write("router_config.json",
                  cat(R"({"types":{"q":")", kSparse, R"(SparseStaticEmbedding","d0":")", kSparse,
                      R"(MLMTransformer","d1":")", kSparse,
                      R"(SpladePooling"},"structure":{"query":["q"],"document":)", document, more,
                      R"(},"parameters":{"default_route":"document"}})"));
    folder_.write("q/config.json", R"({"frozen":true})");
    folder_.write("d1/config.json", R"({"activation_function":"log1p_relu"})");
    weights("q/model.safetensors", "weight", {5});
  }
  SentenceTransformerConfig read() const { return read_sentence_transformer(folder_.path()); }
  void expect(ErrorCode code, std::string_view message) const {
    expect_error(code, message, [this] { (void)read(); });
  }

  TempFolder folder_;
};

TEST_F(RetrievalFolder, SpladeIsAPoolingOfWords) {
  splade(R"({"pooling_strategy":"max","word_embedding_dimension":null})");
  const SentenceTransformerConfig config = read();
  EXPECT_EQ(config.output, TransformerOutput::kVocabularyLogits);
  ASSERT_TRUE(config.sparse);
  EXPECT_FALSE(config.sparse->log_twice);
  EXPECT_EQ(config.sparse->query_weights, nullptr);
  splade(R"({"activation_function":"log1p_relu"})");
  EXPECT_TRUE(read().sparse->log_twice);
}

TEST_F(RetrievalFolder, SpladeOfATransformerForMaskedWords) {
  modules({"sentence_transformers.base.modules.transformer.Transformer:",
           "sentence_transformers.sparse_encoder.modules.splade_pooling.SpladePooling:1"});
  folder_.write("1/config.json", "{}");
  expect(ErrorCode::kUnsupported, "SpladePooling needs a Transformer for masked words");
  folder_.write("sentence_bert_config.json", R"({"transformer_task":"fill-mask"})");
  EXPECT_TRUE(read().sparse);
  folder_.write("sentence_bert_config.json",
                R"({"transformer_task":"fill-mask","module_output_name":"scores"})");
  expect(ErrorCode::kUnsupported, "fill-mask with logits as token_embeddings");
}

TEST_F(RetrievalFolder, SpladeNamesWhatIsNotBuilt) {
  splade(R"({"pooling_strategy":"sum"})");
  expect(ErrorCode::kUnsupported, "pooling_strategy");
  splade(R"({"activation_function":"gelu"})");
  expect(ErrorCode::kUnsupported, "activation_function \"gelu\" is not built");
  modules({cat(kSparse, "MLMTransformer:")});
  expect(ErrorCode::kUnsupported, "without a SpladePooling alone behind it");
  modules({cat(kSparse, "MLMTransformer:"), cat(kSparse, "SpladePooling:1_SpladePooling"),
           cat(kSparse, "SpladePooling:1_SpladePooling")});
  folder_.write("1_SpladePooling/config.json", "{}");
  expect(ErrorCode::kUnsupported, "SpladePooling twice");
  modules({"sentence_transformers.sparse_encoder.modules.SparseAutoEncoder:"});
  expect(ErrorCode::kUnsupported, "SparseAutoEncoder\" is not built");
}

TEST_F(RetrievalFolder, ARouterGivesQueriesWeightsOfTheirOwn) {
  router();
  const SentenceTransformerConfig config = read();
  EXPECT_EQ(config.transformer_folder, folder_.path() / "d0");
  ASSERT_TRUE(config.sparse);
  EXPECT_TRUE(config.sparse->log_twice);
  ASSERT_NE(config.sparse->query_weights, nullptr);
  EXPECT_EQ(config.sparse->query_weights->shape(), Shape({5}));
}

TEST_F(RetrievalFolder, ARouterOfOtherRoutesIsRefused) {
  router(R"(["d0"])");
  expect(ErrorCode::kUnsupported, "whose document route has no SpladePooling");
  router(R"(["d0","d1"])", R"(,"image":["d0"])");
  expect(ErrorCode::kUnsupported, "has 3 routes; accepted are \"query\" and \"document\"");
  router(R"(["d0","nothing"])");
  expect(ErrorCode::kCorruptData, "has no \"nothing\"");
  router();
  folder_.write("q/config.json", R"({"path":"idf.json"})");
  expect(ErrorCode::kUnsupported, "weights in a JSON file are not built");
  router();
  weights("q/model.safetensors", "weight", {5, 1});
  expect(ErrorCode::kNotFound, "no tensor \"weight\" of one dimension");
  router();
  folder_.write("q/tokenizer.json", "{}");
  folder_.write("d0/tokenizer.json", "[]");
  expect(ErrorCode::kUnsupported, "another tokenizer than");
  folder_.write("d0/tokenizer.json", "{}");
  modules({"sentence_transformers.models.Router:", "sentence_transformers.models.Normalize:1"});
  expect(ErrorCode::kUnsupported, "a Router of sparse embeddings beside other modules");
}

TEST_F(RetrievalFolder, ATableOfWeightsStandsAlone) {
  router();
  modules({cat(kSparse, "SparseStaticEmbedding:q")});
  const SentenceTransformerConfig config = read();
  EXPECT_TRUE(config.is_token_weights());
  EXPECT_EQ(config.transformer_folder, folder_.path() / "q");
  EXPECT_EQ(config.sparse->query_weights->shape(), Shape({5}));
}

TEST_F(RetrievalFolder, PylatesKeysAreRead) {
  pylate();
  LateInteractionConfig late = read().late_interaction.value();
  ASSERT_EQ(late.projection.size(), 1u);
  EXPECT_TRUE(late.normalize);
  EXPECT_EQ(late.query.marker, "[Q] ");
  EXPECT_EQ(late.query.length, 32);
  EXPECT_EQ(late.document.length, 0);
  EXPECT_TRUE(late.expand_queries);
  EXPECT_FALSE(late.attend_to_expansion);
  EXPECT_EQ(late.skiplist.size(), 32u);
  pylate(R"({"model_type":"ColBERT","query_length":8,"document_length":99,
             "attend_to_expansion_tokens":true,"skiplist_words":["a"],"do_query_expansion":false})");
  late = read().late_interaction.value();
  EXPECT_EQ(late.query.marker, "");
  EXPECT_EQ(late.query.length, 8);
  EXPECT_EQ(late.document.length, 99);
  EXPECT_FALSE(late.expand_queries);
  EXPECT_TRUE(late.attend_to_expansion);
  EXPECT_EQ(late.skiplist, std::vector<std::string>{"a"});
}

TEST_F(RetrievalFolder, ModulesForTokensAreRead) {
  modules({"sentence_transformers.base.modules.transformer.Transformer:",
           "sentence_transformers.base.modules.dense.Dense:1_Dense",
           "sentence_transformers.multi_vector_encoder.modules.MultiVectorMask:2",
           "sentence_transformers.base.modules.normalize.Normalize:3"});
  dense(R"(,"module_input_name":"token_embeddings")");
  folder_.write("2/config.json", R"({"skiplist_words":[",","."],"skiplist_tasks":["document"]})");
  folder_.write("3/config.json", R"({"module_input_name":"token_embeddings"})");
  folder_.write("sentence_bert_config.json",
                R"({"document_length":40,"query_expansion":{"strategy":"fixed","attend":true,)"
                R"("token":"[X]","length":24}})");
  folder_.write("config_sentence_transformers.json", R"({"model_type":"MultiVectorEncoder"})");
  LateInteractionConfig late = read().late_interaction.value();
  EXPECT_TRUE(late.normalize);
  EXPECT_EQ(late.query.length, 24);
  EXPECT_EQ(late.document.length, 40);
  EXPECT_TRUE(late.expand_queries);
  EXPECT_TRUE(late.attend_to_expansion);
  EXPECT_EQ(late.expansion_token, "[X]");
  EXPECT_EQ(late.skiplist, (std::vector<std::string>{",", "."}));
  folder_.write("3/config.json", R"({"module_input_name":"sentence_embedding"})");
  EXPECT_FALSE(read().late_interaction.value().normalize);
  folder_.write("3/config.json", "{}");
  folder_.write("sentence_bert_config.json", "{}");
  late = read().late_interaction.value();
  EXPECT_FALSE(late.normalize);
  EXPECT_FALSE(late.expand_queries);
  EXPECT_EQ(late.query.length, 0);
}

// sentence-transformers scores the tokens that fill a query up only where a mask counts them.
TEST_F(RetrievalFolder, ExpansionThatIsNotSeenNeedsAMask) {
  dense(R"(,"module_input_name":"token_embeddings")");
  folder_.write("2/config.json", "{}");
  folder_.write("config_sentence_transformers.json", R"({"model_type":"MultiVectorEncoder"})");
  const auto with_mask = [this](bool mask, std::string_view attend) {
    std::vector<std::string> all = {"sentence_transformers.base.modules.transformer.Transformer:",
                                    "sentence_transformers.base.modules.dense.Dense:1_Dense"};
    if (mask)
      all.emplace_back("sentence_transformers.multi_vector_encoder.modules.MultiVectorMask:2");
    modules(all);
    folder_.write(
        "sentence_bert_config.json",
        cat(R"({"query_expansion":{"strategy":"fixed","length":24,"attend":)", attend, "}}"));
  };
  with_mask(true, "false");
  EXPECT_TRUE(read().late_interaction->expand_queries);
  with_mask(false, "true");
  EXPECT_TRUE(read().late_interaction->expand_queries);
  with_mask(false, "false");
  expect(ErrorCode::kUnsupported, "query_expansion without a MultiVectorMask");
}

TEST_F(RetrievalFolder, ModulesForTokensNameWhatIsNotBuilt) {
  pylate();
  modules({"sentence_transformers.models.Transformer:", "sentence_transformers.models.Pooling:2",
           "pylate.models.Dense.Dense:1_Dense"});
  folder_.write("2/config.json", "{}");
  expect(ErrorCode::kUnsupported, "Pooling in another place");
  folder_.write("config_sentence_transformers.json", "{}");
  dense(R"(,"module_input_name":"token_embeddings")");
  expect(ErrorCode::kUnsupported, "a module for tokens behind one for the pooled vector");
  dense(R"(,"module_input_name":"token_embeddings","module_output_name":"other")");
  expect(ErrorCode::kUnsupported, "module_output_name \"other\" is not built");
  modules({"sentence_transformers.models.Transformer:",
           "sentence_transformers.multi_vector_encoder.modules.MultiVectorMask:2"});
  expect(ErrorCode::kUnsupported, "without a Dense module");
  folder_.write("2/config.json", R"({"skiplist_tasks":["query"]})");
  expect(ErrorCode::kUnsupported, "only tokens of documents are skipped");
  folder_.write("2/config.json", R"({"keep_only_token_ids":[3]})");
  expect(ErrorCode::kUnsupported, "keep_only_token_ids");
  modules({"sentence_transformers.models.Transformer:", "sentence_transformers.models.Pooling:2"});
  folder_.write("2/config.json", "{}");
  folder_.write("sentence_bert_config.json", R"({"query_length":9})");
  expect(ErrorCode::kUnsupported, "are for vectors of tokens alone");
  folder_.write("sentence_bert_config.json",
                R"({"query_expansion":{"strategy":"min","length":9}})");
  expect(ErrorCode::kUnsupported, "queries of another length are not built");
  folder_.write("sentence_bert_config.json", R"({"query_expansion":{"attend":true}})");
  expect(ErrorCode::kCorruptData, "length is needed");
}

TEST_F(RetrievalFolder, ArtifactMetadataHasColbertsDefaults) {
  LateInteractionConfig late = read_artifact_metadata(folder_.path());
  EXPECT_EQ(late.query.marker, "[unused0]");
  EXPECT_EQ(late.document.marker, "[unused1]");
  EXPECT_EQ(late.query.length, 32);
  EXPECT_TRUE(late.expand_queries);
  EXPECT_TRUE(late.normalize);
  EXPECT_EQ(late.skiplist.size(), 32u);
  folder_.write("artifact.metadata",
                R"({"query_token_id":"[A]","doc_maxlen":300,"query_maxlen":48,"nbits":2,)"
                R"("attend_to_mask_tokens":true,"mask_punctuation":false,"similarity":"cosine"})");
  late = read_artifact_metadata(folder_.path());
  EXPECT_EQ(late.query.marker, "[A]");
  EXPECT_EQ(late.query.length, 48);
  EXPECT_EQ(late.document.length, 300);
  EXPECT_TRUE(late.attend_to_expansion);
  EXPECT_TRUE(late.skiplist.empty());
  folder_.write("artifact.metadata", R"({"similarity":"l2"})");
  expect_error(ErrorCode::kUnsupported, "similarity \"l2\" is not built; accepted is \"cosine\"",
               [&] { (void)read_artifact_metadata(folder_.path()); });
}

TEST_F(RetrievalFolder, TokenHeadsComeTogether) {
  EXPECT_FALSE(read_token_heads(folder_.path()));
  folder_.write("sparse_linear.pt", "nothing");
  expect_error(ErrorCode::kUnsupported, "sparse_linear.pt",
               [&] { (void)read_token_heads(folder_.path()); });
  const auto heads = read_token_heads(TAMIS_TESTDATA "/retrieval/bge-m3");
  ASSERT_TRUE(heads);
  EXPECT_EQ(heads->sparse.weight->shape(), Shape({1, 16}));
  EXPECT_EQ(heads->colbert.weight->shape(), Shape({8, 16}));
  EXPECT_EQ(heads->colbert.activation, Activation::kNone);
}

}  // namespace
}  // namespace tamis
