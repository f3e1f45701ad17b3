#include "formats/sentence_transformers.h"

#include "base/log.h"
#include "formats/safetensors.h"
#include "formats/test_util.h"

namespace tamis {
namespace {

using Modes = std::vector<Pooling>;

PoolingConfig pooling(std::string_view json) { return parse_pooling_config(json, "config.json"); }

TEST(Pooling, ReadsBothSpellings) {
  const PoolingConfig old =
      pooling(R"({"word_embedding_dimension":384,"pooling_mode_cls_token":false,)"
              R"("pooling_mode_mean_tokens":true,"pooling_mode_max_tokens":false,)"
              R"("pooling_mode_mean_sqrt_len_tokens":false})");
  EXPECT_EQ(old.modes, Modes{Pooling::kMean});
  EXPECT_EQ(old.embedding_dimension, 384);
  EXPECT_TRUE(old.include_prompt);
  // Several booleans concatenate in a fixed order, whatever the file's.
  EXPECT_EQ(pooling(R"({"pooling_mode_lasttoken":true,"pooling_mode_weightedmean_tokens":true,)"
                    R"("pooling_mode_mean_sqrt_len_tokens":true,"pooling_mode_max_tokens":true,)"
                    R"("pooling_mode_mean_tokens":true,"pooling_mode_cls_token":true})")
                .modes,
            (Modes{Pooling::kCls, Pooling::kMax, Pooling::kMean, Pooling::kMeanSqrtLen,
                   Pooling::kWeightedMean, Pooling::kLastToken}));
  EXPECT_EQ(pooling(R"({"pooling_mode":"cls","pooling_mode_mean_tokens":true})").modes,
            Modes{Pooling::kCls});
  // A list keeps its own order.
  EXPECT_EQ(pooling(R"({"pooling_mode":["mean","cls"]})").modes,
            (Modes{Pooling::kMean, Pooling::kCls}));
  const PoolingConfig bare = pooling(R"({"embedding_dimension":8,"include_prompt":false})");
  EXPECT_EQ(bare.modes, Modes{Pooling::kMean});
  EXPECT_EQ(bare.embedding_dimension, 8);
  EXPECT_FALSE(bare.include_prompt);
  // Python takes None where a flag belongs for false, whatever the flag's default is.
  EXPECT_FALSE(pooling(R"({"embedding_dimension":8,"include_prompt":null})").include_prompt);
}

TEST(Pooling, NamesWhatIsWrong) {
  expect_error(ErrorCode::kUnsupported, "config.json: pooling_mode \"median\" is not built",
               [] { (void)pooling(R"({"pooling_mode":"median"})"); });
  expect_error(ErrorCode::kCorruptData, "must name 1 to 6 modes",
               [] { (void)pooling(R"({"pooling_mode":[]})"); });
  expect_error(ErrorCode::kCorruptData, "pooling_mode_cls_token must be a boolean",
               [] { (void)pooling(R"({"pooling_mode_cls_token":1})"); });
  expect_error(ErrorCode::kCorruptData, "must be a JSON object", [] { (void)pooling("[]"); });
}

class SentenceTransformerFolder : public testing::Test {
 protected:
  // "Transformer:", "Pooling:1_Pooling", ...
  void modules(const std::vector<std::string_view>& list,
               std::string_view prefix = "sentence_transformers.models.") {
    std::string json = "[";
    for (const std::string_view item : list) {
      const size_t colon = item.find(':');
      json += cat(json.size() > 1 ? "," : "", R"({"idx":0,"name":"0","path":")",
                  item.substr(colon + 1), R"(","type":")", prefix, item.substr(0, colon), R"("})");
    }
    folder_.write("modules.json", json + "]");
  }
  void dense(std::string_view config, const Shape& weight = {2, 4}, bool bias = true) {
    folder_.write("2_Dense/config.json", config);
    const Tensor w(DType::kF32, weight);
    const Tensor b(DType::kF32, {2});
    std::vector<NamedTensor> tensors = {{"linear.weight", w.view()}};
    if (bias) tensors.push_back({"linear.bias", b.view()});
    write_safetensors(folder_.path() / "2_Dense/model.safetensors", tensors);
  }
  SentenceTransformerConfig read() const { return read_sentence_transformer(folder_.path()); }
  void expect(ErrorCode code, std::string_view message) const {
    expect_error(code, message, [this] { (void)read(); });
  }

  TempFolder folder_;
};

