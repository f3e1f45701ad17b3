// Truncation to windows and joining with special tokens.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "tokenizer/chars.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/utf8.h"

namespace tamis::tokenizer {

namespace {

/// How byte-level BPE writes a space.
constexpr char32_t kVisibleSpace = 0x120;

bool is_trimmed(char32_t c) { return c == kVisibleSpace || is_whitespace(c); }

struct Window {
  size_t begin;
  size_t end;
  /// The first window of its text.
  bool main;
};

/// The windows of `size` tokens of which `keep` fit, as Hugging Face cuts them.
std::vector<Window> cut_windows(size_t size, size_t keep, const EncodeOptions& options) {
  if (keep >= size) return {{0, size, true}};
  if (keep == 0) return {{0, 0, true}, {0, size, false}};
  const auto stride = static_cast<size_t>(options.stride);
  if (stride >= keep) {
    fail(ErrorCode::kInvalidArgument, "stride ", stride, " is not less than the ", keep,
         " tokens of text that max_length ", options.max_length, " leaves room for");
  }
  const size_t step = keep - stride;
  std::vector<Window> windows;
  if (options.truncation_side == Side::kRight) {
    for (size_t begin = 0;; begin += step) {
      const size_t end = std::min(begin + keep, size);
      windows.push_back({begin, end, windows.empty()});
      if (end == size || !options.return_overflowing) return windows;
    }
  }
  for (size_t end = size;; end -= step) {
    const size_t begin = end > keep ? end - keep : 0;
    windows.push_back({begin, end, windows.empty()});
    if (begin == 0 || !options.return_overflowing) return windows;
  }
}

/// A small step makes many windows of a short text: they are counted before they are made.
void check_windows(size_t first, size_t second, const EncodeOptions& options) {
  const auto most = static_cast<size_t>(options.max_windows);
  if (options.max_windows <= 0 || first <= most / std::max<size_t>(second, 1)) return;
  fail(ErrorCode::kInvalidArgument, "the text makes ", first * second, " windows of ",
       options.max_length, " tokens that share ", options.stride, "; at most ", most,
       " are taken: a smaller stride makes fewer");
}

/// Joins one window of each text.
class Joiner {
 public:
  Joiner(const PostProcessor& post, const TokenSpaces& spaces,
         const std::array<SequenceTokens, 2>& sequences, const EncodeOptions& options)
      : post_(post), spaces_(spaces), sequences_(sequences), options_(options) {}

  void join(bool is_pair, const std::array<Window, 2>& windows, Encoding& out) const {
    clear(out);
    const auto& parts = post_.parts(is_pair);
    size_t total = 0;
    for (const TemplatePart& part : parts) {
      const Window& window = windows[static_cast<size_t>(part.sequence)];
      total += part.id >= 0 ? 1 : window.end - window.begin;
    }
    reserve(out, total);
    for (const TemplatePart& part : parts) {
      if (part.id < 0) {
        add_text(part, windows[static_cast<size_t>(part.sequence)], out);
      } else if (options_.add_special_tokens) {
        add_special(part, out);
      }
    }
  }

 private:
  static void clear(Encoding& out) {
    out.ids.clear();
    out.type_ids.clear();
    out.tokens.clear();
    out.offsets.clear();
    out.special_mask.clear();
    out.word_ids.clear();
    out.sequence_ids.clear();
  }

  void reserve(Encoding& out, size_t total) const {
    out.ids.reserve(total);
    out.type_ids.reserve(total);
    if (options_.offsets) out.offsets.reserve(total);
    if (!options_.details) return;
    out.special_mask.reserve(total);
    out.word_ids.reserve(total);
    out.sequence_ids.reserve(total);
  }

  void add_special(const TemplatePart& part, Encoding& out) const {
    out.ids.push_back(part.id);
    out.type_ids.push_back(part.type_id);
    if (options_.offsets) out.offsets.push_back({0, 0});
    if (options_.tokens) out.tokens.push_back(part.token);
    if (!options_.details) return;
    out.special_mask.push_back(1);
    out.word_ids.push_back(-1);
    out.sequence_ids.push_back(-1);
  }

