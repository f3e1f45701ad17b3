#include "formats/hf_config.h"

#include <map>

#include "base/error.h"
#include "base/log.h"
#include "formats/test_util.h"

namespace tamis {
namespace {

ModelConfig parse(std::string_view json) { return ModelConfig::parse(json, "config.json"); }

TEST(ModelConfig, TakesTransformersDefaults) {
  const ModelConfig bert = parse(R"({"model_type":"bert"})");
  EXPECT_EQ(bert.vocab_size, 30522);
  EXPECT_EQ(bert.hidden_size, 768);
  EXPECT_EQ(bert.num_hidden_layers, 12);
  EXPECT_EQ(bert.num_attention_heads, 12);
  EXPECT_EQ(bert.intermediate_size, 3072);
  EXPECT_EQ(bert.max_position_embeddings, 512);
  EXPECT_EQ(bert.type_vocab_size, 2);
  EXPECT_EQ(bert.embedding_size, 768);
  EXPECT_EQ(bert.hidden_act, Activation::kGelu);
  EXPECT_EQ(bert.layer_norm_eps, 1e-12);
  EXPECT_EQ(bert.pad_token_id, 0);
  EXPECT_TRUE(bert.tie_word_embeddings);
  EXPECT_EQ(bert.id2label, (std::vector<std::string>{"LABEL_0", "LABEL_1"}));
  EXPECT_EQ(bert.problem_type, std::nullopt);
  EXPECT_EQ(bert.cross_encoder_activation, std::nullopt);

  const ModelConfig distilbert = parse(R"({"model_type":"distilbert"})");
  EXPECT_EQ(distilbert.num_hidden_layers, 6);
  EXPECT_EQ(distilbert.type_vocab_size, 0);
  EXPECT_EQ(parse(R"({"model_type":"roberta"})").vocab_size, 50265);
  EXPECT_EQ(parse(R"({"model_type":"xlm-roberta"})").pad_token_id, 1);
  const ModelConfig albert = parse(R"({"model_type":"albert"})");
  EXPECT_EQ(albert.hidden_size, 4096);
  EXPECT_EQ(albert.num_attention_heads, 64);
  EXPECT_EQ(albert.intermediate_size, 16384);
  EXPECT_EQ(albert.embedding_size, 128);
  EXPECT_EQ(albert.hidden_act, Activation::kGeluTanh);
  const ModelConfig electra = parse(R"({"model_type":"electra"})");
  EXPECT_EQ(electra.hidden_size, 256);
  EXPECT_EQ(electra.embedding_size, 128);
  EXPECT_EQ(electra.summary_type, "first");
  EXPECT_EQ(electra.summary_activation, Activation::kGelu);
}

TEST(ModelConfig, MapsNomicBertsOlderNames) {
  const ModelConfig config =
      parse(R"({"model_type":"nomic_bert","n_embd":64,"n_layer":3,"n_head":4,"n_inner":128,)"
            R"("n_positions":8192,"layer_norm_epsilon":1e-5,"activation_function":"swiglu",)"
            R"("auto_map":{"AutoModel":"modeling.NomicBertModel"},"hidden_size":7})");
  EXPECT_EQ(config.hidden_size, 64);
  EXPECT_EQ(config.num_hidden_layers, 3);
  EXPECT_EQ(config.num_attention_heads, 4);
  EXPECT_EQ(config.intermediate_size, 128);
  EXPECT_EQ(config.max_position_embeddings, 8192);
  EXPECT_EQ(config.layer_norm_eps, 1e-5);
  EXPECT_EQ(config.hidden_act, Activation::kSilu);
  EXPECT_EQ(config.type_vocab_size, 2);
  // Only this family's code is known.
  EXPECT_ANY_THROW((void)parse(R"({"model_type":"bert","auto_map":{"AutoModel":"m.Model"}})"));
}

TEST(ModelConfig, RefusesOtherBlocksOfNomicBert) {
  for (const auto& [key, value] :
       std::map<std::string, std::string>{{"activation_function", "\"geglu\""},
                                          {"causal", "true"},
                                          {"prenorm", "true"},
                                          {"moe_impl", "\"contrastors\""},
                                          {"expert_choice_router", "true"},
                                          {"num_shared_experts", "1"},
                                          {"ffn_div", "2"},
                                          {"moe_normalize_expert_weights", "true"},
                                          {"rotary_emb_scale_base", "512"}}) {
    const std::string json = cat(R"({"model_type":"nomic_bert",")", key, R"(":)", value, "}");
    try {
      (void)parse(json);
      ADD_FAILURE() << json;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
      EXPECT_NE(std::string(error.what()).find(key), std::string::npos) << error.what();
    }
  }
}

TEST(ModelConfig, MapsDistilBertNames) {
  const ModelConfig config = parse(
      R"({"model_type":"distilbert","dim":64,"n_layers":3,"n_heads":4,"hidden_dim":128,)"
      R"("activation":"relu","sinusoidal_pos_embds":true,"hidden_size":7,"type_vocab_size":2,)"
      R"("hidden_act":"silu"})");
  EXPECT_EQ(config.hidden_size, 64);
  EXPECT_EQ(config.embedding_size, 64);
  EXPECT_EQ(config.num_hidden_layers, 3);
  EXPECT_EQ(config.num_attention_heads, 4);
  EXPECT_EQ(config.intermediate_size, 128);
  EXPECT_EQ(config.hidden_act, Activation::kRelu);
  EXPECT_TRUE(config.sinusoidal_pos_embds);
  EXPECT_EQ(config.type_vocab_size, 0);
}

TEST(ModelConfig, FindsTheTypeOfOldConfigs) {
  EXPECT_EQ(parse(R"({"architectures":["BertForMaskedLM"]})").model_type, "bert");
  EXPECT_EQ(parse(R"({"architectures":["XLMRobertaModel"]})").model_type, "xlm-roberta");
  EXPECT_EQ(parse(R"({"model_type":"t5","architectures":["BertModel"]})").model_type, "t5");
}

TEST(ModelConfig, OfAnotherFamilyOnlyWhatAllHaveIsRead) {
  const ModelConfig config = parse(
      R"({"model_type":"fnet","hidden_act":"snake","hidden_size":"wide","auto_map":{"a":"b"},)"
      R"("vocab_size":99,"type_vocab_size":-4,"id2label":{"0":"no","1":"entail"},)"
      R"("label2id":{"entail":1},"problem_type":"regression"})");
  EXPECT_EQ(config.model_type, "fnet");
  EXPECT_EQ(config.hidden_size, 0);
  EXPECT_EQ(config.vocab_size, 99);
  EXPECT_EQ(config.type_vocab_size, 0);
  EXPECT_EQ(config.id2label, (std::vector<std::string>{"no", "entail"}));
  EXPECT_EQ(config.entailment_id, 1);
  EXPECT_EQ(config.problem_type, ProblemType::kRegression);
  EXPECT_EQ(parse(R"({"model_type":"fnet"})").id2label, std::vector<std::string>());
  EXPECT_EQ(parse(R"({"model_type":"fnet","num_labels":1})").id2label.size(), 1U);
  EXPECT_ANY_THROW((void)parse(R"({"model_type":"fnet","problem_type":"guess"})"));
}

// What the program logs while the config is parsed.
std::vector<std::string> warnings(std::string_view members) {
  std::vector<std::string> found;
  set_log_sink([&found](LogLevel, std::string_view message) { found.emplace_back(message); });
  (void)parse(cat(R"({"model_type":"bert",)", members, "}"));
  set_log_sink({});
  return found;
}

TEST(ModelConfig, NamesKeysThatItDoesNotKnow) {
  using Strings = std::vector<std::string>;
  EXPECT_EQ(warnings(R"("initializer_range":NaN,"transformers_version":"5","n_heads":3)"),
            Strings());
  EXPECT_EQ(warnings(R"("hidden_sizes":3)"),
            Strings{"config.json: the key \"hidden_sizes\" is unknown and not looked at"});
  EXPECT_EQ(warnings(R"("num_labels":4,"id2label":{"0":"a","1":"b"})"),
            Strings{"config.json: num_labels is 4, but id2label names 2 labels, which are taken"});
}

TEST(ModelConfig, Label2idNamesEntailment) {
  const auto entailment = [](std::string_view label2id) {
    return parse(cat(R"({"model_type":"bert","id2label":{"0":"x","1":"y"},"label2id":)", label2id,
                     "}"))
        .entailment_id;
  };
  EXPECT_EQ(entailment(R"({"no":0,"ENTAILment":1})"), 1);
  EXPECT_EQ(entailment(R"({"not entailment":0,"entail":0,"entailed":1})"), 0);
  EXPECT_EQ(entailment(R"({"no":0,"yes":1})"), std::nullopt);
  EXPECT_EQ(entailment(R"({"entailment":7})"), 7);
  EXPECT_EQ(entailment(R"({"entailment":"1"})"), -1);
  // Without id2label transformers makes label2id anew.
  EXPECT_EQ(parse(R"({"model_type":"bert","label2id":{"entailment":1}})").entailment_id,
            std::nullopt);
}

TEST(ModelConfig, AnEmptyProblemTypeIsNone) {
  EXPECT_EQ(parse(R"({"model_type":"bert","problem_type":""})").problem_type, std::nullopt);
}

TEST(ModelConfig, ReadsLabels) {
  const ModelConfig config =
      parse(R"({"model_type":"bert","id2label":{"1":"POS","0":"NEG","2":3},"num_labels":9,)"
            R"("problem_type":"multi_label_classification"})");
  EXPECT_EQ(config.num_labels, 3);
  EXPECT_EQ(config.id2label, (std::vector<std::string>{"NEG", "POS", "3"}));
  EXPECT_EQ(config.problem_type, ProblemType::kMultiLabel);
  EXPECT_EQ(parse(R"({"model_type":"bert","num_labels":1})").id2label,
            std::vector<std::string>{"LABEL_0"});
  EXPECT_EQ(parse(R"({"model_type":"bert","_num_labels":5})").num_labels, 5);
}

TEST(ModelConfig, NullIsAbsent) {
  const ModelConfig config =
      parse(R"({"model_type":"bert","problem_type":null,"id2label":null,"hidden_size":null,)"
            R"("pad_token_id":null,"auto_map":null,"pruned_heads":{}})");
  EXPECT_EQ(config.hidden_size, 768);
  EXPECT_EQ(config.pad_token_id, std::nullopt);
}

TEST(ModelConfig, NullIsFalseOfAFlag) {
  EXPECT_FALSE(parse(R"({"model_type":"bert","tie_word_embeddings":null})").tie_word_embeddings);
  EXPECT_TRUE(parse(R"({"model_type":"bert"})").tie_word_embeddings);
}

TEST(ModelConfig, ReadsCrossEncoderActivation) {
  EXPECT_EQ(parse(R"({"model_type":"bert","sentence_transformers":)"
                  R"({"activation_fn":"torch.nn.modules.activation.Sigmoid"}})")
                .cross_encoder_activation,
            Activation::kSigmoid);
  EXPECT_EQ(parse(R"({"model_type":"bert","sbert_ce_default_activation_function":)"
                  R"("torch.nn.modules.linear.Identity"})")
                .cross_encoder_activation,
            Activation::kNone);
  expect_error(ErrorCode::kUnsupported, "\"os.system\" is not built; accepted are torch.nn.", [] {
    (void)parse(R"({"model_type":"bert","sbert_ce_default_activation_function":"os.system"})");
  });
}

struct BadConfig {
  std::string_view member;
  ErrorCode code;
  std::string_view message;
};

TEST(ModelConfig, NamesWhatIsWrong) {
  const BadConfig cases[] = {
      {R"("is_encoder_decoder":true)", ErrorCode::kUnsupported, "is_encoder_decoder is true"},
      {R"("add_cross_attention":true)", ErrorCode::kUnsupported, "add_cross_attention is true"},
      {R"("auto_map":{"AutoModel":"m.py"})", ErrorCode::kUnsupported, "auto_map is {\"AutoModel\""},
      {R"("pruned_heads":{"0":[1]})", ErrorCode::kUnsupported, "pruned_heads"},
      {R"("quantization_config":{"bits":4})", ErrorCode::kUnsupported, "quantization_config"},
      {R"("hidden_act":"snake")", ErrorCode::kUnsupported,
       "hidden_act \"snake\" is not built; accepted are"},
      {R"("hidden_size":"768")", ErrorCode::kCorruptData, "hidden_size must be an integer"},
      {R"("hidden_size":0)", ErrorCode::kCorruptData, "hidden_size is 0; accepted are 1 to 65536"},
      {R"("hidden_size":1000000000000)", ErrorCode::kCorruptData, "hidden_size is 1000000000000"},
      {R"("hidden_size":100)", ErrorCode::kCorruptData,
       "num_attention_heads 12 does not divide hidden_size 100"},
      {R"("vocab_size":16000000,"hidden_size":49152)", ErrorCode::kCorruptData, "GiB; at most"},
      {R"("num_hidden_layers":1024,"hidden_size":65532,"intermediate_size":1048576)",
       ErrorCode::kCorruptData, "GiB; at most"},
      {R"("num_hidden_layers":-1)", ErrorCode::kCorruptData, "num_hidden_layers is -1"},
      {R"("layer_norm_eps":-1e-5)", ErrorCode::kCorruptData, "layer_norm_eps is"},
      {R"("pad_token_id":30522)", ErrorCode::kCorruptData, "pad_token_id is 30522"},
      {R"("add_cross_attention":"no")", ErrorCode::kUnsupported, "add_cross_attention is \"no\""},
      {R"("layer_norm_eps":NaN)", ErrorCode::kCorruptData, "layer_norm_eps is nan"},
      {R"("vocab_size":Infinity)", ErrorCode::kCorruptData, "vocab_size must be an integer"},
      {R"("architectures":"BertModel")", ErrorCode::kCorruptData, "must be an array"},
      {R"("id2label":[])", ErrorCode::kCorruptData, "id2label must be an object"},
      {R"("id2label":{"x":"y"})", ErrorCode::kCorruptData, "the id \"x\" is not one of 0 to 0"},
      {R"("id2label":{"1":"y"})", ErrorCode::kCorruptData, "the id \"1\" is not one of 0 to 0"},
      {R"("num_labels":2000000000)", ErrorCode::kCorruptData, "num_labels is 2000000000"},
      {R"("problem_type":"clustering")", ErrorCode::kCorruptData, "problem_type is"},
      {R"("model_type":"bert")", ErrorCode::kCorruptData, "the key \"model_type\" twice"},
  };
  for (const BadConfig& bad : cases) {
    SCOPED_TRACE(bad.member);
    const std::string json = cat(R"({"model_type":"bert",)", bad.member, "}");
    expect_error(bad.code, bad.message, [&] { (void)parse(json); });
  }
  expect_error(
      ErrorCode::kUnsupported,
      "config.json: position_embedding_type is \"relative_key\": other positions than "
      "absolute are not built; accepted are null, \"absolute\"",
      [] { (void)parse(R"({"model_type":"mpnet","position_embedding_type":"relative_key"})"); });
  expect_error(ErrorCode::kCorruptData, "must be a JSON object", [] { (void)parse("[]"); });
  expect_error(ErrorCode::kCorruptData, "no model_type", [] { (void)parse("{}"); });
}

}  // namespace
}  // namespace tamis
