// Disentangled attention (DeBERTa) in its steps: what handlers of MatMul, Add, Expand, Tile and
// Slice come across of it.
//
// Is: what each step becomes, absent where it is something else. Is not: a handler, but that of
// GatherElements. May use: graph, formats.
#pragma once

#include "onnx/importer.h"

namespace tamis::onnx {

/// A constant that the batch's sizes repeat for each sequence, or of which they cut rows around the
/// middle, as a table: it stays a constant. Absent: the step is something else.
[[nodiscard]] ImportValue table_of_batch(Importer& importer, const Step& step);
/// A constant of three axes or more, as it is.
[[nodiscard]] ImportValue as_table(std::shared_ptr<const Known> known);
/// A table [.., places, columns] times a weight, and plus a bias.
[[nodiscard]] ImportValue projected_table(Importer& importer, const Step& step, const Hidden& table,
                                          const Known& weight, bool turn);
[[nodiscard]] ImportValue biased_table(Importer& importer, const Step& step, const Hidden& table,
                                       const Known& bias);
/// Queries or keys [.., tokens, size] times a table [.., size, places] of the same heads.
[[nodiscard]] ImportValue position_product(Importer& importer, const Step& step, const Hidden& rows,
                                           const Hidden& table, double factor);
/// The sum of two biases, or of scores and one; absent: it is another sum.
[[nodiscard]] ImportValue sum_of_positions(const Step& step, const ImportValue& a,
                                           const ImportValue& b);

}  // namespace tamis::onnx
