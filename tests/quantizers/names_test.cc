// The quantizers of every family and head against those that transformer-deploy makes, and the
// names that its lists use.
#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "models/models.h"
#include "models/test_util.h"
#include "quant/marks.h"

namespace tamis {
namespace {

// The counts stand for two layers, which all tiny checkpoints have (ALBERT's share one). Original:
// what transformer-deploy 0.4 wraps in transformers 4.4.2, by its rules M1-M5.
struct Row {
  const char* model;
  int original;         // quantizers of the original
  int ours;             // quantizers here
  const char* because;  // of a difference
};
constexpr Row kRows[] = {
    {"bert-base", 42, 40, "the pooler, which no embedding reads"},
    {"bert-sequence-classification", 44, 44, ""},
    {"bert-token-classification", 42, 42, ""},
    {"bert-question-answering", 42, 42, ""},
    {"bert-masked-lm", 44, 44, ""},
    {"electra-base", 42, 42, ""},
    {"electra-sequence-classification", 46, 46, ""},
    {"electra-token-classification", 44, 44, ""},
    {"electra-question-answering", 44, 44, ""},
    {"electra-masked-lm", 46, 46, ""},
    {"roberta-base", 42, 40, "the pooler, which no embedding reads"},
    {"roberta-sequence-classification", 44, 44, ""},
    {"roberta-token-classification", 42, 42, ""},
    {"roberta-question-answering", 42, 42, ""},
    {"roberta-masked-lm", 44, 44, ""},
    {"camembert-sequence-classification", 44, 44, ""},
    {"xlm-roberta-sequence-classification", 44, 44, ""},
    {"distilbert-base", 32, 40, "+ 4 a layer: residual sums"},
    {"distilbert-sequence-classification", 36, 44, "+ 4 a layer: residual sums"},
    {"distilbert-token-classification", 34, 42, "+ 4 a layer: residual sums"},
    {"distilbert-question-answering", 34, 42, "+ 4 a layer: residual sums"},
    {"distilbert-masked-lm", 36, 44, "+ 4 a layer: residual sums"},
    {"albert-base", 22, 22, "+ 2: the second residual sum; - 2: the pooler"},
    {"albert-sequence-classification", 24, 26, "+ 2: the second residual sum"},
    {"albert-token-classification", 22, 24, "+ 2: the second residual sum"},
    {"albert-question-answering", 22, 24, "+ 2: the second residual sum"},
    {"albert-masked-lm", 24, 26, "+ 2: the second residual sum"},
};

graph::Graph marked(const Checkpoint& checkpoint) {
  graph::Graph graph = models::build_model(checkpoint).graph;
  quant::add_marks(graph);
  graph::verify(graph);
  return graph;
}

std::set<std::string> names_of(const graph::Graph& graph) {
  std::set<std::string> names;
  for (const quant::QuantizerInfo& info : quant::list_quantizers(graph)) names.insert(info.name);
  return names;
}

class QuantizerTable : public testing::TestWithParam<Row> {};

TEST_P(QuantizerTable, CountsAreThoseOfTheOriginal) {
  const Row& row = GetParam();
  const auto checkpoint = Checkpoint::open(models::testdata_model(row.model));
  EXPECT_EQ(static_cast<int>(names_of(marked(*checkpoint)).size()), row.ours);
  if (row.original != row.ours) {
    EXPECT_STRNE(row.because, "");
  }
}

INSTANTIATE_TEST_SUITE_P(All, QuantizerTable, testing::ValuesIn(kRows), [](const auto& row) {
  std::string name = row.param.model;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

// The tiny RoBERTa with its first layer twelve times.
Checkpoint twelve_layers() {
  models::EditableCheckpoint edit("roberta-sequence-classification");
  const std::string first = "roberta.encoder.layer.0.";
  std::vector<StoredTensor> copies;
  for (const StoredTensor& tensor : edit.tensors) {
    if (!tensor.name.starts_with(first)) continue;
    for (int layer = 2; layer < 12; ++layer) {
      StoredTensor copy = tensor;
      copy.name = cat("roberta.encoder.layer.", layer, ".", tensor.name.substr(first.size()));
      copies.push_back(std::move(copy));
    }
  }
  edit.tensors.insert(edit.tensors.end(), copies.begin(), copies.end());
  edit.config.num_hidden_layers = 12;
  return edit.make();
}

TEST(QuantizerNames, OfRobertaBaseClassificationAre244With74Weights) {
  const std::set<std::string> names = names_of(marked(twelve_layers()));
  EXPECT_EQ(names.size(), 244u);
  const auto weights = std::count_if(names.begin(), names.end(), [](const std::string& name) {
    return name.ends_with("._weight_quantizer");
  });
  EXPECT_EQ(weights, 74);
}

// The eight that transformer-deploy's notebook switches off for RoBERTa, and one of each other
// kind.
TEST(QuantizerNames, OfTransformerDeploysListsExist) {
  const std::set<std::string> names = names_of(marked(twelve_layers()));
  for (const char* layer : {"2", "3", "4", "6"}) {
    for (const char* number : {"0", "1"}) {
      const std::string name =
          cat("roberta.encoder.layer.", layer, ".output.layernorm_quantizer_", number);
      EXPECT_TRUE(names.contains(name)) << name;
    }
  }
  for (const char* name :
       {"roberta.encoder.layer.3.attention.self.matmul_quantizer_0",
        "roberta.encoder.layer.3.attention.self.matmul_quantizer_3",
        "roberta.encoder.layer.11.attention.output.layernorm_quantizer_1",
        "roberta.encoder.layer.0.attention.self.query._input_quantizer",
        "roberta.encoder.layer.0.intermediate.dense._weight_quantizer",
        "classifier.dense._input_quantizer", "classifier.out_proj._weight_quantizer"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
}

// Seven linear layers and two products in each layer, and where norms follow the residual sums,
// these.
TEST(QuantizerNames, OfGatedFamiliesFollowTheirModules) {
  struct Gated {
    const char* model;
    const char* prefix;  // of the first layer's modules
    std::vector<const char*> linear;
    size_t ours;  // of two layers
  };
  const std::vector<const char*> kClass = {
      "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
      "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};
  const Gated kGated[] = {
      {"nomic_bert-base", "nomic_bert.layers.0.", kClass, 44},
      {"gte-base", "gte.layers.0.", kClass, 44},
      {"eurobert-token-classification", "model.layers.0.", kClass, 38},
      {"llama-base", "model.layers.0.", kClass, 36},
      {"mistral-base", "model.layers.0.", kClass, 36},
      {"qwen2-base", "model.layers.0.", kClass, 36},
      {"qwen3-base", "model.layers.0.", kClass, 36},
      {"gemma3_text-base", "model.layers.0.", kClass, 36},
      {"t5-base",
       "encoder.block.0.layer.",
       {"0.SelfAttention.q", "0.SelfAttention.k", "0.SelfAttention.v", "0.SelfAttention.o",
        "1.DenseReluDense.wi", "1.DenseReluDense.wo"},
       32},
      {"modernbert-base",
       "model.layers.0.",
       {"attn.Wqkv.query", "attn.Wqkv.key", "attn.Wqkv.value", "attn.Wo", "mlp.Wi.input",
        "mlp.Wi.gate", "mlp.Wo"},
       38},
      {"neobert-base",
       "model.transformer_encoder.0.",
       {"qkv.query", "qkv.key", "qkv.value", "wo", "ffn.w12.gate", "ffn.w12.up", "ffn.w3"},
       36}};
  for (const Gated& row : kGated) {
    SCOPED_TRACE(row.model);
    const auto checkpoint = Checkpoint::open(models::testdata_model(row.model));
    const graph::Graph graph = marked(*checkpoint);
    EXPECT_EQ(names_of(graph).size(), row.ours);
    std::set<std::string> on;
    for (const quant::QuantizerInfo& info : quant::list_quantizers(graph)) {
      if (info.enabled) on.insert(info.name);
    }
    EXPECT_EQ(on.size(), 2 * 2 * row.linear.size());
    for (const char* module : row.linear) {
      for (const char* operand : {"._input_quantizer", "._weight_quantizer"}) {
        EXPECT_TRUE(on.contains(cat(row.prefix, module, operand))) << module << operand;
      }
    }
  }
}

TEST(QuantizerNames, OfAlbertAndDistilBertFollowTheNumberingRule) {
  const auto albert = Checkpoint::open(models::testdata_model("albert-sequence-classification"));
  const std::set<std::string> albert_names = names_of(marked(*albert));
  const std::string module = "albert.encoder.albert_layer_groups.0.albert_layers.0";
  for (const char* name :
       {".attention.matmul_quantizer_0", ".attention.matmul_quantizer_3",
        ".attention.layernorm_quantizer_4", ".attention.layernorm_quantizer_5",
        ".layernorm_quantizer_0", ".layernorm_quantizer_1", ".ffn_output._input_quantizer"}) {
    EXPECT_TRUE(albert_names.contains(module + name)) << name;
  }
  EXPECT_TRUE(albert_names.contains("albert.encoder.embedding_hidden_mapping_in._input_quantizer"));
  const auto distilbert =
      Checkpoint::open(models::testdata_model("distilbert-sequence-classification"));
  const std::set<std::string> distilbert_names = names_of(marked(*distilbert));
  for (const char* name :
       {"attention.matmul_quantizer_2", "layernorm_quantizer_0", "layernorm_quantizer_3",
        "ffn.lin2._weight_quantizer", "attention.q_lin._input_quantizer"}) {
    EXPECT_TRUE(distilbert_names.contains(cat("distilbert.transformer.layer.1.", name))) << name;
  }
}

// In ALBERT's attention the layer's input stands left of the sum, so number 4 is the residual.
TEST(QuantizerNames, OfAlbertsFirstSumStandOnTheOperandsOfTheOriginal) {
  const auto checkpoint =
      Checkpoint::open(models::testdata_model("albert-sequence-classification"));
  const graph::Graph graph = marked(*checkpoint);
  for (const graph::Node& node : graph.nodes()) {
    if (node.quantizers.empty() || !node.quantizers[0].names[0].ends_with("quantizer_4")) continue;
    const graph::ValueId left =
        node.operand(node.op == graph::OpKind::kAdd ? graph::Operand::kX : graph::Operand::kQ);
    EXPECT_GT(graph.consumers(left).size(), 1u) << "the layer's input has other readers";
  }
}

/// Families that transformer-deploy does not know: all names of the second layer.
struct LayerRow {
  const char* model;
  const char* layer;
  std::vector<std::string> linears;
  std::vector<std::string> products;  // two operands of two products
  std::vector<std::string> sums;      // modules; "": the layer itself
  int sums_of_module = 1;
};

TEST(QuantizerNames, OfALayerOfOtherFamilies) {
  const LayerRow rows[] = {
      {"mpnet-base",
       "mpnet.encoder.layer.1.",
       {"attention.attn.q", "attention.attn.k", "attention.attn.v", "attention.attn.o",
        "intermediate.dense", "output.dense"},
       {"attention.attn"},
       {"attention", "output"}},
      {"deberta-base",
       "deberta.encoder.layer.1.",
       {"attention.self.in_proj.q", "attention.self.in_proj.k", "attention.self.in_proj.v",
        "attention.output.dense", "intermediate.dense", "output.dense"},
       {"attention.self"},
       {"attention.output", "output"}},
      {"deberta-v2-base",
       "deberta.encoder.layer.1.",
       {"attention.self.query_proj", "attention.self.key_proj", "attention.self.value_proj",
        "attention.output.dense", "intermediate.dense", "output.dense"},
       {"attention.self"},
       {"attention.output", "output"}},
      {"bart-sequence-classification",
       "model.decoder.layers.1.",
       {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj",
        "encoder_attn.q_proj", "encoder_attn.k_proj", "encoder_attn.v_proj",
        "encoder_attn.out_proj", "fc1", "fc2"},
       {"self_attn", "encoder_attn"},
       {""},
       3},
      {"mbart-sequence-classification",
       "model.encoder.layers.1.",
       {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "fc1",
        "fc2"},
       {"self_attn"},
       {""}},
  };
  for (const LayerRow& row : rows) {
    std::set<std::string> expected;
    for (const std::string& linear : row.linears) {
      expected.insert(cat(linear, "._input_quantizer"));
      expected.insert(cat(linear, "._weight_quantizer"));
    }
    for (const std::string& module : row.products) {
      for (int i = 0; i < 4; ++i) expected.insert(cat(module, ".matmul_quantizer_", i));
    }
    for (const std::string& module : row.sums) {
      for (int i = 0; i < 2 * row.sums_of_module; ++i) {
        expected.insert(cat(module, module.empty() ? "" : ".", "layernorm_quantizer_", i));
      }
    }
    std::set<std::string> found;
    const std::string_view layer = row.layer;
    for (const std::string& name :
         names_of(marked(*Checkpoint::open(models::testdata_model(row.model))))) {
      if (name.starts_with(layer)) found.insert(name.substr(layer.size()));
    }
    EXPECT_EQ(found, expected) << row.model;
  }
}

TEST(QuantizerDefaults, AreTheEncodersLinearsInEveryModel) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.model);
    const auto checkpoint = Checkpoint::open(models::testdata_model(row.model));
    for (const quant::QuantizerInfo& info : quant::list_quantizers(marked(*checkpoint))) {
      const bool layer = info.name.find(".layer.") != std::string::npos ||
                         info.name.find("albert_layers") != std::string::npos;
      const bool linear =
          info.name.ends_with("._input_quantizer") || info.name.ends_with("._weight_quantizer");
      EXPECT_EQ(info.enabled, layer && linear) << info.name;
    }
  }
}

}  // namespace
}  // namespace tamis
