// What positions add to a score, for the two reference attentions.
//
// Is: the definition of AttentionTerms, key by key. May use:
// attention_args.h, attention_blocks.h, global_tokens.h.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/reference/attention_blocks.h"
#include "kernels/reference/global_tokens.h"

namespace tamis::kernels::reference {

/// A query and a key of one sequence: their rows, and their places in it.
struct AttentionPair {
  int64_t query_row = 0;
  int64_t key_row = 0;
  int64_t query_place = 0;
  int64_t key_place = 0;

  [[nodiscard]] int64_t distance() const { return key_place - query_place; }
};

/// What a sequence's length and ids decide for its pairs.
struct SequenceRules {
  TokenRange global;
  SequenceBlocks blocks;
};

/// Of the sequence of `count` tokens whose first is `row` of the batch.
[[nodiscard]] inline SequenceRules sequence_rules(const AttentionTerms& terms, int64_t row,
                                                  int64_t count) {
  return {global_keys(terms, row, count), sequence_blocks(terms, count)};
}

/// `rules` are those of the pair's sequence.
[[nodiscard]] inline bool sees(const AttentionTerms& terms, const SequenceRules& rules,
                               const AttentionPair& pair) {
  const bool in_window = pair.distance() >= -terms.left && pair.distance() <= terms.right;
  if (in_window) return rules.blocks.sees(pair.query_place, pair.key_place);
  return pair.key_place >= rules.global.begin && pair.key_place < rules.global.end;
}

/// Index of the pair's distance in a table from -reach to reach.
[[nodiscard]] inline int64_t table_index(const AttentionPair& pair, int64_t reach) {
  return std::clamp(pair.distance(), -reach, reach) + reach;
}

/// scale * (q k + q position_keys[slot] + k position_queries[slot]) + bias. `product(x, table,
/// row)` is the dot product of the pair's query (kQuery), or key, with a table's row for this head;
/// `product_of_pair` that of both.
enum class AttentionSide : uint8_t { kQuery, kKey };
template <typename Product>
[[nodiscard]] double score_with_terms(const AttentionTerms& terms, int64_t head, float scale,
                                      const AttentionPair& pair, double product_of_pair,
                                      const Product& product) {
  double sum = product_of_pair;
  if (terms.disentangled()) {
    const int64_t slot = terms.slots[table_index(pair, terms.slot_reach)];
    const int64_t at = slot * terms.ld_positions;
    if (terms.position_keys != nullptr) {
      sum += product(AttentionSide::kQuery, terms.position_keys + at);
    }
    if (terms.position_queries != nullptr) {
      sum += product(AttentionSide::kKey, terms.position_queries + at);
    }
  }
  sum *= scale;
  if (terms.bias != nullptr) {
    sum += terms.bias[head * (2 * terms.bias_reach + 1) + table_index(pair, terms.bias_reach)];
  }
  return sum;
}

/// Column of the head's keys and values.
template <typename Args>
[[nodiscard]] int64_t kv_column(const Args& args, int64_t head) {
  const int64_t group = args.kv_heads == 0 ? 1 : args.heads / args.kv_heads;
  return head / group * args.head_size;
}

}  // namespace tamis::kernels::reference
