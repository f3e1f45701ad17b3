// Models as .onnx files: what they answer beside what their checkpoints do, and which file is
// meant.
#include "model/onnx_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>

#include "base/error.h"
#include "base/file.h"
#include "formats/checkpoint.h"
#include "formats/sentence_transformers.h"
#include "graph/graph.h"
#include "graph/testing/unnamed.h"
#include "model/self_test.h"
#include "model/test_util.h"
#include "onnx/export/export_onnx.h"
#include "optimize/export_model.h"

namespace tamis::api {
namespace {

namespace fs = std::filesystem;
using graph::testing::unnamed;

models::BuiltModel built_of(const std::string& name) {
  return models::build_model(*Checkpoint::open(testdata(name)));
}

onnx::ModelProto exported(const std::string& name) {
  const models::BuiltModel built = built_of(name);
  return onnx::export_onnx(built.graph, {output_of(built.head, false), false});
}

bool starts_with_one_of(const std::string& name, std::initializer_list<const char*> beginnings) {
  return std::ranges::any_of(beginnings,
                             [&](const char* beginning) { return name.starts_with(beginning); });
}

// The checkpoints whose export gives the very graph again.
bool is_given_again(const std::string& name) {
  const bool plain = starts_with_one_of(
      name, {"models/bert-", "models/roberta-", "models/distilbert-", "models/camembert-",
             "models/xlm-roberta-", "models/albert-", "models/electra-"});
  // Windows have a mask in the file, and tables of positions names of their own.
  const bool by_place = name.find("relative-key") != name.npos || name.ends_with("-decoder");
  return plain && !by_place;
}

// The checkpoints of other families whose file gives the same answers by another graph: values in
// another order, tables made from others, slopes that end nowhere, modules under other names.
bool is_spelled_otherwise(const std::string& name) {
  const bool second_version = name.starts_with("models/deberta-v2");
  return (name.starts_with("models/deberta-") && !second_version) ||
         starts_with_one_of(
             name,
             {"models/albert-relative-key-query", "models/big_bird-token", "models/t5-",
              "models/mt5-", "models/bart-base", "models/mbart-sequence", "models/esm-absolute",
              "models/jina_bert-base", "models/jina_code-base", "models/dpr-base-context"});
}

std::vector<std::string> names() {
  std::vector<std::string> kept;
  for (const std::string& name : checkpoint_names()) {
    if (is_given_again(name)) kept.push_back(name);
  }
  return kept;
}

// A folder as Optimum writes it: model.onnx beside config and tokenizer.
class OnnxFolder {
 public:
  explicit OnnxFolder(const std::string& name, const std::string& file = "model.onnx") {
    copy_without_weights(name);
    fs::create_directories((folder_.path() / file).parent_path());
    onnx::write_onnx(folder_.path() / file, exported(name));
  }
  [[nodiscard]] const fs::path& path() const { return folder_.path(); }
  [[nodiscard]] std::shared_ptr<const LoadedModel> load() const {
    return LoadedModel::load(resolve_model(path().string()), on_threads(2));
  }

 private:
  void copy_without_weights(const std::string& name) const {
    for (const auto& entry : fs::directory_iterator(testdata(name))) {
      const fs::path& from = entry.path();
      if (from.extension() == ".safetensors" || !entry.is_regular_file()) continue;
      fs::copy_file(from, folder_.path() / from.filename());
    }
  }

