#include "serve/protocol/fields.h"

#include <algorithm>

#include "base/error.h"
#include "serve/http/http_message.h"
#include "serve/protocol/json_fields.h"

namespace tamis::serve {

namespace {

// Calls take(word) for each of a row's words.
template <typename Take>
void for_each_word(std::string_view words, Take take) {
  while (!words.empty()) {
    const size_t bar = std::min(words.find('|'), words.size());
    take(words.substr(0, bar));
    words.remove_prefix(std::min(bar + 1, words.size()));
  }
}

// The row's word that `text` is; empty if it is none.
std::string_view word_of(const Field& field, std::string_view text) {
  std::string_view found;
  for_each_word(field.words, [&](std::string_view word) {
    if (equal_ignoring_case(word, text)) found = word;
  });
  return found;
}

bool has_word(const Field& field, std::string_view text) { return !word_of(field, text).empty(); }

// "left, right or both"
std::string list_of_words(const Field& field) {
  std::vector<std::string_view> words;
  if (field.kind == FieldKind::kSwitch) words = {"true", "false"};
  for_each_word(field.words, [&](std::string_view word) { words.push_back(word); });
  std::string list;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) list += i + 1 == words.size() ? " or " : ", ";
    list += words[i];
  }
  return list;
}

[[noreturn]] void refuse(const Field& field, std::string_view wanted) {
  fail(ErrorCode::kInvalidArgument, "`", field.name, "` must be ", wanted);
}

void check_only(const Field& field, JsonView value) {
  JsonWriter text;
  text.value(value);
  const std::string json = text.take();
  const bool same =
      has_word(field, json) || (value.is_string() && has_word(field, value.as_string(field.name)));
  if (same) return;
  fail(ErrorCode::kInvalidArgument, "`", field.name, "` must be ", list_of_words(field),
       ": this server has no other");
}

std::string_view wanted_by(FieldKind kind) {
  switch (kind) {
    case FieldKind::kBool:
      return "true or false";
    case FieldKind::kText:
      return "a string";
    case FieldKind::kTexts:
      return "a list of strings";
    case FieldKind::kTextOrList:
      return "a string or a list of strings";
    case FieldKind::kObject:
      return "an object";
    case FieldKind::kInt:
    case FieldKind::kNumber:
    case FieldKind::kWord:
    case FieldKind::kSwitch:
    case FieldKind::kJson:
    case FieldKind::kOnly:
      break;
  }
  return "another value";
}

bool is_list_of_strings(JsonView value) {
  if (!value.is_array()) return false;
  for (size_t i = 0; i < value.size(); ++i) {
    if (!value.at(i).is_string()) return false;
  }
  return true;
}

bool suits(const Field& field, JsonView value) {
  switch (field.kind) {
    case FieldKind::kBool:
      return value.is_bool();
    case FieldKind::kText:
      return value.is_string();
    case FieldKind::kTexts:
      return is_list_of_strings(value);
    case FieldKind::kTextOrList:
      return value.is_string() || is_list_of_strings(value);
    case FieldKind::kObject:
      return value.is_object();
    case FieldKind::kInt:
    case FieldKind::kNumber:
    case FieldKind::kWord:
    case FieldKind::kSwitch:
    case FieldKind::kJson:
    case FieldKind::kOnly:
      break;
  }
  return true;
}

void check_bounds(const Field& field, std::optional<int64_t> value) {
  if (value && *value >= field.least && *value <= field.most) return;
  refuse(field, cat("a whole number in ", field.least, "..", field.most));
}

void check_number(const Field& field, JsonView value) {
  if (value.is_number()) {
    const double number = value.as_double(field.name);
    const bool fits =
        number >= static_cast<double>(field.least) && number <= static_cast<double>(field.most);
    if (fits) return;
  }
  refuse(field, cat("a number in ", field.least, "..", field.most));
}

void check_word(const Field& field, JsonView value) {
  if (field.kind == FieldKind::kSwitch && value.is_bool()) return;
  if (value.is_string() && has_word(field, value.as_string(field.name))) return;
  refuse(field, list_of_words(field));
}

// Of kTexts: each is a word, where there are words.
void check_words(const Field& field, JsonView value) {
  if (field.kind != FieldKind::kTexts || field.words.empty()) return;
  for (size_t i = 0; i < value.size(); ++i) {
    if (!has_word(field, value.at(i).as_string(field.name))) {
      refuse(field, cat("a list of ", list_of_words(field)));
    }
  }
}

void check_field(const Field& field, JsonView value) {
  if (value.is_null()) {
    if (!field.required) return;
    const std::string_view wanted = field.kind == FieldKind::kJson ? "" : wanted_by(field.kind);
    fail(ErrorCode::kInvalidArgument, "`", field.name, "` is missing",
         wanted.empty() ? "" : "; it must be ", wanted);
  }
  if (field.kind == FieldKind::kInt) {
    return check_bounds(field,
                        value.is_int() ? std::optional(value.as_int(field.name)) : std::nullopt);
  }
  if (field.kind == FieldKind::kNumber) return check_number(field, value);
  if (field.kind == FieldKind::kOnly) return check_only(field, value);
  if (field.kind == FieldKind::kWord || field.kind == FieldKind::kSwitch) {
    return check_word(field, value);
  }
  if (!suits(field, value)) refuse(field, wanted_by(field.kind));
  check_words(field, value);
}

const Field* find_field(const Form& form, std::string_view name) {
  for (const auto& group : form.groups) {
    for (const Field& field : group) {
      if (field.name == name) return &field;
    }
  }
  return nullptr;
}

