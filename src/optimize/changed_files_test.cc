// Models whose files change once they are loaded, or while they are.
#include "base/file.h"
#include "model/test_util.h"

namespace tamis::api {
namespace {

namespace fs = std::filesystem;

void shorten(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file()) fs::resize_file(entry.path(), entry.file_size() / 16);
  }
}

void overwrite(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    write_file(entry.path(), std::string(entry.file_size(), 'x'));
  }
}

using Change = void (*)(const fs::path& folder);
constexpr Change kChanges[] = {shorten, overwrite, [](const fs::path& f) { fs::remove_all(f); }};

TEST(ChangedFiles, LeaveALoadedModelAsItIs) {
  for (const char* name :
       {"models/bert-base", "models/roberta-masked-lm", "models/variants/bin-views"}) {
    for (const Change change : kChanges) {
      const TempFolder copy;
      fs::copy(testdata(name), copy.path(), fs::copy_options::recursive);
      for (const auto& entry : fs::recursive_directory_iterator(copy.path())) {
        fs::permissions(entry.path(), fs::perms::owner_all);
      }
      const auto model = LoadedModel::load(resolve_model(copy.path().string()), on_threads(2));
      const auto inputs = example_inputs(*model);
      const auto untouched = load_checkpoint(name);
      change(copy.path());
      EXPECT_EQ(raw_outputs(*model, inputs, 4096), raw_outputs(*untouched, inputs, 4096)) << name;
      // A second engine of the graph, as a server makes it for outputs by token.
      const auto again = model->make_runner(model->graph(), engine::Precision::kFp32);
      EXPECT_EQ(again->info().packed_bytes, model->runner().info().packed_bytes);
    }
  }
}

}  // namespace
}  // namespace tamis::api
