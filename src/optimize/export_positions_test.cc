// Files in TensorRT's form of models whose attention has products with tables of positions:
// DeBERTa, relative_key and relative_key_query.
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "graph/attention_part.h"
#include "graph/testing/unnamed.h"
#include "onnx/check_tensorrt.h"
#include "onnx/import_onnx.h"
#include "optimize/export_model.h"
#include "optimize/export_test_util.h"

namespace tamis::api {
namespace {

namespace fs = std::filesystem;
using graph::testing::unnamed;

// With a convolution behind its first layer.
constexpr const char* kConvolves = "models/deberta-v2-sequence-classification";

// Each form of scores with tables: both of relative_key, before and behind the norms, DeBERTa's
// with and without shared keys, with a convolution, and with none of it.
std::vector<std::string> position_names() {
  const std::string_view wanted[] = {"models/bert-relative-key",
                                     "models/bert-relative-key-query",
                                     "models/xlm-roberta-xl-relative-key-query",
                                     "models/deberta-base",
                                     "models/deberta-question-answering",
                                     "models/deberta-v2-base",
                                     "models/deberta-v2-masked-lm",
                                     kConvolves};
  std::vector<std::string> names = checkpoint_names();
  std::erase_if(names, [&](const std::string& name) {
    return std::ranges::find(wanted, name) == std::end(wanted);
  });
  return names;
}

// Without treatments the numbers of the file are those that the plan's integers stand for.
OptimizeOptions plain_options() {
  OptimizeOptions options = all_integers("trt");
  options.calibration.clear();
  options.calibration_file.clear();
  options.quantize.treatments = {false, false, false, false, false};
  return options;
}

ExportReport export_to(const std::string& checkpoint, const fs::path& folder,
                       onnx::FloatType floats, const OptimizeOptions& optimize) {
  ExportModelOptions options;
  options.quantized = true;
  options.flavor = onnx::Flavor::kTensorRt;
  options.float_type = floats;
  options.optimize = optimize;
  return export_model(resolve_model(checkpoint), folder, options);
}

onnx::ExportOptions portable(onnx::OutputKind output) {
  onnx::ExportOptions options;
  options.output = output;
  return options;
}

std::string refusal(const std::string& checkpoint, const OptimizeOptions& optimize) {
  const TempFolder folder;
  try {
    (void)export_to(checkpoint, folder.path() / "out", onnx::FloatType::kFp16, optimize);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_FALSE(fs::exists(folder.path() / "out"));
    return error.what();
  }
  return "";
}

// Whether scores have products with tables; deberta-question-answering's have none.
bool multiplies_positions(const std::string& name) {
  const graph::Graph graph = load_checkpoint(name)->graph();
  return std::ranges::any_of(graph.nodes(), [&graph](const graph::Node& node) {
    return graph::is_attention(node.op) && graph::has_position_products(graph, node);
  });
}

class PositionExport : public testing::TestWithParam<std::string> {};

// The linear layers are integers, and attention is in float or in integers, whole.
TEST_P(PositionExport, KeepsTheRulesOfTensorRt) {
  const TempFolder folder;
  const ExportReport report = export_to(testdata(GetParam()).string(), folder.path() / "out",
                                        onnx::FloatType::kFp16, plain_options());
  const onnx::ModelProto model = onnx::read_onnx(report.file);
  for (const onnx::Finding& finding : onnx::check_tensorrt(model)) {
    ADD_FAILURE() << finding.rule << " at " << finding.where << ": " << finding.what;
  }
  const auto of_attention = std::ranges::count_if(model.graph.nodes, [](const auto& node) {
    return node.op_type == "QuantizeLinear" && node.name.find("matmul_quantizer") != node.name.npos;
  });
  EXPECT_GE(count_of(model, "QuantizeLinear"), of_attention + 4);
  const bool in_float = multiplies_positions(GetParam());
  EXPECT_EQ(in_float, GetParam() != "models/deberta-question-answering");
  EXPECT_EQ(of_attention, in_float ? 0 : 8) << "4 operands in each of 2 layers";
}

TEST_P(PositionExport, HoldsTheNumbersOfThePlan) {
  const TempFolder folder;
  const std::string checkpoint = testdata(GetParam()).string();
  const OptimizeOptions options = plain_options();
  (void)export_to(checkpoint, folder.path() / "out", onnx::FloatType::kFp32, options);
  const auto model =
      LoadedModel::load(resolve_model((folder.path() / "out").string()), on_threads(2));
  const auto answers = raw_outputs(*model, example_inputs(*model), 64);
  const PlannedModel plan = plan_model(resolve_model(checkpoint), options);
  EXPECT_LE(farthest(answers, answers_of_numbers(plan)), 1e-4);
}

// An import exports to a file that imports as it did.
TEST_P(PositionExport, ImportsAsTheSameGraph) {
  const TempFolder folder;
  OptimizeOptions options = plain_options();
  options.quantize.treatments = {};
  const ExportReport report = export_to(testdata(GetParam()).string(), folder.path() / "out",
                                        onnx::FloatType::kFp32, options);
  const onnx::ImportedModel once = onnx::import_onnx(onnx::read_onnx(report.file), "once.onnx");
  const onnx::ModelProto again = onnx::export_onnx(once.graph, portable(once.output));
  EXPECT_EQ(unnamed(graph::print(onnx::import_onnx(again, "again.onnx").graph)),
            unnamed(graph::print(once.graph)));
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, PositionExport, testing::ValuesIn(position_names()),
                         checkpoint_test_name);

// One operand is enough: beside the products with tables even both of one product are half.
TEST(PositionExportForm, RefusesQuantizersOfAttention) {
  const char* const globs[] = {"*.matmul_quantizer_*", "*.matmul_quantizer_[01]",
                               "*.matmul_quantizer_[23]"};
  for (const char* name : {"models/bert-relative-key", "models/bert-relative-key-query"}) {
    for (const char* glob : globs) {
      OptimizeOptions options = plain_options();
      options.model.enable = {glob};
      const std::string why = refusal(testdata(name).string(), options);
      EXPECT_NE(why.find("attention.self.matmul_quantizer_"), why.npos) << why;
      EXPECT_NE(why.find("is on, but its scores have float products with tables"), why.npos) << why;
    }
  }
}

// Products with one table are products with tables; without any, attention is quantized whole.
TEST(PositionExportForm, FollowsTheKindsOfProducts) {
  if (!kEveryCheckpoint) GTEST_SKIP() << "DeBERTa is not run under ThreadSanitizer";
  for (const std::string name : {"models/deberta-base", "models/deberta-v2-base"}) {
    for (const std::string kinds : {R"(["c2p"])", R"(["p2c"])", "[]"}) {
      SCOPED_TRACE(cat(name, " ", kinds));
      const TempFolder folder;
      const fs::path checkpoint = folder.path() / "checkpoint";
      fs::copy(testdata(name), checkpoint, fs::copy_options::recursive);
      std::string config = read_file(checkpoint / "config.json");
      const size_t first = config.find('[', config.find("\"pos_att_type\""));
      config.replace(first, config.find(']', first) + 1 - first, kinds);
      write_file(checkpoint / "config.json", config);
      const ExportReport report = export_to(checkpoint.string(), folder.path() / "out",
                                            onnx::FloatType::kFp16, plain_options());
      EXPECT_TRUE(onnx::check_tensorrt(onnx::read_onnx(report.file)).empty());
      EXPECT_EQ(report.float_work == 0, kinds == "[]") << report.float_work;
    }
  }
}

// A convolution whose quantizers are on is a product of each token's neighbors side by side.
TEST(PositionExportForm, ConvolvesInIntegers) {
  if (!kEveryCheckpoint) GTEST_SKIP() << "DeBERTa is not run under ThreadSanitizer";
  for (const bool integers : {false, true}) {
    const TempFolder folder;
    OptimizeOptions options = plain_options();
    if (integers) options.model.enable = {"*conv.conv.*"};
    const ExportReport report = export_to(testdata(kConvolves).string(), folder.path() / "out",
                                          onnx::FloatType::kFp16, options);
    const onnx::ModelProto model = onnx::read_onnx(report.file);
    EXPECT_TRUE(onnx::check_tensorrt(model).empty());
    EXPECT_EQ(count_of(model, "Conv"), integers ? 0 : 1);
  }
}

}  // namespace
}  // namespace tamis::api