TEST_F(SentenceTransformerFolder, ReadsAPlainHuggingFaceFolder) {
  const SentenceTransformerConfig config = read();
  EXPECT_FALSE(config.has_modules);
  EXPECT_EQ(config.transformer_folder, folder_.path());
  EXPECT_EQ(config.pooling, std::nullopt);
  EXPECT_FALSE(config.normalize);
  EXPECT_EQ(config.max_seq_length, std::nullopt);
}

TEST_F(SentenceTransformerFolder, WithoutModulesNothingElseIsRead) {
  folder_.write("sentence_bert_config.json", R"({"max_seq_length":7})");
  folder_.write("config_sentence_transformers.json",
                R"({"prompts":{"q":"x"},"default_prompt_name":"q"})");
  std::string logged;
  set_log_sink([&logged](LogLevel, std::string_view message) { logged += message; });
  const SentenceTransformerConfig config = read();
  set_log_sink({});
  EXPECT_EQ(config.max_seq_length, std::nullopt);
  EXPECT_EQ(config.default_prompt_name, std::nullopt);
  EXPECT_NE(logged.find("sentence_bert_config.json: not looked at"), logged.npos);
  EXPECT_NE(logged.find("config_sentence_transformers.json: not looked at"), logged.npos);
}

TEST_F(SentenceTransformerFolder, ReadsAllModules) {
  modules({"Transformer:0_Transformer", "Pooling:1_Pooling", "Dropout:1_Dropout", "Dense:2_Dense",
           "Normalize:3_Normalize"});
  folder_.write("1_Pooling/config.json", R"({"word_embedding_dimension":4})");
  dense(R"({"in_features":4,"out_features":2,"bias":true,)"
        R"("activation_function":"torch.nn.modules.activation.GELU"})");
  folder_.write("0_Transformer/sentence_roberta_config.json",
                R"({"max_seq_length":128,"do_lower_case":true})");
  folder_.write("config_sentence_transformers.json",
                R"({"prompts":{"query":"query: ","passage":null},"default_prompt_name":"query",)"
                R"("similarity_fn_name":"dot","truncate_dim":1})");
  const SentenceTransformerConfig config = read();
  EXPECT_TRUE(config.has_modules);
  EXPECT_EQ(config.transformer_folder, folder_.path() / "0_Transformer");
  ASSERT_TRUE(config.pooling.has_value());
  ASSERT_EQ(config.pooled.size(), 1u);
  const auto& layer = std::get<DenseConfig>(config.pooled[0]);
  EXPECT_EQ(layer.activation, Activation::kGelu);
  EXPECT_EQ(layer.weight->shape(), Shape({2, 4}));
  EXPECT_EQ(layer.bias->shape(), Shape({2}));
  EXPECT_EQ(layer.folder, "2_Dense");
  EXPECT_TRUE(config.normalize);
  EXPECT_EQ(config.max_seq_length, 128);
  EXPECT_TRUE(config.do_lower_case);
  EXPECT_EQ(config.prompts,
            (std::map<std::string, std::string>{{"query", "query: "}, {"passage", ""}}));
  EXPECT_EQ(config.default_prompt_name, "query");
  EXPECT_EQ(config.similarity_fn_name, "dot");
  EXPECT_EQ(config.truncate_dim, 1);
}

TEST_F(SentenceTransformerFolder, ReadsNewerPaths) {
  folder_.write(
      "modules.json",
      R"([{"path":"","type":"sentence_transformers.base.modules.transformer.Transformer"},)"
      R"({"path":"1","type":)"
      R"("sentence_transformers.sentence_transformer.modules.pooling.Pooling"},)"
      R"({"path":"2","type":"sentence_transformers.base.modules.normalize.Normalize"}])");
  folder_.write("1/config.json", R"({"embedding_dimension":4,"pooling_mode":"cls"})");
  folder_.write("2/config.json", R"({"module_input_name":"sentence_embedding"})");
  folder_.write("sentence_bert_config.json", R"({"max_seq_length":null})");
  const SentenceTransformerConfig config = read();
  EXPECT_EQ(config.pooling->modes, Modes{Pooling::kCls});
  EXPECT_TRUE(config.normalize);
  EXPECT_EQ(config.max_seq_length, std::nullopt);
}

TEST_F(SentenceTransformerFolder, RefusesModulesByName) {
  for (const std::string_view name : {"WordEmbeddings", "CNN", "WeightedLayerPooling"}) {
    modules({"Transformer:", cat(name, ":1")});
    expect(ErrorCode::kUnsupported,
           cat("module \"sentence_transformers.models.", name,
               "\" is not built; accepted are Transformer, MLMTransformer"));
  }
  modules({"Transformer:"}, "my_code.");
  expect(ErrorCode::kUnsupported, "module \"my_code.Transformer\" is not built");
}

