// The graphs of the committed checkpoints: heads, node counts, scopes, and refusals by message.
#include "models/models.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "models/test_util.h"
#include "tests/support/gzip_file.h"

namespace tamis::models {
namespace {

using graph::OpKind;

std::vector<std::string> committed_models() {
  std::set<std::string> names;
  const std::filesystem::path root = testdata_model("");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    const std::string file = entry.path().filename();
    if (!file.ends_with(".safetensors") && !file.ends_with(".bin")) continue;
    names.insert(entry.path().parent_path().lexically_relative(root).string());
  }
  return {names.begin(), names.end()};
}

BuiltModel build(const std::string& name, const BuildOptions& options = {}) {
  return build_model(*Checkpoint::open(testdata_model(name)), options);
}

std::string refusal(const Checkpoint& checkpoint, ErrorCode code,
                    const BuildOptions& options = {}) {
  try {
    (void)build_model(checkpoint, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "";
}

int count(const graph::Graph& graph, OpKind op) {
  int found = 0;
  for (const graph::Node& node : graph.nodes()) found += node.op == op ? 1 : 0;
  return found;
}

std::string type_of_output(const BuiltModel& model, std::string_view name) {
  for (const graph::GraphOutput& output : model.graph.outputs()) {
    if (output.name == name) return model.graph.value(output.value).shape.to_string();
  }
  return "absent";
}

// From golden.json.gz's "head".
HeadKind recorded_head(const std::string& name) {
  const std::string text = test::read_gzip(testdata_model(name) / "golden.json.gz");
  const JsonDocument golden = JsonDocument::parse(text, name);
  const std::string_view head = golden.root().get("head").as_string("head");
  if (head == "base") return HeadKind::kEmbedding;
  if (head == "token-classification") return HeadKind::kTokenClassification;
  if (head == "question-answering") return HeadKind::kQuestionAnswering;
  if (head == "masked-lm") return HeadKind::kMaskedLM;
  return HeadKind::kSequenceClassification;
}

TEST(Models, AtLeastEveryFamilyAndHeadIsCommitted) { EXPECT_GE(committed_models().size(), 74u); }

class CommittedModel : public testing::TestWithParam<std::string> {};

TEST_P(CommittedModel, BuildsWithItsHead) {
  const auto checkpoint = Checkpoint::open(testdata_model(GetParam()));
  const ModelConfig& config = checkpoint->config();
  const BuiltModel model = build_model(*checkpoint);
  EXPECT_EQ(model.head, recorded_head(GetParam()));
  EXPECT_EQ(model.family, config.model_type);
  EXPECT_EQ(model.hidden_size, config.hidden_size);
  const bool labelled = model.head == HeadKind::kSequenceClassification ||
                        model.head == HeadKind::kTokenClassification;
  EXPECT_EQ(static_cast<int64_t>(model.labels.size()), labelled ? config.num_labels : 0);

  const std::string labels = cat(config.num_labels, "]");
  const std::string expected[] = {cat("[T, ", config.hidden_size, "]"), "[B, " + labels,
                                  "[T, " + labels, "[T, 2]", cat("[S, ", config.vocab_size, "]")};
  const auto head = static_cast<size_t>(model.head);
  if (model.head == HeadKind::kEmbedding) {
    EXPECT_EQ(type_of_output(model, kTokenEmbeddings), expected[head]);
    const int64_t projected = config.fields.integer("projection_dim", 0, 0, config.hidden_size);
    EXPECT_EQ(type_of_output(model, kSentenceEmbedding),
              cat("[B, ", projected > 0 ? projected : config.hidden_size, "]"));
  } else {
    EXPECT_EQ(type_of_output(model, kLogits), expected[head]);
  }
}

/// What a graph has more of than BERT's layers and embeddings, by the folder's name.
struct Deviation {
  std::string_view prefix;
  int matmuls = 0;
  int adds = 0;
  int norms = 0;
  int tables = 0;  // of embeddings; -1: there are no positions
  int muls = 0;    // a layer; -1: the factor lies in the scores
  int others = 0;
};
constexpr Deviation kDeviations[] = {
    {.prefix = "ernie-multiple-choice"},
    {.prefix = "ernie", .adds = 1},  // the task
    {.prefix = "roberta-prelayernorm", .norms = 1},
    {.prefix = "dpr-base-context"},
    {.prefix = "dpr-base", .matmuls = 1, .adds = 1},  // encode_proj
    {.prefix = "mpnet", .muls = -1},
    {.prefix = "longformer", .muls = -1},
    {.prefix = "big_bird-token-classification", .adds = -3, .muls = 1},  // no biases; a factor
    {.prefix = "big_bird", .muls = -1},
    {.prefix = "deberta-token-classification", .muls = -1},
    {.prefix = "deberta-question-answering", .adds = -1, .muls = -1},  // embed_proj has no bias
    {.prefix = "deberta-v2-sequence-classification",
     .matmuls = 1,
     .adds = 2,
     .norms = 1,
     .tables = -1,
     .muls = -1,
     .others = 2},  // the convolution's Unfold and activation
    {.prefix = "deberta-v2-question-answering", .muls = -1},
    {.prefix = "deberta-v2-masked-lm", .adds = -1, .tables = -1, .muls = -1},
    {.prefix = "deberta", .tables = -1, .muls = -1},
    // A norm of the embeddings, and the dropout of words; queries have their factor.
    {.prefix = "esm-absolute", .norms = 1, .muls = -1, .others = 1},
};

Deviation deviation_of(std::string_view name) {
  Deviation found;
  for (const Deviation& row : kDeviations) {
    if (!name.starts_with(row.prefix)) continue;
    found = row;
    break;
  }
  // Scores of some tokens, or with positions in them, have their factor.
  const bool by_distance = name.find("-relative-key") != name.npos;
  if (by_distance || name.ends_with("-decoder")) found.muls = -1;
  if (by_distance) found.tables = -1;
  return found;
}

// True where queries and keys turn, or scores have slopes or T5's bias alone; a gate is a MatMul
// and a Mul more.
bool has_other_layers(const graph::Graph& graph, int layers) {
  const bool sloped = graph.find_value("alibi_slopes") != graph::kNoValue;
  const int muls = count(graph, OpKind::kMul);
  const bool turns = count(graph, OpKind::kRotary) > 0;
  if (!turns && !sloped && count(graph, OpKind::kRMSNormalization) == 0) return false;
  EXPECT_EQ(count(graph, OpKind::kRotary), turns ? 2 * layers : 0);
  const bool gated = muls >= layers;
  // Experts have two products as well, and the activation with the first.
  const int experts = count(graph, OpKind::kRouteTokens);
  EXPECT_EQ(count(graph, OpKind::kExpertMatMul), 2 * experts);
  EXPECT_EQ(count(graph, OpKind::kMatMul), (gated ? 7 : 6) * layers - 2 * experts);
  EXPECT_EQ(count(graph, OpKind::kActivation), layers - experts);
  EXPECT_EQ(count(graph, OpKind::kPositionIds), 0);
  return true;
}

// BART's two halves: the decoder's layers attend twice.
void expect_two_halves(const graph::Graph& graph, const ModelConfig& config) {
  const auto layers = [&](const char* key) {
    return static_cast<int>(config.fields.integer(key, 12, 0, 100));
  };
  const int encoder = layers("encoder_layers");
  const int decoder = layers("decoder_layers");
  const int norms_first = config.model_type == "mbart" ? 1 : 0;
  EXPECT_EQ(count(graph, OpKind::kMatMul), 6 * encoder + 10 * decoder);
  EXPECT_EQ(count(graph, OpKind::kAdd), 8 * encoder + 13 * decoder + 2);
  EXPECT_EQ(count(graph, OpKind::kLayerNormalization),
            2 * encoder + 3 * decoder + 2 + 2 * norms_first);
  EXPECT_EQ(count(graph, OpKind::kActivation), encoder + decoder);
  EXPECT_EQ(count(graph, OpKind::kAttentionScores), encoder + 2 * decoder);
  EXPECT_EQ(count(graph, OpKind::kMul), config.fields.flag("scale_embedding", false) ? 2 : 0);
  EXPECT_EQ(count(graph, OpKind::kGather), 4);
  EXPECT_EQ(count(graph, OpKind::kShiftIds), 1);
  EXPECT_EQ(graph.inputs().size(), 1u);
}

TEST_P(CommittedModel, HasTheUnfusedNodesOfItsLayers) {
  const auto checkpoint = Checkpoint::open(testdata_model(GetParam()));
  const ModelConfig& config = checkpoint->config();
  const graph::Graph graph = build_model(*checkpoint, {HeadKind::kEmbedding, {}}).graph;
  if (config.model_type.ends_with("bart")) return expect_two_halves(graph, config);
  if (has_other_layers(graph, static_cast<int>(config.num_hidden_layers))) return;
  const Deviation more = deviation_of(GetParam());
  const auto layers = static_cast<int>(config.num_hidden_layers * config.inner_group_num);
  const int projection = config.embedding_size != config.hidden_size ? 1 : 0;
  const int tables = (config.type_vocab_size > 0 ? 3 : 2) + more.tables;
  EXPECT_EQ(count(graph, OpKind::kMatMul), 6 * layers + projection + more.matmuls);
  EXPECT_EQ(count(graph, OpKind::kAdd), 8 * layers + projection + tables - 1 + more.adds);
  EXPECT_EQ(count(graph, OpKind::kLayerNormalization), 2 * layers + 1 + more.norms);
  EXPECT_EQ(count(graph, OpKind::kActivation), layers + more.others / 2);
  EXPECT_EQ(count(graph, OpKind::kAttentionScores), layers);
  EXPECT_EQ(count(graph, OpKind::kMul), layers * (1 + more.muls));
  EXPECT_EQ(count(graph, OpKind::kSoftmax), layers);
  EXPECT_EQ(count(graph, OpKind::kAttentionContext), layers);
  EXPECT_EQ(count(graph, OpKind::kGather), tables);
  EXPECT_EQ(count(graph, OpKind::kPositionIds), 1 + more.tables);
  EXPECT_EQ(count(graph, OpKind::kSequencePool), 1);
  EXPECT_EQ(static_cast<int>(graph.nodes().size()), (21 + more.muls) * layers + 2 * projection +
                                                        2 * tables + 2 + more.matmuls + more.adds +
                                                        more.norms + more.tables + more.others);
  EXPECT_EQ(graph.inputs().size(), config.type_vocab_size > 0 ? 2u : 1u);
}

TEST_P(CommittedModel, SurvivesItsTextForm) {
  graph::Graph graph = build(GetParam()).graph;
  const auto source = [](void* context, std::string_view name) {
    const auto& from = *static_cast<const graph::Graph*>(context);
    const graph::ValueId id = from.find_value(name);
    return id == graph::kNoValue ? nullptr : from.value(id).constant;
  };
  const std::string text = print(graph);
  EXPECT_EQ(print(graph::parse_graph(text, "text", source, &graph)), text);
}

INSTANTIATE_TEST_SUITE_P(All, CommittedModel, testing::ValuesIn(committed_models()),
                         [](const auto& row) {
                           std::string name = row.param;
                           std::replace_if(
                               name.begin(), name.end(),
                               [](char c) { return c == '-' || c == '/'; }, '_');
                           return name;
                         });

std::string text_of(const std::string& name) { return print(build(name).graph); }

void expect_lines(const std::string& text, const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    EXPECT_NE(text.find(line + "\n"), text.npos) << "no line\n" << line << "\nin\n" << text;
  }
}

TEST(Models, ScopesAreModulePathsOfTheClassWithTheHead) {
  const std::set<std::string> kLayer = {"attention.self.query",
                                        "attention.self.key",
                                        "attention.self.value",
                                        "attention.self",
                                        "attention.output",
                                        "attention.output.dense",
                                        "attention.output.LayerNorm",
                                        "intermediate.dense",
                                        "intermediate.intermediate_act_fn",
                                        "output",
                                        "output.dense",
                                        "output.LayerNorm"};
  for (const auto& [name, prefix] :
       std::map<std::string, std::string>{{"bert-base", "bert."},
                                          {"bert-masked-lm", "bert."},
                                          {"roberta-base", "roberta."},
                                          {"camembert-base", "roberta."},
                                          {"xlm-roberta-base", "roberta."},
                                          {"electra-base", "electra."}}) {
    std::set<std::string> found;
    const std::string layer = prefix + "encoder.layer.1.";
    const BuiltModel model = build(name);
    for (const graph::Node& node : model.graph.nodes()) {
      if (node.scope.starts_with(layer)) found.insert(node.scope.substr(layer.size()));
    }
    EXPECT_EQ(found, kLayer) << name;
  }
}

TEST(Models, BertSaysWhatItsModelingFileComputes) {
  expect_lines(
      text_of("bert-sequence-classification"),
      {("%bert.embeddings.PositionIds = PositionIds(ids=%input_ids) {rule=absolute, padding_idx=0} "
        "@bert.embeddings : I32[T]"),
       ("%bert.encoder.layer.0.attention.self.AttentionScores = AttentionScores("
        "q=%bert.encoder.layer.0.attention.self.query.Add, "
        "k=%bert.encoder.layer.0.attention.self.key.Add) {heads=4, scale=1} "
        "@bert.encoder.layer.0.attention.self : F32[4, A]"),
       ("%bert.pooler.SequencePool = SequencePool(x=%bert.encoder.layer.1.output.LayerNorm."
        "LayerNormalization) {modes=cls} @bert.pooler : F32[B, 32]"),
       ("%bert.pooler.activation.Activation = Activation(x=%bert.pooler.dense.Add) "
        "{activation=tanh} "
        "@bert.pooler.activation : F32[B, 32]"),
       ("%classifier.MatMul = MatMul(x=%bert.pooler.activation.Activation, "
        "weight=%classifier.weight) "
        "{activation=none} @classifier : F32[B, 3]"),
       "output logits = %classifier.Add"});
}

// The first operand has the first of a sum's quantizers.
TEST(Models, MegatronAddsToTheResidual) {
  expect_lines(
      text_of("megatron-bert-base"),
      {"%bert.encoder.layer.1.output.Add = Add(x=%bert.encoder.layer.1.attention.output.Add, "
       "y=%bert.encoder.layer.1.output.dense.Add) @bert.encoder.layer.1.output : F32[T, 16]"});
}

TEST(Models, TiedDecoderReadsTheWordEmbeddings) {
  for (const auto& [name, prefix] :
       std::map<std::string, std::string>{{"bert-masked-lm", "bert"},
                                          {"distilbert-masked-lm", "distilbert"},
                                          {"xlm-roberta-masked-lm", "roberta"},
                                          {"albert-masked-lm", "albert"},
                                          {"electra-masked-lm", "electra"}}) {
    const BuiltModel model = build(name);
    const graph::ValueId words =
        model.graph.find_value(prefix + ".embeddings.word_embeddings.weight");
    ASSERT_NE(words, graph::kNoValue) << name;
    EXPECT_EQ(model.graph.consumers(words).size(), 2u) << name;
    EXPECT_EQ(count(model.graph, OpKind::kSelectTokens), 1) << name;
  }
}

TEST(Models, AlbertLayersShareTheirConstants) {
  const BuiltModel model = build("albert-base");
  const graph::ValueId weight =
      model.graph.find_value("albert.encoder.albert_layer_groups.0.albert_layers.0.ffn.weight");
  ASSERT_NE(weight, graph::kNoValue);
  EXPECT_EQ(model.graph.consumers(weight).size(), 2u);

  // 4 layers in 2 groups of 2 inner layers: each inner layer runs for 2 of the 4.
  const BuiltModel groups = build("albert-base-groups");
  for (const std::string module :
       {"0.albert_layers.0", "0.albert_layers.1", "1.albert_layers.0", "1.albert_layers.1"}) {
    const graph::ValueId inner =
        groups.graph.find_value("albert.encoder.albert_layer_groups." + module + ".ffn.weight");
    ASSERT_NE(inner, graph::kNoValue) << module;
    EXPECT_EQ(groups.graph.consumers(inner).size(), 2u) << module;
  }
}

TEST(Models, AlbertLayersAreLimitedThoughTheyShareWeights) {
  EditableCheckpoint edited("albert-base");
  edited.config.num_hidden_layers = 256;
  EXPECT_EQ(build_model(edited.make()).graph.nodes().size(), 256u * 21 + 10);
  edited.config.inner_group_num = 2;
  EXPECT_EQ(refusal(edited.make(), ErrorCode::kUnsupported),
            "config.json: num_hidden_layers 256 times inner_group_num 2 is over 256 layers");
}

TEST(Models, RobertaCountsPositionsFromThePadding) {
  const BuiltModel model = build("roberta-base");
  EXPECT_EQ(model.max_positions, 64);  // 66 rows, of which 0 and 1 are never used
  expect_lines(print(model.graph), {"%roberta.embeddings.PositionIds = PositionIds(ids=%input_ids) "
                                    "{rule=roberta, padding_idx=1} @roberta.embeddings : I32[T]"});

  EditableCheckpoint edited("roberta-base");
  edited.config.pad_token_id.reset();
  EXPECT_EQ(refusal(edited.make(), ErrorCode::kUnsupported),
            "config.json: pad_token_id is null, but roberta counts positions from it; 1 is usual");
  edited.config.pad_token_id = 65;
  EXPECT_EQ(refusal(edited.make(), ErrorCode::kCorruptData),
            "config.json: max_position_embeddings is 66; with pad_token_id 65 at least 67 are "
            "needed");
}

TEST(Models, AnEncoderEmbedsByMeanPooling) {
  const BuiltModel model = build("bert-sequence-classification", {HeadKind::kEmbedding, {}});
  EXPECT_EQ(type_of_output(model, kSentenceEmbedding), "[B, 32]");
  EXPECT_EQ(model.graph.find_value("classifier.weight"), graph::kNoValue);
  EXPECT_TRUE(model.labels.empty());
  expect_lines(print(model.graph),
               {"%pooling.SequencePool = SequencePool(x=%bert.encoder.layer.1.output.LayerNorm."
                "LayerNormalization) {modes=mean} @pooling : F32[B, 32]",
                "output sentence_embedding = %pooling.SequencePool"});
}

SentenceTransformerConfig two_poolings_and_two_dense() {
  SentenceTransformerConfig config;
  config.has_modules = true;
  config.pooling = PoolingConfig{{Pooling::kCls, Pooling::kMax}, {}, true};
  config.normalize = true;
  config.pooled.emplace_back(
      DenseConfig{64, 5, Activation::kTanh, std::make_shared<Tensor>(DType::kF32, Shape{5, 64}),
                  std::make_shared<Tensor>(DType::kF16, Shape{5}), "2_Dense"});
  config.pooled.emplace_back(DenseConfig{5, 4, Activation::kNone,
                                         std::make_shared<Tensor>(DType::kF32, Shape{4, 5}),
                                         nullptr, "3_Dense"});
  return config;
}

TEST(Models, SentenceTransformersModulesBecomeNodes) {
  // They make an embedding of a checkpoint whose class has another head.
  const BuiltModel model = build("bert-masked-lm", {std::nullopt, two_poolings_and_two_dense()});
  EXPECT_EQ(model.head, HeadKind::kEmbedding);
  EXPECT_EQ(model.output_size, 4);
  EXPECT_TRUE(model.normalize);
  expect_lines(
      print(model.graph),
      {"%2_Dense.linear.MatMul = MatMul(x=%pooling.SequencePool, weight=%2_Dense.linear.weight) "
       "{activation=none} @2_Dense.linear : F32[B, 5]",
       "%2_Dense.linear.Add = Add(x=%2_Dense.linear.MatMul, y=%2_Dense.linear.bias) "
       "@2_Dense.linear : "
       "F32[B, 5]",
       "%2_Dense.activation_function.Activation = Activation(x=%2_Dense.linear.Add) "
       "{activation=tanh} @2_Dense.activation_function : F32[B, 5]",
       "output sentence_embedding = %3_Dense.linear.MatMul"});
}

TEST(Models, EveryPoolingModeOfSentenceTransformersIsOurs) {
  const std::pair<Pooling, std::string> kNames[] = {{Pooling::kCls, "cls"},
                                                    {Pooling::kMax, "max"},
                                                    {Pooling::kMean, "mean"},
                                                    {Pooling::kMeanSqrtLen, "mean_sqrt_len"},
                                                    {Pooling::kWeightedMean, "weighted_mean"},
                                                    {Pooling::kLastToken, "last_token"}};
  for (const auto& [mode, name] : kNames) {
    SentenceTransformerConfig config;
    config.has_modules = true;
    config.pooling = PoolingConfig{{mode}, {}, true};
    EXPECT_NE(print(build("bert-base", {std::nullopt, config}).graph).find("{modes=" + name + "}"),
              std::string::npos);
  }
}

TEST(Models, ADenseThatDoesNotFitIsNamed) {
  const auto checkpoint = Checkpoint::open(testdata_model("bert-base"));
  SentenceTransformerConfig config = two_poolings_and_two_dense();
  config.pooling->modes = {Pooling::kMean};
  EXPECT_EQ(refusal(*checkpoint, ErrorCode::kCorruptData, {std::nullopt, config}),
            "2_Dense: tensor \"linear.weight\" is F32[5, 64]; expected F32, F16, BF16 or F64 "
            "[5, 32]");
}

TEST(Models, UnknownFamiliesAreRefused) {
  EditableCheckpoint edited("bert-base");
  edited.config.model_type = "xlnet";
  EXPECT_EQ(refusal(edited.make(), ErrorCode::kUnsupported),
            "memory/config.json: model_type \"xlnet\" is not built; accepted are bert, distilbert, "
            "roberta, camembert, xlm-roberta, albert, electra, mpnet, deberta, deberta-v2, ernie, "
            "megatron-bert, roberta-prelayernorm, xlm-roberta-xl, data2vec-text, dpr, longformer, "
            "big_bird, modernbert, nomic_bert, gte, new, eurobert, neobert, jina_bert, "
            "jina_embeddings_v3, esm, llama, mistral, qwen2, qwen3, gemma3_text, t5, mt5, bart, "
            "mbart");
}

TEST(Models, HeadsThatAreNotThereAreRefused) {
  const auto open = [](const char* name) { return Checkpoint::open(testdata_model(name)); };
  const auto message = [&open](const char* name, HeadKind head) {
    const std::string text = refusal(*open(name), ErrorCode::kUnsupported, {head, {}});
    return text.substr(std::min(text.find(": ") + 2, text.size()));
  };
  EXPECT_EQ(message("bert-base", HeadKind::kSequenceClassification),
            "has no head for sequence classification: no tensor in the weights under the name "
            "\"classifier.weight\"; architectures is BertModel");
  EXPECT_EQ(message("distilbert-masked-lm", HeadKind::kQuestionAnswering),
            "has no head for question answering: no tensor in the weights under the name "
            "\"qa_outputs.weight\"; architectures is DistilBertForMaskedLM");
  EXPECT_EQ(message("bert-question-answering", HeadKind::kMaskedLM),
            "made for another task than masked language modelling: architectures is "
            "BertForQuestionAnswering");
  // The tensors of one classifier would fit the other's names.
  EXPECT_EQ(message("albert-sequence-classification", HeadKind::kTokenClassification),
            "made for another task than token classification: architectures is "
            "AlbertForSequenceClassification");
}

TEST(Models, ClassesWithoutAHeadOfOursStillEmbed) {
  EditableCheckpoint edited("bert-base");
  edited.config.architectures = {"ElectraForMultipleChoice"};
  EXPECT_NE(refusal(edited.make(), ErrorCode::kUnsupported)
                .find("the head of ElectraForMultipleChoice is not built"),
            std::string::npos);
  EXPECT_EQ(build_model(edited.make(), {HeadKind::kEmbedding, {}}).head, HeadKind::kEmbedding);
}

TEST(Models, WithoutArchitecturesTheTensorsDecide) {
  for (const char* name :
       {"bert-base", "bert-sequence-classification", "bert-masked-lm", "bert-question-answering",
        "bert-token-classification", "roberta-sequence-classification",
        "roberta-token-classification", "distilbert-sequence-classification",
        "distilbert-token-classification", "electra-sequence-classification", "electra-masked-lm",
        "albert-sequence-classification", "albert-token-classification", "albert-masked-lm"}) {
    EditableCheckpoint edited(name);
    edited.config.architectures.clear();
    EXPECT_EQ(build_model(edited.make()).head, recorded_head(name)) << name;
  }
}

TEST(Models, EmbedsByThePoolersOutput) {
  SentenceTransformerConfig config;
  config.has_modules = true;
  config.output = TransformerOutput::kPoolerOutput;
  for (const char* name : {"bert-base", "roberta-base", "albert-base"}) {
    const std::string graph = print(build(name, {std::nullopt, config}).graph);
    EXPECT_TRUE(graph.find("{modes=cls}") < graph.size() && graph.find("tanh") < graph.size());
  }
  EXPECT_EQ(
      refusal(EditableCheckpoint("distilbert-base").make(), ErrorCode::kUnsupported,
              {std::nullopt, config}),
      "sentence_bert_config.json: method_output_name is \"pooler_output\", but distilbert has "
      "no pooler; accepted is \"last_hidden_state\" with a Pooling module");
}

}  // namespace
}  // namespace tamis::models
