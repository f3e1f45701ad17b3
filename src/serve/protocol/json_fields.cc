#include "serve/protocol/json_fields.h"

#include <limits>

#include "base/error.h"

namespace tamis::serve {

namespace {

[[noreturn]] void refuse(std::string_view key, std::string_view wanted) {
  fail(ErrorCode::kInvalidArgument, "`", key, "` must be ", wanted);
}

}  // namespace

void check_object(JsonView body) {
  if (!body.is_object()) fail(ErrorCode::kInvalidArgument, "the body must be a JSON object");
}

std::optional<std::string_view> string_field(JsonView body, std::string_view key) {
  const JsonView field = body.get(key);
  if (field.is_null()) return std::nullopt;
  if (!field.is_string()) refuse(key, "a string");
  return field.as_string(key);
}

std::string_view required_string(JsonView body, std::string_view key) {
  const std::optional<std::string_view> text = string_field(body, key);
  if (!text) fail(ErrorCode::kInvalidArgument, "`", key, "` is missing; it must be a string");
  return *text;
}

std::optional<bool> bool_field(JsonView body, std::string_view key) {
  const JsonView field = body.get(key);
  if (field.is_null()) return std::nullopt;
  if (!field.is_bool()) refuse(key, "true or false");
  return field.as_bool(key);
}

std::optional<int64_t> int_field(JsonView body, std::string_view key, int64_t least) {
  const JsonView field = body.get(key);
  if (field.is_null()) return std::nullopt;
  if (!field.is_int() || field.as_int(key) < least) {
    refuse(key, cat("a whole number of at least ", least));
  }
  return field.as_int(key);
}

JsonView array_field(JsonView body, std::string_view key) {
  const JsonView field = body.get(key);
  if (field.is_null())
    fail(ErrorCode::kInvalidArgument, "`", key, "` is missing; it must be a list");
  if (!field.is_array()) refuse(key, "a list");
  return field;
}

std::vector<std::string> strings_of(JsonView list, std::string_view key) {
  if (!list.is_array()) refuse(key, "a list of strings");
  std::vector<std::string> texts;
  texts.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    if (!list.at(i).is_string()) refuse(key, "a list of strings");
    texts.emplace_back(list.at(i).as_string(key));
  }
  return texts;
}

std::vector<int32_t> ids_of(JsonView list, std::string_view key) {
  if (!list.is_array()) refuse(key, "a list of token ids");
  std::vector<int32_t> ids;
  ids.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    const JsonView item = list.at(i);
    if (!item.is_int() || item.as_int(key) < 0 ||
        item.as_int(key) > std::numeric_limits<int32_t>::max()) {
      refuse(key, "a list of token ids");
    }
    ids.push_back(static_cast<int32_t>(item.as_int(key)));
  }
  return ids;
}

}  // namespace tamis::serve