TEST_F(SentenceTransformerFolder, RefusesOrdersThatAreNotBuilt) {
  folder_.write("1/config.json", "{}");
  dense(R"({"in_features":4,"out_features":2})");
  modules({"Pooling:1"});
  expect(ErrorCode::kUnsupported, "the Transformer must be the first module and the only one");
  modules({"Transformer:", "StaticEmbedding:1"});
  expect(ErrorCode::kUnsupported, "the only one");
  modules({"Transformer:", "Transformer:"});
  expect(ErrorCode::kUnsupported, "the only one");
  modules({"Transformer:", "Pooling:1", "Dense:2_Dense", "Pooling:1"});
  expect(ErrorCode::kUnsupported, "Pooling in another place");
  modules({"Transformer:", "Dense:2_Dense"});
  expect(ErrorCode::kUnsupported, "no Pooling module behind the Transformer");
  modules({"Transformer:", "Pooling:1", "Pooling:1"});
  expect(ErrorCode::kUnsupported, "Pooling in another place");
  modules({"Transformer:", "Normalize:3"});
  expect(ErrorCode::kUnsupported, "no Pooling module behind the Transformer");
}

TEST_F(SentenceTransformerFolder, NormalizesTwiceAsOnce) {
  folder_.write("1/config.json", "{}");
  modules({"Transformer:", "Pooling:1", "Normalize:2", "Dropout:3", "Normalize:4"});
  EXPECT_TRUE(read().normalize);
  EXPECT_TRUE(read().pooled.empty());
}

// Only the last module is what callers may leave out.
TEST_F(SentenceTransformerFolder, NormalizesBetweenModules) {
  folder_.write("1/config.json", "{}");
  dense(R"({"in_features":4,"out_features":2})");
  modules({"Transformer:", "Pooling:1", "Normalize:a", "Normalize:b", "Dense:2_Dense"});
  const SentenceTransformerConfig config = read();
  EXPECT_FALSE(config.normalize);
  ASSERT_EQ(config.pooled.size(), 2u);
  EXPECT_EQ(std::get<NormalizeConfig>(config.pooled[0]).folder, "a");
  EXPECT_EQ(std::get<DenseConfig>(config.pooled[1]).folder, "2_Dense");
}

TEST_F(SentenceTransformerFolder, ChecksLayerNorm) {
  folder_.write("1/config.json", R"({"word_embedding_dimension":4})");
  modules({"Transformer:", "Pooling:1", "LayerNorm:2_Norm"});
  const Tensor four(DType::kF32, {4});
  folder_.write("2_Norm/config.json", R"({"dimension":4})");
  const std::filesystem::path weights = folder_.path() / "2_Norm/model.safetensors";
  const std::vector<NamedTensor> both = {{"norm.weight", four.view()}, {"norm.bias", four.view()}};
  write_safetensors(weights, both);
  const SentenceTransformerConfig config = read();
  EXPECT_EQ(std::get<LayerNormConfig>(config.pooled.at(0)).weight->shape(), Shape({4}));
  folder_.write("2_Norm/config.json", R"({"dimension":3})");
  expect(ErrorCode::kCorruptData, "\"norm.weight\" has the shape [4], config.json asks for [3]");
  folder_.write("2_Norm/config.json", "{}");
  expect(ErrorCode::kCorruptData, "dimension is needed");
  folder_.write("2_Norm/config.json", R"({"dimension":4,"eps":1})");
  EXPECT_EQ(read().pooled.size(), 1u);
  folder_.write("1/config.json", R"({"word_embedding_dimension":8})");
  expect(ErrorCode::kCorruptData, "dimension is 4, but the module before it gives 8");
  write_safetensors(weights, std::span(both).first(1));
  expect(ErrorCode::kNotFound, "no tensor \"norm.bias\" in the weights");
}

constexpr std::string_view kScores =
    R"({"transformer_task":"sequence-classification","module_output_name":"scores",)"
    R"("modality_config":{"text":{"method":"forward","method_output_name":"logits"}}})";

