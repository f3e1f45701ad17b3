#include "formats/safetensors.h"

#include <cmath>
#include <limits>

#include "formats/test_util.h"

namespace tamis {
namespace {

SafetensorsContents parse(const std::string& bytes) {
  // The bytes are copied into aligned memory that the tensors keep, as a mapped file would be.
  const auto kept = std::make_shared<std::string>(bytes);
  return parse_safetensors(as_bytes(*kept), "x.safetensors", kept);
}

TEST(Safetensors, WritesWhatItReads) {
  const TempFolder folder;
  const float floats[] = {1.5f, -2.0f, 0.25f, 8.0f, 16.0f, -1.0f};
  const int64_t longs[] = {int64_t{1} << 40};
  const uint8_t flags[] = {1, 0, 1};
  const uint16_t halves[] = {0x3c00, 0x4000};
  const std::vector<NamedTensor> tensors = {
      {"b.flags", TensorView(DType::kBool, {3}, flags)},
      {"a.weight \"q\"", TensorView(DType::kF32, {2, 3}, floats)},
      {"half", TensorView(DType::kF16, {2}, halves)},
      {"position", TensorView(DType::kI64, Shape(), longs)},
      {"empty", TensorView(DType::kF32, {0, 4}, nullptr)},
  };
  const auto path = folder.path() / "model.safetensors";
  write_safetensors(path, tensors);
  const SafetensorsContents read = read_safetensors(path);
  EXPECT_EQ(read.metadata.at("format"), "pt");
  ASSERT_EQ(read.tensors.size(), 5u);
  EXPECT_EQ(read.tensors[0].name, "a.weight \"q\"");
  const Tensor& weight = *usable_tensor(read.tensors[0]);
  EXPECT_EQ(weight.shape(), Shape({2, 3}));
  EXPECT_TRUE(std::equal(floats, floats + 6, weight.as<float>().begin()));
  EXPECT_EQ(usable_tensor(read.tensors[1])->as<uint8_t>()[2], 1);
  EXPECT_EQ(usable_tensor(read.tensors[2])->elements(), 0);
  EXPECT_EQ(usable_tensor(read.tensors[3])->as<uint16_t>()[1], 0x4000);
  EXPECT_EQ(usable_tensor(read.tensors[4])->as<int64_t>()[0], longs[0]);
  for (const StoredTensor& tensor : read.tensors) {
    const auto address = reinterpret_cast<uintptr_t>(tensor.tensor->view().data());
    EXPECT_EQ(address % dtype_bytes(tensor.tensor->dtype()), 0u) << tensor.name;
  }
}

TEST(Safetensors, SameTensorsGiveSameBytes) {
  const TempFolder folder;
  const float one[] = {1.0f};
  const std::vector<NamedTensor> forth = {{"a", TensorView(DType::kF32, {1}, one)},
                                          {"b", TensorView(DType::kI32, {1}, one)}};
  const std::vector<NamedTensor> back = {forth[1], forth[0]};
  write_safetensors(folder.path() / "1", forth);
  write_safetensors(folder.path() / "2", back);
  const std::string bytes = read_file(folder.path() / "1");
  EXPECT_EQ(bytes, read_file(folder.path() / "2"));
  EXPECT_EQ((bytes.size() - 8) % 64, 0u);  // the two tensors take 8 bytes behind the header
}

TEST(Safetensors, WriterRefusesNames) {
  const TempFolder folder;
  const float one[] = {1.0f};
  const NamedTensor a = {"a", TensorView(DType::kF32, {1}, one)};
  expect_error(ErrorCode::kInvalidArgument, "\"a\" cannot be written twice", [&] {
    write_safetensors(folder.path() / "x", std::vector<NamedTensor>{a, a});
  });
  expect_error(ErrorCode::kInvalidArgument, "reserves it", [&] {
    write_safetensors(folder.path() / "x", std::vector<NamedTensor>{{"__metadata__", a.view}});
  });
  expect_error(ErrorCode::kUnavailable, "/dev/full: cannot be written",
               [&] { write_safetensors("/dev/full", std::vector<NamedTensor>{a}); });
}

TEST(Safetensors, CopiesDataOffItsAlignment) {
  // One byte first: the float behind it lies at an odd offset.
  const std::string data = "\x01" + little_endian(2.5f);
  const auto read = parse(safetensors_bytes(
      R"({"f":{"dtype":"F32","shape":[1],"data_offsets":[1,5]},"u":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
      data));
  const Tensor& tensor = *usable_tensor(read.tensors[0]);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.view().data()) % 4, 0u);
  EXPECT_EQ(tensor.as<float>()[0], 2.5f);
}

