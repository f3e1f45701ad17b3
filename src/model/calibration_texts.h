// The texts that tamis optimize calibrates on when the user names none.
//
// Is: short texts in 12 languages, about half of them English, of the kinds that models meet: news,
// reviews of both signs, questions, instructions, dialogue, law, medicine, finance, sport, code,
// product descriptions, captions, numbers and addresses, posts, science, weather, recipes, letters.
// The range of an activation follows the tokens, so rare ones (digits, symbols, emoji, scripts)
// must occur, short texts as well as long, and both labels of the common classifiers. Written for
// this project and given away under CC0 1.0; nothing in it is copied. Is not: a test set (it has no
// labels), nor a substitute for texts like those the model will read. May use: nothing.
#pragma once

#include <span>
#include <string_view>

namespace tamis::api {

/// UTF-8 in NFC, no text twice, at most 60 words each. Languages and domains are mixed, so that the
/// first n and every second text are fair samples. Thread-safe; valid for the program's life.
[[nodiscard]] std::span<const std::string_view> calibration_texts();

/// The first 128 of them, whose vectors give vectors of 8 bits their range where the user gives
/// none: of more the ends move by less than a step.
[[nodiscard]] std::span<const std::string_view> range_texts();

}  // namespace tamis::api
