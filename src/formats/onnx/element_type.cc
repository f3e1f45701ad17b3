// What each element type is called, how wide it is, and which DType it is.
#include "base/error.h"
#include "formats/onnx/onnx_model.h"

namespace tamis::onnx {

namespace {

struct TypeRow {
  ElementType type;
  std::string_view name;
  int64_t bits;  // 0: not known
  std::optional<DType> dtype;
};
constexpr TypeRow kTypes[] = {
    {ElementType::kUndefined, "UNDEFINED", 0, std::nullopt},
    {ElementType::kFloat, "FLOAT", 32, DType::kF32},
    {ElementType::kUint8, "UINT8", 8, DType::kU8},
    {ElementType::kInt8, "INT8", 8, DType::kI8},
    {ElementType::kUint16, "UINT16", 16, std::nullopt},
    {ElementType::kInt16, "INT16", 16, std::nullopt},
    {ElementType::kInt32, "INT32", 32, DType::kI32},
    {ElementType::kInt64, "INT64", 64, DType::kI64},
    {ElementType::kString, "STRING", 0, std::nullopt},
    {ElementType::kBool, "BOOL", 8, DType::kBool},
    {ElementType::kFloat16, "FLOAT16", 16, DType::kF16},
    {ElementType::kDouble, "DOUBLE", 64, DType::kF64},
    {ElementType::kUint32, "UINT32", 32, std::nullopt},
    {ElementType::kUint64, "UINT64", 64, std::nullopt},
    {ElementType::kComplex64, "COMPLEX64", 64, std::nullopt},
    {ElementType::kComplex128, "COMPLEX128", 128, std::nullopt},
    {ElementType::kBfloat16, "BFLOAT16", 16, DType::kBF16},
    {ElementType::kUint4, "UINT4", 4, std::nullopt},
    {ElementType::kInt4, "INT4", 4, std::nullopt},
};

const TypeRow* find(ElementType type) {
  for (const TypeRow& row : kTypes) {
    if (row.type == type) return &row;
  }
  return nullptr;
}

}  // namespace

std::string element_type_name(ElementType type) {
  const TypeRow* row = find(type);
  return row == nullptr ? cat("type ", static_cast<int32_t>(type)) : std::string(row->name);
}

std::optional<int64_t> element_bits(ElementType type) {
  const TypeRow* row = find(type);
  return row == nullptr || row->bits == 0 ? std::nullopt : std::optional(row->bits);
}

std::optional<DType> dtype_of(ElementType type) {
  const TypeRow* row = find(type);
  return row == nullptr ? std::nullopt : row->dtype;
}

ElementType element_type_of(DType dtype) {
  for (const TypeRow& row : kTypes) {
    if (row.dtype == dtype) return row.type;
  }
  return ElementType::kUndefined;
}

}  // namespace tamis::onnx
