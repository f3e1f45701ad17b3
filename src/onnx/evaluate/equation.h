// What Einsum says of two operands: "bhld,lrd->bhlr", a letter for each axis.
//
// Is: the letters. Is not: a product. May use: nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tamis::onnx {

struct Equation {
  std::string inputs[2];
  std::string output;
};

/// Nothing: not two inputs and an output of axes that are each another.
[[nodiscard]] std::optional<Equation> equation_of(std::string_view text);

}  // namespace tamis::onnx
