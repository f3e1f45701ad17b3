// Where a pattern matched.
#pragma once

#include <cstdint>

namespace tamis::tokenizer {

/// Bytes [begin, end) of the text searched.
struct Match {
  uint32_t begin;
  uint32_t end;
};

}  // namespace tamis::tokenizer