void write_words(const Field& field, JsonWriter& json) {
  json.key("enum").begin_array();
  if (field.kind == FieldKind::kSwitch) json.value(true).value(false);
  for_each_word(field.words, [&](std::string_view word) {
    const bool literal = word == "true" || word == "false" || word.starts_with('[');
    if (field.kind == FieldKind::kOnly && literal) {
      json.value(JsonDocument::parse(word, field.name).root());
    } else if (word != "null") {
      json.value(word);
    }
  });
  if (!field.required) json.null();
  json.end_array();
}

void write_type(const Field& field, JsonWriter& json) {
  const auto strings = [&] {
    json.member("type", "array").key("items").begin_object().member("type", "string");
    if (!field.words.empty()) {
      json.key("enum").begin_array();
      for_each_word(field.words, [&](std::string_view word) { json.value(word); });
      json.end_array();
    }
    json.end_object();
  };
  switch (field.kind) {
    case FieldKind::kBool:
      json.member("type", "boolean");
      break;
    case FieldKind::kInt:
      json.member("type", "integer").member("minimum", field.least).member("maximum", field.most);
      break;
    case FieldKind::kNumber:
      json.member("type", "number").member("minimum", field.least).member("maximum", field.most);
      break;
    case FieldKind::kText:
      json.member("type", "string");
      break;
    case FieldKind::kTexts:
      strings();
      break;
    case FieldKind::kTextOrList:
      json.key("anyOf").begin_array();
      json.begin_object().member("type", "string").end_object().begin_object();
      strings();
      json.end_object().end_array();
      break;
    case FieldKind::kObject:
    case FieldKind::kJson:
      if (field.schema.empty()) {
        json.member("type", "object");
        break;
      }
      json.key("allOf").begin_array().begin_object();
      json.member("$ref", cat("#/components/schemas/", field.schema)).end_object().end_array();
      break;
    case FieldKind::kSwitch:
    case FieldKind::kWord:
    case FieldKind::kOnly:
      write_words(field, json);
      break;
  }
}

void write_field(const Field& field, JsonWriter& json) {
  json.key(field.name).begin_object();
  write_type(field, json);
  if (!field.required) json.member("nullable", true);
  if (!field.fallback.empty()) {
    json.key("default").value(JsonDocument::parse(field.fallback, field.name).root());
  }
  if (!field.help.empty()) json.member("description", field.help);
  json.end_object();
}

}  // namespace

const Form& form_of(std::string_view name) {
  const auto all = forms();
  const auto at =
      std::find_if(all.begin(), all.end(), [&](const Form& form) { return form.name == name; });
  TAMIS_CHECK(at != all.end());
  return *at;
}

int64_t checked_integer(std::string_view form, std::string_view name, int64_t value) {
  const Field* const field = find_field(form_of(form), name);
  TAMIS_CHECK(field != nullptr && field->kind == FieldKind::kInt);
  check_bounds(*field, value);
  return value;
}

void write_form_schema(const Form& form, JsonWriter& json) {
  json.begin_object().member("type", "object");
  if (!form.help.empty()) json.member("description", form.help);
  bool any = false;
  for (const auto& group : form.groups) {
    for (const Field& field : group) {
      if (!field.required) continue;
      if (!any) json.key("required").begin_array();
      any = true;
      json.value(field.name);
    }
  }
  if (any) json.end_array();
  json.key("properties").begin_object();
  for (const auto& group : form.groups) {
    for (const Field& field : group) write_field(field, json);
  }
  json.end_object().end_object();
}

Fields::Fields(std::string_view form, JsonView object) : form_(&form_of(form)), object_(object) {
  for (const auto& group : form_->groups) {
    for (const Field& field : group) check_field(field, object_.get(field.name));
  }
}

bool Fields::knows(std::string_view name) const { return find_field(*form_, name) != nullptr; }

JsonView Fields::json(std::string_view name) const {
  TAMIS_CHECK(knows(name));
  return object_.get(name);
}

std::optional<bool> Fields::flag(std::string_view name) const {
  const JsonView value = json(name);
  return value.is_bool() ? std::optional(value.as_bool(name)) : std::nullopt;
}

std::optional<int64_t> Fields::integer(std::string_view name) const {
  const JsonView value = json(name);
  return value.is_null() ? std::nullopt : std::optional(value.as_int(name));
}

std::optional<double> Fields::number(std::string_view name) const {
  const JsonView value = json(name);
  return value.is_null() ? std::nullopt : std::optional(value.as_double(name));
}

std::optional<std::string_view> Fields::text(std::string_view name) const {
  const JsonView value = json(name);
  return value.is_null() ? std::nullopt : std::optional(value.as_string(name));
}

std::optional<std::string_view> Fields::word(std::string_view name) const {
  const JsonView value = json(name);
  if (!value.is_string()) return std::nullopt;
  const Field& field = *find_field(*form_, name);
  TAMIS_CHECK(!field.words.empty());
  return word_of(field, value.as_string(name));
}

std::optional<std::string> Fields::string(std::string_view name) const {
  const auto value = text(name);
  return value ? std::optional<std::string>(*value) : std::nullopt;
}

std::vector<std::string> Fields::texts(std::string_view name, const Budget& budget) const {
  const JsonView value = json(name);
  if (value.is_string()) return {std::string(value.as_string(name))};
  budget.check_items(name, value.size());
  return value.is_null() ? std::vector<std::string>() : strings_of(value, name);
}

std::vector<std::string_view> Fields::words(std::string_view name) const {
  const JsonView value = json(name);
  const Field& field = *find_field(*form_, name);
  std::vector<std::string_view> found;
  for (size_t i = 0; i < value.size(); ++i) {
    found.push_back(word_of(field, value.at(i).as_string(name)));
  }
  return found;
}

}  // namespace tamis::serve
