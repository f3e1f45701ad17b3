// Writing the bytes of a text as byte-level BPE's visible characters.
//
// Is: shared by the ByteLevel normalizer and pre-tokenizer. Is not: the table. May use: text.
#pragma once

#include "tokenizer/text.h"

namespace tamis::tokenizer {

/// Every byte of every text piece becomes its visible character.
void write_bytes_visibly(Text& text);

}  // namespace tamis::tokenizer
