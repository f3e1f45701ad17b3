// How bundles store embedding tables: as asked for, and what is chosen where nobody asks.
#include "base/file.h"
#include "formats/safetensors.h"
#include "model/test_util.h"
#include "optimize/choose_tables.h"
#include "optimize/optimize.h"
#include "optimize/report.h"
#include "tasks/task_json.h"

namespace tamis::api {
namespace {

namespace fs = std::filesystem;

const char* const kClassifier = "models/bert-sequence-classification";

OptimizeReport optimize_to(const std::string& name, const fs::path& to, OptimizeOptions options) {
  options.model.pool = std::make_shared<ThreadPool>(2);
  options.seconds = 0;
  return optimize(resolve_model(testdata(name).string()), to, options);
}

// The table's rows as graph.txt has them: "" for a bundle without it.
std::string declared(const fs::path& bundle, std::string_view table) {
  const std::string text = read_file(bundle / "graph.txt");
  const std::string line = cat("constant %", table, " : ");
  const size_t at = text.find(line);
  if (at == text.npos) return "";
  return text.substr(at + line.size(), text.find('\n', at) - at - line.size());
}

const char* const kWords = "bert.embeddings.word_embeddings.weight";

class EveryStorage : public testing::TestWithParam<quant::EmbeddingStorage> {};

TEST_P(EveryStorage, IsKeptAndAnswersAsMeasured) {
  const TempFolder folder;
  OptimizeOptions options;
  options.model.precision = engine::Precision::kInt8;
  options.embeddings = GetParam();
  const OptimizeReport report = optimize_to(kClassifier, folder.path() / "b", options);
  const std::string_view name = quant::embedding_storage_name(GetParam());
  const std::string type = declared(folder.path() / "b", kWords);
  EXPECT_EQ(type.substr(0, type.find('[')), name == "fp32" ? "F32" : name == "fp16" ? "F16" : "I8");
  const auto bundle = LoadedModel::load({folder.path() / "b", ModelKind::kBundle}, on_threads(2));
  EXPECT_EQ(bundle->manifest().embeddings, GetParam());
  EXPECT_NE(report_text(report).find(cat("embedding tables ", name)), std::string::npos);
  EXPECT_NE(report_json(report).find(cat("\"storage\": \"", name)), std::string::npos);
  // The plan in float32 differs from the checkpoint by its tables alone.
  ASSERT_TRUE(report.embeddings.evaluation.has_value());
  EXPECT_EQ(report.embeddings.evaluation->against->divergence,
            report.choice->rows[0].evaluation.against->divergence);
  EXPECT_TRUE(name != "fp32" || report.embeddings.evaluation->against->divergence == 0);
  EXPECT_FALSE(raw_outputs(*bundle, example_inputs(*bundle), 64).empty());
}

INSTANTIATE_TEST_SUITE_P(All, EveryStorage,
                         testing::Values(quant::EmbeddingStorage::kAsStored,
                                         quant::EmbeddingStorage::kHalf,
                                         quant::EmbeddingStorage::kInt8),
                         [](const auto& row) {
                           return std::string(quant::embedding_storage_name(row.param));
                         });

class StaticStorage : public testing::TestWithParam<quant::EmbeddingStorage> {};

// The table is all there is, so that its storage is all that a bundle can lose.
TEST_P(StaticStorage, AnswersAsTheFolder) {
  const TempFolder folder;
  for (const char* name : {"static/today", "static/dense", "static/model2vec"}) {
    SCOPED_TRACE(name);
    OptimizeOptions options;
    options.embeddings = GetParam();
    options.force = true;
    (void)optimize_to(name, folder.path() / "b", options);
    const std::string_view storage = quant::embedding_storage_name(GetParam());
    EXPECT_TRUE(declared(folder.path() / "b", "embedding.weight")
                    .starts_with(storage == "fp32"   ? "F32["
                                 : storage == "fp16" ? "F16["
                                                     : "I8["));
    const auto bundle = LoadedModel::load({folder.path() / "b", ModelKind::kBundle}, on_threads(2));
    const auto checkpoint = load_checkpoint(name);
    EXPECT_EQ(bundle->manifest().empty_text_id, checkpoint->manifest().empty_text_id);
    EXPECT_EQ(bundle->manifest().max_length, checkpoint->manifest().max_length);
    std::vector<tasks::TaskInput> inputs = example_inputs(*checkpoint);
    inputs.push_back({""});
    const auto found = raw_outputs(*bundle, inputs, 64);
    const auto wanted = raw_outputs(*checkpoint, inputs, 64);
    // Of values up to 8: half of their last place, or of a step of 1/127 of a row's greatest.
    const double allowed = GetParam() == quant::EmbeddingStorage::kAsStored ? 0
                           : GetParam() == quant::EmbeddingStorage::kHalf   ? 2e-3
                                                                            : 8.0 / 254;
    for (size_t i = 0; i < wanted.size(); ++i) {
      ASSERT_EQ(found[i].size(), wanted[i].size());
      for (size_t j = 0; j < wanted[i].size(); ++j) {
        EXPECT_NEAR(found[i][j], wanted[i][j], allowed) << "text " << i << ", component " << j;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, StaticStorage,
                         testing::Values(quant::EmbeddingStorage::kAsStored,
                                         quant::EmbeddingStorage::kHalf,
                                         quant::EmbeddingStorage::kInt8),
                         [](const auto& row) {
                           return std::string(quant::embedding_storage_name(row.param));
                         });

// Of one table, by which queries and documents are read.
TEST(OptimizeEmbeddings, WeightsOfTokensAnswerAsTheFolder) {
  const TempFolder folder;
  OptimizeOptions options;
  options.embeddings = quant::EmbeddingStorage::kAsStored;
  (void)optimize_to("retrieval/sparse-static", folder.path() / "b", options);
  const auto bundle = LoadedModel::load({folder.path() / "b", ModelKind::kBundle}, on_threads(2));
  const auto checkpoint = load_checkpoint("retrieval/sparse-static");
  for (const bool query : {false, true}) {
    tasks::EmbedSparseOptions side;
    side.query = query;
    const auto answer = [&side](const LoadedModel& model) {
      return tasks::to_json(model.run({{"A lighthouse."}}, side, 64).front());
    };
    EXPECT_EQ(answer(*bundle), answer(*checkpoint));
    EXPECT_NE(answer(*bundle), R"({"sparse":{}})");
  }
}

TEST(OptimizeEmbeddings, ARouterWhoseQueriesATableReadsIsRefused) {
  const TempFolder folder;
  expect_error(ErrorCode::kUnsupported, "a Router whose queries a StaticEmbedding reads",
               [&] { (void)optimize_to("static/router", folder.path() / "b", {}); });
  EXPECT_FALSE(fs::exists(folder.path() / "b"));
}

TEST(OptimizeEmbeddings, OfAModelOfATableAloneAreHalves) {
  const TempFolder folder;
  const auto stored = [&](const OptimizeOptions& options) {
    const OptimizeReport report = optimize_to("static/today", folder.path() / "b", options);
    EXPECT_TRUE(report.succeeded());
    const std::string type = declared(folder.path() / "b", "embedding.weight");
    return type.substr(0, type.find('['));
  };
  OptimizeOptions options;
  options.force = true;
  EXPECT_EQ(stored(options), "F16");
  options.model.precision = engine::Precision::kInt8;
  EXPECT_EQ(stored(options), "F16");
  options.model.precision = engine::Precision::kFp32;
  EXPECT_EQ(stored(options), "F32");
}

TEST(OptimizeEmbeddings, AreIntegersWhereTheBudgetHardlyNotices) {
  const TempFolder folder;
  OptimizeOptions options;
  // Whatever CPU: a plan that gives up, as nothing is faster, has the checkpoint's tables.
  options.model.precision = engine::Precision::kInt8;
  options.budget = parse_budget("flips=100%");
  const OptimizeReport loose = optimize_to(kClassifier, folder.path() / "loose", options);
  EXPECT_EQ(loose.embeddings.storage, quant::EmbeddingStorage::kInt8);
  EXPECT_TRUE(declared(folder.path() / "loose", kWords).starts_with("I8["));
  options.budget = parse_budget("kl=1e-12");
  const OptimizeReport tight = optimize_to(kClassifier, folder.path() / "tight", options);
  EXPECT_EQ(tight.embeddings.storage, quant::EmbeddingStorage::kHalf);
  options.budget.reset();
  const OptimizeReport usual = optimize_to(kClassifier, folder.path() / "usual", options);
  EXPECT_EQ(usual.embeddings.storage, quant::EmbeddingStorage::kHalf);
}

TEST(OptimizeEmbeddings, AreTheCheckpointsWhereNoPlanKeepsTheBudget) {
  const TempFolder folder;
  OptimizeOptions options;
  options.budget = parse_budget("kl=0");
  const OptimizeReport report = optimize_to(kClassifier, folder.path() / "b", options);
  ASSERT_FALSE(report.succeeded());
  EXPECT_EQ(report.embeddings.storage, quant::EmbeddingStorage::kAsStored);
  EXPECT_EQ(report.largest_difference, 0);
}

// float32 means the checkpoint's bits; bf16 rounds more than half precision does.
TEST(OptimizeEmbeddings, FollowThePrecisionThatWasAskedFor) {
  const TempFolder folder;
  OptimizeOptions options;
  for (const auto& [precision, type] :
       {std::pair(engine::Precision::kFp32, "F32["), std::pair(engine::Precision::kBf16, "F16[")}) {
    options.model.precision = precision;
    (void)optimize_to(kClassifier, folder.path() / type, options);
    EXPECT_TRUE(declared(folder.path() / type, kWords).starts_with(type));
  }
}

// Of a model that was trained with its quantizers nothing is rounded but by them.
TEST(OptimizeEmbeddings, AreTheCheckpointsWhereRangesWereTrained) {
  const TempFolder folder;
  const fs::path trained = folder.path() / "trained";
  fs::copy(testdata(kClassifier), trained, fs::copy_options::recursive);
  const SafetensorsContents stored = read_safetensors(testdata(kClassifier) / "model.safetensors");
  std::vector<NamedTensor> tensors;
  for (const StoredTensor& row : stored.tensors) tensors.push_back({row.name, row.tensor->view()});
  const std::vector<float> range = {4};
  const TensorView view(DType::kF32, Shape{}, range.data());
  tensors.push_back({"classifier._input_quantizer._amax", view});
  write_safetensors(trained / "model.safetensors", tensors);
  OptimizeOptions options;
  options.model.precision = engine::Precision::kInt8;
  options.model.pool = std::make_shared<ThreadPool>(2);
  options.seconds = 0;
  for (const auto& [asked, type] :
       {std::pair(std::optional<quant::EmbeddingStorage>(), "F32["),
        std::pair(std::optional(quant::EmbeddingStorage::kHalf), "F16[")}) {
    options.embeddings = asked;
    (void)optimize(resolve_model(trained.string()), folder.path() / type, options);
    EXPECT_TRUE(declared(folder.path() / type, kWords).starts_with(type));
  }
}

TEST(OptimizeEmbeddings, RefuseAnUnknownName) {
  EXPECT_EQ(embeddings_option("int8"), quant::EmbeddingStorage::kInt8);
  expect_error(ErrorCode::kInvalidArgument, "--embeddings bf16: must be fp32, fp16 or int8",
               [] { (void)embeddings_option("bf16"); });
}

}  // namespace
}  // namespace tamis::api
