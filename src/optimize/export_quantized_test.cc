// Quantized files: what is in them, what importing gives, and what is refused.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "graph/graph.h"
#include "graph/testing/unnamed.h"
#include "onnx/check_tensorrt.h"
#include "onnx/import_onnx.h"
#include "optimize/export_model.h"
#include "optimize/export_test_util.h"
#include "quant/plain_plan.h"

namespace tamis::api {
namespace {

namespace fs = std::filesystem;
using graph::Operand;
using graph::testing::unnamed;

constexpr const char* kClassifier = "models/bert-sequence-classification";

onnx::ExportOptions classifier_options(onnx::Flavor flavor, onnx::FloatType floats) {
  onnx::ExportOptions options;
  options.output = onnx::OutputKind::kSequenceLogits;
  options.flavor = flavor;
  options.float_type = floats;
  return options;
}

const onnx::TensorProto* constant_of(const onnx::ModelProto& model, const std::string& name) {
  for (const onnx::TensorProto& tensor : model.graph.initializers) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

// The scale behind each QuantizeLinear is the mark's range over 127, of every mark that is on.
TEST(QuantizedExport, WritesEveryQuantizerWithItsScale) {
  const PlannedModel plan = planned(kClassifier, "trt");
  const onnx::ModelProto model = onnx::export_onnx(
      plan.graph, classifier_options(onnx::Flavor::kTensorRt, onnx::FloatType::kFp32));
  int64_t activations = 0;
  int64_t weights = 0;
  for (const graph::Node& node : plan.graph.nodes()) {
    for (const graph::Quantizer& mark : node.quantizers) {
      if (!mark.enabled) continue;
      if (mark.operand == Operand::kWeight) {
        ++weights;
        continue;
      }
      ++activations;
      const onnx::TensorProto* scale = constant_of(model, mark.names[0] + ".scale");
      ASSERT_NE(scale, nullptr) << mark.names[0];
      const float written = *reinterpret_cast<const float*>(scale->bytes.data());
      EXPECT_FLOAT_EQ(written, *mark.high / 127) << mark.names[0];
    }
  }
  EXPECT_GT(activations, 10);
  EXPECT_EQ(count_of(model, "QuantizeLinear"), activations);
  EXPECT_EQ(count_of(model, "DequantizeLinear"), activations + weights);
  EXPECT_EQ(model.opsets[0].version, 19);
  const std::vector<onnx::Finding> findings = onnx::check_tensorrt(model);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].rule, "float-type");
}

// Layers that share their modules have each its own range for what attention multiplies.
TEST(QuantizedExport, WritesTheRangeOfEachUseOfASharedModule) {
  const PlannedModel plan = planned("models/albert-sequence-classification", "trt");
  const onnx::ModelProto model = onnx::export_onnx(
      plan.graph, classifier_options(onnx::Flavor::kTensorRt, onnx::FloatType::kFp32));
  std::multiset<float> ranges;
  std::multiset<std::string> names;
  for (const graph::Node& node : plan.graph.nodes()) {
    for (const graph::Quantizer& mark : node.quantizers) {
      if (!mark.enabled || mark.operand == Operand::kWeight) continue;
      ranges.insert(*mark.high / 127);
      names.insert(mark.names[0]);
    }
  }
  EXPECT_EQ(names.count(*names.begin()), 2U);
  std::multiset<float> written;
  for (const onnx::NodeProto& node : model.graph.nodes) {
    if (node.op_type != "QuantizeLinear") continue;
    const onnx::TensorProto* scale = constant_of(model, node.inputs[1]);
    ASSERT_NE(scale, nullptr);
    written.insert(*reinterpret_cast<const float*>(scale->bytes.data()));
  }
  EXPECT_EQ(written, ranges);
}

// Written in float it would be another model than the one that was measured.
TEST(QuantizedExport, RefusesARoundedWeightOfAFloatProduct) {
  const auto model =
      LoadedModel::load(resolve_model(testdata(kClassifier).string()), on_threads(1));
  graph::Graph graph = model->graph();
  const auto product = std::ranges::find_if(
      graph.nodes(), [](const graph::Node& node) { return node.op == graph::OpKind::kMatMul; });
  ASSERT_NE(product, graph.nodes().end());
  const auto write = [&graph] {
    (void)onnx::export_onnx(graph,
                            classifier_options(onnx::Flavor::kPortable, onnx::FloatType::kFp32));
  };
  EXPECT_NO_THROW(write());
  graph::Quantizer mark;
  mark.operand = Operand::kWeight;
  mark.names = {"a.b._weight_quantizer"};
  mark.scheme = graph::QuantScheme::kPerChannelS8;
  mark.enabled = true;
  product->quantizers.push_back(mark);
  expect_error(ErrorCode::kUnsupported, "its weight is rounded while the product stays in float",
               write);
}

// What a checkpoint stores in half precision is widened where it is changed.
TEST(QuantizedExport, PlansCheckpointsInHalfPrecision) {
  const PlannedModel plan = planned("models/data2vec-text-base", "trt");
  onnx::ExportOptions options = classifier_options(onnx::Flavor::kTensorRt, onnx::FloatType::kFp32);
  options.output = onnx::OutputKind::kTokenEmbeddings;
  EXPECT_GT(count_of(onnx::export_onnx(plan.graph, options), "QuantizeLinear"), 10);
}

// Each column of a quantized convolution's input has a scale of its own, which Conv has no place
// for.
TEST(QuantizedExport, ConvolvesByAProduct) {
  OptimizeOptions quantize = all_integers("static");
  quantize.model.enable = {"*conv.conv.*"};
  const ModelPath path =
      resolve_model(testdata("models/deberta-v2-sequence-classification").string());
  const onnx::ModelProto model =
      onnx::export_onnx(plan_model(path, quantize).graph,
                        classifier_options(onnx::Flavor::kPortable, onnx::FloatType::kFp32));
  EXPECT_EQ(count_of(model, "Conv"), 0);
  EXPECT_EQ(count_of(model, "Pad"), 1);
  EXPECT_NE(constant_of(model, "deberta.encoder.conv.conv.weight_quantized"), nullptr);
}

// The axes of ReduceL2 are an attribute before opset 18, an input from there on.
TEST(QuantizedExport, UnitLengthIsThatOfTheOpset) {
  const auto model = LoadedModel::load(
      resolve_model(testdata("sentence-transformers/mean").string()), on_threads(1));
  for (const onnx::Flavor flavor : {onnx::Flavor::kPortable, onnx::Flavor::kTensorRt}) {
    onnx::ExportOptions options = classifier_options(flavor, onnx::FloatType::kFp32);
    options.output = onnx::OutputKind::kSentenceEmbedding;
    options.unit_length = true;
    const onnx::ModelProto file = onnx::export_onnx(model->graph(), options);
    const auto length = std::ranges::find_if(
        file.graph.nodes, [](const auto& node) { return node.op_type == "ReduceL2"; });
    ASSERT_NE(length, file.graph.nodes.end());
    const bool input = file.opsets[0].version >= 18;
    EXPECT_EQ(input, flavor == onnx::Flavor::kTensorRt);
    EXPECT_EQ(length->inputs.size(), input ? 2U : 1U);
    EXPECT_EQ(length->attributes.size(), input ? 1U : 2U);
    EXPECT_TRUE(onnx::import_onnx(file, "memory").unit_length);
  }
}

// The node that reads a value first.
const onnx::NodeProto& reader_of(const onnx::ModelProto& model, const std::string& name) {
  return *std::ranges::find_if(model.graph.nodes, [&name](const onnx::NodeProto& node) {
    return std::ranges::find(node.inputs, name) != node.inputs.end();
  });
}

// x (1 + erf) is up to twice x, which half precision has no number for above 32752.
TEST(QuantizedExport, GeluHasNoValueAboveItsInput) {
  const auto model =
      LoadedModel::load(resolve_model(testdata("models/bert-base").string()), on_threads(1));
  onnx::ExportOptions options = classifier_options(onnx::Flavor::kPortable, onnx::FloatType::kFp32);
  options.output = onnx::OutputKind::kTokenEmbeddings;
  const onnx::ModelProto file = onnx::export_onnx(model->graph(), options);
  int gelus = 0;
  for (const onnx::NodeProto& node : file.graph.nodes) {
    if (node.op_type != "Erf") continue;
    ++gelus;
    const std::string& bent = reader_of(file, node.outputs[0]).outputs[0];
    const onnx::NodeProto& product = reader_of(file, bent);
    ASSERT_EQ(product.op_type, "Mul");
    const std::string& other = product.inputs[product.inputs[0] == bent ? 1 : 0];
    const auto half = std::ranges::find_if(
        file.graph.nodes, [&other](const auto& each) { return each.outputs[0] == other; });
    ASSERT_NE(half, file.graph.nodes.end());
    ASSERT_EQ(half->op_type, "Mul");
    const onnx::TensorProto* factor = constant_of(file, half->inputs[1]);
    ASSERT_NE(factor, nullptr);
    EXPECT_EQ(*reinterpret_cast<const float*>(factor->bytes.data()), 0.5F);
  }
  EXPECT_EQ(gelus, 2);
}

// Column j of the file's integers is row j of the plan's.
TEST(QuantizedExport, KeepsTheIntegersOfWeights) {
  const PlannedModel plan = planned(kClassifier, "trt");
  const onnx::ModelProto model = onnx::export_onnx(
      plan.graph, classifier_options(onnx::Flavor::kPortable, onnx::FloatType::kFp32));
  int64_t compared = 0;
  for (const graph::Node& node : plan.graph.nodes()) {
    if (node.op != graph::OpKind::kQuantizedMatMul) continue;
    const graph::Value& weight = plan.graph.value(node.operand(Operand::kWeight));
    const onnx::TensorProto* turned = constant_of(model, weight.name + "_quantized");
    if (turned == nullptr) continue;  // one that is written in parts
    const auto q = weight.constant->as<int8_t>();
    const auto n = static_cast<size_t>(weight.shape[0].size);
    const auto k = static_cast<size_t>(weight.shape[1].size);
    ASSERT_EQ(turned->dims, (std::vector<int64_t>{weight.shape[1].size, weight.shape[0].size}));
    for (size_t at = 0; at < q.size(); ++at) {
      ASSERT_EQ(static_cast<int8_t>(turned->bytes[at % k * n + at / k]), q[at]);
    }
    ++compared;
  }
  EXPECT_GE(compared, 6);
  EXPECT_NE(constant_of(model, "bert.encoder.layer.0.attention.self.key.weight_quantized"),
            nullptr);
}

// A plan whose input needs no second norm imports as the checkpoint's own graph; any other export
// imports to the graph that its import exports to.
TEST(QuantizedExport, ImportsAsTheSameGraph) {
  quant::Treatments plain{false, false, false, false, false};
  const TempFolder folder;
  const auto checkpoint = load_checkpoint(kClassifier);
  for (const auto& treatments : {plain, quant::Treatments{}}) {
    const PlannedModel plan = planned(kClassifier, "trt", treatments);
    const onnx::ExportOptions options =
        classifier_options(onnx::Flavor::kTensorRt, onnx::FloatType::kFp32);
    const onnx::ModelProto model = onnx::export_onnx(plan.graph, options);
    const graph::Graph once = onnx::import_onnx(model, "once.onnx").graph;
    const onnx::ModelProto again = onnx::export_onnx(
        once, classifier_options(onnx::Flavor::kPortable, onnx::FloatType::kFp32));
    EXPECT_EQ(unnamed(graph::print(onnx::import_onnx(again, "again.onnx").graph)),
              unnamed(graph::print(once)));
    if (treatments.gptq) continue;
    fs::copy_file(testdata(kClassifier) / "config.json", folder.path() / "config.json");
    fs::copy_file(testdata(kClassifier) / "tokenizer.json", folder.path() / "tokenizer.json");
    onnx::write_onnx(folder.path() / "model.onnx", model);
    const auto loaded = LoadedModel::load(resolve_model(folder.path().string()), on_threads(2));
    EXPECT_EQ(unnamed(graph::print(loaded->graph())), unnamed(graph::print(checkpoint->graph())));
  }
}

std::vector<std::vector<float>> answers_of(const fs::path& folder, const graph::Graph& graph,
                                           onnx::FloatType floats) {
  onnx::write_onnx(folder / "model.onnx",
                   onnx::export_onnx(graph, classifier_options(onnx::Flavor::kTensorRt, floats)));
  const auto model = LoadedModel::load(resolve_model(folder.string()), on_threads(2));
  return raw_outputs(*model, example_inputs(*model), 64);
}

void copy_json_files(const std::string& name, const fs::path& to) {
  for (const auto& entry : fs::directory_iterator(testdata(name))) {
    if (entry.path().extension() != ".json") continue;
    fs::copy_file(entry.path(), to / entry.path().filename());
  }
}

TEST(QuantizedExport, HoldsTheNumbersOfThePlan) {
  const PlannedModel plan = planned(kClassifier, "trt", {false, false, false, false, false});
  const TempFolder folder;
  copy_json_files(kClassifier, folder.path());
  const auto fp32 = answers_of(folder.path(), plan.graph, onnx::FloatType::kFp32);
  EXPECT_LE(farthest(fp32, answers_of_numbers(plan)), 1e-4);
  EXPECT_LE(farthest(answers_of(folder.path(), plan.graph, onnx::FloatType::kFp16), fp32), 2e-2);
  EXPECT_LE(farthest(answers_of(folder.path(), plan.graph, onnx::FloatType::kBf16), fp32), 0.15);
}

// Parts of merged layers that turn, or share keys; gates; biases by distance; windows.
TEST(QuantizedExport, HoldsTheNumbersOfOtherFamilies) {
  for (const char* name :
       {"models/mpnet-sequence-classification", "models/modernbert-sequence-classification",
        "models/gte-sequence-classification", "models/eurobert-sequence-classification",
        "models/nomic_bert-sequence-classification", "models/mistral-token-classification"}) {
    SCOPED_TRACE(name);
    const PlannedModel plan = planned(name, "trt", {false, false, false, false, false});
    const TempFolder folder;
    copy_json_files(name, folder.path());
    const auto fp32 = answers_of(folder.path(), plan.graph, onnx::FloatType::kFp32);
    EXPECT_LE(farthest(fp32, answers_of_numbers(plan)), 1e-4);
  }
}

TEST(QuantizedExport, RefusesWhatAFlavorDoesNotTake) {
  const PlannedModel columns = planned(kClassifier, "static");
  const PlannedModel zeros = planned(kClassifier, "ort");
  const PlannedModel tokens = planned(kClassifier, "native");
  const auto trt = classifier_options(onnx::Flavor::kTensorRt, onnx::FloatType::kFp16);
  const auto portable = classifier_options(onnx::Flavor::kPortable, onnx::FloatType::kFp32);
  expect_error(ErrorCode::kUnsupported, "is not part of TensorRT's form",
               [&] { (void)onnx::export_onnx(columns.graph, trt); });
  expect_error(ErrorCode::kUnsupported, "has a zero point, which TensorRT refuses",
               [&] { (void)onnx::export_onnx(zeros.graph, trt); });
  expect_error(ErrorCode::kUnsupported, "finds its range at run time",
               [&] { (void)onnx::export_onnx(tokens.graph, portable); });
  (void)onnx::export_onnx(columns.graph, portable);
  (void)onnx::export_onnx(zeros.graph, portable);
  graph::Graph no_range = zeros.graph;
  for (graph::Node& node : no_range.nodes()) {
    for (graph::Quantizer& mark : node.quantizers) mark.low.reset();
  }
  expect_error(ErrorCode::kUnsupported, "is on but has no range",
               [&] { (void)onnx::export_onnx(no_range, portable); });
}

TEST(QuantizedExport, RefusesWhatHalfPrecisionCannotHold) {
  PlannedModel plan = planned(kClassifier, "trt");
  for (graph::Node& node : plan.graph.nodes()) {
    if (node.op != graph::OpKind::kQuantizedMatMul) continue;
    graph::Value& bias = plan.graph.value(node.operand(Operand::kBias));
    std::vector<float> large(static_cast<size_t>(bias.constant->elements()), 7e4f);
    bias.constant = std::make_shared<const Tensor>(Tensor::from(bias.constant->shape(), large));
  }
  expect_error(ErrorCode::kUnsupported, "beyond half precision's 65504", [&] {
    (void)onnx::export_onnx(plan.graph,
                            classifier_options(onnx::Flavor::kTensorRt, onnx::FloatType::kFp16));
  });
  (void)onnx::export_onnx(plan.graph,
                          classifier_options(onnx::Flavor::kTensorRt, onnx::FloatType::kBf16));
}

// A whole folder, from a checkpoint and from the bundle made of it.
TEST(QuantizedExport, WritesAFolderThatLoads) {
  const TempFolder folder;
  ExportModelOptions options;
  options.quantized = true;
  options.flavor = onnx::Flavor::kTensorRt;
  options.optimize = all_integers("native");
  const ModelPath path = resolve_model(testdata(kClassifier).string());
  const ExportReport report = export_model(path, folder.path() / "out", options);
  EXPECT_EQ(report.plan, "int8");
  EXPECT_GT(report.quantizers, 20);
  EXPECT_LT(report.float_work, 0.2);
  const auto loaded =
      LoadedModel::load(resolve_model((folder.path() / "out").string()), on_threads(2));
  EXPECT_EQ(loaded->task(), tasks::TaskKind::kClassify);

  const fs::path bundle = folder.path() / "bundle";
  (void)optimize(path, bundle, all_integers("trt"));
  options.optimize.model.precision.reset();
  const ModelPath of_bundle = resolve_model(bundle.string());
  (void)export_model(of_bundle, folder.path() / "again", options);
  EXPECT_EQ(read_file(folder.path() / "again/model.onnx"),
            read_file(folder.path() / "out/model.onnx"));
  EXPECT_TRUE(fs::exists(folder.path() / "again/tokenizer.json"));
  options.quantized = false;
  expect_error(ErrorCode::kUnsupported, "is a bundle, fused for this program",
               [&] { (void)export_model(of_bundle, folder.path() / "float", options); });
  EXPECT_FALSE(fs::exists(folder.path() / "float"));
}

// What no module is there to do in the exported folder, its tokenizer does, or nothing can.
TEST(QuantizedExport, KeepsABundlesLengthAndRefusesItsPrompts) {
  const TempFolder folder;
  ExportModelOptions options;
  options.quantized = true;
  const auto exported = [&](const std::string& name, int64_t max_length) {
    const fs::path bundle = folder.path() / "bundle";
    OptimizeOptions optimizing = all_integers("static");
    optimizing.quantize.treatments.outlier_columns = false;
    optimizing.model.max_length = max_length;
    optimizing.force = true;
    (void)optimize(resolve_model(testdata(name).string()), bundle, optimizing);
    options.force = true;
    (void)export_model(resolve_model(bundle.string()), folder.path() / "out", options);
    return LoadedModel::load(resolve_model((folder.path() / "out").string()), on_threads(1));
  };
  EXPECT_EQ(exported("sentence-transformers/mean", 9)->manifest().max_length, 9);
  expect_error(ErrorCode::kUnsupported, "its prompts have no place",
               [&] { (void)exported("sentence-transformers/prompts", 0); });
}

TEST(QuantizedExport, NeedsABundleInIntegers) {
  const TempFolder folder;
  OptimizeOptions fp32 = all_integers("native");
  fp32.model.precision = engine::Precision::kFp32;
  (void)optimize(resolve_model(testdata(kClassifier).string()), folder.path() / "bundle", fp32);
  ExportModelOptions options;
  options.quantized = true;
  const ModelPath path = resolve_model((folder.path() / "bundle").string());
  expect_error(ErrorCode::kUnsupported, "is a bundle in fp32",
               [&] { (void)export_model(path, folder.path() / "out", options); });
  EXPECT_FALSE(fs::exists(folder.path() / "out"));
}

}  // namespace
}  // namespace tamis::api
