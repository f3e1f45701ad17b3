// What BART's checkpoints spell and say in more ways than one.
#include <gtest/gtest.h>

#include "base/error.h"
#include "models/models.h"
#include "models/test_util.h"

namespace tamis::models {
namespace {

using graph::Node;
using graph::OpKind;

constexpr const char* kFolder = "bart-sequence-classification";

// The names of the tables of words that the encoder and the decoder read.
std::vector<std::string> word_tables(const EditableCheckpoint& checkpoint) {
  const BuiltModel model = build_model(checkpoint.make());
  std::vector<std::string> names;
  for (const Node& node : nodes_of(model, OpKind::kGather)) {
    if (!graph::are_word_ids(model.graph, node.inputs[1])) continue;
    names.push_back(model.graph.value(node.inputs[0]).name);
  }
  return names;
}

TEST(Bart, HalvesShareTheirWordsUnderAnyName) {
  const std::string shared = "model.shared.weight";
  const std::string encoders = "model.encoder.embed_tokens.weight";
  const std::string decoders = "model.decoder.embed_tokens.weight";
  const auto named = [&](const std::string& name) {
    EditableCheckpoint checkpoint(kFolder);
    checkpoint.rename([&](const std::string& old) { return old == shared ? name : old; });
    return checkpoint;
  };
  EXPECT_EQ(word_tables(named(shared)), (std::vector{shared, shared}));
  EXPECT_EQ(word_tables(named(encoders)), (std::vector{encoders, encoders}));
  EXPECT_EQ(word_tables(named(decoders)), (std::vector{decoders, decoders}));

  EditableCheckpoint all(kFolder);
  const Tensor& words = *all.at(shared).tensor;
  const auto copy = [&] {
    Tensor other(words.dtype(), words.shape());
    std::ranges::copy(words.as<uint16_t>(), other.mutable_as<uint16_t>().begin());
    return other;
  };
  all.set(encoders, copy());
  Tensor changed = copy();
  changed.mutable_as<uint16_t>()[0] ^= 1;
  all.set(decoders, std::move(changed));
  EXPECT_EQ(word_tables(all), (std::vector{shared, decoders}));
}

TEST(Bart, AnswersByTheLastEndOfText) {
  const BuiltModel model = build_model(with_key(kFolder, "eos_token_id", "7").make());
  const std::vector<Node> pools = nodes_of(model, OpKind::kSequencePool);
  ASSERT_EQ(pools.size(), 1U);
  EXPECT_EQ(pools[0].attribute<graph::PoolAttributes>().token, 7);
  EXPECT_EQ(nodes_of(model, OpKind::kShiftIds)[0].attribute<graph::ShiftIdsAttributes>().first, 2);

  const BuiltModel multilingual = build_model(*Checkpoint::open(testdata_model("mbart-base")));
  const auto shift =
      nodes_of(multilingual, OpKind::kShiftIds)[0].attribute<graph::ShiftIdsAttributes>();
  EXPECT_EQ(shift, (graph::ShiftIdsAttributes{-1, 1}));
}

TEST(Bart, RefusesByNameWhatIsNotBuilt) {
  struct Case {
    const char* key;
    const char* value;
    const char* message;
    const char* folder = kFolder;
  };
  constexpr const char* kMbart = "mbart-sequence-classification";
  const Case kCases[] = {
      {"normalize_before", "true", "normalize_before is true"},
      {"add_final_layer_norm", "true", "add_final_layer_norm is true"},
      {"static_position_embeddings", "true", "static_position_embeddings is true"},
      {"normalize_embedding", "false", "normalize_embedding is false"},
      {"extra_pos_embeddings", "0", "extra_pos_embeddings is 0"},
      {"decoder_attention_heads", "5", "decoder_attention_heads is 5"},
      {"is_encoder_decoder", "false", "is_encoder_decoder is false"},
      {"tie_encoder_decoder", "true", "tie_encoder_decoder is true"},
      {"intermediate_size", "8", "intermediate_size is 8"},
      {"eos_token_id", "null", "eos_token_id null"},
      {"decoder_start_token_id", "null", "decoder_start_token_id null"},
      {"decoder_start_token_id", "280", "decoder_start_token_id is 280"},
      {"pad_token_id", "null", "pad_token_id is null"},
      {"normalize_before", "false", "normalize_before is false", kMbart},
      {"add_final_layer_norm", "false", "add_final_layer_norm is false", kMbart},
  };
  for (const Case& row : kCases) {
    std::string message;
    try {
      (void)build_model(with_key(row.folder, row.key, row.value).make());
    } catch (const Error& error) {
      message = error.what();
    }
    EXPECT_NE(message.find(row.message), message.npos) << row.key << ": " << message;
  }
}

TEST(Bart, HasThreeLabelsUnlessItSaysOtherwise) {
  EXPECT_EQ(ModelConfig::parse(R"({"model_type": "bart"})", "config.json").num_labels, 3);
  EXPECT_EQ(ModelConfig::parse(R"({"model_type": "mbart"})", "config.json").num_labels, 2);
}

}  // namespace
}  // namespace tamis::models
