#include "engines/cpu/block.h"

#include <algorithm>

namespace tamis::engines::cpu {

namespace {

// A team pays a barrier a step and splits small matrices; below this loss to imbalance, whole
// blocks a worker are faster (their activations stay in one core's cache).
constexpr double kTeamGain = 1.12;

double cost(const Block& block, const ScheduleOptions& options) {
  return static_cast<double>(block.tokens()) +
         static_cast<double>(block.pairs) * options.tokens_per_pair;
}

void cut_blocks(const engine::PackedBatch& batch, int64_t block_tokens,
                std::vector<Block>& blocks) {
  blocks.clear();
  Block block;
  int64_t selected = 0;
  const auto close = [&](int64_t sequence_end, int64_t token_end) {
    block.sequence_end = sequence_end;
    block.token_end = token_end;
    if (batch.selected_tokens.empty()) {
      block.selected_begin = block.token_begin;
      block.selected_end = token_end;
    } else {
      block.selected_begin = selected;
      while (selected < batch.selected() &&
             batch.selected_tokens[static_cast<size_t>(selected)] < token_end) {
        ++selected;
      }
      block.selected_end = selected;
    }
    blocks.push_back(block);
    block = Block{sequence_end, sequence_end, token_end, token_end, selected, selected, 0};
  };
  for (int64_t s = 0; s < batch.sequences(); ++s) {
    const int64_t begin = batch.cu_seqlens[static_cast<size_t>(s)];
    const int64_t end = batch.cu_seqlens[static_cast<size_t>(s) + 1];
    if (s > block.sequence_begin && end - block.token_begin > block_tokens) close(s, begin);
    block.pairs += (end - begin) * (end - begin);
  }
  close(batch.sequences(), batch.tokens());
}

// The finishing time when each worker takes the next block as it becomes free.
double finish(const std::vector<Block>& blocks, const ScheduleOptions& options) {
  constexpr int kMost = 256;
  double busy[kMost] = {};
  const int workers = std::min(options.workers, kMost);
  for (const Block& block : blocks) {
    *std::min_element(busy, busy + workers) += cost(block, options);
  }
  return *std::max_element(busy, busy + workers);
}

}  // namespace

engine::RowUnit row_unit(graph::Symbol symbol) {
  switch (symbol) {
    case graph::Symbol::kSequences:
    case graph::Symbol::kFirst:
      return engine::RowUnit::kSequence;
    case graph::Symbol::kSelected:
      return engine::RowUnit::kSelectedToken;
    case graph::Symbol::kTokens:
    case graph::Symbol::kConst:
    case graph::Symbol::kPairs:
      break;
  }
  return engine::RowUnit::kToken;
}

int64_t Block::units(graph::Symbol symbol) const {
  switch (symbol) {
    case graph::Symbol::kConst:
      return 1;
    case graph::Symbol::kSequences:
      return sequences();
    case graph::Symbol::kTokens:
      return tokens();
    case graph::Symbol::kPairs:
      return pairs;
    case graph::Symbol::kSelected:
      return selected();
    case graph::Symbol::kFirst:
      return sequences();
  }
  return 0;
}

int64_t Block::first_unit(graph::Symbol symbol) const {
  switch (symbol) {
    case graph::Symbol::kSequences:
    case graph::Symbol::kFirst:
      return sequence_begin;
    case graph::Symbol::kTokens:
      return token_begin;
    case graph::Symbol::kSelected:
      return selected_begin;
    case graph::Symbol::kConst:
    case graph::Symbol::kPairs:
      return 0;
  }
  return 0;
}

void make_schedule(const engine::PackedBatch& batch, const ScheduleOptions& options,
                   Schedule& schedule) {
  // No larger than an even share, so that a small batch still gives every worker a block.
  const int64_t share = (batch.tokens() + options.workers - 1) / options.workers;
  cut_blocks(batch, std::max<int64_t>(1, std::min(options.block_tokens, share)), schedule.blocks);
  std::sort(schedule.blocks.begin(), schedule.blocks.end(), [&](const Block& a, const Block& b) {
    const double cost_a = cost(a, options);
    const double cost_b = cost(b, options);
    return cost_a != cost_b ? cost_a > cost_b : a.sequence_begin < b.sequence_begin;
  });
  schedule.team = false;
  if (options.workers <= 1) return;
  double total = 0;
  for (const Block& block : schedule.blocks) total += cost(block, options);
  schedule.team = finish(schedule.blocks, options) > kTeamGain * total / options.workers;
  if (schedule.team) cut_blocks(batch, options.block_tokens, schedule.blocks);
}

}  // namespace tamis::engines::cpu
