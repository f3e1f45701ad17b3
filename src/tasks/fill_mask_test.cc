#include <gtest/gtest.h>

#include "tasks/task_json.h"
#include "tasks/test_model.h"

namespace tamis::tasks {
namespace {

constexpr int64_t kVocab = 17;

std::vector<float> sure(const std::vector<int>& tokens) {
  std::vector<float> logits(tokens.size() * kVocab, 0.0F);
  for (size_t i = 0; i < tokens.size(); ++i) {
    logits[i * kVocab + static_cast<size_t>(tokens[i])] = 40;
  }
  return logits;
}

FillMaskOptions best() {
  FillMaskOptions options;
  options.top_k = 1;
  return options;
}

TEST(FillMask, FillsOneMask) {
  const TaskModel model = test_model();
  const Encoded encoded = encode({"The [MASK] sat."}, best(), model);
  EXPECT_EQ(encoded.sequences[0].selected, (std::vector<int32_t>{2}));
  EXPECT_EQ(to_json(decode_rows(encoded, sure({12}), kVocab, model)),
            R"({"masks":[[{"score":1,"token":12,"token_str":"cat","sequence":"the cat sat."}]]})");
}

TEST(FillMask, KeepsTheOtherMasks) {
  const TaskModel model = test_model();
  const Encoded encoded = encode({"[MASK] [MASK]"}, best(), model);
  EXPECT_EQ(encoded.sequences[0].selected, (std::vector<int32_t>{1, 2}));
  const auto result = std::get<FillMaskResult>(decode_rows(encoded, sure({15, 12}), kVocab, model));
  ASSERT_EQ(result.masks.size(), 2U);
  EXPECT_EQ(result.masks[0][0].sequence, "[CLS] the [MASK] [SEP]");
  EXPECT_EQ(result.masks[1][0].sequence, "[CLS] [MASK] cat [SEP]");
}

TEST(FillMask, SortsAndCutsAtTopK) {
  const TaskModel model = test_model();
  FillMaskOptions options;
  const Encoded five = encode({"[MASK]"}, options, model);
  std::vector<float> logits(kVocab, 0.0F);
  logits[9] = 1;
  const auto result = std::get<FillMaskResult>(decode_rows(five, logits, kVocab, model));
  ASSERT_EQ(result.masks[0].size(), 5U);
  EXPECT_EQ(result.masks[0][0].token, 9);
  EXPECT_EQ(result.masks[0][1].token, 0);  // equals in the order of the vocabulary
  options.top_k = 99;
  const Encoded all = encode({"[MASK]"}, options, model);
  EXPECT_EQ(std::get<FillMaskResult>(decode_rows(all, logits, kVocab, model)).masks[0].size(), 17U);
}

TEST(FillMask, ScoresTargetsAgainstTheWholeVocabulary) {
  const TaskModel model = test_model();
  FillMaskOptions options;
  options.targets = {"cat", "lindq", "cat", "paris"};  // lindq is not a token: its first is "li"
  const Encoded encoded = encode({"[MASK]"}, options, model);
  std::vector<float> logits(kVocab, 0.0F);
  const auto result = std::get<FillMaskResult>(decode_rows(encoded, logits, kVocab, model));
  ASSERT_EQ(result.masks[0].size(), 3U);
  EXPECT_EQ(result.masks[0][0].token, 12);
  EXPECT_EQ(result.masks[0][1].token, 6);
  EXPECT_NEAR(result.masks[0][0].score, 1.0F / 17, 1e-8F);
  options.targets = {" "};
  EXPECT_ERROR(encode({"[MASK]"}, options, model), ErrorCode::kInvalidArgument,
               "none of the targets gives a token");
}

TEST(FillMask, NeedsAMask) {
  const TaskModel model = test_model();
  EXPECT_ERROR(encode({"the cat"}, FillMaskOptions{}, model), ErrorCode::kInvalidArgument,
               "no mask token ([MASK]) in the text");
  FillMaskOptions options;
  options.truncation.max_length = 3;
  EXPECT_ERROR(encode({"the [MASK]"}, options, model), ErrorCode::kInvalidArgument,
               "as far as the model reads it");
  options.top_k = 0;
  EXPECT_ERROR(encode({"[MASK]"}, options, model), ErrorCode::kInvalidArgument, "top_k");
}

}  // namespace
}  // namespace tamis::tasks
