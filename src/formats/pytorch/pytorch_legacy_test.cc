#include "formats/pytorch/pytorch_legacy.h"

#include "formats/pytorch/pytorch_bin.h"
#include "formats/pytorch/zip_test_util.h"
#include "formats/test_util.h"

namespace tamis {
namespace {

using std::string_literals::operator""s;

const std::string kMagic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."s;
const std::string kVersion = "\x80\x02M\xe9\x03."s;

std::string system(bool little_endian) {
  return "\x80\x02}X\x0d\x00\x00\x00little_endian"s + (little_endian ? "\x88" : "\x89") + "s.";
}

std::string text(std::string_view value) {
  return "X" + little_endian(static_cast<uint32_t>(value.size())) + std::string(value);
}
std::string number(int64_t value) { return "\x8a\x08"s + little_endian(value); }

struct LegacyTensor {
  std::string type = "FloatStorage";
  std::string key = "7";
  int64_t elements = 4;
  std::string view = "N";  // of the storage
  int64_t size = 2;
};

// w, one row of `size` elements at offset 1.
std::string dict(const LegacyTensor& tensor) {
  return "\x80\x02}"s + text("w") + "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") +
         "ctorch\n" + tensor.type + "\n" + text(tensor.key) + text("cpu") +
         number(tensor.elements) + tensor.view + "tQK\x01" + "(" + number(tensor.size) + "t(" +
         number(1) + "t\x89" + "ccollections\nOrderedDict\n)RtRs.";
}

std::string keys(const std::vector<std::string>& list) {
  std::string bytes = "\x80\x02](";
  for (const std::string& key : list) bytes += text(key);
  return bytes + "e.";
}

std::string storage(int64_t count, const std::vector<float>& values) {
  std::string bytes = little_endian(count);
  for (const float value : values) bytes += little_endian(value);
  return bytes;
}

const std::string kHead = kMagic + kVersion + system(true);
const std::string kData = storage(4, {1, 2, 3, 4});

std::vector<StoredTensor> parse(const std::string& bytes) {
  const auto kept = std::make_shared<std::string>(bytes);
  return parse_pytorch_bin(as_bytes(*kept), "x.bin", kept);
}

std::vector<float> only(const std::string& bytes) {
  const auto tensors = parse(bytes);
  EXPECT_EQ(tensors.size(), 1u);
  const auto span = usable_tensor(tensors.at(0))->as<float>();
  return {span.begin(), span.end()};
}

TEST(PytorchLegacy, ReadsStoragesBehindThePickles) {
  EXPECT_EQ(only(kHead + dict({}) + keys({"7"}) + kData), (std::vector<float>{2, 3}));
  // Bytes behind the last storage are not looked at, as torch.load does not.
  EXPECT_EQ(only(kHead + dict({}) + keys({"7"}) + kData + "more"), (std::vector<float>{2, 3}));
}

TEST(PytorchLegacy, ReadsViewsOfStorages) {
  LegacyTensor view;
  view.view = "(" + text("8") + number(1) + number(3) + "t";
  EXPECT_EQ(only(kHead + dict(view) + keys({"7"}) + kData), (std::vector<float>{3, 4}));
  view.view = "(" + text("8") + number(2) + number(2) + "t";
  expect_error(ErrorCode::kCorruptData, "at offset 3 passes the end of its storage (4 elements)",
               [&] { (void)parse(kHead + dict(view) + keys({"7"}) + kData); });
  view.view = "K\x01";
  expect_error(ErrorCode::kCorruptData, "view must be (key, offset, elements)",
               [&] { (void)parse(kHead + dict(view) + keys({"7"}) + kData); });
}

TEST(PytorchLegacy, NamesWhatIsWrong) {
  LegacyTensor foreign;
  foreign.type = "float32";
  LegacyTensor huge;
  huge.elements = int64_t{1} << 60;
  struct Case {
    std::string bytes;
    ErrorCode code;
    std::string_view message;
  };
  const Case cases[] = {
      {kMagic, ErrorCode::kCorruptData, "x.bin (protocol version, from byte 15)"},
      {kMagic + "\x80\x02K\x07.", ErrorCode::kUnsupported, "a protocol version of torch.save"},
      {kMagic + kVersion + system(false), ErrorCode::kUnsupported, "big-endian machine"},
      {kMagic + kVersion + "N.", ErrorCode::kCorruptData, "the system must be a dict"},
      {kHead + "cos\nsystem\n.", ErrorCode::kUnsupported, "pickle names \"os.system\""},
      {kHead + dict({}), ErrorCode::kCorruptData, "the list of storages"},
      {kHead + dict({}) + "N.", ErrorCode::kCorruptData, "must be a list"},
      {kHead + dict({}) + keys({}), ErrorCode::kCorruptData,
       "its storage \"7\" is not in the file"},
      {kHead + dict({}) + keys({"8"}) + kData, ErrorCode::kCorruptData, "never names"},
      {kHead + dict({}) + keys({"7"}) + "abc", ErrorCode::kCorruptData,
       "the middle of its storages"},
      {kHead + dict({}) + keys({"7"}) + storage(4, {1, 2}), ErrorCode::kCorruptData,
       "the middle of its storages"},
      {kHead + dict({}) + keys({"7"}) + storage(5, {1, 2, 3, 4, 5}), ErrorCode::kCorruptData,
       "holds 5 elements, but the pickle says 4"},
      {kHead + dict(huge) + keys({"7"}) + storage(huge.elements, {1}), ErrorCode::kCorruptData,
       "the middle of its storages"},
      {kHead + dict(foreign) + keys({"7"}) + kData, ErrorCode::kUnsupported,
       "a storage of \"torch.float32\""},
  };
  for (const Case& bad : cases) {
    SCOPED_TRACE(bad.message);
    expect_error(bad.code, bad.message, [&] { (void)parse(bad.bytes); });
  }
}

TEST(PytorchLegacy, EveryPrefixOfAFileIsRefused) {
  const std::string whole = kHead + dict({}) + keys({"7"}) + kData;
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THROW((void)parse(whole.substr(0, size)), Error) << size;
  }
}

}  // namespace
}  // namespace tamis
