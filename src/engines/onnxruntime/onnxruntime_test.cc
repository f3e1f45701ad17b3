// The engine over a library that stands in for ONNX Runtime, and over the real one where
// TAMIS_ORT names it.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "base/error.h"
#include "engine/batch_builder.h"
#include "engines/onnxruntime/onnxruntime_engine.h"
#include "engines/onnxruntime/ort_library.h"
#include "tests/support/test_paths.h"

namespace tamis::engines::onnxruntime {
namespace {

using engine::RowUnit;

constexpr const char* kDouble = TAMIS_ORT_DOUBLE;
constexpr const char* kOld = TAMIS_ORT_OLD;

engine::EngineOptions options_of(const char* library = kDouble) {
  engine::EngineOptions options;
  options.pool = std::make_shared<ThreadPool>(1);
  options.onnx_runtime.library = library;
  return options;
}

std::shared_ptr<const engine::Engine> make(engine::OpaqueModel model,
                                           const engine::EngineOptions& options = options_of()) {
  return row().make(std::move(model), options);
}

template <typename Action>
void expect_error(ErrorCode code, std::string_view part, Action action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error_code_name(error.code()), error_code_name(code)) << error.what();
    EXPECT_NE(std::string_view(error.what()).find(part), std::string_view::npos)
        << error.what() << "\n  lacks: " << part;
    return;
  }
  ADD_FAILURE() << "no error, expected: " << part;
}

engine::OpaqueModel tokens_model(const std::string& path = "segments.onnx") {
  return {path, {{{"rows", RowUnit::kToken, 2}, {"tokens"}}}, {}};
}

// Sequences of 3, 9 and 1 tokens.
engine::BatchBuilder ragged_batch() {
  static const std::vector<int32_t> kIds = {5, 6, 7, 8, 9, 10, 11, 12, 13};
  static const std::vector<int32_t> kTypes = {0, 1, 0};
  engine::BatchBuilder builder;
  builder.append({std::span(kIds).first(3), kTypes, {}, {}});
  builder.append({kIds, {}, {}, {}});
  builder.append({std::span(kIds).subspan(8, 1), {}, {}, {}});
  return builder;
}

std::vector<float> run(const engine::Engine& engine, const engine::PackedBatch& batch,
                       size_t output = 0) {
  engine::Outputs outputs;
  engine.make_session()->run(batch, outputs);
  const auto values = outputs.view(output).as<float>();
  return {values.begin(), values.end()};
}

TEST(OnnxRuntime, GivesEachTokenItsRow) {
  for (const char* path : {"segments.onnx", "segments-int32.onnx"}) {
    const auto engine = make(tokens_model(path));
    EXPECT_TRUE(engine->info().padded);
    EXPECT_FALSE(engine->info().batch_invariant);
    const engine::BatchBuilder builder = ragged_batch();
    // Lengths 3, 9 and 1 are too different to be padded together.
    EXPECT_EQ(run(*engine, builder.batch()),
              (std::vector<float>{5, 3, 106, 3,  7, 3,  5, 9,  6, 9,  7, 9,  8,
                                  9, 9, 9,   10, 9, 11, 9, 12, 9, 13, 9, 13, 1}));
  }
}

// The second column is the length that a sequence was padded to.
TEST(OnnxRuntime, PadsNothingWherePaddingShows) {
  engine::BatchBuilder builder;
  const std::vector<int32_t> ids = {1, 2, 3};
  for (const size_t length : {3u, 2u, 3u})
    builder.append({std::span(ids).first(length), {}, {}, {}});
  engine::OpaqueModel model = tokens_model();
  EXPECT_EQ(run(*make(model), builder.batch()),
            (std::vector<float>{1, 3, 2, 3, 3, 3, 1, 3, 2, 3, 1, 3, 2, 3, 3, 3}));
  model.masks_padding = false;
  EXPECT_EQ(run(*make(model), builder.batch()),
            (std::vector<float>{1, 3, 2, 3, 3, 3, 1, 2, 2, 2, 1, 3, 2, 3, 3, 3}));
  // Those of one length ride together all the same.
  model.outputs = {{{"sums", RowUnit::kSequence, 2}, {"sums"}}};
  EXPECT_EQ(run(*make(model), builder.batch()), (std::vector<float>{6, 2, 3, 1, 6, 2}));
}

TEST(OnnxRuntime, GivesEachSequenceItsRow) {
  const auto engine = make({"m.onnx", {{{"sums", RowUnit::kSequence, 2}, {"sums"}}}, {}});
  engine::BatchBuilder builder;
  const std::vector<int32_t> ids = {1, 2, 3, 4};
  builder.append({std::span(ids).first(2), {}, {}, {}});
  builder.append({std::span(ids).first(0), {}, {}, {}});
  builder.append({ids, {}, {}, {}});
  EXPECT_EQ(run(*engine, builder.batch()), (std::vector<float>{3, 2, 0, 0, 10, 2}));
}

