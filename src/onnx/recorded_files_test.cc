// Files of many exporters, imported and run, against what ONNX Runtime answered.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "engine/batch_builder.h"
#include "engine/engine.h"
#include "onnx/import_onnx.h"
#include "tests/support/test_paths.h"

namespace tamis::onnx {
namespace {

namespace fs = std::filesystem;

std::vector<int32_t> ids_of(JsonView row, size_t count) {
  std::vector<int32_t> ids;
  for (size_t i = 0; i < count; ++i) ids.push_back(static_cast<int32_t>(row.at(i).as_int("id")));
  return ids;
}

// A row of a recorded batch without its padding.
struct Sequence {
  std::vector<int32_t> ids;
  std::vector<int32_t> types;
};

Sequence sequence_of(JsonView inputs, size_t row) {
  const JsonView mask = inputs.get("attention_mask").at(row);
  size_t count = 0;
  while (count < mask.size() && mask.at(count).as_int("mask") == 1) ++count;
  Sequence sequence{ids_of(inputs.get("input_ids").at(row), count), {}};
  const JsonView types = inputs.get("token_type_ids");
  if (types) sequence.types = ids_of(types.at(row), count);
  return sequence;
}

void flatten(JsonView value, std::vector<double>& out) {
  if (value.is_number()) out.push_back(value.as_double("value"));
  for (size_t i = 0; i < value.size(); ++i) flatten(value.at(i), out);
}

std::vector<float> run(const graph::Graph& graph, const Sequence& sequence) {
  engine::BatchBuilder builder;
  builder.append({sequence.ids, sequence.types, {}, {}});
  const auto session = engine::make_engine(graph, {})->make_session();
  engine::Outputs outputs;
  session->run(builder.batch(), outputs);
  const auto values = outputs.view(0).as<float>();
  return {values.begin(), values.end()};
}

double difference(const std::vector<float>& got, JsonView recorded) {
  std::vector<double> wanted;
  flatten(recorded, wanted);
  if (got.size() != wanted.size()) return INFINITY;
  double most = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    if (!std::isfinite(got[i])) return INFINITY;
    most = std::max(most, std::abs(got[i] - wanted[i]));
  }
  return most;
}

// Farthest from the recorded answers to row 1 alone and, of float files, to row 0, which fills the
// batch.
double farthest(const fs::path& path, bool floats) {
  const ImportedModel model = import_onnx(read_onnx(path), path.string());
  const fs::path recorded = fs::path(path).replace_extension(".json");
  const JsonDocument document = JsonDocument::parse(read_file(recorded), recorded.string());
  const JsonView root = document.root();
  const auto got = [&](size_t row) {
    return run(model.graph, sequence_of(root.get("inputs"), row));
  };
  const double alone = difference(got(1), root.get("row1_alone").member(0).value);
  if (!floats) return alone;
  return std::max(alone, difference(got(0), root.get("outputs").member(0).value.at(0)));
}

constexpr double kFloatTolerance = 1e-5;

// The float files hold 1e-5. ONNX Runtime computed the others with what the import leaves out:
// activations in 8 bits, some 2^-8 of values around 1 through two layers, or in half precision.
double tolerance_of(const std::string& name) {
  for (const std::string_view part : {"-qdq-", "-qop", "modelopt"}) {
    if (name.find(part) != name.npos) return 3e-2;
  }
  for (const std::string_view part : {"-dyn-", "-dyn.", "fusedq"}) {
    if (name.find(part) != name.npos) return 5e-3;
  }
  return name.find("fp16") != name.npos ? 2e-4 : kFloatTolerance;
}

void check_file(const fs::path& file) {
  const std::string name = file.filename().string();
  try {
    const double most = tolerance_of(name);
    EXPECT_LE(farthest(file, most == kFloatTolerance), most) << name;
  } catch (const Error& error) {
    ADD_FAILURE() << name << " is refused: " << error.what();
  }
}

int check_folder(const fs::path& folder) {
  int files = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".onnx") continue;
    check_file(entry.path());
    ++files;
  }
  return files;
}

TEST(RecordedFiles, AnswerAsRecorded) {
  EXPECT_EQ(check_folder(fs::path(TAMIS_UNPACKED_TESTDATA) / "onnx"), 25);
}

TEST(RecordedFiles, AnswerAsRecordedWhereverTheyComeFrom) {
  TAMIS_REQUIRE_SHARED("onnx");
  EXPECT_GE(check_folder(test::shared_folder() / "onnx"), 57);
}

}  // namespace
}  // namespace tamis::onnx
