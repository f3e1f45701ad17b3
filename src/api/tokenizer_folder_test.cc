// A tokenizer without its model gives the ids that the model runs.
#include "api/tokenizer_folder.h"

#include <tamis/tokenizer.h>

#include "base/file.h"
#include "model/test_util.h"

namespace tamis::api {
namespace {

class TokenizerFolder : public testing::TestWithParam<std::string> {};

TEST_P(TokenizerFolder, GivesTheIdsOfTheTask) {
  const auto model = load_checkpoint(GetParam());
  const TempFolder folder;
  write_tokenizer_folder(folder.path(), *model);
  const Tokenizer tokenizer = Tokenizer::load(folder.path().string());
  EXPECT_EQ(tokenizer.info().max_length, model->manifest().max_length);
  for (const char* text : {"Anna sold the table, in Zürich.", "No."}) {
    const std::vector<TokenIds> got = tokenizer.encode({{text, "Who?"}, {text, "And when?"}});
    const tasks::Encoded expected = model->encode({text, "And when?"}, ClassifyOptions{});
    EXPECT_EQ(got.at(1).ids, expected.sequences.at(0).ids);
    EXPECT_EQ(got.at(1).type_ids, expected.sequences.at(0).type_ids);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, TokenizerFolder,
                         testing::Values("models/bert-sequence-classification",
                                         "models/roberta-sequence-classification",
                                         "models/deberta-v2-sequence-classification"),
                         checkpoint_test_name);

TEST(TokenizerAlone, NamesTheInputAndTheFolder) {
  const auto model = load_checkpoint("models/bert-base");
  const TempFolder folder;
  write_tokenizer_folder(folder.path(), *model);
  const Tokenizer tokenizer = Tokenizer::load(folder.path().string());
  try {
    static_cast<void>(tokenizer.encode({{"good"}, {"bad \xff"}}));
    FAIL();
  } catch (const InputError& error) {
    EXPECT_EQ(error.input(), 1U);
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  }
  EXPECT_THROW(static_cast<void>(Tokenizer::load(testdata("models/bert-base").string())), Error);
  write_file(folder.path() / "tamis.json", "{");
  EXPECT_THROW(static_cast<void>(Tokenizer::load(folder.path().string())), Error);
}

// max_length bounds a context's window too; it is never cut.
TEST(TokenizerAlone, AContextHasOneWindowOfMaxLength) {
  const auto model = load_checkpoint("models/bert-question-answering");
  const TempFolder folder;
  write_tokenizer_folder(folder.path(), *model);
  const Tokenizer tokenizer = Tokenizer::load(folder.path().string());
  EXPECT_TRUE(tokenizer.info().needs_pair);
  TokenizeOptions options;
  options.truncation.max_length = 12;
  const TaskInput fits{"Who?", "Ada."};
  EXPECT_EQ(tokenizer.encode({fits}, options).at(0).ids, tokenizer.encode({fits}).at(0).ids);
  const TaskInput longer{"Who?", "Ada sold the table, in Zürich, and nobody came to buy."};
  EXPECT_GT(tokenizer.encode({longer}).at(0).ids.size(), 12U);
  expect_error(ErrorCode::kInvalidArgument, "windows; send one that fits into one",
               [&] { static_cast<void>(tokenizer.encode({longer}, options)); });
  options.truncation.side = Side::kLeft;
  expect_error(ErrorCode::kUnsupported, "a side to truncate is not for qa",
               [&] { static_cast<void>(tokenizer.encode({fits}, options)); });
}

}  // namespace
}  // namespace tamis::api
