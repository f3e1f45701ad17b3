#include "onnx/evaluate/evaluate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "onnx/test_util.h"

namespace tamis::onnx {
namespace {

Array floats(Dims dims, std::vector<double> values) {
  return make_array(std::move(dims), ElementType::kFloat, std::move(values));
}
Array longs(Dims dims, std::vector<double> values) {
  return make_array(std::move(dims), ElementType::kInt64, std::move(values));
}

std::vector<Array> all_of(const NodeProto& node, const std::vector<Array>& inputs) {
  Inputs pointers;
  for (const Array& input : inputs) pointers.push_back(&input);
  return evaluate(Operation(node, 0, 18, "m.onnx"), pointers);
}

Array result(std::string op, const std::vector<Array>& inputs,
             std::vector<AttributeProto> attributes = {}) {
  return all_of(make_node(std::move(op), {}, "y", std::move(attributes)), inputs)[0];
}

void expect_array(const Array& array, const Dims& dims, const std::vector<double>& values) {
  EXPECT_EQ(array.dims, dims);
  EXPECT_EQ(*array.data, values);
}

TEST(Evaluate, BroadcastsAsNumpyDoes) {
  expect_array(result("Add", {floats({2, 1}, {1, 2}), floats({3}, {10, 20, 30})}), {2, 3},
               {11, 21, 31, 12, 22, 32});
  expect_array(result("Expand", {longs({1, 2}, {5, 6}), longs({2}, {3, 1})}), {3, 2},
               {5, 6, 5, 6, 5, 6});
  expect_error(ErrorCode::kCorruptData, "shapes [2] and [3] do not broadcast", [] {
    (void)result("Add", {longs({2}, {1, 2}), longs({3}, {1, 2, 3})});
  });
}

TEST(Evaluate, DividesIntegersTowardsZero) {
  expect_array(result("Div", {longs({2}, {7, -7}), longs({}, {2})}), {2}, {3, -3});
  expect_array(result("Mod", {longs({2}, {7, -7}), longs({}, {3})}), {2}, {1, 2});
  expect_error(ErrorCode::kCorruptData, "division by zero", [] {
    (void)result("Div", {longs({}, {7}), longs({}, {0})});
  });
}

TEST(Evaluate, KeepsMaskedProductsFromNaN) {
  const Array product = result("Mul", {floats({2}, {0, 1}), floats({}, {-INFINITY})});
  EXPECT_EQ(product[0], 0);
  EXPECT_EQ(product[1], -INFINITY);
}

TEST(Evaluate, ReshapesWithZeroAndMinusOne) {
  expect_array(result("Reshape", {longs({2, 3}, {1, 2, 3, 4, 5, 6}), longs({2}, {0, -1})}), {2, 3},
               {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(result("Reshape", {longs({2, 3}, {1, 2, 3, 4, 5, 6}), longs({1}, {-1})}).dims, Dims{6});
  expect_error(ErrorCode::kCorruptData, "does not take the shape", [] {
    (void)result("Reshape", {longs({3}, {1, 2, 3}), longs({1}, {4})});
  });
  EXPECT_EQ(result("Unsqueeze", {longs({3}, {1, 2, 3}), longs({2}, {0, -1})}).dims,
            (Dims{1, 3, 1}));
  EXPECT_EQ(result("Squeeze", {longs({1, 3, 1}, {1, 2, 3})}).dims, Dims{3});
  EXPECT_EQ(result("Flatten", {longs({1, 3, 1}, {1, 2, 3})}, {integer("axis", 2)}).dims,
            (Dims{3, 1}));
}

TEST(Evaluate, SlicesFromEitherEnd) {
  const Array x = longs({5}, {0, 1, 2, 3, 4});
  const auto slice = [&x](double start, double end, double step) {
    return *result("Slice",
                   {x, longs({1}, {start}), longs({1}, {end}), longs({1}, {0}), longs({1}, {step})})
                .data;
  };
  EXPECT_EQ(slice(1, 9.3e18, 1), (std::vector<double>{1, 2, 3, 4}));
  EXPECT_EQ(slice(-2, 5, 1), (std::vector<double>{3, 4}));
  EXPECT_EQ(slice(0, -1, 2), (std::vector<double>{0, 2}));
  EXPECT_EQ(slice(4, -9.3e18, -2), (std::vector<double>{4, 2, 0}));
  EXPECT_EQ(slice(3, 1, 1), std::vector<double>{});
}

TEST(Evaluate, GathersByAnyOfItsThreeOperators) {
  const Array x = longs({2, 3}, {0, 1, 2, 3, 4, 5});
  expect_array(result("Gather", {x, longs({2}, {2, -3})}, {integer("axis", 1)}), {2, 2},
               {2, 0, 5, 3});
  expect_array(result("GatherND", {x, longs({2, 2}, {0, 1, 1, 2})}), {2}, {1, 5});
  expect_array(result("GatherElements", {x, longs({2, 1}, {2, 0})}, {integer("axis", 1)}), {2, 1},
               {2, 3});
  expect_error(ErrorCode::kCorruptData, "index 3 of 3", [&] {
    (void)result("Gather", {x, longs({}, {3})}, {integer("axis", 1)});
  });
}

TEST(Evaluate, ScattersWhatIsGathered) {
  const Array x = longs({2, 3}, {0, 1, 2, 3, 4, 5});
  expect_array(result("ScatterND", {x, longs({2, 2}, {0, 1, 1, -1}), longs({2}, {7, 8})}), {2, 3},
               {0, 7, 2, 3, 4, 8});
  expect_array(result("ScatterND", {x, longs({1, 1}, {1}), longs({1, 3}, {7, 8, 9})}), {2, 3},
               {0, 1, 2, 7, 8, 9});
  expect_array(result("ScatterElements", {x, longs({2, 1}, {2, 0}), longs({2, 1}, {7, 8})},
                      {integer("axis", 1)}),
               {2, 3}, {0, 1, 7, 8, 4, 5});
  expect_error(ErrorCode::kCorruptData, "1 updates for 2 places", [&] {
    (void)result("ScatterND", {x, longs({2, 2}, {0, 1, 1, 2}), longs({1}, {7})});
  });
  expect_error(ErrorCode::kCorruptData, "index 2 of 2", [&] {
    (void)result("ScatterND", {x, longs({1, 1}, {2}), longs({1, 3}, {7, 8, 9})});
  });
  expect_error(ErrorCode::kUnsupported, "a reduction of what is there", [&] {
    (void)result("ScatterElements", {x, longs({1, 1}, {0}), longs({1, 1}, {7})},
                 {text("reduction", "add")});
  });
}

TEST(Evaluate, FindsWhatIsNotZero) {
  expect_array(result("NonZero", {longs({2, 3}, {0, 1, 0, 4, 0, -5})}), {2, 3}, {0, 1, 1, 1, 0, 2});
  expect_array(result("NonZero", {longs({2}, {0, 0})}), {1, 0}, {});
}

TEST(Evaluate, TellsInfinitiesByTheirSign) {
  const Array x = floats({3}, {-INFINITY, 1, INFINITY});
  expect_array(result("IsInf", {x}), {3}, {1, 0, 1});
  expect_array(result("IsInf", {x}, {integer("detect_negative", 0)}), {3}, {0, 0, 1});
  expect_array(result("IsInf", {x}, {integer("detect_positive", 0)}), {3}, {1, 0, 0});
}

TEST(Evaluate, MovesAxes) {
  const Array x = longs({2, 3}, {0, 1, 2, 3, 4, 5});
  expect_array(result("Transpose", {x}), {3, 2}, {0, 3, 1, 4, 2, 5});
  expect_array(result("Transpose", {x}, {ints("perm", {0, 1})}), {2, 3}, {0, 1, 2, 3, 4, 5});
  expect_error(ErrorCode::kCorruptData, "perm [0, 0] of rank 2", [&] {
    (void)result("Transpose", {x}, {ints("perm", {0, 0})});
  });
  expect_array(result("Concat", {x, longs({2, 1}, {8, 9})}, {integer("axis", 1)}), {2, 4},
               {0, 1, 2, 8, 3, 4, 5, 9});
  expect_array(result("Tile", {longs({2}, {1, 2}), longs({1}, {2})}), {4}, {1, 2, 1, 2});
}

TEST(Evaluate, SumsUp) {
  const Array x = longs({2, 3}, {1, 2, 3, 4, 5, 6});
  expect_array(result("ReduceSum", {x, longs({1}, {1})}), {2, 1}, {6, 15});
  expect_array(result("ReduceMax", {x}, {integer("keepdims", 0)}), {}, {6});
  expect_array(result("CumSum", {x, longs({}, {1})}), {2, 3}, {1, 3, 6, 4, 9, 15});
  expect_array(result("Trilu", {longs({2, 2}, {1, 2, 3, 4})}, {integer("upper", 0)}), {2, 2},
               {1, 0, 3, 4});
}

TEST(Evaluate, FindsTheGreatest) {
  const Array x = longs({2, 3}, {1, 4, 4, 6, 6, 5});
  expect_array(result("ArgMax", {x}, {integer("axis", 1)}), {2, 1}, {1, 0});
  expect_array(result("ArgMax", {x}, {integer("axis", -1), integer("keepdims", 0)}), {2}, {1, 0});
  expect_array(result("ArgMax", {x}, {integer("axis", 1), integer("select_last_index", 1)}), {2, 1},
               {2, 1});
  expect_array(result("ArgMax", {x}), {1, 3}, {1, 1, 1});
  expect_error(ErrorCode::kUnsupported, "an axis of size 0", [] {
    (void)result("ArgMax", {longs({0, 3}, {})});
  });
}

TEST(Evaluate, CountsAndFills) {
  expect_array(result("Range", {longs({}, {1}), longs({}, {7}), longs({}, {2})}), {3}, {1, 3, 5});
  expect_array(
      result("Shape", {longs({4, 5, 6}, std::vector<double>(120))}, {integer("start", -2)}), {2},
      {5, 6});
  expect_array(result("ConstantOfShape", {longs({1}, {2})}), {2}, {0, 0});
  expect_error(ErrorCode::kUnsupported, "computed from sizes", [] {
    (void)result("ConstantOfShape", {longs({2}, {1e9, 1e9})});
  });
  expect_error(ErrorCode::kUnsupported, "a range of", [] {
    (void)result("Range", {longs({}, {0}), longs({}, {1e12}), longs({}, {1})});
  });
}

TEST(Evaluate, QuantizesHalfToEven) {
  const Array scale = floats({}, {2});
  const Array zero = make_array({}, ElementType::kUint8, {10});
  expect_array(result("QuantizeLinear", {floats({4}, {1, 3, 1000, -1000}), scale, zero}), {4},
               {10, 12, 255, 0});
  const Array scales = floats({2}, {1, 10});
  const Array integers = make_array({2, 2}, ElementType::kInt8, {1, 2, 3, 4});
  expect_array(result("DequantizeLinear", {integers, scales}, {integer("axis", 1)}), {2, 2},
               {1, 20, 3, 40});
  expect_array(result("DequantizeLinear", {integers, scales}, {integer("axis", -2)}), {2, 2},
               {1, 2, 30, 40});
}

TEST(Evaluate, QuantizesToTheTypeThatIsNamed) {
  const auto named = [](ElementType type) {
    return std::vector{integer("output_dtype", static_cast<int64_t>(type))};
  };
  const Array x = floats({2}, {100, -100});
  const Array scale = floats({}, {1});
  const Array plain = result("QuantizeLinear", {x, scale});
  EXPECT_EQ(plain.type, ElementType::kUint8);
  expect_array(plain, {2}, {100, 0});
  const Array quantized = result("QuantizeLinear", {x, scale}, named(ElementType::kInt8));
  EXPECT_EQ(quantized.type, ElementType::kInt8);
  expect_array(quantized, {2}, {100, -100});
  expect_array(result("QuantizeLinear", {x, scale}, named(ElementType::kInt4)), {2}, {7, -8});
  expect_array(result("QuantizeLinear", {x, scale}, named(ElementType::kUint4)), {2}, {15, 0});
  const Array fine = floats({}, {0.001f});
  expect_array(result("QuantizeLinear", {x, fine}, named(ElementType::kInt16)), {2},
               {INT16_MAX, INT16_MIN});
  expect_array(result("QuantizeLinear", {x, fine}, named(ElementType::kUint16)), {2},
               {UINT16_MAX, 0});
  expect_error(ErrorCode::kUnsupported, "quantization to INT64; accepted are INT32, and INT16",
               [&] {
                 (void)result("QuantizeLinear", {x, scale}, named(ElementType::kInt64));
               });
  const Array zero = make_array({}, ElementType::kUint8, {10});
  expect_error(ErrorCode::kCorruptData, "output_dtype is INT8, but the zero point UINT8", [&] {
    (void)result("QuantizeLinear", {x, scale, zero}, named(ElementType::kInt8));
  });
}

// An optional input is absent under the name "" or by the end of the list; these are not optional.
TEST(Evaluate, RefusesInputsThatAreNotThere) {
  struct Row {
    const char* op;
    size_t inputs;
    size_t missing;
  };
  constexpr Row kRows[] = {{"Min", 2, 1},    {"Max", 3, 1},    {"Concat", 2, 1}, {"Add", 2, 1},
                           {"Concat", 0, 0}, {"Slice", 1, 1},  {"Slice", 2, 2},  {"Reshape", 1, 1},
                           {"Where", 3, 2},  {"Gather", 2, 0}, {"Range", 2, 2}};
  const Array one = longs({1}, {1});
  for (const Row& row : kRows) {
    Inputs inputs(row.inputs, &one);
    if (row.missing < inputs.size()) inputs[row.missing] = nullptr;
    const NodeProto node = make_node(row.op, {}, "y");
    expect_error(ErrorCode::kCorruptData, cat("(", row.op, "): input ", row.missing, " is missing"),
                 [&] { (void)evaluate(Operation(node, 0, 18, "m.onnx"), inputs); });
  }
}

TEST(Evaluate, RefusesMoreInputsThanThereAre) {
  const Array one = longs({}, {1});
  expect_error(ErrorCode::kCorruptData, "(Add): 3 inputs; at most 2 are expected", [&] {
    (void)result("Add", {one, one, one});
  });
  expect_array(result("Min", {one, longs({}, {0}), one}), {}, {0});
}

TEST(Evaluate, SplitsIntoPartsThatFit) {
  NodeProto node = make_node("Split", {}, "y");
  const std::vector<Array> x = {longs({3}, {1, 2, 3})};
  node.outputs = {"a", "b"};
  const std::vector<Array> parts = all_of(node, x);
  expect_array(parts[0], {2}, {1, 2});
  expect_array(parts[1], {1}, {3});
  const auto refuses = [&](std::string_view part) {
    expect_error(ErrorCode::kCorruptData, part, [&] { (void)all_of(node, x); });
  };
  node.attributes = {ints("split", {-1, 4})};
  refuses("parts [-1, 4] of 3 for 2 outputs");
  node.attributes = {};
  node.outputs = {};
  refuses("parts [] of 3 for 0 outputs");
}

TEST(Evaluate, RefusesRepeatsWithoutEnd) {
  expect_error(ErrorCode::kUnsupported, "too many repeats", [] {
    (void)result("Tile", {longs({2}, {1, 2}), longs({1}, {8e18})});
  });
}

TEST(Evaluate, NamesTheNodeThatItDoesNotTake) {
  expect_error(ErrorCode::kUnsupported, "m.onnx: node 0 \"test_Conv\" (Conv): this operator is not",
               [] { (void)result("Conv", {longs({}, {1})}); });
  expect_error(ErrorCode::kCorruptData, "(Add): input 1 is missing",
               [] { (void)result("Add", {longs({}, {1})}); });
}

TEST(Evaluate, MultipliesByLetters) {
  const Array a = floats({1, 2, 2}, {1, 2, 3, 4});
  const Array b = floats({1, 2, 2}, {5, 6, 7, 8});
  expect_array(result("Einsum", {a, b}, {text("equation", "bxd,byd->bxy")}), {1, 2, 2},
               {17, 23, 39, 53});
  expect_array(result("Einsum", {a, b}, {text("equation", "bxd, byd -> byx")}), {1, 2, 2},
               {17, 39, 23, 53});
  expect_array(result("Einsum", {a, b}, {text("equation", "blh,bsh->blhs")}), {1, 2, 2, 2},
               {5, 7, 12, 16, 15, 21, 24, 32});
  for (const char* equation : {"bxd,byd->bx", "bxx,byd->by", "bxd->bx", "bxd,bye->bxy"}) {
    expect_error(ErrorCode::kUnsupported, "no product of matrices", [&] {
      (void)result("Einsum", {a, b}, {text("equation", equation)});
    });
  }
  expect_error(ErrorCode::kCorruptData, "axis \"d\" of two sizes", [&] {
    (void)result("Einsum", {a, floats({1, 1, 3}, {1, 2, 3})}, {text("equation", "bxd,byd->bxy")});
  });
  expect_error(ErrorCode::kCorruptData, "of other ranks", [&] {
    (void)result("Einsum", {a, floats({3}, {1, 2, 3})}, {text("equation", "bxd,byd->bxy")});
  });
}

TEST(Evaluate, TakesTheSoftmaxOfTheLastAxis) {
  const Array y = result("Softmax", {floats({2, 2}, {0, std::log(3.0), -INFINITY, 5})});
  EXPECT_EQ(y.dims, (Dims{2, 2}));
  EXPECT_NEAR(y[0], 0.25, 1e-15);
  EXPECT_NEAR(y[1], 0.75, 1e-15);
  EXPECT_EQ(y[2], 0);
  EXPECT_EQ(y[3], 1);
  expect_error(ErrorCode::kUnsupported, "not over the last axis", [] {
    (void)result("Softmax", {floats({1, 2}, {0, 1})}, {integer("axis", 0)});
  });
}

TEST(Evaluate, Pads) {
  const Array x = floats({1, 2}, {1, 2});
  expect_array(result("Pad", {x, longs({4}, {1, 0, 0, 2}), floats({}, {-1})}), {2, 4},
               {-1, -1, -1, -1, 1, 2, -1, -1});
  expect_array(result("Pad", {x, longs({2}, {1, 0}), floats({}, {0}), longs({1}, {-1})}), {1, 3},
               {0, 1, 2});
  expect_error(ErrorCode::kUnsupported, "pads that take away", [&] {
    (void)result("Pad", {x, longs({4}, {0, -1, 0, 0})});
  });
  expect_error(ErrorCode::kUnsupported, "3 pads of 2 axes", [&] {
    (void)result("Pad", {x, longs({3}, {0, 1, 0})});
  });
  expect_error(ErrorCode::kUnsupported, "a mode other than constant", [&] {
    (void)result("Pad", {x, longs({4}, {0, 1, 0, 0})}, {text("mode", "reflect")});
  });
}

}  // namespace
}  // namespace tamis::onnx