TEST(OnnxRuntime, PoolsRowsOfTokensWithoutPadding) {
  const auto engine =
      make({"m.onnx",
            {{{"pooled", RowUnit::kSequence, 0}, {"tokens"}, {Pooling::kMean, Pooling::kCls}}},
            {}});
  EXPECT_EQ(engine->info().outputs[0].width, 4);
  engine::BatchBuilder builder;
  const std::vector<int32_t> ids = {1, 3, 8};
  builder.append({std::span(ids).first(2), {}, {}, {}});
  builder.append({ids, {}, {}, {}});
  EXPECT_EQ(run(*engine, builder.batch()), (std::vector<float>{2, 3, 1, 3, 4, 3, 1, 3}));
}

TEST(OnnxRuntime, PutsPartsSideBySideAndPicksTokens) {
  const auto engine = make({"m.onnx",
                            {{{"spans", RowUnit::kToken, 2}, {"start", "end"}},
                             {{"words", RowUnit::kSelectedToken, 1}, {"start"}}},
                            {}});
  engine::BatchBuilder builder;
  const std::vector<int32_t> ids = {1, 3, 8};
  const std::vector<int32_t> second = {1};
  const std::vector<int32_t> ends = {0, 2};
  builder.append({std::span(ids).first(2), {}, {}, second});
  builder.append({ids, {}, {}, ends});
  EXPECT_EQ(run(*engine, builder.batch()), (std::vector<float>{1, -1, 3, -3, 1, -1, 3, -3, 8, -8}));
  EXPECT_EQ(run(*engine, builder.batch(), 1), (std::vector<float>{3, 1, 8}));
}

TEST(OnnxRuntime, GivesTheOutputsThatAreWanted) {
  const engine::OpaqueModel model = {
      "m.onnx",
      {{{"rows", RowUnit::kToken, 2}, {"tokens"}}, {{"sums", RowUnit::kSequence, 2}, {"sums"}}},
      {}};
  engine::EngineOptions options = options_of();
  options.outputs = {"sums"};
  const auto engine = make(model, options);
  ASSERT_EQ(engine->info().outputs.size(), 1u);
  EXPECT_EQ(engine->info().outputs[0].name, "sums");
  options.outputs = {"nothing"};
  expect_error(ErrorCode::kNotFound, "m.onnx: no output \"nothing\"",
               [&] { (void)make(model, options); });
}

TEST(OnnxRuntime, TakesModelsFromMemory) {
  engine::OpaqueModel model = tokens_model("exported");
  model.bytes = std::make_shared<const std::string>("segments");
  EXPECT_EQ(make(model)->info().memory_bytes, 8);
  model.bytes = std::make_shared<const std::string>("positions");
  expect_error(ErrorCode::kUnsupported, "exported: input \"position_ids\"",
               [&] { (void)make(model); });
}

TEST(OnnxRuntime, NamesWhatItDoesNotTake) {
  struct Row {
    const char* path;
    const char* part;
  };
  constexpr Row kRows[] = {
      {"broken.onnx", "broken.onnx: ONNX Runtime 1.20.1: no such operator"},
      {"positions.onnx", "input \"position_ids\"; accepted are input_ids, attention_mask"},
      {"fixed.onnx", "input \"input_ids\" has fixed sizes"},
      {"floats.onnx", "input \"input_ids\" has element type 1; INT64 and INT32"}};
  for (const Row& row : kRows) {
    expect_error(ErrorCode::kUnsupported, row.part, [&] { (void)make(tokens_model(row.path)); });
  }
  engine::OpaqueModel missing = tokens_model();
  missing.outputs[0].parts = {"logits"};
  expect_error(ErrorCode::kNotFound, "no output \"logits\"", [&] { (void)make(missing); });
  engine::OpaqueModel wide = tokens_model();
  wide.outputs[0].output.width = 3;
  expect_error(ErrorCode::kCorruptData, "rows has 2 columns; 3 are expected",
               [&] { (void)make(wide); });
  engine::OpaqueModel unit = tokens_model();
  unit.outputs[0].output.unit = RowUnit::kSequence;
  expect_error(ErrorCode::kUnsupported, "output \"tokens\" is [1, 2, 2] for 1 sequences of 2",
               [&] { (void)make(unit); });
  engine::OpaqueModel odd = tokens_model();
  odd.outputs[0].parts = {"odd"};
  expect_error(ErrorCode::kUnsupported, "output \"odd\" has element type 6; FLOAT and FLOAT16",
               [&] { (void)make(odd); });
}

TEST(OnnxRuntime, HandsOnWhatTheLibrarySaysOfARun) {
  const auto engine = make(tokens_model("picky.onnx"));
  const engine::BatchBuilder builder = ragged_batch();
  expect_error(ErrorCode::kUnsupported, "picky.onnx: ONNX Runtime 1.20.1: too long for me",
               [&] { (void)run(*engine, builder.batch()); });
}

