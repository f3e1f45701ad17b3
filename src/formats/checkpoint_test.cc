#include "formats/checkpoint.h"

#include <limits>

#include "formats/safetensors.h"
#include "formats/test_util.h"

namespace tamis {
namespace {

constexpr std::string_view kConfig = R"({"model_type":"bert"})";

void write_one(const std::filesystem::path& path, const std::string& name, float value) {
  write_safetensors(path, std::vector<NamedTensor>{{name, TensorView(DType::kF32, {1}, &value)}});
}

TEST(Checkpoint, GivesTensorsThatOutliveIt) {
  const TempFolder folder;
  folder.write("config.json", kConfig);
  write_one(folder.path() / "model.safetensors", "a.weight", 2.0f);
  std::shared_ptr<const Tensor> tensor;
  {
    const auto checkpoint = Checkpoint::open(folder.path());
    EXPECT_EQ(checkpoint->config().model_type, "bert");
    EXPECT_EQ(checkpoint->folder(), folder.path());
    EXPECT_EQ(checkpoint->names(), std::vector<std::string>{"a.weight"});
    EXPECT_TRUE(checkpoint->has("a.weight"));
    EXPECT_FALSE(checkpoint->has("b"));
    EXPECT_EQ(checkpoint->find("a.weight")->shape(), Shape({1}));
    EXPECT_EQ(checkpoint->find("b"), std::nullopt);
    tensor = checkpoint->tensor("a.weight");
    EXPECT_EQ(tensor, checkpoint->tensor("a.weight"));
    expect_error(ErrorCode::kNotFound, "no tensor \"b\"", [&] { (void)checkpoint->tensor("b"); });
  }
  EXPECT_EQ(tensor->as<float>()[0], 2.0f);
}

TEST(Checkpoint, RefusesNaNOnceAskedFor) {
  const TempFolder folder;
  folder.write("config.json", kConfig);
  write_one(folder.path() / "model.safetensors", "a", std::numeric_limits<float>::quiet_NaN());
  const auto checkpoint = Checkpoint::open(folder.path());
  expect_error(ErrorCode::kCorruptData,
               "model.safetensors: tensor \"a\" holds NaN or infinity at element 0",
               [&] { (void)checkpoint->tensor("a"); });
}

TEST(Checkpoint, ReadsShards) {
  const TempFolder folder;
  folder.write("config.json", kConfig);
  write_one(folder.path() / "model-1.safetensors", "a", 1.0f);
  write_one(folder.path() / "model-2.safetensors", "b", 2.0f);
  folder.write("model.safetensors.index.json",
               R"({"metadata":{"total_size":8},"weight_map":{"a":"model-1.safetensors",)"
               R"("b":"model-2.safetensors"}})");
  const auto checkpoint = Checkpoint::open(folder.path());
  EXPECT_EQ(checkpoint->tensor("a")->as<float>()[0], 1.0f);
  EXPECT_EQ(checkpoint->tensor("b")->as<float>()[0], 2.0f);
}

TEST(Checkpoint, NamesWhatIsWrongWithAnIndex) {
  struct Case {
    std::string_view index;
    ErrorCode code;
    std::string_view message;
  };
  const Case cases[] = {
      {R"({})", ErrorCode::kCorruptData, "with a weight_map"},
      {R"({"weight_map":{"a":7}})", ErrorCode::kCorruptData, "must be a string"},
      {R"({"weight_map":{"a":"../model-1.safetensors"}})", ErrorCode::kCorruptData,
       "leaves the model's folder"},
      {R"({"weight_map":{"a":"/etc/passwd"}})", ErrorCode::kCorruptData,
       "leaves the model's folder"},
      {R"({"weight_map":{"a":"gone.safetensors"}})", ErrorCode::kNotFound,
       "gone.safetensors: no such file, but "},
      {R"({"weight_map":{"z":"model-1.safetensors"}})", ErrorCode::kCorruptData,
       "tensor \"z\" is not in \"model-1.safetensors\""},
  };
  const TempFolder folder;
  folder.write("config.json", kConfig);
  write_one(folder.path() / "model-1.safetensors", "a", 1.0f);
  for (const Case& bad : cases) {
    SCOPED_TRACE(bad.index);
    folder.write("model.safetensors.index.json", bad.index);
    expect_error(bad.code, bad.message, [&] { (void)Checkpoint::open(folder.path()); });
  }
}

TEST(Checkpoint, SaysWhatAFolderLacks) {
  const TempFolder folder;
  expect_error(ErrorCode::kNotFound, "no such folder",
               [&] { (void)Checkpoint::open(folder.path() / "x"); });
  expect_error(ErrorCode::kNotFound, "config.json: no such file",
               [&] { (void)Checkpoint::open(folder.path()); });
  folder.write("config.json", kConfig);
  expect_error(ErrorCode::kNotFound, "no weights here; accepted are model.safetensors",
               [&] { (void)Checkpoint::open(folder.path()); });
}

}  // namespace
}  // namespace tamis