TEST(Safetensors, ForeignTypesAndRanksWaitUntilAskedFor) {
  const auto read = parse(safetensors_bytes(
      R"({"f8":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]},"deep":{"dtype":"F32","shape":[1,1,1,1,1],"data_offsets":[4,8]},"odd":{"dtype":"Q9","shape":[7],"data_offsets":[8,9]}})",
      "123456789"));
  ASSERT_EQ(read.tensors.size(), 3u);
  expect_error(ErrorCode::kUnsupported,
               "x.safetensors: tensor \"f8\" has dtype F8_E4M3; accepted are F32",
               [&] { (void)usable_tensor(read.tensors[1]); });
  expect_error(ErrorCode::kUnsupported, "tensor \"deep\" has 5 dimensions; at most 4",
               [&] { (void)usable_tensor(read.tensors[0]); });
  expect_error(ErrorCode::kUnsupported, "dtype Q9", [&] { (void)usable_tensor(read.tensors[2]); });
}

struct BadFile {
  std::string header;
  size_t data_bytes;
  std::string_view message;
};

TEST(Safetensors, NamesWhatIsWrong) {
  const std::vector<BadFile> cases = {
      {"[1]", 0, "must be a JSON object"},
      {"{", 0, "not valid JSON"},
      {R"({"a":1,"a":2})", 0, "the key \"a\" twice"},
      {R"({"a":5})", 0, "tensor \"a\" must be an object"},
      {R"({"a":{"shape":[1],"data_offsets":[0,4]}})", 4, "dtype must be a string"},
      {R"({"a":{"dtype":"F32","shape":4,"data_offsets":[0,4]}})", 4, "shape must be an array"},
      {R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", 4, "array of integers"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "negative size -1"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "must be two integers"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "[4, 0] are not in order"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}})", 4, "are not in order"},
      {R"({"a":{"dtype":"F32","shape":[203],"data_offsets":[0,812]}})", 800,
       "x.safetensors: tensor \"a\": offset 812 past the end of the data (800 bytes)"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4,
       "shape [2] of F32 needs 8 bytes, data_offsets give 4"},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", 0,
       "is too large"},
      {R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", 2, "of F4 needs 2 bytes"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
       6, "tensor \"b\": offset 2 overlaps the tensor before it, which ends at 4"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
       3, "tensor \"b\": offset 2 leaves a hole behind offset 1"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 4,
       "3 bytes behind the last tensor"},
      {R"({"__metadata__":[]})", 0, "__metadata__ must be an object of strings"},
      {R"({"__metadata__":{"a":1}})", 0, "__metadata__ must be a string"},
      {R"({"a":[[[[[[[[[[1]]]]]]]]]]})", 0, "nested deeper than 8"},
  };
  for (const BadFile& bad : cases) {
    SCOPED_TRACE(bad.header);
    expect_error(ErrorCode::kCorruptData, bad.message, [&] {
      (void)parse(safetensors_bytes(bad.header, std::string(bad.data_bytes, '\0')));
    });
  }
}

TEST(Safetensors, RefusesTruncatedAndOversizedHeaders) {
  expect_error(ErrorCode::kCorruptData, "3 bytes are too few", [] { (void)parse("abc"); });
  expect_error(ErrorCode::kCorruptData, "the file is truncated",
               [] { (void)parse(little_endian(uint64_t{100}) + "{}"); });
  expect_error(ErrorCode::kCorruptData, "over the format's limit of 100000000",
               [] { (void)parse(little_endian(~uint64_t{0}) + "{}"); });
  const std::string whole = safetensors_bytes(
      R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", std::string(16, '\0'));
  EXPECT_EQ(parse(whole).tensors.size(), 1u);
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THROW((void)parse(whole.substr(0, length)), Error) << length;
  }
}

TEST(FirstNonFinite, FindsWhereItLies) {
  std::vector<float> values(3000, 1.0f);
  const auto check = [&values] {
    return first_non_finite(TensorView(DType::kF32, {3000}, values.data()));
  };
  EXPECT_EQ(check(), std::nullopt);
  values[2999] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(check(), 2999);
  values[1024] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(check(), 1024);
  const uint16_t half[] = {0x7bff, 0xfe00};
  EXPECT_EQ(first_non_finite(TensorView(DType::kF16, {2}, half)), 1);
  const uint16_t bf16[] = {0x7f80};
  EXPECT_EQ(first_non_finite(TensorView(DType::kBF16, {1}, bf16)), 0);
  const double wide[] = {0.0, -HUGE_VAL};
  EXPECT_EQ(first_non_finite(TensorView(DType::kF64, {2}, wide)), 1);
  EXPECT_EQ(first_non_finite(TensorView(DType::kI64, {2}, wide)), std::nullopt);
}

}  // namespace
}  // namespace tamis