TEST(OnnxRuntime, EndsBetweenGroups) {
  const auto engine = make(tokens_model());
  const engine::BatchBuilder builder = ragged_batch();
  std::atomic<bool> stop = false;
  std::vector<int64_t> done;
  engine::RunControl control;
  control.stop = &stop;
  control.progress = [&](int64_t tokens, int64_t all) {
    EXPECT_EQ(all, 13);
    done.push_back(tokens);
    stop.store(tokens == 12);
  };
  engine::Outputs outputs;
  expect_error(ErrorCode::kCancelled, "cancelled",
               [&] { engine->make_session()->run(builder.batch(), outputs, control); });
  EXPECT_EQ(done, (std::vector<int64_t>{9, 12}));
}

TEST(OnnxRuntime, RefusesWhatIsForOtherEngines) {
  engine::EngineOptions options = options_of();
  EXPECT_EQ(row().why_not(tokens_model(), options), std::nullopt);
  options.precision = engine::Precision::kInt8;
  EXPECT_EQ(row().why_not(tokens_model(), options),
            "runs a model in the types that its file has; --precision is for other engines");
  EXPECT_EQ(row().why_not(graph::Graph(), options_of()), "runs .onnx models, not graphs");
  engine::BatchBuilder builder;
  const std::vector<int32_t> ids = {1, 2};
  builder.append({ids, {}, ids, {}});
  expect_error(ErrorCode::kUnsupported, "positions of tokens",
               [&] { (void)run(*make(tokens_model()), builder.batch()); });
}

TEST(OnnxRuntime, RefusesProvidersByName) {
  engine::EngineOptions options = options_of();
  options.onnx_runtime.provider = "cuda";
  expect_error(ErrorCode::kUnsupported,
               "--ort-provider cuda: this ONNX Runtime 1.20.1 has no CUDAExecutionProvider; it has "
               "CPUExecutionProvider",
               [&] { (void)make(tokens_model(), options); });
  options.onnx_runtime.provider = "npu";
  expect_error(ErrorCode::kInvalidArgument,
               "--ort-provider npu: unknown; known are cpu, cuda, tensorrt, openvino",
               [&] { (void)make(tokens_model(), options); });
}

TEST(OrtLibrary, IsOpenedOnce) {
  EXPECT_EQ(OrtLibrary::open(kDouble), OrtLibrary::open(kDouble));
  EXPECT_EQ(OrtLibrary::open(kDouble)->version(), "1.20.1");
}

TEST(OrtLibrary, SaysWhatAFileIsInstead) {
  expect_error(ErrorCode::kNotFound, "--ort nowhere.so: no such file",
               [] { (void)OrtLibrary::open("nowhere.so"); });
  expect_error(ErrorCode::kUnsupported, "is ONNX Runtime 1.13.1; accepted are 1.14 and later",
               [] { (void)OrtLibrary::open(kOld); });
  const std::string text = TAMIS_SOURCE_FOLDER "/README.md";
  expect_error(ErrorCode::kInvalidArgument, cat(text, ": is no shared library that loads"),
               [&] { (void)OrtLibrary::open(text); });
  expect_error(ErrorCode::kInvalidArgument, ": is no ONNX Runtime; it gives no OrtGetApiBase",
               [] { (void)OrtLibrary::open(TAMIS_ORT_OTHER); });
}

TEST(OrtLibrary, IsNamedByTheEnvironment) {
  const char* const before = std::getenv("TAMIS_ORT");
  const std::string kept = before == nullptr ? "" : before;
  setenv("TAMIS_ORT", kDouble, 1);
  EXPECT_EQ(OrtLibrary::open({}), OrtLibrary::open(kDouble));
  setenv("TAMIS_ORT", "nowhere.so", 1);
  expect_error(ErrorCode::kNotFound, "TAMIS_ORT=nowhere.so: no such file",
               [] { (void)OrtLibrary::open({}); });
  kept.empty() ? unsetenv("TAMIS_ORT") : setenv("TAMIS_ORT", kept.c_str(), 1);
}

// The committed file in the real library: finite rows, the same alone and beside a longer sequence.
TEST(OnnxRuntime, RunsAFileInTheRealLibrary) {
  TAMIS_REQUIRE_ORT();
  const std::string file = TAMIS_UNPACKED_TESTDATA "/onnx/bert-cls-dynamo-op18-eager-tf524.onnx";
  const auto engine = make({file, {{{"logits", RowUnit::kSequence, 3}, {"logits"}}}, {}},
                           options_of(test::ort_library().c_str()));
  const engine::BatchBuilder builder = ragged_batch();
  const std::vector<float> together = run(*engine, builder.batch());
  ASSERT_EQ(together.size(), 9u);
  engine::BatchBuilder first;
  first.append(
      {builder.batch().input_ids.first(3), builder.batch().token_type_ids.first(3), {}, {}});
  const std::vector<float> alone = run(*engine, first.batch());
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(std::isfinite(alone[i]));
    EXPECT_NEAR(alone[i], together[i], 1e-5);
  }
}

}  // namespace
}  // namespace tamis::engines::onnxruntime
