// Bundles that earlier versions of the program wrote: each format answers as it did.
//
// testdata/bundles/format-2 is a bundle as `tamis optimize --precision int8` wrote it; format-1
// holds what differs in the same bundle of the first format.
#include "model/test_util.h"

namespace tamis::api {
namespace {

namespace fs = std::filesystem;

constexpr float kLogits[] = {2.083425f, 1.022332f, -1.8028562f};

std::vector<float> logits_of(const fs::path& bundle) {
  const auto model = LoadedModel::load({bundle, ModelKind::kBundle}, {});
  const auto results = model->run({{"A text."}}, ClassifyOptions{}, 512);
  return std::get<ClassifyResult>(results.at(0)).logits;
}

void copy_over(const fs::path& from, const fs::path& to) {
  fs::copy(from, to, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
}

TEST(BundleFormats, AnswerAsTheyDid) {
  const TempFolder folder;
  copy_over(testdata("bundles/format-2"), folder.path());
  const std::vector<float> second = logits_of(folder.path());
  ASSERT_EQ(second.size(), std::size(kLogits));
  // Float parts of another kernel set end in other bits.
  for (size_t i = 0; i < second.size(); ++i) EXPECT_NEAR(second[i], kLogits[i], 2e-3) << i;
  copy_over(testdata("bundles/format-1"), folder.path());
  EXPECT_EQ(logits_of(folder.path()), second) << "the same graph in the first format";
}

}  // namespace
}  // namespace tamis::api
