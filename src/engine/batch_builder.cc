#include "engine/batch_builder.h"

#include <numeric>

namespace tamis::engine {

int64_t rows_of(const SequenceView& sequence, RowUnit unit) {
  switch (unit) {
    case RowUnit::kSequence:
      return 1;
    case RowUnit::kSelectedToken:
      if (!sequence.selected.empty()) return static_cast<int64_t>(sequence.selected.size());
      break;
    case RowUnit::kToken:
      break;
  }
  return sequence.size();
}

int64_t RowMap::before(RowUnit unit, int64_t sequence) const {
  if (unit == RowUnit::kSequence) return sequence;
  const int32_t token = cu_seqlens_[static_cast<size_t>(sequence)];
  if (unit == RowUnit::kToken || selected_.empty()) return token;
  return std::lower_bound(selected_.begin(), selected_.end(), token) - selected_.begin();
}

RowRange RowMap::rows(RowUnit unit, int64_t begin, int64_t end) const {
  const int64_t first = before(unit, begin);
  return {first, before(unit, end) - first};
}

int64_t RowMap::total(RowUnit unit) const {
  return before(unit, static_cast<int64_t>(cu_seqlens_.size()) - 1);
}

void BatchBuilder::clear() {
  input_ids_.clear();
  token_type_ids_.clear();
  position_ids_.clear();
  cu_seqlens_.assign(1, 0);
  selected_tokens_.clear();
  key_lengths_.clear();
  unpooled_.clear();
  max_seqlen_ = 0;
}

void BatchBuilder::append(const SequenceView& sequence) {
  const auto first = static_cast<int32_t>(input_ids_.size());
  append_positions(sequence);
  append_selection(sequence, first);
  append_keys(sequence);
  if (sequence.unpooled != 0 || !unpooled_.empty()) {
    unpooled_.resize(cu_seqlens_.size() - 1, 0);
    unpooled_.push_back(sequence.unpooled);
  }
  if (!sequence.type_ids.empty() || !token_type_ids_.empty()) {
    token_type_ids_.resize(input_ids_.size(), 0);
    token_type_ids_.insert(token_type_ids_.end(), sequence.type_ids.begin(),
                           sequence.type_ids.end());
    token_type_ids_.resize(input_ids_.size() + sequence.ids.size(), 0);
  }
  input_ids_.insert(input_ids_.end(), sequence.ids.begin(), sequence.ids.end());
  cu_seqlens_.push_back(static_cast<int32_t>(input_ids_.size()));
  max_seqlen_ = std::max(max_seqlen_, static_cast<int32_t>(sequence.ids.size()));
}

// Where they begin behind the padding's id, tokens of that id have its position, and do not count.
void BatchBuilder::count_positions(std::span<const int32_t> ids) {
  int32_t next = first_position_;
  for (const int32_t id : ids) {
    const bool padding = first_position_ > 0 && id == first_position_ - 1;
    position_ids_.push_back(padding ? id : next++);
  }
}

void BatchBuilder::append_positions(const SequenceView& sequence) {
  if (sequence.position_ids.empty()) {
    if (!position_ids_.empty()) count_positions(sequence.ids);
    return;
  }
  if (position_ids_.empty()) {
    for (size_t s = 1; s < cu_seqlens_.size(); ++s) {
      const auto begin = static_cast<size_t>(cu_seqlens_[s - 1]);
      const auto end = static_cast<size_t>(cu_seqlens_[s]);
      count_positions(std::span<const int32_t>(input_ids_).subspan(begin, end - begin));
    }
  }
  position_ids_.insert(position_ids_.end(), sequence.position_ids.begin(),
                       sequence.position_ids.end());
}

void BatchBuilder::append_selection(const SequenceView& sequence, int32_t first) {
  if (sequence.selected.empty() && selected_tokens_.empty()) return;
  if (selected_tokens_.empty()) {
    selected_tokens_.resize(input_ids_.size());
    std::iota(selected_tokens_.begin(), selected_tokens_.end(), 0);
  }
  if (sequence.selected.empty()) {
    for (int32_t token = 0; token < static_cast<int32_t>(sequence.size()); ++token) {
      selected_tokens_.push_back(first + token);
    }
  }
  for (const int32_t token : sequence.selected) selected_tokens_.push_back(first + token);
}

// Before the sequence is counted.
void BatchBuilder::append_keys(const SequenceView& sequence) {
  if (sequence.keys == 0 && key_lengths_.empty()) return;
  for (size_t s = key_lengths_.size() + 1; s < cu_seqlens_.size(); ++s) {
    key_lengths_.push_back(cu_seqlens_[s] - cu_seqlens_[s - 1]);
  }
  key_lengths_.push_back(sequence.keys == 0 ? static_cast<int32_t>(sequence.size())
                                            : sequence.keys);
}

PackedBatch BatchBuilder::batch() const {
  return {input_ids_, token_type_ids_, position_ids_, cu_seqlens_, selected_tokens_, max_seqlen_,
          {},         key_lengths_,    unpooled_};
}

}  // namespace tamis::engine
