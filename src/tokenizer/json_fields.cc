#include "tokenizer/json_fields.h"

#include "tokenizer/utf8.h"

namespace tamis::tokenizer {

namespace {

std::string place(const std::string& where, std::string_view key) { return cat(where, ".", key); }

}  // namespace

JsonView field(const JsonView& object, std::string_view key, const std::string& where) {
  if (!object.is_object()) fail(ErrorCode::kCorruptData, where, ": expected an object");
  const JsonView value = object.get(key);
  if (!value) fail(ErrorCode::kCorruptData, where, ": no \"", key, "\"");
  return value;
}

std::string_view string_field(const JsonView& object, std::string_view key,
                              const std::string& where) {
  return field(object, key, where).as_string(place(where, key));
}

JsonView array_field(const JsonView& object, std::string_view key, const std::string& where) {
  const JsonView value = field(object, key, where);
  if (!value.is_array()) fail(ErrorCode::kCorruptData, place(where, key), ": expected an array");
  return value;
}

bool bool_field(const JsonView& object, std::string_view key, const std::string& where) {
  return field(object, key, where).as_bool(place(where, key));
}

bool bool_field_or(const JsonView& object, std::string_view key, bool fallback,
                   const std::string& where) {
  const JsonView value = object.get(key);
  return value.is_null() ? fallback : value.as_bool(place(where, key));
}

std::string_view string_field_or(const JsonView& object, std::string_view key,
                                 std::string_view fallback, const std::string& where) {
  const JsonView value = object.get(key);
  return value.is_null() ? fallback : value.as_string(place(where, key));
}

int64_t int_field(const JsonView& object, std::string_view key, const std::string& where) {
  return field(object, key, where).as_int(place(where, key));
}

char32_t char_field(const JsonView& object, std::string_view key, const std::string& where) {
  const std::string_view text = string_field(object, key, where);
  if (count_code_points(text) != 1) {
    fail(ErrorCode::kCorruptData, place(where, key), ": expected one character, found ",
         json_quote(text));
  }
  return decode_utf8(text.data());
}

void fail_unknown_type(const std::string& where, std::string_view kind, std::string_view type) {
  fail(ErrorCode::kUnsupported, where, ": ", kind, " ", json_quote(type),
       " is not supported; see the list of components in docs/formats.md");
}

}  // namespace tamis::tokenizer
