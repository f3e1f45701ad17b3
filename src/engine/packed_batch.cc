#include "engine/packed_batch.h"

#include <algorithm>

#include "base/error.h"

namespace tamis::engine {

namespace {

template <typename... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  fail(ErrorCode::kInvalidArgument, "batch: ", parts...);
}

void check_lengths(const PackedBatch& batch, const BatchLimits& limits) {
  if (batch.cu_seqlens.size() < 2) refuse("no sequences; at least one is needed");
  if (batch.cu_seqlens.front() != 0 || batch.cu_seqlens.back() != batch.tokens()) {
    refuse("cu_seqlens runs from ", batch.cu_seqlens.front(), " to ", batch.cu_seqlens.back(),
           ", must run from 0 to the ", batch.tokens(), " tokens");
  }
  int32_t longest = 0;
  for (size_t i = 1; i < batch.cu_seqlens.size(); ++i) {
    const int32_t length = batch.cu_seqlens[i] - batch.cu_seqlens[i - 1];
    if (length < 0) refuse("cu_seqlens falls at sequence ", i - 1);
    longest = std::max(longest, length);
    if (length > limits.max_seqlen) {
      refuse("sequence ", i - 1, " has ", length, " tokens, the model takes at most ",
             limits.max_seqlen);
    }
  }
  if (batch.max_seqlen < longest) {
    refuse("max_seqlen is ", batch.max_seqlen, ", the longest sequence has ", longest, " tokens");
  }
}

void check_key_lengths(const PackedBatch& batch, const BatchLimits& limits) {
  if (batch.key_lengths.empty()) return;
  if (static_cast<int64_t>(batch.key_lengths.size()) != batch.sequences()) {
    refuse("key_lengths has ", batch.key_lengths.size(), " entries for ", batch.sequences(),
           " sequences");
  }
  for (size_t i = 0; i < batch.key_lengths.size(); ++i) {
    const int32_t length = batch.cu_seqlens[i + 1] - batch.cu_seqlens[i];
    const int32_t keys = batch.key_lengths[i];
    if (keys > length || keys < std::min(length, 1)) {
      refuse("key_lengths[", i, "] is ", keys, ", must lie in 1..", length);
    }
    if (length - keys > limits.unseen_tokens) {
      fail(ErrorCode::kUnsupported, "batch: sequence ", i, " has ", length - keys,
           " tokens that no token sees, this model's attention takes at most ",
           limits.unseen_tokens);
    }
  }
}

void check_unpooled(const PackedBatch& batch, const BatchLimits& limits) {
  if (batch.unpooled.empty()) return;
  if (static_cast<int64_t>(batch.unpooled.size()) != batch.sequences()) {
    refuse("unpooled has ", batch.unpooled.size(), " entries for ", batch.sequences(),
           " sequences");
  }
  for (size_t i = 0; i < batch.unpooled.size(); ++i) {
    const int32_t length = batch.cu_seqlens[i + 1] - batch.cu_seqlens[i];
    const int32_t unpooled = batch.unpooled[i];
    if (unpooled < 0 || unpooled > length) {
      refuse("unpooled[", i, "] is ", unpooled, ", must lie in 0..", length);
    }
    if (unpooled > 0 && !limits.leaves_out_tokens) {
      fail(
          ErrorCode::kUnsupported, "batch: ", unpooled, " tokens of sequence ", i,
          " are left out of the pooling (include_prompt: false), but this model pools over all, or "
          "takes the first");
    }
  }
}

void check_ids(std::span<const int32_t> ids, int64_t rows, std::string_view what) {
  // Branch-free over the whole array; the place is looked for only when something is wrong.
  uint32_t worst = 0;
  for (const int32_t id : ids) worst = std::max(worst, static_cast<uint32_t>(id));
  if (static_cast<int64_t>(worst) < rows) return;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= rows) {
      refuse(what, "[", i, "] is ", ids[i], ", must lie in 0..", rows - 1);
    }
  }
}

void check_required_token(const PackedBatch& batch, const BatchLimits& limits) {
  if (limits.required_token < 0) return;
  for (size_t i = 1; i < batch.cu_seqlens.size(); ++i) {
    const auto begin = batch.input_ids.begin() + batch.cu_seqlens[i - 1];
    const auto end = batch.input_ids.begin() + batch.cu_seqlens[i];
    if (std::find(begin, end, static_cast<int32_t>(limits.required_token)) != end) continue;
    refuse("sequence ", i - 1, " has no token ", limits.required_token,
           " (eos_token_id), from whose state this model answers; at least one is needed");
  }
}

void check_optional(std::span<const int32_t> array, int64_t tokens, std::string_view what) {
  if (!array.empty() && static_cast<int64_t>(array.size()) != tokens) {
    refuse(what, " has ", array.size(), " entries for ", tokens, " tokens");
  }
}

}  // namespace

void check_batch(const PackedBatch& batch, const BatchLimits& limits) {
  check_lengths(batch, limits);
  check_key_lengths(batch, limits);
  check_unpooled(batch, limits);
  check_optional(batch.token_type_ids, batch.tokens(), "token_type_ids");
  check_optional(batch.position_ids, batch.tokens(), "position_ids");
  if (limits.vocab_size > 0) check_ids(batch.input_ids, limits.vocab_size, "input_ids");
  check_required_token(batch, limits);
  if (limits.type_vocab_size > 0) {
    check_ids(batch.token_type_ids, limits.type_vocab_size, "token_type_ids");
  }
  if (limits.position_rows > 0) {
    check_ids(batch.position_ids, limits.position_rows, "position_ids");
  }
  check_ids(batch.selected_tokens, std::max<int64_t>(batch.tokens(), 1), "selected_tokens");
  if (!std::is_sorted(batch.selected_tokens.begin(), batch.selected_tokens.end())) {
    refuse("selected_tokens must rise");
  }
}

void end_as_required(std::span<int32_t> ids, const BatchLimits& limits) {
  if (limits.required_token < 0 || ids.empty()) return;
  ids.back() = static_cast<int32_t>(limits.required_token);
}

}  // namespace tamis::engine
