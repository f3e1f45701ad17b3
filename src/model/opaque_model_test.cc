// Models that ONNX Runtime runs whole: what their files say, and, where TAMIS_ORT names the
// library, their answers held against this program's own.
#include "model/opaque_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "engine/batch_builder.h"
#include "engine/engine.h"
#include "model/self_test.h"
#include "model/test_util.h"
#include "onnx/export/export_onnx.h"
#include "tests/support/test_paths.h"

namespace tamis::api {
namespace {

namespace fs = std::filesystem;
using engine::RowUnit;

models::BuiltModel built_of(const std::string& name) {
  return models::build_model(*Checkpoint::open(testdata(name)));
}

onnx::ModelProto exported(const std::string& name) {
  const models::BuiltModel built = built_of(name);
  return onnx::export_onnx(built.graph, {output_of(built.head, false), false});
}

// The model as a file, with its config beside it.
class FileOf {
 public:
  explicit FileOf(const std::string& name, bool config = true) : model(exported(name)) {
    if (!config) return;
    fs::copy_file(testdata(name + "/config.json"), folder_.path() / "config.json");
    fs::copy_file(testdata(name + "/tokenizer.json"), folder_.path() / "tokenizer.json");
  }
  [[nodiscard]] fs::path write() const {
    const fs::path file = folder_.path() / "model.onnx";
    onnx::write_onnx(file, model);
    return file;
  }
  [[nodiscard]] SourceModel read(const models::BuildOptions& options = {}) const {
    return read_opaque_model(write(), folder_.path(), options);
  }
  onnx::ModelProto model;

