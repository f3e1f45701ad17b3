// T5's classes of sequences: the decoder's pass, and what its checkpoints spell in more ways.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "models/models.h"
#include "models/test_util.h"

namespace tamis::models {
namespace {

using graph::Node;
using graph::OpKind;

constexpr const char* kFolder = "t5-sequence-classification";

TEST(T5, DecodersTokensSeeThoseBeforeThem) {
  const EditableCheckpoint checkpoint(kFolder);
  const int64_t encoder = checkpoint.config.num_hidden_layers;
  const int64_t decoder = checkpoint.config.fields.integer("num_decoder_layers", 0, 1, 9);
  ASSERT_NE(encoder, decoder);
  const BuiltModel model = build_model(checkpoint.make());
  int64_t causal = 0;
  int64_t biased = 0;
  const std::vector<Node> scores = nodes_of(model, OpKind::kAttentionScores);
  for (const Node& node : scores) {
    const auto& fields = node.attribute<graph::AttentionAttributes>();
    causal += fields.right == 0 ? 1 : 0;
    biased += fields.bias == graph::BiasRule::kT5 ? 1 : 0;
  }
  EXPECT_EQ(static_cast<int64_t>(scores.size()), encoder + 2 * decoder);
  EXPECT_EQ(causal, decoder);
  EXPECT_EQ(biased, encoder + decoder);

  // All buckets are of keys before a query; those of keys behind it are there and never read.
  const std::string bias = ".block.0.layer.0.SelfAttention.relative_attention_bias.weight";
  const auto table = [&](const char* stack) {
    return model.graph.value(model.graph.find_value(cat("transformer.", stack, bias))).constant;
  };
  const int64_t buckets = table("encoder")->shape()[0];
  ASSERT_EQ(table("decoder")->shape()[0], 2 * buckets);
  const auto values = table("decoder")->as<float>();
  const size_t half = values.size() / 2;
  EXPECT_TRUE(std::ranges::all_of(values.subspan(half), [](float x) { return x == 0; }));
  EXPECT_FALSE(std::ranges::all_of(values.first(half), [](float x) { return x == 0; }));
}

TEST(T5, AnswersByTheLastEndOfText) {
  const BuiltModel model = build_model(with_key(kFolder, "eos_token_id", "7").make());
  const std::vector<Node> pools = nodes_of(model, OpKind::kSequencePool);
  ASSERT_EQ(pools.size(), 1U);
  EXPECT_EQ(pools[0].attribute<graph::PoolAttributes>().token, 7);
  const std::vector<Node> shifts = nodes_of(model, OpKind::kShiftIds);
  ASSERT_EQ(shifts.size(), 1U);
  EXPECT_EQ(shifts[0].attribute<graph::ShiftIdsAttributes>().first, 1);
}

// Embeddings are the encoder's.
TEST(T5, EmbedsWithoutTheDecoder) {
  const BuiltModel model =
      build_model(*Checkpoint::open(testdata_model(kFolder)), {HeadKind::kEmbedding, {}});
  EXPECT_TRUE(nodes_of(model, OpKind::kShiftIds).empty());
}

TEST(T5, StacksShareTheirWordsUnlessTheyDiffer) {
  const std::string shared = "transformer.shared.weight";
  const std::string own = "transformer.decoder.embed_tokens.weight";
  const auto tables = [](const EditableCheckpoint& checkpoint) {
    const BuiltModel model = build_model(checkpoint.make());
    std::vector<std::string> names;
    for (const Node& node : nodes_of(model, OpKind::kGather)) {
      names.push_back(model.graph.value(node.inputs[0]).name);
    }
    return names;
  };
  const std::string encoders = "transformer.encoder.embed_tokens.weight";
  EditableCheckpoint checkpoint(kFolder);
  EXPECT_EQ(tables(checkpoint), (std::vector{encoders, encoders}));
  const Tensor& words = *checkpoint.at(shared).tensor;
  Tensor copy(words.dtype(), words.shape());
  std::ranges::copy(words.as<uint16_t>(), copy.mutable_as<uint16_t>().begin());
  checkpoint.set(own, std::move(copy));
  EXPECT_EQ(tables(checkpoint), (std::vector{encoders, encoders}));
  checkpoint.at(own).tensor = [&] {
    Tensor changed(words.dtype(), words.shape());
    std::ranges::copy(words.as<uint16_t>(), changed.mutable_as<uint16_t>().begin());
    changed.mutable_as<uint16_t>()[0] ^= 1;
    return std::make_shared<const Tensor>(std::move(changed));
  }();
  EXPECT_EQ(tables(checkpoint), (std::vector{encoders, own}));
}

TEST(T5, RefusesByNameWhatItsDecoderCannotRun) {
  struct Case {
    const char* key;
    const char* value;
    const char* message;
  };
  for (const Case& row :
       {Case{"decoder_start_token_id", "null", "decoder_start_token_id null is not built"},
        Case{"decoder_start_token_id", "9999", "decoder_start_token_id is 9999"},
        Case{"eos_token_id", "null", "eos_token_id null is not built"},
        Case{"relative_attention_max_distance", "4", "relative_attention_num_buckets 8"},
        Case{"num_decoder_layers", "3", "no tensor \"transformer.decoder.block.2."}}) {
    std::string message;
    try {
      (void)build_model(with_key(kFolder, row.key, row.value).make());
    } catch (const Error& error) {
      message = error.what();
    }
    EXPECT_NE(message.find(row.message), message.npos) << row.key << ": " << message;
  }
}

}  // namespace
}  // namespace tamis::models
