// The token ids of bundles: those that were measured when they were made.
#include "base/file.h"
#include "base/log.h"
#include "model/bundle.h"
#include "model/test_util.h"
#include "optimize/optimize.h"

namespace tamis::api {
namespace {

namespace fs = std::filesystem;

constexpr const char* kText = "A Fine FILM";

/// A checkpoint whose class and options decide over its tokenizer.json.
fs::path checkpoint_in(const TempFolder& folder, std::string_view config) {
  const fs::path path = folder.path() / "checkpoint";
  fs::copy(testdata("models/bert-base"), path, fs::copy_options::recursive);
  fs::permissions(path / "tokenizer_config.json", fs::perms::owner_all);
  write_file(path / "tokenizer_config.json", config);
  return path;
}

fs::path bundle_of(const fs::path& checkpoint) {
  OptimizeOptions options;
  options.model = on_threads(2);
  options.model.precision = engine::Precision::kFp32;
  options.seconds = 0;
  const fs::path bundle = checkpoint.parent_path() / "bundle";
  (void)optimize(resolve_model(checkpoint.string()), bundle, options);
  return bundle;
}

struct Loaded {
  std::vector<int32_t> ids;
  std::string warnings;
};

Loaded load(const fs::path& folder) {
  Loaded loaded;
  set_log_sink([&loaded](LogLevel level, std::string_view message) {
    if (level == LogLevel::kWarning) loaded.warnings += cat(message, "\n");
  });
  const auto model = LoadedModel::load(resolve_model(folder.string()), on_threads(2));
  set_log_sink({});
  loaded.ids = model->tokenizer().encode(kText).ids;
  return loaded;
}

// Puts a file of another content into a bundle and its manifest.
void put_file(const fs::path& bundle, const std::string& name, std::string_view contents) {
  write_file(bundle / name, contents);
  Manifest manifest = parse_manifest(read_file(bundle / "tamis.json"), "tamis.json");
  const std::string names[] = {name};
  manifest.files[name] = record_files(bundle, names)[name];
  write_file(bundle / "tamis.json", write_manifest(manifest));
}

constexpr std::string_view kCased =
    R"({"tokenizer_class": "BertTokenizer", "do_lower_case": false})";
constexpr std::string_view kLower =
    R"({"tokenizer_class": "BertTokenizer", "do_lower_case": true})";

// What the tokenizer's files name as the model's inputs, in the checkpoint and in its bundle.
TEST(BundleTokenizer, ModelInputNamesDecideOverSegments) {
  const auto uses_type_ids = [](const fs::path& folder) {
    return LoadedModel::load(resolve_model(folder.string()), on_threads(2))
        ->manifest()
        .uses_type_ids;
  };
  const TempFolder without;
  const fs::path checkpoint = checkpoint_in(without, R"({"tokenizer_class": "BertTokenizer",
                                 "model_input_names": ["input_ids", "attention_mask"]})");
  EXPECT_FALSE(uses_type_ids(checkpoint));
  EXPECT_FALSE(uses_type_ids(bundle_of(checkpoint)));
  const TempFolder with;
  EXPECT_TRUE(uses_type_ids(checkpoint_in(with, kLower)));
}

TEST(BundleTokenizer, IsWrittenResolved) {
  for (const std::string_view config : {kCased, kLower}) {
    const TempFolder folder;
    const fs::path checkpoint = checkpoint_in(folder, config);
    const Loaded bundle = load(bundle_of(checkpoint));
    EXPECT_EQ(bundle.ids, load(checkpoint).ids) << config;
    EXPECT_EQ(bundle.warnings, "") << config;
  }
}

// As bundles were written whose tokenizer_config.json was the checkpoint's.
TEST(BundleTokenizer, KeepsItsIdsBesideOptionsThatSayOtherwise) {
  int differing = 0;
  for (const std::string_view made : {kCased, kLower}) {
    for (const std::string_view beside : {kCased, kLower}) {
      const TempFolder folder;
      const fs::path bundle = bundle_of(checkpoint_in(folder, made));
      const std::vector<int32_t> measured = load(bundle).ids;
      put_file(bundle, "tokenizer_config.json", beside);
      const Loaded old = load(bundle);
      EXPECT_EQ(old.ids, measured) << made << beside;
      EXPECT_EQ(old.warnings.empty(), made == beside) << old.warnings;
      if (old.warnings.empty()) continue;
      ++differing;
      EXPECT_NE(old.warnings.find("do_lower_case"), std::string::npos) << old.warnings;
      EXPECT_NE(old.warnings.find(cat("tamis optimize CHECKPOINT -o ", bundle.string())),
                std::string::npos)
          << old.warnings;
    }
  }
  EXPECT_EQ(differing, 2);
}

}  // namespace
}  // namespace tamis::api
