// Buffers of quantizers in a checkpoint: which are read, and what is refused.
#include "models/trained_ranges.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "models/models.h"
#include "models/test_util.h"

namespace tamis::models {
namespace {

Tensor floats(const Shape& shape, const std::vector<float>& values) {
  Tensor tensor(DType::kF32, shape);
  std::copy(values.begin(), values.end(), tensor.mutable_as<float>().begin());
  return tensor;
}

TEST(TrainedRanges, AreReadByTheirQuantizersNames) {
  EditableCheckpoint edit("bert-sequence-classification");
  const float nan = std::nanf("");
  edit.set("classifier._input_quantizer._amax", floats(Shape{}, {1.5f}));
  edit.set("classifier._weight_quantizer._amax", floats(Shape{3, 1}, {0.5f, 0.0f, nan}));
  edit.set("anything.at.all._amax", floats(Shape{1}, {nan}));
  edit.set("cls.predictions.decoder.weight", floats(Shape{1, 1}, {1}));
  edit.set("cls.predictions.decoder._input_quantizer._amax", floats(Shape{}, {1}));
  const graph::TrainedRanges ranges = build_model(edit.make()).ranges;
  EXPECT_EQ(ranges.prefix, "bert");
  ASSERT_EQ(ranges.amax.size(), 4u);
  EXPECT_EQ(ranges.amax.at("classifier._input_quantizer"), std::vector<float>{1.5f});
  const std::vector<float>& rows = ranges.amax.at("classifier._weight_quantizer");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0], 0.5f);
  EXPECT_TRUE(std::isnan(rows[2]));
  EXPECT_EQ(ranges.of_unread_layers,
            std::set<std::string>{"cls.predictions.decoder._input_quantizer"});
}

TEST(TrainedRanges, OfAPlainCheckpointAreNone) {
  const auto checkpoint = Checkpoint::open(testdata_model("bert-base"));
  EXPECT_TRUE(build_model(*checkpoint).ranges.empty());
}

TEST(TrainedRanges, AreRefusedWhereTheyAreNoRanges) {
  struct Row {
    Shape shape;
    std::vector<float> values;
    const char* message;
  };
  const Row rows[] = {
      {Shape{}, {-1.0f}, "holds -1; a range is 0 or more, and NaN if its quantizer is off"},
      {Shape{}, {INFINITY}, "holds inf; a range is 0 or more"},
      {Shape{2, 2}, {1, 1, 1, 1}, "is F32[2, 2]; expected F32, F16, BF16 or F64: one range"},
      {Shape{0}, {}, "is F32[0]; expected"},
  };
  for (const Row& row : rows) {
    EditableCheckpoint edit("bert-base");
    edit.set("x._input_quantizer._amax", floats(row.shape, row.values));
    try {
      (void)build_model(edit.make());
      FAIL() << row.message;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
      const std::string what = error.what();
      EXPECT_NE(what.find("memory: tensor \"x._input_quantizer._amax\" "), std::string::npos);
      EXPECT_NE(what.find(row.message), std::string::npos) << what;
    }
  }
}

}  // namespace
}  // namespace tamis::models
