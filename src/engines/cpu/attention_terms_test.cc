#include "engines/cpu/attention_terms.h"

#include <gtest/gtest.h>

#include "kernels/reference/attention_terms.h"

namespace tamis::engines::cpu {
namespace {

TEST(SeenPairs, AreThoseThatTheKernelsSee) {
  constexpr int64_t kAll = kernels::AttentionTerms::kAll;
  for (const int64_t left : {int64_t{0}, int64_t{1}, int64_t{3}, kAll}) {
    for (const int64_t right : {int64_t{0}, int64_t{1}, int64_t{4}, kAll}) {
      kernels::AttentionTerms terms;
      terms.left = left;
      terms.right = right;
      for (int64_t length = 1; length < 10; ++length) {
        int64_t pairs = 0;
        for (int64_t row = 0; row <= length; ++row) {
          EXPECT_EQ(seen_pairs(terms, row, length), pairs)
              << row << " of " << length << ", " << left << " before, " << right << " behind";
          for (int64_t key = 0; key < length; ++key) {
            pairs += kernels::reference::sees(terms, {0, 0, row, key}) ? 1 : 0;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace tamis::engines::cpu
