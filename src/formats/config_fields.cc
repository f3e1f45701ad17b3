#include "formats/config_fields.h"

namespace tamis {

ConfigFields ConfigFields::parse(std::string_view json, std::string_view source) {
  JsonLimits limits;
  limits.python_numbers = true;
  return {std::make_shared<const JsonDocument>(JsonDocument::parse(json, source, limits)), source};
}

ConfigFields ConfigFields::inner(std::string_view key) const {
  const auto found = object(key);
  TAMIS_CHECK(found.has_value());
  return {*found, document_};
}

int64_t ConfigFields::integer(std::string_view key, int64_t otherwise, int64_t low,
                              int64_t high) const {
  const JsonView value = get(key);
  if (!value) return otherwise;
  const int64_t number = value.as_int(what(key));
  if (number < low || number > high) {
    fail(ErrorCode::kCorruptData, what(key), " is ", number, "; accepted are ", low, " to ", high);
  }
  return number;
}

double ConfigFields::number(std::string_view key, double otherwise, double low, double high) const {
  const JsonView value = get(key);
  if (!value) return otherwise;
  const double number = value.as_double(what(key));
  if (!(number >= low && number <= high)) {
    fail(ErrorCode::kCorruptData, what(key), " is ", number, "; accepted are ", low, " to ", high);
  }
  return number;
}

std::string ConfigFields::text(std::string_view key, std::string_view otherwise) const {
  return text(key).value_or(std::string(otherwise));
}

Activation ConfigFields::activation(std::string_view key, std::string_view otherwise) const {
  const std::string name = text(key, otherwise);
  const auto found = activation_from_name(name);
  if (!found) refuse(key, json_quote(name.substr(0, 200)), known_activations());
  return *found;
}

void ConfigFields::refuse(std::string_view key, std::string_view value,
                          std::string_view accepted) const {
  fail(ErrorCode::kUnsupported, source(), ": ", key, " ", value, " is not built; accepted are ",
       accepted);
}

}  // namespace tamis