TEST_F(SentenceTransformerFolder, ReadsACrossEncoder) {
  modules({"Transformer:"});
  folder_.write("sentence_bert_config.json", kScores);
  folder_.write(
      "config_sentence_transformers.json",
      R"({"model_type":"CrossEncoder","activation_fn":"torch.nn.modules.linear.Identity",)"
      R"("prompts":{"q":""},"default_prompt_name":"q"})");
  const SentenceTransformerConfig config = read();
  EXPECT_TRUE(config.is_cross_encoder);
  EXPECT_EQ(config.output, TransformerOutput::kScores);
  EXPECT_EQ(config.cross_encoder_activation, Activation::kNone);

  folder_.write("config_sentence_transformers.json",
                R"({"model_type":"CrossEncoder","activation_fn":null})");
  EXPECT_EQ(read().cross_encoder_activation, std::nullopt);
  folder_.write("config_sentence_transformers.json",
                R"({"model_type":"CrossEncoder","activation_fn":"my.code.Act"})");
  expect(ErrorCode::kUnsupported, "activation_fn \"my.code.Act\" is not built");
  folder_.write("config_sentence_transformers.json",
                R"({"model_type":"CrossEncoder","prompts":{"q":"Q: "},"default_prompt_name":"q"})");
  EXPECT_EQ(read().prompts.at(read().default_prompt_name.value()), "Q: ");
  folder_.write("config_sentence_transformers.json", R"({"model_type":"SparseEncoder"})");
  expect(ErrorCode::kUnsupported, "a SparseEncoder without SpladePooling is not built");
  folder_.write("config_sentence_transformers.json", R"({"model_type":"AudioEncoder"})");
  expect(ErrorCode::kUnsupported, "model_type \"AudioEncoder\" is not built");
}

TEST_F(SentenceTransformerFolder, ACrossEncoderIsTheTransformerAlone) {
  folder_.write("sentence_bert_config.json", kScores);
  folder_.write("1/config.json", "{}");
  modules({"Transformer:", "Pooling:1"});
  expect(ErrorCode::kUnsupported, "modules behind a Transformer for sequence classification");
  folder_.write("sentence_bert_config.json", "{}");
  folder_.write("config_sentence_transformers.json", R"({"model_type":"CrossEncoder"})");
  expect(ErrorCode::kUnsupported, "a CrossEncoder without a sequence classification head");
}

TEST_F(SentenceTransformerFolder, TakesThePoolersOutput) {
  const auto config = [](std::string_view method, std::string_view module) {
    return cat(R"({"modality_config":{"text":{"method":"forward","method_output_name":)", method,
               R"(}},"module_output_name":)", module, "}");
  };
  folder_.write("1/config.json", "{}");
  modules({"Transformer:"});
  folder_.write("sentence_bert_config.json", config("\"pooler_output\"", "\"sentence_embedding\""));
  EXPECT_EQ(read().output, TransformerOutput::kPoolerOutput);
  modules({"Transformer:", "Pooling:1"});
  expect(ErrorCode::kUnsupported, "a Pooling module behind a Transformer that gives pooler_output");
  folder_.write("sentence_bert_config.json",
                config("[\"last_hidden_state\"]", "\"token_embeddings\""));
  EXPECT_EQ(read().output, TransformerOutput::kTokenEmbeddings);
  folder_.write("sentence_bert_config.json",
                config("\"last_hidden_state\"", "\"sentence_embedding\""));
  expect(ErrorCode::kUnsupported, "with method_output_name \"last_hidden_state\" and");
  folder_.write("sentence_bert_config.json", config("[\"hidden_states\",-2]", "null"));
  expect(ErrorCode::kUnsupported, "method_output_name is [\"hidden_states\",-2]; accepted are");
  folder_.write("sentence_bert_config.json", R"({"transformer_task":"retrieval"})");
  expect(ErrorCode::kUnsupported, "transformer_task \"retrieval\" is not built");
  // What sentence-transformers saves of a base whose tokenizer has a chat template.
  folder_.write("sentence_bert_config.json",
                R"({"modality_config":{"text":{"method":"forward","method_output_name":)"
                R"("last_hidden_state"},"message":{"method":"forward","method_output_name":)"
                R"("last_hidden_state","format":"flat"}}})");
  expect(ErrorCode::kUnsupported,
         "modality_config: message: texts go through the tokenizer's chat");
  folder_.write("sentence_bert_config.json", R"({"modality_config":{"image":{}}})");
  expect(ErrorCode::kUnsupported, "modality_config: has no \"text\"");
}