 private:
  TempFolder folder_;
};

void expect_near(const std::vector<float>& got, const std::vector<float>& wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 1e-4) << i;
}

ModelOptions on_onnx_runtime() {
  ModelOptions options = on_threads(1);
  options.engine = "onnxruntime";
  options.onnx_runtime.library = test::ort_library();
  return options;
}

TEST(OpaqueModel, TellsAnswersByNameAndShape) {
  struct Row {
    const char* name;
    models::HeadKind head;
    RowUnit unit;
    std::vector<std::string> parts;
  };
  const Row rows[] = {
      {"models/bert-base", models::HeadKind::kEmbedding, RowUnit::kSequence, {"last_hidden_state"}},
      {"models/bert-sequence-classification",
       models::HeadKind::kSequenceClassification,
       RowUnit::kSequence,
       {"logits"}},
      {"models/bert-token-classification",
       models::HeadKind::kTokenClassification,
       RowUnit::kToken,
       {"logits"}},
      {"models/bert-question-answering",
       models::HeadKind::kQuestionAnswering,
       RowUnit::kToken,
       {"start_logits", "end_logits"}},
      {"models/bert-masked-lm", models::HeadKind::kMaskedLM, RowUnit::kSelectedToken, {"logits"}}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const SourceModel source = FileOf(row.name).read();
    const models::BuiltModel built = built_of(row.name);
    EXPECT_EQ(source.built.head, row.head);
    EXPECT_EQ(source.built.output_size, built.output_size);
    EXPECT_EQ(source.built.vocab_size, built.vocab_size);
    EXPECT_EQ(source.built.labels, built.labels);
    ASSERT_TRUE(source.opaque);
    ASSERT_EQ(source.opaque->outputs.size(), 1u);
    EXPECT_EQ(source.opaque->outputs[0].output.unit, row.unit);
    EXPECT_EQ(source.opaque->outputs[0].output.width, built.output_size);
    EXPECT_EQ(source.opaque->outputs[0].parts, row.parts);
    EXPECT_EQ(source.opaque->outputs[0].pooling.empty(), row.head != models::HeadKind::kEmbedding);
  }
}

TEST(OpaqueModel, NamesOutputsThatItCannotTell) {
  FileOf open("models/bert-sequence-classification", false);
  open.model.graph.outputs[0].dims->back() = {std::nullopt, "classes"};
  expect_error(ErrorCode::kUnsupported,
               "output \"logits\": neither the file nor config.json beside it says how many",
               [&] { (void)open.read(); });
  open.model.graph.outputs[0].dims.reset();
  expect_error(ErrorCode::kUnsupported, "output \"logits\": its rank is not said",
               [&] { (void)open.read(); });
  FileOf hidden("models/bert-base");
  hidden.model.graph.outputs[0].dims.reset();
  expect_error(ErrorCode::kUnsupported, "output \"last_hidden_state\": its rank is not said",
               [&] { (void)hidden.read(); });
  FileOf two("models/bert-sequence-classification");
  two.model.graph.outputs[0].name = "a";
  two.model.graph.outputs.push_back(two.model.graph.outputs[0]);
  expect_error(ErrorCode::kUnsupported, "2 outputs, none called logits, sentence_embedding",
               [&] { (void)two.read(); });
  models::BuildOptions options;
  options.head = models::HeadKind::kQuestionAnswering;
  expect_error(ErrorCode::kUnsupported,
               "was exported for sequence classification, not for question answering",
               [&] { (void)FileOf("models/bert-sequence-classification").read(options); });
}

TEST(OpaqueModel, TakesWidthsThatTheFileLeavesOpenFromTheConfig) {
  FileOf open("models/bert-sequence-classification");
  open.model.graph.outputs[0].dims->back() = {std::nullopt, "classes"};
  EXPECT_EQ(open.read().built.output_size, 3);
}

onnx::NodeProto node_of(std::string op, std::vector<std::string> inputs, std::string output) {
  onnx::NodeProto node;
  node.name = node.op_type = std::move(op);
  node.inputs = std::move(inputs);
  node.outputs = {std::move(output)};
  return node;
}

// attention_mask stays an input, but every place counts as a token.
void ignore_mask(onnx::ModelProto& model) {
  for (onnx::NodeProto& node : model.graph.nodes) {
    std::ranges::replace(node.inputs, std::string("attention_mask"), std::string("all_seen"));
  }
  onnx::AttributeProto to;
  to.name = "to";
  to.kind = onnx::AttributeKind::kInt;
  to.integer = static_cast<int64_t>(onnx::ElementType::kInt64);
  onnx::NodeProto cast = node_of("Cast", {"seen"}, "all_seen");
  cast.attributes = {to};
  auto& nodes = model.graph.nodes;
  nodes.insert(nodes.begin(), cast);
  nodes.insert(nodes.begin(), node_of("Equal", {"input_ids", "input_ids"}, "seen"));
}

TEST(OpaqueModel, KnowsFilesThatPaddingWouldChange) {
  FileOf file("models/bert-sequence-classification");
  EXPECT_TRUE(file.read().opaque->masks_padding);
  ignore_mask(file.model);
  EXPECT_FALSE(file.read().opaque->masks_padding);
}

// Alone and beside a text twice as long, on ONNX Runtime itself.
TEST(OpaqueModel, AnswersTheSameInAnyBatchWhereNoMaskIsRead) {
  TAMIS_REQUIRE_ORT();
  FileOf file("models/bert-sequence-classification");
  ignore_mask(file.model);
  const auto engine = [&] {
    engine::EngineOptions options;
    options.pool = std::make_shared<ThreadPool>(1);
    options.onnx_runtime.library = test::ort_library();
    return engine::make_engine(*file.read().opaque, options);
  }();
  const std::vector<int32_t> ids = {5, 6, 7, 8, 9, 10};
  const std::vector<int32_t> types(ids.size(), 0);
  const auto run = [&](std::initializer_list<size_t> lengths) {
    engine::BatchBuilder builder;
    for (const size_t n : lengths) {
      builder.append({std::span(ids).first(n), std::span(types).first(n), {}, {}});
    }
    engine::Outputs outputs;
    engine->make_session()->run(builder.batch(), outputs);
    const auto values = outputs.view(0).as<float>();
    return std::vector<float>(values.begin(), values.begin() + 3);
  };
  expect_near(run({3, 6}), run({3}));
}

TEST(OpaqueModel, NeedsTheTokenWhoseRowAnswers) {
  const auto required = [](const std::string& name) {
    return export_opaque_model(built_of(name), name).limits.required_token;
  };
  EXPECT_EQ(required("models/bart-sequence-classification"), 2);
  EXPECT_EQ(required("models/bert-sequence-classification"), -1);
}

TEST(OpaqueModel, RefusesModulesThatWouldHaveToFollow) {
  models::BuildOptions options;
  options.sentence_transformer.emplace();
  options.sentence_transformer->pooled.emplace_back(DenseConfig{
      32, 32, Activation::kTanh,
      std::make_shared<const Tensor>(Tensor::from(Shape{32, 32}, std::vector<float>(1024))),
      nullptr, "2_Dense"});
  expect_error(ErrorCode::kUnsupported, "modules.json has more than Pooling and Normalize",
               [&] { (void)FileOf("models/bert-base").read(options); });
  options.sentence_transformer->pooled.clear();
  options.sentence_transformer->late_interaction.emplace();
  expect_error(ErrorCode::kUnsupported, "modules.json beside it is for",
               [&] { (void)FileOf("models/bert-base").read(options); });
}

TEST(OpaqueModel, RefusesBundlesAndPrecisions) {
  const TempFolder folder;
  ModelOptions options = on_onnx_runtime();
  options.precision = engine::Precision::kInt8;
  expect_error(ErrorCode::kUnsupported,
               "onnxruntime: runs a model in the types that its file has; --precision is for", [&] {
                 (void)LoadedModel::load(resolve_model(testdata("models/bert-base").string()),
                                         options);
               });
  expect_error(ErrorCode::kNotFound, "engine \"tpu\": this build has cpu, ", [&] {
    ModelOptions other = on_threads(1);
    other.engine = "tpu";
    (void)LoadedModel::load(resolve_model(testdata("models/bert-base").string()), other);
  });
  expect_error(ErrorCode::kUnsupported, "is a bundle, fused for this program's own kernels", [] {
    (void)LoadedModel::load({testdata("bundles/format-1"), ModelKind::kBundle}, on_onnx_runtime());
  });
}

// One operator that import does not know.
TEST(OpaqueModel, SaysWhyAFileIsNotUnderstoodAndWhatWouldRunIt) {
  FileOf file("models/bert-sequence-classification");
  for (onnx::NodeProto& node : file.model.graph.nodes) {
    if (node.op_type == "Tanh") node.op_type = "Selu";
  }
  const ModelPath path = resolve_model(file.write().string());
  ModelOptions options = on_threads(1);
  expect_error(ErrorCode::kUnsupported, "(Selu): this operator is not understood",
               [&] { (void)LoadedModel::load(path, options); });
  options.run_whole = true;
  options.onnx_runtime.library = "nowhere.so";
  expect_error(ErrorCode::kUnsupported,
               "(Selu): this operator is not understood on hidden states; ONNX Runtime, "
               "where it might run whole: --ort nowhere.so: no such file",
               [&] { (void)LoadedModel::load(path, options); });
  TAMIS_REQUIRE_ORT();
  options.onnx_runtime.library = test::ort_library();
  const auto model = LoadedModel::load(path, options);
  EXPECT_TRUE(model->is_opaque());
  EXPECT_EQ(model->runner().info().name, "onnxruntime");
  EXPECT_EQ(make_self_test(*model).cases.size(), 2u);
}

// Both answers of a checkpoint whose config names another activation.
TEST(OpaqueModel, ActivatesAsTheCheckpoint) {
  TAMIS_REQUIRE_ORT();
  const TempFolder folder;
  const fs::path path = folder.path() / "model";
  fs::copy(testdata("models/bert-sequence-classification"), path);
  const std::string config = read_file(path / "config.json");
  const std::string key = "\"hidden_act\": \"gelu_new\"";
  ASSERT_NE(config.find(key), config.npos);
  for (const char* name :
       {"gelu", "quick_gelu", "relu", "relu2", "silu", "mish", "tanh", "sigmoid", "relu6",
        "leaky_relu", "gelu_10", "laplace", "hardswish", "sqrtsoftplus"}) {
    SCOPED_TRACE(name);
    std::string changed = config;
    write_file(path / "config.json", changed.replace(config.find(key), key.size(),
                                                     cat("\"hidden_act\": \"", name, "\"")));
    const ModelPath model = resolve_model(path.string());
    const auto checkpoint = LoadedModel::load(model, on_threads(1));
    const auto inputs = example_inputs(*checkpoint);
    const auto wanted = raw_outputs(*checkpoint, inputs, 64);
    const auto got = raw_outputs(*LoadedModel::load(model, on_onnx_runtime()), inputs, 64);
    ASSERT_EQ(got.size(), wanted.size());
    for (size_t i = 0; i < got.size(); ++i) expect_near(got[i], wanted[i]);
  }
}

class OnnxRuntimeAnswers : public testing::TestWithParam<const char*> {};

TEST_P(OnnxRuntimeAnswers, AreThoseOfTheCheckpoint) {
  TAMIS_REQUIRE_ORT();
  const auto checkpoint = load_checkpoint(GetParam());
  const auto inputs = example_inputs(*checkpoint);
  const auto wanted = raw_outputs(*checkpoint, inputs, 64);
  const auto model =
      LoadedModel::load(resolve_model(testdata(GetParam()).string()), on_onnx_runtime());
  EXPECT_EQ(model->task(), checkpoint->task());
  const auto got = raw_outputs(*model, inputs, 64);
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i) expect_near(got[i], wanted[i]);
}

INSTANTIATE_TEST_SUITE_P(
    Testdata, OnnxRuntimeAnswers,
    testing::Values("models/bert-base", "models/roberta-base",
                    "models/distilbert-sequence-classification",
                    "models/electra-token-classification", "models/bert-question-answering",
                    "models/albert-masked-lm", "models/xlm-roberta-xl-base",
                    "models/bart-sequence-classification", "models/mbart-sequence-classification",
                    "models/t5-sequence-classification",
                    "models/deberta-v2-sequence-classification",
                    "models/longformer-question-answering",
                    "models/longformer-sequence-classification", "models/llama-longrope"),
    [](const auto& row) {
      std::string name = row.param;
      for (char& c : name) {
        if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
      }
      return name;
    });

}  // namespace
}  // namespace tamis::api
