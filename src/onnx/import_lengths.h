// Texts that are computed otherwise where they are longer (longrope).
//
// Is: what of a file counts the tokens of each text, and one graph of the two that such a file is.
// Is not: a handler. May use: graph.
#pragma once

#include "onnx/importer.h"

namespace tamis::onnx {

/// How many tokens each sequence has, as ReduceL1 counts them, or whether these are more than a
/// constant, which is what the importer reads the file for (Importer::read_as_long). Absent: the
/// step is something else. Refuses whatever else reads such counts.
[[nodiscard]] ImportValue known_lengths(Importer& importer, const Step& step);

/// Makes the graph of short texts that of all: turns have the frequencies of `of_long` for texts of
/// more than `long_from` tokens. Throws Error{kUnsupported} if the two differ in more.
void merge_lengths(graph::Graph& graph, const graph::Graph& of_long, int64_t long_from,
                   std::string_view source);

}  // namespace tamis::onnx
