#include "formats/pytorch/pytorch_bin.h"

#include "formats/pytorch/zip_test_util.h"
#include "formats/test_util.h"

namespace tamis {
namespace {

using std::string_literals::operator""s;

std::string number(int64_t value) { return "\x8a\x08"s + little_endian(value); }
std::string text(std::string_view value) {
  return "X" + little_endian(static_cast<uint32_t>(value.size())) + std::string(value);
}
std::string tuple(std::span<const int64_t> values) {
  std::string bytes = "(";
  for (const int64_t value : values) bytes += number(value);
  return bytes + "t";
}

struct PickledTensor {
  std::string storage_type = "FloatStorage";
  std::string key = "0";
  int64_t storage_elements = 6;
  int64_t offset = 0;
  std::vector<int64_t> sizes = {2, 3};
  std::vector<int64_t> strides = {3, 1};
};

std::string pickled(const PickledTensor& tensor) {
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\n" +
         tensor.storage_type + "\n" + text(tensor.key) + text("cpu") +
         number(tensor.storage_elements) + "tQ" + number(tensor.offset) + tuple(tensor.sizes) +
         tuple(tensor.strides) + "\x89" + "ccollections\nOrderedDict\n)RtR";
}

std::string floats(std::span<const float> values) {
  std::string bytes;
  for (const float value : values) bytes += little_endian(value);
  return bytes;
}

const float kValues[] = {0, 1, 2, 3, 4, 5};

std::string archive(const std::string& pickle, std::vector<ZipPart> more = {}) {
  std::vector<ZipPart> parts = {{"m/data.pkl", pickle}, {"m/data/0", floats(kValues)}};
  parts.insert(parts.end(), more.begin(), more.end());
  return zip_bytes(parts);
}

std::string one_tensor(const PickledTensor& tensor) {
  return archive("\x80\x02}"s + text("w") + pickled(tensor) + "s.");
}

std::vector<StoredTensor> parse(const std::string& bytes) {
  const auto kept = std::make_shared<std::string>(bytes);
  return parse_pytorch_bin(as_bytes(*kept), "x.bin", kept);
}

std::vector<float> values(const StoredTensor& stored) {
  const auto span = usable_tensor(stored)->as<float>();
  return {span.begin(), span.end()};
}

TEST(PytorchBin, ReadsViewsOfStorages) {
  const auto plain = parse(one_tensor({}));
  ASSERT_EQ(plain.size(), 1u);
  EXPECT_EQ(plain[0].name, "w");
  EXPECT_EQ(plain[0].tensor->shape(), Shape({2, 3}));
  EXPECT_EQ(values(plain[0]), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  PickledTensor transposed;
  transposed.sizes = {3, 2};
  transposed.strides = {1, 3};
  EXPECT_EQ(values(parse(one_tensor(transposed))[0]), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  PickledTensor slice;
  slice.offset = 2;
  slice.sizes = {3};
  slice.strides = {1};
  EXPECT_EQ(values(parse(one_tensor(slice))[0]), (std::vector<float>{2, 3, 4}));
  PickledTensor every_second = slice;
  every_second.offset = 1;
  every_second.strides = {2};
  EXPECT_EQ(values(parse(one_tensor(every_second))[0]), (std::vector<float>{1, 3, 5}));
  PickledTensor scalar;
  scalar.offset = 5;
  scalar.sizes = {};
  scalar.strides = {};
  EXPECT_EQ(values(parse(one_tensor(scalar))[0]), std::vector<float>{5});
  PickledTensor empty;
  empty.sizes = {0, 4};
  empty.strides = {4, 1};
  EXPECT_EQ(values(parse(one_tensor(empty))[0]), std::vector<float>{});
  PickledTensor unit;  // the stride of a size of 1 says nothing
  unit.sizes = {1, 6};
  unit.strides = {99, 1};
  EXPECT_EQ(values(parse(one_tensor(unit))[0]), (std::vector<float>{0, 1, 2, 3, 4, 5}));
}

TEST(PytorchBin, ReadsWhatTorchAndPython2Write) {
  const std::string tensor = pickled({});
  const std::string ordered = "ccollections\nOrderedDict\n";
  EXPECT_EQ(parse(archive(ordered + ")R" + text("a") + tensor + "s.")).size(), 1u);
  EXPECT_EQ(parse(archive(ordered + "]]("s + text("a") + tensor + "ea\x85R.")).size(), 1u);
  EXPECT_EQ(parse(archive("}" + text("a") + "ctorch._utils\n_rebuild_parameter\n" + tensor +
                          "\x88)\x87Rs."))
                .size(),
            1u);
  // Numbers and texts beside the tensors are left out.
  const auto mixed = parse(archive("}(" + text("b") + tensor + text("epoch") + number(3) +
                                   number(1) + number(2) + text("v") + ordered + ")Ru."));
  ASSERT_EQ(mixed.size(), 1u);
  EXPECT_EQ(mixed[0].name, "b");
  // A deflated storage, read twice.
  const std::string bytes = floats(kValues);
  PickledTensor packed;
  packed.key = "1";
  const auto twice =
      parse(archive("}(" + text("a") + pickled(packed) + text("b") + pickled(packed) + "u.",
                    {{"m/data/1", bytes, 8, 0, deflated(bytes)}, {"m/byteorder", "little"}}));
  ASSERT_EQ(twice.size(), 2u);
  EXPECT_EQ(values(twice[0]), values(twice[1]));
}

TEST(PytorchBin, ForeignTypesWaitUntilAskedFor) {
  PickledTensor shorts;
  shorts.storage_type = "ShortStorage";
  const auto read = parse(one_tensor(shorts));
  expect_error(ErrorCode::kUnsupported, "x.bin: tensor \"w\" has dtype torch.ShortStorage",
               [&] { (void)usable_tensor(read[0]); });
}

TEST(PytorchBin, ReadsFilesOfTorch) {
  const std::filesystem::path folder = std::filesystem::path(TAMIS_TESTDATA) / "formats";
  for (const std::string_view name :
       {"torch.bin", "torch_protocol4.bin", "torch_legacy.bin", "torch_legacy4.bin"}) {
    SCOPED_TRACE(name);
    std::map<std::string, StoredTensor> read;
    for (StoredTensor& tensor : read_pytorch_bin(folder / name)) read[tensor.name] = tensor;
    const bool legacy = name.starts_with("torch_legacy");
    ASSERT_EQ(read.size(), legacy ? 13u : 14u);
    const auto floats_of = [&read](const std::string& key) {
      const Tensor tensor = to_float32(usable_tensor(read.at(key))->view());
      const auto span = tensor.as<float>();
      return std::vector<float>(span.begin(), span.end());
    };
    EXPECT_EQ(read.at("matrix").sizes, (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(floats_of("matrix"), (std::vector<float>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(read.at("transposed").sizes, (std::vector<int64_t>{3, 2}));
    EXPECT_EQ(floats_of("transposed"), (std::vector<float>{0, 3, 1, 4, 2, 5}));
    EXPECT_EQ(floats_of("slice"), (std::vector<float>{2, 3, 4}));
    EXPECT_EQ(floats_of("parameter"), (std::vector<float>{3, 3}));
    EXPECT_EQ(floats_of("half"), (std::vector<float>{1.5f, -2}));
    EXPECT_EQ(floats_of("bfloat16"), (std::vector<float>{1.5f, -2}));
    EXPECT_EQ(floats_of("double"), (std::vector<float>{1.5f}));
    EXPECT_EQ(floats_of("long"), (std::vector<float>{-1, 2}));
    EXPECT_EQ(floats_of("byte"), (std::vector<float>{255}));
    EXPECT_EQ(usable_tensor(read.at("bool"))->as<uint8_t>()[1], 0);
    EXPECT_EQ(floats_of("scalar"), std::vector<float>{5});
    EXPECT_EQ(read.at("empty").sizes, (std::vector<int64_t>{0, 4}));
    EXPECT_EQ(read.at("complex").tensor, nullptr);
    if (!legacy) {
      EXPECT_EQ(read.at("uint16").tensor, nullptr);
    }
  }
  expect_error(ErrorCode::kUnsupported, "pickle names \"__main__.Trap\"; only tensors are accepted",
               [&] { (void)read_pytorch_bin(folder / "torch_object.bin"); });
}

struct Case {
  std::string bytes;
  ErrorCode code;
  std::string_view message;
};

TEST(PytorchBin, NamesWhatIsWrong) {
  const auto with = [](auto change) {
    PickledTensor tensor;
    change(tensor);
    return one_tensor(tensor);
  };
  const std::string tensor = pickled({});
  const std::vector<Case> cases = {
      {"", ErrorCode::kUnsupported,
       "x.bin: neither a zip archive nor pickles of torch.save; accepted is"},
      {"version https://git-lfs.github.com/spec/v1\n", ErrorCode::kCorruptData, "git lfs pull"},
      {zip_bytes({{"m/x", ""}}), ErrorCode::kCorruptData, "without data.pkl"},
      {archive("N."), ErrorCode::kCorruptData, "does not hold a dict"},
      {archive("}."), ErrorCode::kCorruptData, "no tensors"},
      {archive("}" + text("w") + tensor + "s.", {{"m/byteorder", "big"}}), ErrorCode::kUnsupported,
       "byteorder is \"big\""},
      {archive("cos\nsystem\n."), ErrorCode::kUnsupported,
       "x.bin (data.pkl): at byte 0: pickle names \"os.system\"; only tensors are accepted"},
      {with([](auto& t) { t.key = "7"; }), ErrorCode::kCorruptData,
       "tensor \"w\": its storage \"7\" is not in the file"},
      {with([](auto& t) { t.storage_elements = 7; }), ErrorCode::kCorruptData,
       "its storage of 7 elements has 24 bytes"},
      {with([](auto& t) { t.offset = 1; }), ErrorCode::kCorruptData,
       "shape [2, 3] with strides [3, 1] at offset 1 passes the end of its storage (6 elements)"},
      {with([](auto& t) { t.offset = -1; }), ErrorCode::kCorruptData, "with wrong arguments"},
      {with([](auto& t) {
         t.sizes = {2, -3};
       }),
       ErrorCode::kCorruptData, "0 or more"},
      {with([](auto& t) { t.strides = {1}; }), ErrorCode::kCorruptData, "2 sizes but 1 strides"},
      {with([](auto& t) {
         t.sizes = {int64_t{1} << 40, 6};
         t.strides = {0, 1};
       }),
       ErrorCode::kCorruptData, "repeats elements"},
      {with([](auto& t) {
         t.sizes = {int64_t{1} << 40, int64_t{1} << 40};
       }),
       ErrorCode::kCorruptData, "is too large"},
      {with([](auto& t) {
         t.strides = {int64_t{1} << 62, int64_t{1} << 62};
       }),
       ErrorCode::kCorruptData, "passes the end"},
      {with([](auto& t) { t.sizes = t.strides = std::vector<int64_t>(65, 1); }),
       ErrorCode::kCorruptData, "at most 64 integers"},
      {archive("}" + text("w") + "ctorch\nFloatStorage\n)Rs."), ErrorCode::kCorruptData,
       "a call of torch.FloatStorage makes no tensor"},
      {archive("}" + text("w") + "ctorch._utils\n_rebuild_tensor_v2\n)Rs."),
       ErrorCode::kCorruptData, "_rebuild_tensor_v2 with wrong arguments"},
      {archive("}" + text(std::string(5000, 'n')) + tensor + "s."), ErrorCode::kCorruptData,
       "a name of 5000 bytes"},
  };
  for (const Case& bad : cases) {
    SCOPED_TRACE(bad.message);
    expect_error(bad.code, bad.message, [&] { (void)parse(bad.bytes); });
  }
}

TEST(PytorchBin, CopiesOnlySoMuch) {
  // Hundreds of transposed views of one storage: each must be copied.
  PickledTensor transposed;
  transposed.key = "1";
  transposed.storage_elements = 10000;
  transposed.sizes = {100, 100};
  transposed.strides = {1, 100};
  std::string pickle = "}(";
  for (int i = 0; i < 200; ++i) {
    pickle += text(cat("t", i)) + (i == 0 ? pickled(transposed) + "q\x01" : "h\x01"s);
  }
  expect_error(ErrorCode::kCorruptData, "at most twice the file's size", [&] {
    (void)parse(archive(pickle + "u.", {{"m/data/1", std::string(40000, '\0')}}));
  });
}

}  // namespace
}  // namespace tamis