TEST_F(SentenceTransformerFolder, ReadsTheTokenizersArguments) {
  folder_.write("1/config.json", "{}");
  modules({"Transformer:", "Pooling:1"});
  for (const std::string_view key : {"tokenizer_args", "processor_kwargs"}) {
    folder_.write("sentence_bert_config.json",
                  cat(R"({"max_seq_length":64,")", key, R"(":{"model_max_length":5}})"));
    EXPECT_EQ(read().max_seq_length, 5);
    folder_.write("sentence_bert_config.json",
                  cat("{\"", key, R"(":{"do_lower_case":true,"use_fast":true}})"));
    EXPECT_EQ(read().tokenizer_overrides, R"({"do_lower_case":true})");
    folder_.write("sentence_bert_config.json", cat("{\"", key, R"(":{"subfolder":"x"}})"));
    expect(ErrorCode::kUnsupported,
           cat(key, ": subfolder is \"x\": a tokenizer made another way is not built"));
  }
  // Later arguments stand in place of earlier ones.
  folder_.write("sentence_bert_config.json",
                R"({"tokenizer_args":{"add_eos_token":true,"legacy":true},)"
                R"("processor_kwargs":{"add_eos_token":false}})");
  EXPECT_EQ(read().tokenizer_overrides, R"({"legacy":true,"add_eos_token":false})");
  folder_.write("sentence_bert_config.json",
                R"({"config_args":{"use_cache":true},"model_args":{"torch_dtype":"float16"}})");
  EXPECT_EQ(read().max_seq_length, std::nullopt);
  folder_.write("sentence_bert_config.json", R"({"config_kwargs":{"hidden_act":"relu"}})");
  expect(ErrorCode::kUnsupported, "config_kwargs: the key \"hidden_act\" overrides config.json");
  folder_.write("sentence_bert_config.json", R"({"query_length":32})");
  expect(ErrorCode::kUnsupported, "query_length, document_length and query_expansion are for");
}

TEST_F(SentenceTransformerFolder, NamesWhatIsWrong) {
  folder_.write("modules.json", "{}");
  expect(ErrorCode::kCorruptData, "modules.json: must be an array of 1 to 64 modules");
  folder_.write("modules.json", "[{\"path\":\"\"}]");
  expect(ErrorCode::kCorruptData, "a module's type must be a string");
  modules({"Transformer:", "Pooling:../../1_Pooling"});
  expect(ErrorCode::kCorruptData, "leaves the model's folder");
  modules({"Transformer:", "Pooling:gone"});
  expect(ErrorCode::kNotFound, "config.json: no such file");
  modules({"Transformer:", "Pooling:1_Pooling"});
  folder_.write("1_Pooling/config.json", "{}");
  folder_.write("sentence_bert_config.json", R"({"max_seq_length":0})");
  expect(ErrorCode::kCorruptData, "max_seq_length is 0; accepted are 1");
  folder_.write("sentence_bert_config.json", "{}");
  folder_.write("config_sentence_transformers.json", R"({"default_prompt_name":"query"})");
  expect(ErrorCode::kCorruptData, "default_prompt_name \"query\" is not one of the prompts");
  folder_.write("config_sentence_transformers.json", R"({"prompts":[]})");
  expect(ErrorCode::kCorruptData, "prompts must be an object");
}

TEST_F(SentenceTransformerFolder, ChecksDense) {
  folder_.write("1/config.json", R"({"word_embedding_dimension":4})");
  modules({"Transformer:", "Pooling:1", "Dense:2_Dense"});
  dense(R"({"in_features":4,"out_features":2,"bias":false})", {2, 4}, false);
  EXPECT_EQ(std::get<DenseConfig>(read().pooled[0]).bias, nullptr);
  EXPECT_EQ(std::get<DenseConfig>(read().pooled[0]).activation, Activation::kTanh);
  dense(R"({"in_features":4,"out_features":2})", {2, 4}, false);
  expect(ErrorCode::kNotFound, "no tensor \"linear.bias\" in the weights");
  dense(R"({"in_features":4,"out_features":2})", {4, 2});
  expect(ErrorCode::kCorruptData,
         "tensor \"linear.weight\" has the shape [4, 2], config.json asks for [2, 4]");
  dense(R"({"in_features":4})");
  expect(ErrorCode::kCorruptData, "in_features and out_features are needed");
  dense(R"({"in_features":8,"out_features":2})");
  expect(ErrorCode::kCorruptData, "[2, 8]");
  dense(R"({"in_features":8,"out_features":2})", {2, 8});
  expect(ErrorCode::kCorruptData, "in_features is 8, but the module before it gives 4");
  dense(R"({"in_features":4,"out_features":2,"activation_function":"os.system"})");
  expect(ErrorCode::kUnsupported, "activation_function \"os.system\" is not built");
  dense(R"({"in_features":4,"out_features":2,"use_residual":true})");
  expect(ErrorCode::kNotFound, "no tensor \"residual.weight\" in the weights");
  dense(R"({"in_features":4,"out_features":2,"module_input_name":"token_embeddings"})");
  expect(ErrorCode::kUnsupported, "a module for tokens behind one for the pooled vector");
}

}  // namespace
}  // namespace tamis
