#include "model/int8_check.h"

#include <cmath>

#include "base/file.h"
#include "base/log.h"
#include "formats/safetensors.h"
#include "model/test_util.h"

namespace tamis::api {
namespace {

namespace fs = std::filesystem;

/// A copy of a checkpoint, each layer of which may have an inner value so large that beside it the
/// others round to nothing, though no weight reads it and the others decide the layer's output.
class PlantedCheckpoint {
 public:
  PlantedCheckpoint(const std::string& name, bool outlier) {
    fs::copy(testdata(name), folder_.path(), fs::copy_options::recursive);
    const fs::path file = folder_.path() / "model.safetensors";
    fs::permissions(file, fs::perms::owner_all);
    const SafetensorsContents contents = read_safetensors(file);
    std::vector<Tensor> kept;
    std::vector<NamedTensor> tensors;
    kept.reserve(contents.tensors.size());
    for (const StoredTensor& stored : contents.tensors) {
      kept.push_back(to_float32(usable_tensor(stored)->view()));
      if (outlier) plant(stored.name, kept.back());
      tensors.push_back({stored.name, kept.back().view()});
    }
    write_safetensors(file, tensors);
  }

  [[nodiscard]] ModelPath path() const { return {folder_.path(), ModelKind::kCheckpoint}; }

 private:
  static void plant(const std::string& name, Tensor& tensor) {
    const std::span<float> values = tensor.mutable_as<float>();
    if (name.ends_with("intermediate.dense.bias")) values[0] = 3000;
    if (!name.ends_with("output.dense.weight") || name.find("attention") != name.npos) return;
    const auto width = static_cast<size_t>(tensor.shape()[1]);
    for (size_t i = 0; i < values.size(); ++i) values[i] *= i % width == 0 ? 0 : 50;
  }

  TempFolder folder_;
};

/// Loads in int8 and gives what was said meanwhile.
std::string warnings_of(const ModelPath& path, std::shared_ptr<const LoadedModel>& model) {
  std::string said;
  set_log_sink([&said](LogLevel level, std::string_view message) {
    if (level == LogLevel::kWarning) said += cat(message, "\n");
  });
  ModelOptions options = on_threads(2);
  options.precision = engine::Precision::kInt8;
  model = LoadedModel::load(path, options);
  set_log_sink({});
  return said;
}

TEST(Int8Check, WarnsOfOutliersWithTheFigureAndTheCommand) {
  const PlantedCheckpoint planted("models/bert-base", true);
  std::shared_ptr<const LoadedModel> model;
  const std::string said = warnings_of(planted.path(), model);
  ASSERT_NE(model->int8_agreement(), nullptr);
  EXPECT_EQ(model->int8_agreement()->texts, 8);
  EXPECT_LT(model->int8_agreement()->cosine.value(), 0.99);
  EXPECT_FALSE(model->int8_agreement()->good());
  EXPECT_NE(said.find(model->int8_agreement()->figures()), std::string::npos) << said;
  EXPECT_NE(said.find("tamis optimize " + planted.path().folder.string()), std::string::npos);
}

TEST(Int8Check, IsSilentWhereRoundingIsEnough) {
  const PlantedCheckpoint plain("models/bert-base", false);
  std::shared_ptr<const LoadedModel> model;
  EXPECT_EQ(warnings_of(plain.path(), model), "");
  ASSERT_NE(model->int8_agreement(), nullptr);
  EXPECT_GT(model->int8_agreement()->cosine.value(), 0.99);
  EXPECT_EQ(model->int8_agreement()->flip_share, std::nullopt);
}

// The reference that is run a layer at a time is the float model's own answer.
TEST(Int8Check, AgreesWithTheWholeFloatModel) {
  for (const std::string& name : checkpoint_names()) {
    if (!name.ends_with("-base") && !name.starts_with("models/bert-")) continue;
    std::shared_ptr<const LoadedModel> int8;
    (void)warnings_of(resolve_model(testdata(name).string()), int8);
    const auto fp32 = load_checkpoint(name);
    const Int8Check check(*fp32, fp32->graph(), fp32->runner().pool());
    const auto same = check.compare(fp32->runner());
    if (!same) continue;
    EXPECT_GT(same->cosine.value_or(1), 0.999999) << name;
    EXPECT_EQ(same->flip_share.value_or(0), 0) << name;
    // A model that takes the texts is held against float.
    EXPECT_NE(int8->int8_agreement(), nullptr) << name;
    EXPECT_EQ(fp32->int8_agreement(), nullptr) << name;
  }
}

TEST(Int8Check, AnswersThatAreNotFiniteAgreeWithNone) {
  for (const char* name : {"models/bert-base", "models/bert-sequence-classification"}) {
    const auto model = load_checkpoint(name);
    const Int8Check check(*model, model->graph(), model->runner().pool());
    graph::Graph broken = model->graph();
    for (size_t i = 0; i < broken.value_count(); ++i) {
      graph::Value& value = broken.value(static_cast<graph::ValueId>(i));
      if (!value.name.ends_with("layer.1.output.LayerNorm.bias")) continue;
      const auto count = static_cast<size_t>(value.constant->elements());
      value.constant = std::make_shared<const Tensor>(
          Tensor::from(value.constant->shape(), std::vector<float>(count, INFINITY)));
    }
    const auto runner = model->make_runner(broken, engine::Precision::kFp32);
    EXPECT_FALSE(check.compare(*runner)->good()) << name;
  }
}

TEST(Int8Check, SaysWhatIsGood) {
  const auto good = [](std::optional<double> cosine, std::optional<double> flips) {
    return Int8Agreement{8, cosine, flips}.good();
  };
  EXPECT_TRUE(good(0.99, {}));
  EXPECT_FALSE(good(0.9899, {}));
  EXPECT_FALSE(good(std::nan(""), {}));
  EXPECT_TRUE(good({}, 0.01));
  EXPECT_FALSE(good({}, 0.011));
  EXPECT_EQ((Int8Agreement{8, 0.82134, 0.125}.figures()), "cosine 0.8213, flips 12.5 %");
}

}  // namespace
}  // namespace tamis::api
