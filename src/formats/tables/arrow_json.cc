#include "formats/tables/arrow_json.h"

#include <arrow/array.h>
#include <arrow/type.h>
#include <arrow/util/float16.h>

#include <cmath>

#include "base/error.h"

namespace tamis {

namespace {

// Deeper than any key of a row goes, less than what its JSON may have.
constexpr int kMostDepth = 8;

template <typename Array>
const Array& as(const arrow::Array& array) {
  return static_cast<const Array&>(array);
}

template <typename Number>
void write_finite(Number number, std::string_view where, JsonWriter& json) {
  if (!std::isfinite(number)) fail(ErrorCode::kCorruptData, where, ": a number is not finite");
  json.value(number);
}

template <typename Array>
void write_list(const arrow::Array& array, int64_t i, std::string_view where, JsonWriter& json) {
  const auto& list = as<Array>(array);
  const auto begin = static_cast<int64_t>(list.value_offset(i));
  const auto end = begin + static_cast<int64_t>(list.value_length(i));
  json.begin_array();
  for (int64_t at = begin; at < end; ++at) write_arrow_value(*list.values(), at, where, json);
  json.end_array();
}

void write_struct(const arrow::Array& array, int64_t i, std::string_view where, JsonWriter& json) {
  const auto& own = as<arrow::StructArray>(array);
  json.begin_object();
  for (int k = 0; k < own.num_fields(); ++k) {
    json.key(own.struct_type()->field(k)->name());
    write_arrow_value(*own.field(k), i, where, json);
  }
  json.end_object();
}

// Whether it was a number.
bool write_number(const arrow::Array& array, int64_t i, std::string_view where, JsonWriter& json) {
  using arrow::Type;
  switch (array.type_id()) {
    case Type::INT8:
      json.value(int64_t{as<arrow::Int8Array>(array).Value(i)});
      return true;
    case Type::INT16:
      json.value(int64_t{as<arrow::Int16Array>(array).Value(i)});
      return true;
    case Type::INT32:
      json.value(int64_t{as<arrow::Int32Array>(array).Value(i)});
      return true;
    case Type::INT64:
      json.value(as<arrow::Int64Array>(array).Value(i));
      return true;
    case Type::UINT8:
      json.value(int64_t{as<arrow::UInt8Array>(array).Value(i)});
      return true;
    case Type::UINT16:
      json.value(int64_t{as<arrow::UInt16Array>(array).Value(i)});
      return true;
    case Type::UINT32:
      json.value(int64_t{as<arrow::UInt32Array>(array).Value(i)});
      return true;
    case Type::UINT64:
      json.value(as<arrow::UInt64Array>(array).Value(i));
      return true;
    case Type::HALF_FLOAT: {
      const uint16_t bits = as<arrow::HalfFloatArray>(array).Value(i);
      write_finite(arrow::util::Float16::FromBits(bits).ToFloat(), where, json);
      return true;
    }
    case Type::FLOAT:
      write_finite(as<arrow::FloatArray>(array).Value(i), where, json);
      return true;
    case Type::DOUBLE:
      write_finite(as<arrow::DoubleArray>(array).Value(i), where, json);
      return true;
    default:
      return false;
  }
}

bool is_plain_string(const arrow::DataType& type) {
  return type.id() == arrow::Type::STRING || type.id() == arrow::Type::LARGE_STRING ||
         type.id() == arrow::Type::STRING_VIEW;
}

}  // namespace

bool is_text_type(const arrow::DataType& type) {
  if (type.id() == arrow::Type::DICTIONARY) {
    return is_plain_string(*static_cast<const arrow::DictionaryType&>(type).value_type());
  }
  return is_plain_string(type) || type.id() == arrow::Type::NA;
}

bool is_json_type(const arrow::DataType& type, int depth) {
  if (depth > kMostDepth) return false;
  if (is_text_type(type) || type.id() == arrow::Type::BOOL) return true;
  if (arrow::is_integer(type.id()) || arrow::is_floating(type.id())) return true;
  switch (type.id()) {
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::LIST_VIEW:
    case arrow::Type::LARGE_LIST_VIEW:
    case arrow::Type::FIXED_SIZE_LIST:
    case arrow::Type::STRUCT:
      break;
    default:
      return false;
  }
  for (const auto& field : type.fields()) {
    if (!is_json_type(*field->type(), depth + 1)) return false;
  }
  return true;
}

void write_arrow_value(const arrow::Array& array, int64_t i, std::string_view where,
                       JsonWriter& json) {
  using arrow::Type;
  if (array.type_id() == Type::NA || array.IsNull(i)) {
    json.null();
    return;
  }
  if (write_number(array, i, where, json)) return;
  switch (array.type_id()) {
    case Type::BOOL:
      json.value(as<arrow::BooleanArray>(array).Value(i));
      return;
    case Type::STRING:
      json.value(as<arrow::StringArray>(array).GetView(i));
      return;
    case Type::LARGE_STRING:
      json.value(as<arrow::LargeStringArray>(array).GetView(i));
      return;
    case Type::STRING_VIEW:
      json.value(as<arrow::StringViewArray>(array).GetView(i));
      return;
    case Type::DICTIONARY: {
      const auto& own = as<arrow::DictionaryArray>(array);
      write_arrow_value(*own.dictionary(), own.GetValueIndex(i), where, json);
      return;
    }
    case Type::LIST:
      return write_list<arrow::ListArray>(array, i, where, json);
    case Type::LARGE_LIST:
      return write_list<arrow::LargeListArray>(array, i, where, json);
    case Type::LIST_VIEW:
      return write_list<arrow::ListViewArray>(array, i, where, json);
    case Type::LARGE_LIST_VIEW:
      return write_list<arrow::LargeListViewArray>(array, i, where, json);
    case Type::FIXED_SIZE_LIST:
      return write_list<arrow::FixedSizeListArray>(array, i, where, json);
    case Type::STRUCT:
      return write_struct(array, i, where, json);
    default:
      TAMIS_CHECK(false);  // is_json_type() lets no other in
  }
}

}  // namespace tamis
