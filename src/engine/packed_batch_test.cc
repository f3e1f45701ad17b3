#include "engine/packed_batch.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"

namespace tamis::engine {
namespace {

TEST(CheckBatch, EachSequenceHasTheTokenThatAnswersForIt) {
  std::vector<int32_t> ids = {5, 2, 6, 7};
  const std::vector<int32_t> cu_seqlens = {0, 2, 4};
  PackedBatch batch;
  batch.input_ids = ids;
  batch.cu_seqlens = cu_seqlens;
  batch.max_seqlen = 2;
  BatchLimits limits;
  check_batch(batch, limits);
  limits.required_token = 2;
  try {
    check_batch(batch, limits);
    FAIL() << "a sequence without the token is taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_STREQ(error.what(),
                 "batch: sequence 1 has no token 2 (eos_token_id), from whose state this model "
                 "answers; at least one is needed");
  }
  end_as_required(std::span(ids).last(2), limits);
  EXPECT_EQ(ids, (std::vector<int32_t>{5, 2, 6, 2}));
  check_batch(batch, limits);
}

TEST(CheckBatch, TokensThatAreNotPooledLieInTheirSequence) {
  const std::vector<int32_t> ids = {5, 2, 6, 7};
  const std::vector<int32_t> cu_seqlens = {0, 2, 4};
  std::vector<int32_t> unpooled = {2, 0};
  PackedBatch batch;
  batch.input_ids = ids;
  batch.cu_seqlens = cu_seqlens;
  batch.max_seqlen = 2;
  batch.unpooled = unpooled;
  BatchLimits limits;
  check_batch(batch, limits);
  const auto refusal = [&] {
    try {
      check_batch(batch, limits);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  unpooled[1] = 3;
  EXPECT_EQ(refusal(), "batch: unpooled[1] is 3, must lie in 0..2");
  unpooled[1] = -1;
  EXPECT_EQ(refusal(), "batch: unpooled[1] is -1, must lie in 0..2");
  unpooled[1] = 0;
  limits.leaves_out_tokens = false;
  EXPECT_NE(refusal().find("include_prompt: false"), std::string::npos);
  unpooled[0] = 0;
  EXPECT_EQ(refusal(), "");
  batch.unpooled = batch.unpooled.first(1);
  EXPECT_EQ(refusal(), "batch: unpooled has 1 entries for 2 sequences");
}

}  // namespace
}  // namespace tamis::engine
