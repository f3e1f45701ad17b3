#include "formats/config_file.h"

#include <utility>

#include "base/error.h"
#include "base/file.h"

namespace tamis {

namespace {

constexpr size_t kMaxConfigBytes = size_t{4} << 20;

// As Python's json module, which wrote these files.
JsonDocument parse_config(std::string_view json, std::string_view source) {
  JsonLimits limits;
  limits.python_numbers = true;
  return JsonDocument::parse(json, source, limits);
}

}  // namespace

ConfigObject::ConfigObject(JsonView object, std::string source)
    : object_(object), source_(std::move(source)) {
  if (!object_.is_object()) fail(ErrorCode::kCorruptData, source_, ": must be a JSON object");
}

std::string ConfigObject::what(std::string_view key) const { return cat(source_, ": ", key); }

JsonView ConfigObject::get(std::string_view key) const {
  const JsonView value = object_.get(key);
  return value.is_null() ? JsonView() : value;
}

bool ConfigObject::flag(std::string_view key, bool otherwise) const {
  const JsonView value = object_.get(key);
  if (!value.exists()) return otherwise;
  return !value.is_null() && value.as_bool(what(key));
}

std::optional<std::string> ConfigObject::text(std::string_view key) const {
  const JsonView value = get(key);
  if (!value) return std::nullopt;
  return std::string(value.as_string(what(key)));
}

std::optional<int64_t> ConfigObject::count(std::string_view key, int64_t most) const {
  const JsonView value = get(key);
  if (!value) return std::nullopt;
  const int64_t number = value.as_int(what(key));
  if (number < 1 || number > most) {
    fail(ErrorCode::kCorruptData, what(key), " is ", number, "; accepted are 1 to ", most);
  }
  return number;
}

std::optional<ConfigObject> ConfigObject::object(std::string_view key) const {
  const JsonView value = get(key);
  if (!value) return std::nullopt;
  return ConfigObject(value, what(key));
}

ConfigFile::ConfigFile(std::string_view json, std::string source)
    : document_(parse_config(json, source)), root_(document_.root(), std::move(source)) {}

ConfigFile::ConfigFile(const std::filesystem::path& path)
    : ConfigFile(read_file(path, kMaxConfigBytes), path.string()) {}

}  // namespace tamis
