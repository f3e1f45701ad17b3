#include "formats/onnx/onnx_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "formats/onnx/wire.h"
#include "formats/test_util.h"
#include "tests/support/test_paths.h"

namespace tamis::onnx {
namespace {

namespace fs = std::filesystem;

ModelProto parse(const std::string& bytes) {
  return parse_onnx(as_bytes(bytes), "m.onnx", nullptr);
}

void expect_corrupt(const std::string& bytes, std::string_view part) {
  expect_error(ErrorCode::kCorruptData, part, [&] { (void)parse(bytes); });
}

std::string message(uint32_t field, const WireWriter& child) {
  WireWriter out;
  out.text(field, child.joined());
  return out.joined();
}

// A model of one initializer, given as a TensorProto's bytes.
std::string model_of(const WireWriter& tensor) {
  WireWriter graph;
  graph.text(5, tensor.joined());
  return message(7, graph);
}

// dims, data_type and name.
WireWriter tensor_head(const std::vector<int64_t>& dims, ElementType type) {
  WireWriter tensor;
  tensor.packed(1, dims);
  tensor.integer(2, static_cast<int64_t>(type));
  tensor.text(8, "w");
  return tensor;
}

template <typename T>
std::vector<T> values_of(const TensorProto& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

ModelProto one_node_model() {
  ModelProto model;
  model.ir_version = 8;
  model.opsets = {{"", 17}, {"com.microsoft", 1}};
  model.producer_name = "test";
  model.metadata = {{"key", "value"}};
  model.graph.name = "g";
  model.graph.inputs = {{"x", ElementType::kInt64, {{{{}, "batch"}, {3, ""}}}, ""}};
  model.graph.outputs = {{"y", ElementType::kUndefined, {}, ""}};
  NodeProto& node = model.graph.nodes.emplace_back();
  node.inputs = {"x", "", "w"};
  node.outputs = {"y"};
  node.name = "/layer.0/Add";
  node.op_type = "Add";
  const auto add = [&node](std::string_view name, AttributeKind kind) -> AttributeProto& {
    AttributeProto& attribute = node.attributes.emplace_back();
    attribute.name = name;
    attribute.kind = kind;
    return attribute;
  };
  add("axis", AttributeKind::kInt).integer = -1;
  add("perm", AttributeKind::kInts).integers = {0, 2, 1};
  add("zero", AttributeKind::kFloat);
  add("empty", AttributeKind::kString);
  return model;
}

TEST(OnnxModel, IsEqualWhenWrittenAndReadAgain) {
  const ModelProto model = one_node_model();
  const std::string bytes = onnx_bytes(model);
  const ModelProto again = parse(bytes);
  EXPECT_EQ(again, model);
  EXPECT_EQ(again.graph.nodes[0].attribute("axis")->integer, -1);
  EXPECT_EQ(again.graph.nodes[0].attribute("none"), nullptr);
}

TEST(OnnxModel, ReadsValuesFromEveryField) {
  WireWriter floats = tensor_head({2}, ElementType::kFloat);
  floats.packed(4, std::vector<float>{1.5f, -2.0f});
  EXPECT_EQ(values_of<float>(parse(model_of(floats)).graph.initializers[0]),
            (std::vector<float>{1.5f, -2.0f}));

  WireWriter loose = tensor_head({2}, ElementType::kFloat);
  loose.number(4, 1.0f);
  loose.number(4, 3.0f);
  EXPECT_EQ(values_of<float>(parse(model_of(loose)).graph.initializers[0]),
            (std::vector<float>{1.0f, 3.0f}));

  WireWriter bytes = tensor_head({3}, ElementType::kInt8);
  bytes.packed(5, std::vector<int64_t>{-128, 127, 0});
  EXPECT_EQ(values_of<int8_t>(parse(model_of(bytes)).graph.initializers[0]),
            (std::vector<int8_t>{-128, 127, 0}));

  WireWriter half = tensor_head({1}, ElementType::kFloat16);
  half.packed(5, std::vector<int64_t>{0x3c00});
  EXPECT_EQ(values_of<uint16_t>(parse(model_of(half)).graph.initializers[0])[0], 0x3c00);

  WireWriter longs = tensor_head({}, ElementType::kInt64);
  longs.packed(7, std::vector<int64_t>{-7});
  EXPECT_EQ(values_of<int64_t>(parse(model_of(longs)).graph.initializers[0])[0], -7);

  WireWriter doubles = tensor_head({1}, ElementType::kDouble);
  doubles.text(10, little_endian(0.5));
  EXPECT_EQ(values_of<double>(parse(model_of(doubles)).graph.initializers[0])[0], 0.5);

  WireWriter empty = tensor_head({0}, ElementType::kFloat);
  EXPECT_TRUE(parse(model_of(empty)).graph.initializers[0].bytes.empty());
}

TEST(OnnxModel, BorrowsRawData) {
  WireWriter tensor = tensor_head({2}, ElementType::kFloat);
  tensor.text(9, little_endian(1.0f) + little_endian(2.0f));
  const std::string bytes = model_of(tensor);
  const ModelProto model = parse(bytes);
  const auto* data = reinterpret_cast<const char*>(model.graph.initializers[0].bytes.data());
  EXPECT_TRUE(data > bytes.data() && data < bytes.data() + bytes.size());
}

TEST(OnnxModel, RefusesValuesThatDoNotFit) {
  WireWriter few = tensor_head({3}, ElementType::kFloat);
  few.text(9, "12345678");
  expect_corrupt(model_of(few),
                 "m.onnx: graph: initializer 0 \"w\": dims [3] of FLOAT need 12 bytes, the values "
                 "have 8");
  WireWriter wide = tensor_head({1}, ElementType::kInt8);
  wide.packed(5, std::vector<int64_t>{300});
  expect_corrupt(model_of(wide), "value 300 does not fit 1 bytes");
  for (const uint32_t field : {5u, 7u, 11u}) {
    WireWriter complex = tensor_head({1}, ElementType::kComplex128);
    complex.packed(field, std::vector<int64_t>{1});
    expect_corrupt(model_of(complex), "of COMPLEX128 need 16 bytes, the values have 8");
  }
  WireWriter twice = tensor_head({1}, ElementType::kFloat);
  twice.number(4, 1.0f);
  twice.text(9, "1234");
  expect_corrupt(model_of(twice), "raw_data: the values lie in two fields");
  WireWriter strings = tensor_head({2}, ElementType::kString);
  strings.text(6, "one");
  expect_corrupt(model_of(strings), "1 strings for dims [2]");
}

TEST(OnnxModel, RefusesDimsOutOfRange) {
  const int64_t huge = int64_t{1} << 62;
  expect_corrupt(model_of(tensor_head({huge, 4}, ElementType::kFloat)), "negative or too large");
  expect_corrupt(model_of(tensor_head({huge}, ElementType::kFloat)), "negative or too large");
  expect_corrupt(model_of(tensor_head({-1}, ElementType::kFloat)), "negative or too large");
  expect_corrupt(model_of(tensor_head(std::vector<int64_t>(65, 1), ElementType::kFloat)),
                 "rank 65, at most 64");
}

TEST(OnnxModel, RefusesWhatIsNoModel) {
  expect_corrupt("", "no graph; not an ONNX file");
  expect_corrupt("version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer");
  expect_corrupt("<html>", "not an ONNX file");
  WireWriter node;
  node.text(3, "n1");
  node.integer(4, 1);
  WireWriter graph;
  graph.text(1, node.joined());
  expect_corrupt(message(7, graph),
                 "m.onnx: graph: node 0 \"n1\": byte 4: op_type has wire type 0");
}

TEST(OnnxModel, RefusesGraphsTooDeepInsideEachOther) {
  WireWriter graph;
  for (int i = 0; i < 6; ++i) {
    WireWriter attribute;
    attribute.text(6, graph.joined());
    WireWriter node;
    node.text(5, attribute.joined());
    WireWriter outer;
    outer.text(1, node.joined());
    graph = std::move(outer);
  }
  expect_corrupt(message(7, graph), "over 4 graphs inside each other");
}

TEST(OnnxModel, RefusesTooManyMessages) {
  WireWriter graph;
  std::string nodes;
  for (int i = 0; i < 2'000'001; ++i) nodes += std::string("\x0a\x00", 2);
  WireWriter model;
  model.text(7, nodes);
  expect_corrupt(model.joined(), "over 2000000 names and messages");
}

class ExternalData : public ::testing::Test {
 protected:
  // The model, of two floats that lie at `location`.
  fs::path write_model(std::string_view location, std::string_view offset,
                       std::string_view length) const {
    WireWriter tensor = tensor_head({2}, ElementType::kFloat);
    const auto pair = [&tensor](std::string_view key, std::string_view value) {
      WireWriter entry;
      entry.text(1, key);
      entry.text(2, value);
      tensor.message(13, std::move(entry));
    };
    pair("location", location);
    if (!offset.empty()) pair("offset", offset);
    if (!length.empty()) pair("length", length);
    tensor.integer(14, 1);
    return folder_.write("model/m.onnx", model_of(tensor));
  }
  void expect_refused(const fs::path& path, ErrorCode code, std::string_view part) const {
    expect_error(code, part, [&] { (void)read_onnx(path); });
  }

  TempFolder folder_;
};

TEST_F(ExternalData, IsReadAtItsOffset) {
  folder_.write("model/w.data", "pad!" + little_endian(1.0f) + little_endian(2.0f) + "end");
  const ModelProto model = read_onnx(write_model("w.data", "4", "8"));
  EXPECT_EQ(values_of<float>(model.graph.initializers[0]), (std::vector<float>{1.0f, 2.0f}));
  EXPECT_EQ(read_onnx(write_model("w.data", "4", "")), model);
}

TEST_F(ExternalData, StaysInTheFolder) {
  folder_.write("w.data", "12345678");
  const std::string absolute = (folder_.path() / "w.data").string();
  expect_refused(write_model("../w.data", "", ""), ErrorCode::kCorruptData, "leaves the model's");
  expect_refused(write_model(absolute, "", ""), ErrorCode::kCorruptData, "leaves the model's");
  expect_refused(write_model("", "", ""), ErrorCode::kCorruptData, "leaves the model's");
  fs::create_symlink(absolute, folder_.path() / "model" / "link.data");
  expect_refused(write_model("link.data", "", ""), ErrorCode::kCorruptData,
                 "\"link.data\" is a link out of the model's folder");
}

TEST_F(ExternalData, MayBeALinkBesideTheLinkedModel) {
  folder_.write("blobs/data", "12345678");
  const fs::path model = write_model("w.data", "", "");
  fs::rename(model, folder_.path() / "blobs" / "m");
  fs::create_symlink("../blobs/m", model);
  fs::create_symlink("../blobs/data", folder_.path() / "model" / "w.data");
  EXPECT_EQ(read_onnx(model).graph.initializers[0].bytes.size(), 8u);
}

TEST_F(ExternalData, RefusesBytesThatAreNotThere) {
  folder_.write("model/w.data", "12345678");
  expect_refused(write_model("w.data", "4", "8"), ErrorCode::kCorruptData,
                 "8 bytes at offset 4 of \"w.data\", which has 8");
  expect_refused(write_model("w.data", "9223372036854775807", "8"), ErrorCode::kCorruptData,
                 "which has 8");
  expect_refused(write_model("w.data", "-1", "8"), ErrorCode::kCorruptData, "is no byte count");
  expect_refused(write_model("w.data", "0", "4"), ErrorCode::kCorruptData, "need 8 bytes");
  expect_refused(write_model("none.data", "", ""), ErrorCode::kNotFound, "none.data");
  WireWriter tensor = tensor_head({2}, ElementType::kFloat);
  tensor.integer(14, 1);
  expect_corrupt(model_of(tensor), "there is no folder to look in");
}

TEST(OnnxModel, SharedFilesAreEqualWhenWrittenAndReadAgain) {
  TAMIS_REQUIRE_SHARED("onnx");
  int files = 0;
  for (const auto& entry : fs::directory_iterator(test::shared_folder() / "onnx")) {
    if (entry.path().extension() != ".onnx") continue;
    const ModelProto model = read_onnx(entry.path());
    EXPECT_EQ(parse(onnx_bytes(model)), model) << entry.path();
    EXPECT_FALSE(model.graph.nodes.empty()) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 57);
}

}  // namespace
}  // namespace tamis::onnx
