#include "kernels/reference/position_buckets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace tamis::kernels::reference {
namespace {

// The distances at which transformers' MPNetEncoder.relative_position_bucket starts a bucket.
TEST(T5Bucket, StartsWhereTransformersStartsIt) {
  const int64_t starts[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91};
  for (int64_t n = 0; n < 300; ++n) {
    const auto bucket = std::upper_bound(std::begin(starts), std::end(starts), n) - starts - 1;
    EXPECT_EQ(t5_bucket(-n, 32, 128), bucket) << n;
    if (n > 0) {
      EXPECT_EQ(t5_bucket(n, 32, 128), 16 + bucket) << n;
    }
  }
}

struct Recorded {
  DebertaSlots slots;
  std::vector<std::pair<int64_t, int64_t>> buckets;  // of distances
  int64_t checksum;  // sum of (n + 1) * min(bucket of n, span) below 2 * max_positions
};

// Of transformers' make_log_bucket_position.
const Recorded kRecorded[] = {
    {{256, 512},
     {{128, 128}, {129, 129}, {256, 192}, {510, 255}, {511, 255}, {512, 256}},
     128273342},
    {{8, 40}, {{4, 4}, {6, 5}, {20, 7}, {39, 7}, {40, 8}}, 24830},
    {{32, 128}, {{17, 17}, {18, 17}, {64, 27}, {127, 31}, {128, 32}}, 1017881},
};

TEST(DebertaSlot, IsTransformersBucket) {
  for (const Recorded& recorded : kRecorded) {
    const int64_t span = recorded.slots.span();
    for (const auto& [n, bucket] : recorded.buckets) {
      EXPECT_EQ(deberta_slot(n, recorded.slots), span - bucket) << n;
      EXPECT_EQ(deberta_slot(-n, recorded.slots), std::min(span + bucket, 2 * span - 1)) << n;
    }
    int64_t checksum = 0;
    for (int64_t n = 0; n < 2 * recorded.slots.max_positions; ++n) {
      checksum += (n + 1) * (span - deberta_slot(n, recorded.slots));
    }
    EXPECT_EQ(checksum, recorded.checksum);
  }
}

TEST(DebertaSlot, WithoutBucketsIsTheDistanceItself) {
  const DebertaSlots slots = {0, 12};
  for (const auto& [distance, slot] : std::vector<std::pair<int64_t, int64_t>>{
           {0, 12}, {1, 11}, {-1, 13}, {-11, 23}, {-12, 23}, {12, 0}, {13, 0}}) {
    EXPECT_EQ(deberta_slot(distance, slots), slot) << distance;
  }
}

TEST(DebertaSlot, StaysBehindItsReach) {
  for (const DebertaSlots& slots :
       {DebertaSlots{0, 12}, DebertaSlots{4, 512}, DebertaSlots{256, 512}, DebertaSlots{8, 6}}) {
    const int64_t reach = deberta_reach(slots);
    ASSERT_LE(reach, 2 * slots.max_positions);
    for (const int64_t more : {0, 1, 7, 100000}) {
      EXPECT_EQ(deberta_slot(reach + more, slots), 0);
      EXPECT_EQ(deberta_slot(-reach - more, slots), 2 * slots.span() - 1);
    }
    for (int64_t d = -reach; d <= reach; ++d) {
      EXPECT_LE(deberta_slot(d, slots), deberta_slot(d - 1, slots)) << d;
    }
  }
}

}  // namespace
}  // namespace tamis::kernels::reference