  TempFolder folder_;
};

class OnnxOfCheckpoint : public testing::TestWithParam<std::string> {};

TEST_P(OnnxOfCheckpoint, GivesTheSameGraphAndAnswers) {
  const OnnxFolder folder(GetParam());
  const auto checkpoint = load_checkpoint(GetParam());
  const auto model = folder.load();
  // Values of a fused activation are named after what exporters name.
  EXPECT_TRUE(unnamed(graph::print(model->graph())) ==
              unnamed(graph::print(in_float32(checkpoint->graph()))));
  EXPECT_EQ(model->task(), checkpoint->task());
  EXPECT_EQ(model->manifest().labels, checkpoint->manifest().labels);
  EXPECT_EQ(model->manifest().max_length, checkpoint->manifest().max_length);
  const auto inputs = example_inputs(*checkpoint);
  EXPECT_EQ(raw_outputs(*model, inputs, 64), raw_outputs(*checkpoint, inputs, 64));
}

TEST_P(OnnxOfCheckpoint, GivesTheSameUnfusedGraph) {
  const models::BuiltModel built = built_of(GetParam());
  const OnnxFolder folder(GetParam());
  const SourceModel source = read_onnx_model(folder.path() / "model.onnx", folder.path(), {});
  // The file holds float32, whatever the checkpoint does.
  EXPECT_TRUE(unnamed(graph::print(source.built.graph)) ==
              unnamed(graph::print(in_float32(built.graph))));
  EXPECT_EQ(source.built.head, built.head);
  EXPECT_EQ(source.built.vocab_size, built.vocab_size);
  EXPECT_EQ(source.built.output_size, built.output_size);
  EXPECT_EQ(source.built.max_positions, built.max_positions);
}

// Conv takes bf16 from opset 22 on.
TEST(OnnxOfCheckpoints, ConvolvesInTypesThatTheOperatorHas) {
  const models::BuiltModel built = built_of("models/deberta-v2-sequence-classification");
  const auto convolutions = [&built](onnx::FloatType type) {
    onnx::ExportOptions options = {output_of(built.head, false), false};
    options.float_type = type;
    const onnx::ModelProto model = onnx::export_onnx(built.graph, options);
    return std::ranges::count_if(model.graph.nodes,
                                 [](const auto& node) { return node.op_type == "Conv"; });
  };
  EXPECT_EQ(convolutions(onnx::FloatType::kFp32), 1);
  EXPECT_EQ(convolutions(onnx::FloatType::kFp16), 1);
  EXPECT_EQ(convolutions(onnx::FloatType::kBf16), 0);
}

// Only a plan for some of a model's outputs has this op.
TEST(OnnxOfCheckpoints, RefusesByNameWhatIsNotWritten) {
  models::BuiltModel built = built_of("models/bert-base");
  graph::Graph& graph = built.graph;
  const graph::ValueId tokens = graph.outputs()[0].value;
  const graph::ValueId first =
      graph.add_node(graph::OpKind::kSelectFirstTokens, {tokens}, graph::NoAttributes{}, "pooler");
  graph.add_output("first", first);
  expect_error(ErrorCode::kUnsupported, "SelectFirstTokens at \"pooler\": is not written",
               [&] { (void)onnx::export_onnx(graph, {}); });
}

// Turns, windows, biases and tables of positions, shared keys, gates, RMS norms.
TEST(OnnxOfCheckpoints, AnswersAsTheOtherFamilies) {
  int families = 0;
  for (const std::string& name : checkpoint_names()) {
    if (!name.starts_with("models/") || name.starts_with("models/variants/")) continue;
    if (is_given_again(name)) continue;
    SCOPED_TRACE(name);
    const TempFolder folder;
    const fs::path out = folder.path() / "out";
    if (name.find("-experts") != name.npos) {
      expect_error(ErrorCode::kUnsupported, "a mixture of experts is not written",
                   [&] { (void)export_model(resolve_model(testdata(name).string()), out, {}); });
      continue;
    }
    (void)export_model(resolve_model(testdata(name).string()), out, {});
    const ModelPath exported = resolve_model(out.string());
    const auto model = LoadedModel::load(exported, on_threads(2));
    const auto checkpoint = load_checkpoint(name);
    EXPECT_EQ(model->task(), checkpoint->task());
    const bool same = unnamed(graph::print(model->graph())) ==
                      unnamed(graph::print(in_float32(checkpoint->graph())));
    EXPECT_EQ(same, !is_spelled_otherwise(name));
    EXPECT_LE(largest_difference(make_self_test(*model), make_self_test(*checkpoint)), 5e-5);
    ++families;
  }
  EXPECT_GE(families, kEveryCheckpoint ? 101 : 1);
}

// What a file with turns of neighbors is refused for, by what was changed in it.
TEST(OnnxOfCheckpoints, RefusesTurnsOfOtherColumns) {
  const auto refuses = [](std::string_view why, void (*change)(onnx::NodeProto&)) {
    onnx::ModelProto model = exported("models/neobert-base");
    for (onnx::NodeProto& node : model.graph.nodes) change(node);
    expect_error(ErrorCode::kUnsupported, why, [&] { (void)onnx::import_onnx(model, "m.onnx"); });
  };
  refuses("(Concat): hidden states side by side", [](onnx::NodeProto& node) {
    if (node.op_type == "Concat") std::swap(node.inputs.front(), node.inputs.back());
  });
  refuses("(Concat): hidden states side by side", [](onnx::NodeProto& node) {
    if (node.op_type == "Neg") node.op_type = "Identity";
  });
  // Cosines and sines of halves: of all columns' angles twice, not of each angle.
  refuses("cosines and sines that do not follow each token's place", [](onnx::NodeProto& node) {
    const bool apart = node.op_type == "Unsqueeze" && node.inputs.back() == "list_2";
    if (apart) node.inputs.back() = "list_1";
  });
}

INSTANTIATE_TEST_SUITE_P(Testdata, OnnxOfCheckpoint, testing::ValuesIn(names()),
                         checkpoint_test_name);

// Pooling, Dense and Normalize lie in the file or beside it, prompts and lengths beside it.
TEST(ExportModel, KeepsWhatSentenceTransformersHas) {
  int folders = 0;
  for (const std::string& name : checkpoint_names()) {
    if (!name.starts_with("sentence-transformers/")) continue;
    SCOPED_TRACE(name);
    const TempFolder folder;
    const fs::path out = folder.path() / "out";
    (void)export_model(resolve_model(testdata(name).string()), out, {});
    const auto checkpoint = load_checkpoint(name);
    const auto model = LoadedModel::load(resolve_model(out.string()), on_threads(2));
    EXPECT_EQ(model->manifest().normalize, checkpoint->manifest().normalize);
    EXPECT_EQ(model->manifest().max_length, checkpoint->manifest().max_length);
    EXPECT_EQ(model->manifest().prompts, checkpoint->manifest().prompts);
    EXPECT_EQ(unnamed(graph::print(model->graph())),
              unnamed(graph::print(in_float32(checkpoint->graph()))));
    const auto inputs = example_inputs(*checkpoint);
    EXPECT_EQ(raw_outputs(*model, inputs, 64), raw_outputs(*checkpoint, inputs, 64));
    ++folders;
  }
  EXPECT_TRUE(folders >= 20 || !kEveryCheckpoint) << folders;
}

// A reranker of next words asks by the template beside its weights.
TEST(ExportModel, KeepsTheChatTemplate) {
  const fs::path source = testdata("sentence-transformers/qwen3-reranker");
  const TempFolder folder;
  const fs::path out = folder.path() / "out";
  (void)export_model(resolve_model(source.string()), out, {});
  const SentenceTransformerConfig wanted = read_sentence_transformer(source);
  ASSERT_GT(wanted.pair_template.size(), 3u);
  EXPECT_EQ(read_sentence_transformer(out).pair_template, wanted.pair_template);
  fs::remove(out / "chat_template.jinja");
  expect_error(ErrorCode::kNotFound, "chat_template",
               [&] { (void)read_sentence_transformer(out); });
}

TEST(ExportModel, ReplacesOnlyWhatItWrote) {
  const TempFolder folder;
  const ModelPath path = resolve_model(testdata("models/bert-base").string());
  const ExportReport report = export_model(path, folder.path() / "out", {});
  EXPECT_TRUE(fs::exists(report.file));
  EXPECT_GT(report.nodes, 50);
  expect_error(ErrorCode::kInvalidArgument, "",
               [&] { (void)export_model(path, folder.path() / "out", {}); });
  ExportModelOptions force;
  force.force = true;
  (void)export_model(path, folder.path() / "out", force);
  folder.write("other/notes.txt", "mine");
  expect_error(ErrorCode::kInvalidArgument, "holds no model.onnx",
               [&] { (void)export_model(path, folder.path() / "other", force); });
}

TEST(OnnxModel, LiesWhereExportersPutIt) {
  for (const char* file : {"onnx/model.onnx", "onnx/model_quantized.onnx", "model_optimized.onnx",
                           "onnx/other.onnx"}) {
    const OnnxFolder folder("models/bert-base", file);
    const ModelPath path = resolve_model(folder.path().string());
    EXPECT_EQ(path.kind, ModelKind::kOnnx);
    EXPECT_EQ(path.file, folder.path() / file);
    const ModelPath itself = resolve_model((folder.path() / file).string());
    EXPECT_EQ(itself.folder, folder.path());
    EXPECT_EQ(itself.file, path.file);
  }
}

TEST(OnnxModel, GivesWayToOtherWeights) {
  const OnnxFolder folder("models/bert-base", "onnx/model.onnx");
  fs::copy_file(testdata("models/bert-base/model.safetensors"),
                folder.path() / "model.safetensors");
  EXPECT_EQ(resolve_model(folder.path().string()).kind, ModelKind::kCheckpoint);
}

TEST(OnnxModel, AsksForANameAmongSeveral) {
  const OnnxFolder folder("models/bert-base", "a.onnx");
  fs::copy_file(folder.path() / "a.onnx", folder.path() / "b.onnx");
  expect_error(ErrorCode::kInvalidArgument, "2 .onnx files (a.onnx, b.onnx, ...)",
               [&] { (void)resolve_model(folder.path().string()); });
}

TEST(OnnxModel, TakesTokenIdsAloneWithoutATokenizer) {
  const TempFolder folder;
  const fs::path file = folder.path() / "alone.onnx";
  onnx::write_onnx(file, exported("models/bert-sequence-classification"));
  const auto model = LoadedModel::load(resolve_model(file.string()), on_threads(1));
  EXPECT_FALSE(model->has_tokenizer());
  EXPECT_EQ(model->task(), tasks::TaskKind::kClassify);
  EXPECT_EQ(model->manifest().labels[2], "LABEL_2");
  expect_error(ErrorCode::kUnsupported, "there is no tokenizer; token ids alone are accepted",
               [&] { (void)model->encode({"text"}, tasks::default_options(model->task())); });
  EXPECT_EQ(make_self_test(*model).cases.size(), 2u);
}

TEST(OnnxModel, RefusesAConfigThatContradicts) {
  const OnnxFolder folder("models/bert-sequence-classification");
  const fs::path config = folder.path() / "config.json";
  const std::string text = read_file(config);
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    changed.replace(changed.find(from), from.size(), to);
    write_file(config, changed);
  };
  with("\"2\": ", "\"3\": \"more\", \"2\": ");
  expect_error(ErrorCode::kCorruptData,
               "logits of 3 columns, but config.json beside it names 4 labels",
               [&] { (void)folder.load(); });
  const int64_t size = built_of("models/bert-sequence-classification").hidden_size;
  with(cat("\"hidden_size\": ", size), cat("\"hidden_size\": ", 2 * size));
  expect_error(ErrorCode::kCorruptData, "hidden_size is", [&] { (void)folder.load(); });
}

// A family is how a checkpoint's weights are read; labels mean the same in all of them.
TEST(OnnxModel, TakesLabelsOfAFamilyThatIsNotBuilt) {
  const OnnxFolder folder("models/bert-sequence-classification");
  const auto built = [&folder](const std::string& members) {
    write_file(folder.path() / "config.json", cat(R"({"model_type": "rembert")", members, "}"));
    return read_onnx_model(folder.path() / "model.onnx", folder.path(), {}).built;
  };
  const std::string named =
      R"(, "id2label": {"0": "toxic", "1": "spam", "2": "rude"}, "label2id": {"entailment": 1})";
  const models::BuiltModel model =
      built(named + R"(, "problem_type": "multi_label_classification")");
  EXPECT_EQ(model.labels, (std::vector<std::string>{"toxic", "spam", "rude"}));
  EXPECT_EQ(model.entailment_id, 1);
  EXPECT_EQ(model.problem_type, ProblemType::kMultiLabel);
  EXPECT_EQ(built("").labels[2], "LABEL_2");
  expect_error(ErrorCode::kCorruptData, "config.json beside it names 1 labels",
               [&] { (void)built(R"(, "id2label": {"0": "toxic"})"); });
  expect_error(ErrorCode::kCorruptData, "vocab_size is",
               [&] { (void)built(R"(, "vocab_size": 7)"); });
}

// Rotary positions have no table in the file; of a scaled config the family takes what was trained.
TEST(OnnxModel, TakesTheLongestTextOfItsFamily) {
  const TempFolder folder;
  const fs::path file = folder.path() / "model.onnx";
  fs::copy_file(TAMIS_UNPACKED_TESTDATA "/onnx/llama-base-dynamo-op23-sdpa.onnx", file);
  std::string text = read_file(testdata("models/nomic_bert-base") / "config.json");
  folder.write("config.json", text);
  EXPECT_EQ(read_onnx_model(file, folder.path(), {}).built.max_positions, 40);
  text.insert(text.find('{') + 1, R"("rotary_scaling_factor": 2.0, "max_trained_positions": 16,)");
  folder.write("config.json", text);
  EXPECT_EQ(read_onnx_model(file, folder.path(), {}).built.max_positions, 16);
}

// The batches that import computes are shorter, so the first row of frequencies would fit them all.
TEST(OnnxModel, ReadsTurnsByALengthThatNoProbeHas) {
  models::BuiltModel built = built_of("models/llama-longrope");
  for (graph::Node& node : built.graph.nodes()) {
    if (node.op != graph::OpKind::kRotary) continue;
    auto turn = node.attribute<graph::RotaryAttributes>();
    turn.long_from = 4096;
    node.attributes = turn;
  }
  const TempFolder folder;
  const fs::path file = folder.path() / "model.onnx";
  onnx::write_onnx(file, onnx::export_onnx(built.graph, {output_of(built.head, false), false}));
  const models::BuiltModel got = read_onnx_model(file, folder.path(), {}).built;
  const auto frequencies = [](const graph::Graph& graph) {
    for (const graph::Node& node : graph.nodes()) {
      if (node.op != graph::OpKind::kRotary) continue;
      EXPECT_EQ(node.attribute<graph::RotaryAttributes>().long_from, 4096);
      return graph.value(node.operand(graph::Operand::kFrequencies)).constant;
    }
    throw std::runtime_error("no turns");
  };
  const auto wanted = frequencies(built.graph);
  const auto read = frequencies(got.graph);
  ASSERT_EQ(read->shape(), wanted->shape());
  ASSERT_EQ(read->shape()[0], 2);
  for (size_t i = 0; i < wanted->as<float>().size(); ++i) {
    EXPECT_NEAR(read->as<float>()[i], wanted->as<float>()[i], 1e-6);
  }
}

TEST(OnnxModel, RefusesAnotherTaskThanItWasExportedFor) {
  const OnnxFolder folder("models/bert-token-classification");
  ModelOptions options = on_threads(1);
  options.task = tasks::TaskKind::kClassify;
  expect_error(ErrorCode::kUnsupported, "was exported for token classification, not for",
               [&] { (void)LoadedModel::load(resolve_model(folder.path().string()), options); });
}

}  // namespace
}  // namespace tamis::api
