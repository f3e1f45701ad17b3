// Models that keep no graph: what is asked of them all the same.
#include "base/file.h"
#include "model/test_util.h"

namespace tamis::api {
namespace {

namespace fs = std::filesystem;

const char* const kEncoder = "models/bert-base";

TEST(LeanModels, GiveOtherOutputsAllTheSame) {
  const auto whole = load_checkpoint(kEncoder);
  ModelOptions options = on_threads(2);
  options.keep_graph = false;
  const auto lean = LoadedModel::load(resolve_model(testdata(kEncoder).string()), options);
  EXPECT_EQ(lean->graph().value_count(), 0u);
  EXPECT_EQ(lean->facts().outputs, whole->facts().outputs);
  EXPECT_EQ(lean->facts().constant_bytes, count_constant_bytes(whole->graph()));
  const std::vector<std::string> tokens = {"token_embeddings"};
  const auto inputs = example_inputs(*whole);
  EXPECT_EQ(raw_outputs(*lean, inputs, 64, lean->make_runner(tokens).get()),
            raw_outputs(*whole, inputs, 64, whole->make_runner(tokens).get()));
}

TEST(LeanModels, RefuseAFolderThatChanged) {
  const TempFolder copy;
  fs::copy(testdata(kEncoder), copy.path(), fs::copy_options::recursive);
  ModelOptions options = on_threads(2);
  options.keep_graph = false;
  const auto lean = LoadedModel::load(resolve_model(copy.path().string()), options);
  fs::permissions(copy.path() / "config.json", fs::perms::owner_all);
  write_file(copy.path() / "config.json", read_file(copy.path() / "config.json") + " ");
  expect_error(ErrorCode::kUnavailable, "config.json: changed since the model was loaded",
               [&] { (void)lean->make_runner({"token_embeddings"}); });
  EXPECT_FALSE(raw_outputs(*lean, example_inputs(*lean), 64).empty()) << "the task itself goes on";
}

}  // namespace
}  // namespace tamis::api
