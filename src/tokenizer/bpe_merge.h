// Joining the symbols of one word.
//
// Is: the merge loop, by search for short words and by queue for long ones. Is not: the table.
// May use: merges, scratch.
#pragma once

#include "tokenizer/merges.h"
#include "tokenizer/scratch.h"

namespace tamis::tokenizer {

/// Joins scratch.symbols (id and size set) until no pair joins. `simple`: a search for the lowest
/// rank is known to do what the library's queue does.
void merge_symbols(const MergeTable& merges, bool simple, Scratch& scratch);

}  // namespace tamis::tokenizer