  /// A text's first window gets the template's type ids; further ones keep the text's index, as in
  /// the library.
  void add_text(const TemplatePart& part, const Window& window, Encoding& out) const {
    const SequenceTokens& tokens = sequences_[static_cast<size_t>(part.sequence)];
    const size_t count = window.end - window.begin;
    const auto slice = [&](const auto& from, auto& to) {
      const auto begin = from.begin() + static_cast<ptrdiff_t>(window.begin);
      to.insert(to.end(), begin, begin + static_cast<ptrdiff_t>(count));
    };
    const bool as_told = window.main || (post_.windows_type_0 && options_.add_special_tokens);
    const int32_t type_id = as_told ? part.type_id : part.sequence;
    slice(tokens.ids, out.ids);
    if (options_.tokens) slice(tokens.texts, out.tokens);
    out.type_ids.insert(out.type_ids.end(), count, type_id);
    if (options_.offsets) {
      const size_t at = out.offsets.size();
      slice(tokens.offsets, out.offsets);
      for (const bool add_prefix_space : post_.trims) {
        trim(tokens, window, add_prefix_space, std::span(out.offsets).subspan(at));
      }
    }
    if (!options_.details) return;
    out.special_mask.insert(out.special_mask.end(), count, 0);
    slice(tokens.words, out.word_ids);
    out.sequence_ids.insert(out.sequence_ids.end(), count, part.sequence);
  }

  /// Takes the white space that a token's text begins and ends with out of its offsets.
  void trim(const SequenceTokens& tokens, const Window& window, bool add_prefix_space,
            std::span<Span> offsets) const {
    auto known = std::lower_bound(
        tokens.spaces.begin(), tokens.spaces.end(), window.begin,
        [](const SequenceTokens::Spaces& spaces, size_t at) { return spaces.token < at; });
    for (size_t i = 0; i < offsets.size(); ++i) {
      int64_t leading = 0;
      int64_t trailing = 0;
      if (known != tokens.spaces.end() && known->token == window.begin + i) {
        leading = known->leading;
        trailing = known->trailing;
        ++known;
      } else {
        const auto id = static_cast<size_t>(tokens.ids[window.begin + i]);
        if (id >= spaces_.by_id.size()) continue;
        leading = spaces_.by_id[id].leading;
        trailing = spaces_.by_id[id].trailing;
      }
      Span& span = offsets[i];
      if (leading > 0) {
        // One space at the very start may be the one that add_prefix_space put there.
        const bool is_first = i == 0 || span.start == 0;
        if (is_first && add_prefix_space && leading == 1) leading = 0;
        span.start = static_cast<int32_t>(std::min<int64_t>(span.start + leading, span.end));
      }
      if (trailing > 0 && span.end >= trailing) {
        span.end = static_cast<int32_t>(std::max<int64_t>(span.end - trailing, span.start));
      }
    }
  }

