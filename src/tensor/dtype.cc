#include "tensor/dtype.h"

#include <array>

namespace tamis {

namespace {

struct DTypeRow {
  std::string_view name;
  size_t bytes;
};

// In the order of DType.
constexpr std::array<DTypeRow, 9> kRows = {{{"F32", 4},
                                            {"F16", 2},
                                            {"BF16", 2},
                                            {"F64", 8},
                                            {"I8", 1},
                                            {"U8", 1},
                                            {"I32", 4},
                                            {"I64", 8},
                                            {"BOOL", 1}}};

}  // namespace

size_t dtype_bytes(DType dtype) { return kRows[static_cast<size_t>(dtype)].bytes; }

std::string_view dtype_name(DType dtype) { return kRows[static_cast<size_t>(dtype)].name; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].name == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

}  // namespace tamis
