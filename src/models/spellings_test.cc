// One set of weights under the names, dtypes and company that checkpoints in the wild keep, and the
// ways in which a tensor can be wrong.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <regex>

#include "base/error.h"
#include "base/file.h"
#include "models/models.h"
#include "models/test_util.h"
#include "tensor/widened.h"

namespace tamis::models {
namespace {

// The graph's text, whatever the checkpoint stores its weights in.
std::string text_of(const graph::Graph& graph) {
  return std::regex_replace(print(graph), std::regex(" : B?F16\\["), " : F32[");
}

// Same text, same numbers.
void expect_same_graph(const graph::Graph& left, const graph::Graph& right) {
  ASSERT_EQ(text_of(left), text_of(right));
  for (size_t i = 0; i < left.value_count(); ++i) {
    const graph::Value& a = left.value(static_cast<graph::ValueId>(i));
    if (a.constant == nullptr) continue;
    const graph::Value& b = right.value(right.find_value(a.name));
    const auto x = widened(a.constant);
    const auto y = widened(b.constant);
    ASSERT_EQ(x->size_bytes(), y->size_bytes()) << a.name;
    EXPECT_EQ(std::memcmp(x->view().data(), y->view().data(), x->size_bytes()), 0) << a.name;
  }
}

graph::Graph graph_of(const EditableCheckpoint& checkpoint) {
  return build_model(checkpoint.make()).graph;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  if (const size_t at = text.find(from); at != text.npos) text.replace(at, from.size(), to);
  return text;
}

// The folder's config with members changed in its text, or put in front.
EditableCheckpoint with_config(const std::string& folder,
                               const std::vector<std::pair<std::string, std::string>>& changes) {
  EditableCheckpoint checkpoint(folder);
  std::string json = read_file(testdata_model(folder) / "config.json");
  for (const auto& [from, to] : changes) json = replaced(json, from, to);
  checkpoint.config.fields = ModelConfig::parse(json, "config.json").fields;
  return checkpoint;
}

std::string prefix_of(const std::string& name) {
  const std::string family = name.substr(0, name.find('-'));
  return (family == "camembert" || family == "xlm" ? "roberta" : family) + ".";
}

TEST(Spellings, PrefixOrNone) {
  for (const std::string name :
       {"bert-sequence-classification", "bert-masked-lm", "distilbert-question-answering",
        "roberta-masked-lm", "camembert-token-classification", "xlm-roberta-base", "albert-base",
        "electra-masked-lm", "electra-base"}) {
    const EditableCheckpoint original(name);
    EditableCheckpoint other(name);
    const std::string prefix = prefix_of(name);
    if (name.ends_with("-base")) {
      other.rename([&prefix](const std::string& tensor) { return prefix + tensor; });
    } else {
      other.rename([&prefix](const std::string& tensor) { return replaced(tensor, prefix, ""); });
    }
    expect_same_graph(graph_of(original), graph_of(other));
  }
}

TEST(Spellings, GammaAndBeta) {
  for (const char* name : {"bert-masked-lm", "distilbert-masked-lm", "roberta-masked-lm",
                           "albert-masked-lm", "electra-masked-lm"}) {
    EditableCheckpoint other(name);
    int renamed = 0;
    other.rename([&renamed](const std::string& tensor) {
      if (tensor.find("LayerNorm") == tensor.npos && tensor.find("layer_norm") == tensor.npos) {
        return tensor;
      }
      ++renamed;
      return replaced(replaced(tensor, ".weight", ".gamma"), ".bias", ".beta");
    });
    EXPECT_GE(renamed, 6) << name;
    expect_same_graph(graph_of(EditableCheckpoint(name)), graph_of(other));
  }
}

// Families whose checkpoints keep the names that the code beside them gave their tensors, which
// transformers writes too. Its class has others, and projections of their own.
struct TwoSpellings {
  std::string folder;
  std::string layers;                                      // the older name of the list of layers
  std::vector<std::pair<std::string, std::string>> names;  // the older part, the class's
  std::vector<std::vector<std::string>> packed;            // the older module, its parts in order
};

// Rows of `whole` as the `index`-th of `count` tensors.
Tensor part_of(const Tensor& whole, int64_t index, int64_t count) {
  const Tensor values = to_float32(whole.view());
  const int64_t rows = whole.shape()[0] / count;
  const Tensor part = values.rows(index * rows, (index + 1) * rows);
  return Tensor::from(part.shape(), part.as<float>());
}

EditableCheckpoint in_names_of_the_class(const TwoSpellings& spellings) {
  EditableCheckpoint checkpoint(spellings.folder);
  const std::vector<StoredTensor> tensors = checkpoint.tensors;
  for (const StoredTensor& tensor : tensors) {
    for (const std::vector<std::string>& modules : spellings.packed) {
      const size_t at = tensor.name.find(modules[0] + ".");
      if (at == tensor.name.npos) continue;
      const auto count = static_cast<int64_t>(modules.size()) - 1;
      for (int64_t i = 0; i < count; ++i) {
        const std::string name =
            replaced(tensor.name, modules[0], modules[static_cast<size_t>(i) + 1]);
        checkpoint.set(name, part_of(*tensor.tensor, i, count));
      }
      checkpoint.remove(tensor.name);
    }
  }
  checkpoint.rename([&spellings](std::string name) {
    name = replaced(name, spellings.layers, "layers.");
    for (const auto& [older, today] : spellings.names) name = replaced(name, older, today);
    return name;
  });
  return checkpoint;
}

const TwoSpellings kNomicBertNames = {
    "nomic_bert-base",
    "encoder.layers.",
    {{"emb_ln", "embeddings.LayerNorm"},
     {"attn.out_proj", "self_attn.o_proj"},
     {"norm1", "post_attention_layernorm"},
     {"norm2", "post_mlp_layernorm"},
     {"fc11", "up_proj"},
     {"fc12", "gate_proj"},
     {"fc2", "down_proj"}},
    {{"attn.Wqkv", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"}}};
const TwoSpellings kGteNames = {
    "gte-base",
    "encoder.layer.",
    {{"attention.o_proj", "self_attn.o_proj"},
     {"attn_ln", "post_attention_layernorm"},
     {"mlp_ln", "post_mlp_layernorm"}},
    {{"attention.qkv_proj", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"},
     {"mlp.up_gate_proj", "mlp.up_proj", "mlp.gate_proj"}}};

TEST(Spellings, NamesOfTheClassOrOfOlderCode) {
  for (const TwoSpellings& spellings : {kNomicBertNames, kGteNames}) {
    SCOPED_TRACE(spellings.folder);
    const EditableCheckpoint other = in_names_of_the_class(spellings);
    expect_same_graph(graph_of(EditableCheckpoint(spellings.folder)), graph_of(other));
  }
}

TEST(Spellings, ConfigsOfOlderCode) {
  const std::pair<const char*, const char*> kOlder[] = {
      {"nomic_bert-base",
       R"({"model_type":"nomic_bert","architectures":["NomicBertModel"],"vocab_size":120,)"
       R"("auto_map":{"AutoModel":"modeling_hf_nomic_bert.NomicBertModel"},"n_embd":16,"n_layer":2,)"
       R"("n_head":2,"n_inner":20,"n_positions":40,"rotary_emb_base":1000,"rotary_emb_fraction":1.0,)"
       R"("activation_function":"swiglu","type_vocab_size":2,"layer_norm_epsilon":1e-12})"},
      {"gte-base",
       R"({"model_type":"gte","architectures":["NewModel"],"vocab_size":120,"hidden_size":16,)"
       R"("auto_map":{"AutoModel":"modeling.NewModel"},"num_hidden_layers":2,"pad_token_id":0,)"
       R"("num_attention_heads":2,"intermediate_size":20,"max_position_embeddings":40,)"
       R"("position_embedding_type":"rope","rope_theta":160000,"pack_qkv":true,)"
       R"("type_vocab_size":1,"layer_norm_type":"layer_norm","hidden_act":"gelu"})"}};
  for (const auto& [folder, config] : kOlder) {
    SCOPED_TRACE(folder);
    EditableCheckpoint original(folder);
    EditableCheckpoint other(folder);
    other.config = ModelConfig::parse(config, "config.json");
    original.config.hidden_act = other.config.hidden_act;
    expect_same_graph(graph_of(original), graph_of(other));
  }
}

// The base of transformers' class may stand beside the other keys, which the older code does not
// read.
TEST(Spellings, NomicsBaseOfTheClass) {
  const auto base = [](std::string_view members) {
    EditableCheckpoint checkpoint("nomic_bert-base");
    const std::string json =
        cat(R"({"model_type":"nomic_bert","num_attention_heads":2,)", members, "}");
    checkpoint.config.fields = ModelConfig::parse(json, "config.json").fields;
    const graph::Graph graph = graph_of(checkpoint);
    const graph::ValueId id = graph.find_value("rotary_emb.inv_freq");
    // theta^(-2 / 8) for heads of 8 columns.
    return std::pow(1.0 / graph.value(id).constant->as<float>()[1], 4.0);
  };
  EXPECT_NEAR(base(R"("hidden_size":16,"rope_theta":500)"), 500, 0.01);
  EXPECT_NEAR(base(R"("rope_theta":500,"n_embd":16)"), 10000, 0.2);
  EXPECT_NEAR(base(R"("hidden_size":16,"rope_theta":500,"rotary_emb_base":1000)"), 1000, 0.02);
}

TEST(Spellings, NomicsOlderCodeMayPairNeighbors) {
  EditableCheckpoint checkpoint("nomic_bert-base");
  const auto turns_neighbors = [&](std::string_view members) {
    const std::string json =
        cat(R"({"model_type":"nomic_bert","num_attention_heads":2,)", members, "}");
    checkpoint.config.fields = ModelConfig::parse(json, "config.json").fields;
    const graph::Graph graph = graph_of(checkpoint);
    const auto turn = std::ranges::find(graph.nodes(), graph::OpKind::kRotary, &graph::Node::op);
    return turn->attribute<graph::RotaryAttributes>().interleaved;
  };
  EXPECT_FALSE(turns_neighbors(R"("n_embd":16)"));
  EXPECT_TRUE(turns_neighbors(R"("n_embd":16,"rotary_emb_interleaved":true)"));
  EXPECT_THROW((void)turns_neighbors(R"("hidden_size":16,"rotary_emb_interleaved":true)"), Error);
}

// Biases that the class never makes, whatever the config says of them.
TEST(Spellings, DecodersBiasesAreThoseOfTheirClass) {
  const std::pair<std::string, std::string> kBoth = {"{",
                                                     R"({"attention_bias":true,"mlp_bias":true,)"};
  const std::pair<std::string, std::string> kMlp = {"{", R"({"mlp_bias":true,)"};
  for (const auto& [folder, change] : {std::pair{"mistral-base", kBoth},
                                       {"qwen2-base", kBoth},
                                       {"qwen3-base", kMlp},
                                       {"gemma3_text-base", kMlp}}) {
    SCOPED_TRACE(folder);
    expect_same_graph(graph_of(with_config(folder, {change})),
                      graph_of(EditableCheckpoint(folder)));
  }
}

// What the class makes of feed_forward_proj it then takes from the file, if it is there.
TEST(Spellings, T5sGateAndActivationOfTheirOwnKeys) {
  const std::pair<std::string, std::string> kProj = {R"("gated-gelu")", R"("relu")"};
  expect_same_graph(graph_of(with_config("t5-base-gated", {kProj})),
                    graph_of(EditableCheckpoint("t5-base-gated")));
  const std::string silu = print(graph_of(
      with_config("t5-base", {{R"("dense_act_fn": "relu")", R"("dense_act_fn": "silu")"}})));
  EXPECT_NE(silu.find("silu"), silu.npos) << silu;
  EXPECT_EQ(silu.find("relu"), silu.npos) << silu;
}

TEST(Spellings, ModernBertsTwoWaysToScaleAreNotMixed) {
  EditableCheckpoint checkpoint("modernbert-base");
  checkpoint.config.fields =
      ModelConfig::parse(
          R"({"model_type":"modernbert","rope_scaling":{"type":"linear","factor":2},)"
          R"("rope_parameters":{"full_attention":{"rope_theta":10000}}})",
          "config.json")
          .fields;
  try {
    (void)build_model(checkpoint.make());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_STREQ(error.what(),
                 "config.json: rope_scaling beside rope_parameters is not built; accepted are "
                 "either of the two alone");
  }
}

// "ntk": theta times the factor, then waves longer by factor^(2 / 8) for heads of 8 columns.
TEST(Spellings, GtesOlderStretch) {
  EditableCheckpoint stretched("gte-base");
  stretched.config = ModelConfig::parse(
      R"({"model_type":"new","architectures":["NewModel"],"vocab_size":120,"hidden_size":16,)"
      R"("num_hidden_layers":2,"pad_token_id":0,"num_attention_heads":2,"intermediate_size":20,)"
      R"("max_position_embeddings":40,"rope_theta":5000,"type_vocab_size":1,)"
      R"("rope_scaling":{"type":"ntk","factor":2.0}})",
      "config.json");
  const graph::Graph graph = graph_of(stretched);
  const graph::ValueId id = graph.find_value("rotary_emb.inv_freq");
  ASSERT_NE(id, graph::kNoValue);
  const auto frequencies = graph.value(id).constant->as<float>();
  ASSERT_EQ(frequencies.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    const double wanted = std::pow(10000.0, -static_cast<double>(i) / 4) / std::pow(2.0, 0.25);
    EXPECT_NEAR(frequencies[i], wanted, wanted * 0x1p-21) << i;
  }
}

TEST(Spellings, DecoderOfItsOwnTiedOrNot) {
  const EditableCheckpoint original("bert-masked-lm");
  const std::string words = "bert.embeddings.word_embeddings.weight";
  const std::string decoder = "cls.predictions.decoder.weight";
  EditableCheckpoint both("bert-masked-lm");
  both.set(decoder, to_float32(both.at(words).tensor->view()));
  both.rename([](const std::string& tensor) {
    return tensor == "cls.predictions.bias" ? "cls.predictions.decoder.bias" : tensor;
  });
  expect_same_graph(graph_of(original), graph_of(both));

  EditableCheckpoint decoder_only = both;
  decoder_only.remove(words);
  expect_same_graph(graph_of(original), graph_of(decoder_only));

  EditableCheckpoint untied = both;
  Tensor other = to_float32(both.at(words).tensor->view());
  other.mutable_as<float>()[0] += 1.0f;
  untied.set(decoder, std::move(other));
  const graph::Graph graph = graph_of(untied);
  EXPECT_NE(graph.find_value(decoder), graph::kNoValue);
}

// transformers 5 stores both, and trains the decoder's alone where config.json unties them.
TEST(Spellings, DecoderBiasOfItsOwnCountsWhereItIsUntied) {
  const std::string names[] = {"cls.predictions.bias", "cls.predictions.decoder.bias"};
  for (const bool tied : {true, false}) {
    EditableCheckpoint both =
        with_key("bert-masked-lm", "tie_word_embeddings", tied ? "true" : "false");
    both.set("cls.predictions.decoder.weight",
             to_float32(both.at("bert.embeddings.word_embeddings.weight").tensor->view()));
    Tensor other = to_float32(both.at(names[0]).tensor->view());
    other.mutable_as<float>()[0] += 1.0f;
    both.set(names[1], std::move(other));
    const graph::Graph graph = graph_of(both);
    EXPECT_EQ(graph.find_value(names[0]) != graph::kNoValue, tied);
    EXPECT_EQ(graph.find_value(names[1]) != graph::kNoValue, !tied);
  }
}

TEST(Spellings, ExtraTensorsAreIgnored) {
  EditableCheckpoint other("bert-question-answering");
  other.set("bert.embeddings.position_ids", Tensor(DType::kI64, Shape{1, 128}));
  other.set("bert.pooler.dense.weight", Tensor(DType::kF32, Shape{3}));
  other.set("optimizer.state.exp_avg", Tensor(DType::kI8, Shape{7}));
  Tensor broken(DType::kF32, Shape{1});
  broken.mutable_as<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  other.set("unused", std::move(broken));
  expect_same_graph(graph_of(EditableCheckpoint("bert-question-answering")), graph_of(other));
}

TEST(Spellings, AMissingPoolerDoesNotMatterForEmbeddings) {
  EditableCheckpoint other("bert-base");
  other.remove("pooler.dense.weight");
  other.remove("pooler.dense.bias");
  expect_same_graph(graph_of(EditableCheckpoint("bert-base")), graph_of(other));
}

// Values that each dtype holds exactly, so that one graph is right for all of them.
Tensor narrowed(const TensorView& from, DType dtype) {
  Tensor out(dtype, from.shape());
  for (int64_t i = 0; i < from.elements(); ++i) {
    const auto at = static_cast<size_t>(i);
    const float sign = at % 2 == 0 ? 1.0f : -1.0f;
    switch (dtype) {
      case DType::kF64:
        out.mutable_as<double>()[at] = static_cast<double>(sign);
        break;
      case DType::kF16:
        out.mutable_as<uint16_t>()[at] = sign > 0 ? 0x3c00 : 0xbc00;
        break;
      case DType::kBF16:
        out.mutable_as<uint16_t>()[at] = sign > 0 ? 0x3f80 : 0xbf80;
        break;
      default:
        out.mutable_as<float>()[at] = sign;
    }
  }
  return out;
}

TEST(Spellings, EveryFloatDtype) {
  const auto with_dtype = [](DType dtype) {
    EditableCheckpoint checkpoint("electra-base");
    const std::vector<StoredTensor> tensors = checkpoint.tensors;
    for (const StoredTensor& tensor : tensors) {
      checkpoint.set(tensor.name, narrowed(tensor.tensor->view(), dtype));
    }
    return graph_of(checkpoint);
  };
  const graph::Graph expected = with_dtype(DType::kF32);
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF64}) {
    expect_same_graph(expected, with_dtype(dtype));
  }
}

TEST(Spellings, Float32ConstantsAreTheFilesOwnMemory) {
  const auto checkpoint = Checkpoint::open(testdata_model("bert-base"));
  const BuiltModel model = build_model(*checkpoint);
  const graph::ValueId id = model.graph.find_value("bert.encoder.layer.0.output.dense.weight");
  ASSERT_NE(id, graph::kNoValue);
  EXPECT_EQ(model.graph.value(id).constant->view().data(),
            checkpoint->find("encoder.layer.0.output.dense.weight")->data());
}

std::string refusal(const EditableCheckpoint& checkpoint) {
  try {
    (void)build_model(checkpoint.make());
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCorruptData) << error.what();
    return error.what();
  }
  return "";
}

TEST(BadTensors, MissingNamesWhatWasLookedFor) {
  EditableCheckpoint checkpoint("bert-base");
  checkpoint.remove("encoder.layer.1.attention.output.LayerNorm.bias");
  const std::string name = "encoder.layer.1.attention.output.LayerNorm.";
  EXPECT_EQ(refusal(checkpoint), "memory: no tensor \"bert." + name +
                                     "bias\" in the weights; looked for \"bert." + name +
                                     "bias\", \"" + name + "bias\", \"bert." + name + "beta\", \"" +
                                     name + "beta\" of shape [32]");
}

TEST(BadTensors, MissingHeadOfTheClassThatConfigNames) {
  EditableCheckpoint checkpoint("roberta-sequence-classification");
  checkpoint.remove("classifier.out_proj.weight");
  EXPECT_EQ(refusal(checkpoint),
            "memory: no tensor \"classifier.out_proj.weight\" in the weights; looked for "
            "\"classifier.out_proj.weight\" of shape [3, 32]");
}

TEST(BadTensors, WrongShapeOrDtype) {
  EditableCheckpoint checkpoint("bert-base");
  checkpoint.set("encoder.layer.0.attention.self.query.weight", Tensor(DType::kF32, Shape{30, 32}));
  EXPECT_EQ(refusal(checkpoint),
            "memory: tensor \"encoder.layer.0.attention.self.query.weight\" is F32[30, 32]; "
            "expected F32, F16, BF16 or F64 [32, 32], as config.json says");
  checkpoint.set("encoder.layer.0.attention.self.query.weight", Tensor(DType::kI8, Shape{32, 32}));
  EXPECT_EQ(refusal(checkpoint),
            "memory: tensor \"encoder.layer.0.attention.self.query.weight\" is I8[32, 32]; "
            "expected F32, F16, BF16 or F64 [32, 32], as config.json says");
}

TEST(BadTensors, TablesHaveTheRowsThatConfigNames) {
  EditableCheckpoint checkpoint("bert-base");
  checkpoint.config.max_position_embeddings = 65;
  EXPECT_EQ(refusal(checkpoint),
            "memory: tensor \"embeddings.position_embeddings.weight\" is F32[64, 32]; expected "
            "F32, F16, BF16 or F64 [65, 32], as config.json says");
  checkpoint.config.max_position_embeddings = 64;
  checkpoint.config.type_vocab_size = 3;
  EXPECT_EQ(refusal(checkpoint),
            "memory: tensor \"embeddings.token_type_embeddings.weight\" is F32[2, 32]; expected "
            "F32, F16, BF16 or F64 [3, 32], as config.json says");
}

TEST(BadTensors, NotFinite) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    EditableCheckpoint checkpoint("distilbert-base");
    const std::string name = "transformer.layer.1.ffn.lin2.weight";
    Tensor tensor = to_float32(checkpoint.at(name).tensor->view());
    tensor.mutable_as<float>()[77] = bad;
    checkpoint.set(name, std::move(tensor));
    EXPECT_EQ(refusal(checkpoint),
              "memory: tensor \"" + name +
                  "\" holds NaN or infinity at element 77; weights must be finite");
  }
}

TEST(BadTensors, BeyondFloat32) {
  EditableCheckpoint checkpoint("electra-base");
  Tensor tensor(DType::kF64, Shape{32});
  tensor.mutable_as<double>()[3] = 1e300;
  checkpoint.set("embeddings_project.bias", std::move(tensor));
  EXPECT_EQ(refusal(checkpoint),
            "memory: tensor \"embeddings_project.bias\" is F64 and holds values beyond float32");
}

}  // namespace
}  // namespace tamis::models
