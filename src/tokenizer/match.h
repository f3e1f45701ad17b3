// Where a pattern matched.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tamis::tokenizer {

/// Bytes [begin, end) of the text searched.
struct Match {
  uint32_t begin;
  uint32_t end;
};

/// What the searches of one text may still cost together, in steps of the regex engine that go back
/// and try again. Its use is counted four times too high at most.
struct RegexBudget {
  // Some seconds; a search of a usual pattern costs nothing of it.
  static constexpr unsigned long kBase = 200'000'000;
  static constexpr unsigned long kPerByte = 64;

  unsigned long retries = kBase;
  void start(size_t text_bytes) { retries = kBase + kPerByte * text_bytes; }
};

}  // namespace tamis::tokenizer
