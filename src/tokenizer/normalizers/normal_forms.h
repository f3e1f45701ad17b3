// Normal forms, lower case and filters over a stretch of text, alignments included.
//
// Is: how the library's changes meet a Text. Is not: the tables. May use: unicode, text, scratch.
#pragma once

#include "tokenizer/scratch.h"
#include "tokenizer/text.h"
#include "tokenizer/unicode/unicode.h"

namespace tamis::tokenizer {

/// Puts the whole stretch into the normal form.
void apply_normal_form(Text& text, Scratch& scratch, NormalForm form);

/// Lower-cases the whole stretch.
void apply_lowercase(Text& text);

/// Drops every character that has one of the classes; the stretch may become empty.
void filter_characters(Text& text, uint32_t class_bits);

/// Rewrites the whole stretch from changes, as the library's transform() does. `dropped_first`
/// characters at the start disappear.
void apply_changes(Text& text, const std::vector<ChangedCodePoint>& changes, size_t dropped_first);

/// True if some character has one of the classes.
[[nodiscard]] bool any_has_class(std::string_view bytes, uint32_t class_bits);

}  // namespace tamis::tokenizer