  const PostProcessor& post_;
  const TokenSpaces& spaces_;
  const std::array<SequenceTokens, 2>& sequences_;
  const EncodeOptions& options_;
};

/// Longest-first over two texts: the longer one gives way first, then both to one half each.
Limits longest_first(size_t first, size_t second, size_t room) {
  size_t shorter = std::min(first, second);
  size_t longer = shorter > room ? shorter : std::max(shorter, room - shorter);
  if (shorter + longer > room) {
    shorter = room / 2;
    longer = shorter + room % 2;
  }
  if (first > second) std::swap(shorter, longer);
  return {{shorter, longer}};
}

}  // namespace

SequenceTokens::Spaces count_spaces(std::string_view text) {
  SequenceTokens::Spaces counts{0, 0, 0};
  for (size_t i = 0; i < text.size() && is_trimmed(decode_utf8(text.data() + i));
       i += utf8_size(text[i])) {
    ++counts.leading;
  }
  for (size_t end = text.size(); end > 0;) {
    end = previous_code_point(text, end);
    if (!is_trimmed(decode_utf8(text.data() + end))) break;
    ++counts.trailing;
  }
  return counts;
}

TokenSpaces count_token_spaces(const Vocab& vocab) {
  TokenSpaces spaces;
  spaces.by_id.resize(static_cast<size_t>(vocab.id_limit()));
  for (int32_t id = 0; id < vocab.id_limit(); ++id) {
    const auto counts = count_spaces(vocab.token(id));
    spaces.by_id[static_cast<size_t>(id)] = {
        static_cast<uint16_t>(std::min<uint32_t>(counts.leading, UINT16_MAX)),
        static_cast<uint16_t>(std::min<uint32_t>(counts.trailing, UINT16_MAX))};
  }
  return spaces;
}

Limits truncation_limits(const PostProcessor& post, size_t first, size_t second, bool is_pair,
                         const EncodeOptions& options) {
  if (options.max_length <= 0) return {{first, second}};
  const int64_t special = options.add_special_tokens ? post.num_special(is_pair) : 0;
  if (options.max_length < special) {
    fail(ErrorCode::kInvalidArgument, "max_length ", options.max_length, " is less than the ",
         special, " special tokens");
  }
  const auto room = static_cast<size_t>(options.max_length - special);
  const size_t total = first + second;
  if (room == 0) return {{0, 0}};
  if (total <= room) return {{first, second}};
  const size_t remove = total - room;
  switch (options.strategy) {
    case TruncationStrategy::kLongestFirst:
      if (!is_pair) return {{room, 0}};
      return longest_first(first, second, room);
    case TruncationStrategy::kOnlyFirst:
      if (first > remove) return {{first - remove, second}};
      break;
    case TruncationStrategy::kOnlySecond:
      if (!is_pair) {
        fail(ErrorCode::kInvalidArgument, "truncation only_second needs a pair of texts");
      }
      if (second > remove) return {{first, second - remove}};
      break;
  }
  fail(ErrorCode::kInvalidArgument, "max_length ", options.max_length,
       " cannot be met by truncating only the ",
       options.strategy == TruncationStrategy::kOnlyFirst ? "first" : "second", " text of ",
       options.strategy == TruncationStrategy::kOnlyFirst ? first : second, " tokens");
}

void post_process(const PostProcessor& post, const TokenSpaces& spaces,
                  const std::array<SequenceTokens, 2>& sequences, bool is_pair,
                  const EncodeOptions& options, Encoding& out) {
  const size_t first = sequences[0].size();
  const size_t second = is_pair ? sequences[1].size() : 0;
  const Limits limits = truncation_limits(post, first, second, is_pair, options);
  const Joiner joiner(post, spaces, sequences, options);
  out.overflowing.clear();
  out.truncated =
      limits.keep[0] < first || (is_pair && limits.keep[1] < second) || sequences[0].cut_short;
  if (!out.truncated) {
    joiner.join(is_pair, {Window{0, first, true}, Window{0, second, true}}, out);
    return;
  }
  const auto a = cut_windows(first, limits.keep[0], options);
  const auto b = cut_windows(second, is_pair ? limits.keep[1] : 0, options);
  if (options.return_overflowing) check_windows(a.size(), b.size(), options);
  joiner.join(is_pair, {a[0], b[0]}, out);
  if (!options.return_overflowing) return;
  const auto add = [&](const Window& x, const Window& y) {
    joiner.join(is_pair, {x, y}, out.overflowing.emplace_back());
    out.overflowing.back().truncated = true;
  };
  for (size_t i = 1; i < a.size(); ++i) {
    for (const Window& y : b) add(a[i], y);
  }
  for (size_t j = 1; j < b.size(); ++j) add(a[0], b[j]);
}

}  // namespace tamis::tokenizer
