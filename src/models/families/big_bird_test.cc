// What BigBird's configuration decides, and the nodes of its class for answers.
#include <gtest/gtest.h>

#include "base/error.h"
#include "models/models.h"
#include "models/test_util.h"

namespace tamis::models {
namespace {

using graph::AttentionAttributes;
using graph::MergeGlobalAttributes;
using graph::Node;
using graph::OpKind;

AttentionAttributes attention_of(const BuiltModel& model) {
  return nodes_of(model, OpKind::kAttentionScores)[0].attribute<AttentionAttributes>();
}

AttentionAttributes attention_with(const std::string& key, const std::string& value) {
  return attention_of(build_model(with_key("big_bird-base", key, value).make()));
}

std::string refusal(const std::string& folder, const std::string& key, const std::string& value) {
  try {
    (void)build_model(with_key(folder, key, value).make());
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << error.what();
    const std::string text = error.what();
    return text.substr(text.find(": ") + 2);
  }
  return "";
}

TEST(BigBird, AttendsByBlocksOrWhole) {
  const AttentionAttributes blocks = attention_with("block_size", "5");
  EXPECT_EQ(blocks.block_size, 5);
  EXPECT_EQ(blocks.random_blocks, 1);
  EXPECT_EQ(blocks.right, -1);
  EXPECT_EQ(attention_with("num_random_blocks", "4").random_blocks, 4);
  const AttentionAttributes whole = attention_with("attention_type", "\"original_full\"");
  EXPECT_EQ(whole.block_size, 0);
  EXPECT_EQ(whole.random_blocks, 0);

  // What the class has where the file is silent.
  const AttentionAttributes plain = attention_with("attention_type", "null");
  EXPECT_EQ(plain.block_size, 2);
  EXPECT_EQ(attention_with("block_size", "null").block_size, 64);
  EXPECT_EQ(attention_with("num_random_blocks", "null").random_blocks, 3);
}

TEST(BigBird, TokensOfADecoderSeeThoseBeforeThem) {
  EditableCheckpoint decoder = with_key("big_bird-token-classification", "is_decoder", "true");
  EXPECT_EQ(attention_of(build_model(decoder.make())).right, 0);
}

TEST(BigBird, RefusesWhatTransformersCannotDo) {
  EXPECT_EQ(refusal("big_bird-base", "attention_type", "\"sparse\""),
            "attention_type sparse is not built; accepted are block_sparse and original_full");
  EXPECT_EQ(refusal("big_bird-base", "is_decoder", "true"),
            "is_decoder true is not built; accepted are false beside attention_type block_sparse");
  EXPECT_EQ(refusal("big_bird-base", "num_random_blocks", "0"),
            "num_random_blocks 0 is not built; accepted are numbers from 1 on beside "
            "attention_type block_sparse");
}

// Segments, and where no answer is, follow from the separator.
TEST(BigBird, AnswersKnowTheQuestion) {
  const BuiltModel model =
      build_model(with_key("big_bird-question-answering", "sep_token_id", "7").make());
  const std::vector<Node> merges = nodes_of(model, OpKind::kMergeGlobal);
  ASSERT_EQ(merges.size(), 3U);
  for (const Node& node : {merges[0], merges[1]}) {
    const auto& fields = node.attribute<MergeGlobalAttributes>();
    EXPECT_EQ(fields.rule, graph::GlobalRule::kThroughSeparator);
    EXPECT_EQ(fields.separator, 7);
  }
  EXPECT_EQ(merges[2].attribute<MergeGlobalAttributes>().rule, graph::GlobalRule::kFirst);
  EXPECT_EQ(model.type_vocab_size, 0);
  EXPECT_EQ(build_model(*Checkpoint::open(testdata_model("big_bird-base"))).type_vocab_size, 2);
}

}  // namespace
}  // namespace tamis::models
