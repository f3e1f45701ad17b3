#include "formats/onnx/tensor_reader.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/stored_tensor.h"

namespace tamis::onnx {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMaxRank = 64;
constexpr int64_t kExternal = 1;  // TensorProto.DataLocation

template <typename... Parts>
[[noreturn]] void corrupt(const Where& where, const Parts&... parts) {
  fail(ErrorCode::kCorruptData, where.to_string(), ": ", parts...);
}

// Bytes that the tensor's values take.
size_t value_bytes(const TensorProto& tensor, const Where& where) {
  const auto elements = checked_elements(tensor.dims);
  const auto bits = element_bits(tensor.type);
  int64_t total = 0;
  if (!elements || __builtin_mul_overflow(*elements, bits.value_or(1), &total) ||
      total > INT64_MAX - 7) {
    corrupt(where, "dims ", sizes_to_string(tensor.dims), " are negative or too large");
  }
  return static_cast<size_t>((total + 7) / 8);
}

// Values of an integer field in the width of their type: 8, 16 and 4-bit types lie in int32_data
// too. No value is wider than the field's own 8 bytes.
std::vector<std::byte> narrowed(const std::vector<int64_t>& values, size_t type_width,
                                const Where& where) {
  const size_t width = std::min(type_width, sizeof(int64_t));
  std::vector<std::byte> bytes(values.size() * width);
  const int64_t least = width >= 8 ? INT64_MIN : -(int64_t{1} << (8 * width - 1));
  const int64_t most = width >= 8 ? INT64_MAX : (int64_t{1} << (8 * width)) - 1;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] < least || values[i] > most) {
      corrupt(where, "value ", values[i], " does not fit ", width, " bytes");
    }
    std::memcpy(bytes.data() + i * width, &values[i], width);
  }
  return bytes;
}

int64_t number_of(const std::string& text, std::string_view key, const Where& where) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) {
    corrupt(where, "external_data: ", key, " ", json_quote(text.substr(0, 40)),
            " is no byte count");
  }
  return value;
}

// A file beside the model may be a link, but only to where the model's own link leads: so it is in
// the Hugging Face cache, whose files are links into one folder.
bool lies_beside(const fs::path& file, const fs::path& model) {
  std::error_code error;
  const fs::path target = fs::canonical(file, error);
  const fs::path named = fs::canonical(fs::absolute(model).parent_path(), error);
  const fs::path linked = fs::canonical(model, error).parent_path();
  if (error) return false;
  const fs::path relative = target.lexically_relative(named);
  const bool inside = !relative.empty() && *relative.begin() != "..";
  return inside || target.parent_path() == linked;
}

}  // namespace

struct TensorReader::Parts {
  TensorProto tensor;
  std::vector<std::byte> fixed;
  std::vector<int64_t> integers;
  std::optional<std::span<const std::byte>> raw;
  StringPairs external;
  bool is_external = false;
  int places = 0;  // where values were found
  std::string_view last_place;
  const Where* where = nullptr;

  void found_in(std::string_view place) {
    if (last_place == place) return;
    last_place = place;
    if (++places > 1) corrupt(*where, place, ": the values lie in two fields");
  }
};

std::pair<std::string, std::string> read_string_pair(std::span<const std::byte> message,
                                                     const Where& where) {
  std::pair<std::string, std::string> pair;
  WireReader reader(message, where);
  while (const auto field = reader.next()) {
    if (field->number == 1) pair.first = reader.text(*field, "key");
    if (field->number == 2) pair.second = reader.text(*field, "value");
  }
  return pair;
}

void TensorReader::read_field(const WireReader& reader, const WireField& field,
                              Parts& parts) const {
  TensorProto& tensor = parts.tensor;
  switch (field.number) {
    case 1:
      return reader.integers(field, "dims", tensor.dims);
    case 2:
      tensor.type = static_cast<ElementType>(reader.integer(field, "data_type"));
      return;
    case 4:
      parts.found_in("float_data");
      return reader.fixed(field, "float_data", 4, parts.fixed);
    case 5:
      parts.found_in("int32_data");
      return reader.integers(field, "int32_data", parts.integers);
    case 6:
      tensor.strings.push_back(reader.text(field, "string_data"));
      return;
    case 7:
      parts.found_in("int64_data");
      return reader.integers(field, "int64_data", parts.integers);
    case 8:
      tensor.name = reader.text(field, "name");
      return;
    case 9:
      parts.found_in("raw_data");
      parts.raw = reader.bytes(field, "raw_data");
      return;
    case 10:
      parts.found_in("double_data");
      return reader.fixed(field, "double_data", 8, parts.fixed);
    case 11:
      parts.found_in("uint64_data");
      return reader.integers(field, "uint64_data", parts.integers);
    case 13:
      parts.external.push_back(
          read_string_pair(reader.bytes(field, "external_data"), *parts.where));
      return;
    case 14:
      parts.is_external = reader.integer(field, "data_location") == kExternal;
      return;
    default:
      return;
  }
}

TensorProto TensorReader::read(std::span<const std::byte> message, const Where& where) {
  Parts parts;
  const Where here = {where.parent, where.label, where.index, &parts.tensor.name};
  parts.where = &here;
  WireReader reader(message, here);
  while (const auto field = reader.next()) read_field(reader, *field, parts);
  if (parts.tensor.dims.size() > kMaxRank) {
    corrupt(here, "dims: rank ", parts.tensor.dims.size(), ", at most ", kMaxRank);
  }
  TensorProto tensor = std::move(parts.tensor);
  const Where named = {where.parent, where.label, where.index, &tensor.name};
  attach(tensor, parts, named);
  return tensor;
}

void TensorReader::attach(TensorProto& tensor, Parts& parts, const Where& where) {
  const size_t size = value_bytes(tensor, where);
  const auto bits = element_bits(tensor.type);
  if (tensor.type == ElementType::kString) {
    if (static_cast<int64_t>(tensor.strings.size()) != checked_elements(tensor.dims)) {
      corrupt(where, "string_data: ", tensor.strings.size(), " strings for dims ",
              sizes_to_string(tensor.dims));
    }
    return;
  }
  if (parts.is_external) {
    tensor.bytes = external(parts, size, where, tensor.keeper);
  } else if (parts.raw) {
    tensor.bytes = *parts.raw;
    tensor.keeper = keeper_;
  } else {
    auto owned = std::make_shared<std::vector<std::byte>>(std::move(parts.fixed));
    const size_t width = static_cast<size_t>((bits.value_or(32) + 7) / 8);
    if (!parts.integers.empty()) *owned = narrowed(parts.integers, width, where);
    tensor.bytes = *owned;
    tensor.keeper = std::move(owned);
  }
  if (bits && tensor.bytes.size() != size) {
    corrupt(where, "dims ", sizes_to_string(tensor.dims), " of ", element_type_name(tensor.type),
            " need ", size, " bytes, the values have ", tensor.bytes.size());
  }
}

std::span<const std::byte> TensorReader::external(const Parts& parts, size_t size,
                                                  const Where& where,
                                                  std::shared_ptr<const void>& keeper) {
  std::string location;
  std::optional<int64_t> length;
  int64_t offset = 0;
  for (const auto& [key, value] : parts.external) {
    if (key == "location") location = value;
    if (key == "offset") offset = number_of(value, key, where);
    if (key == "length") length = number_of(value, key, where);
  }
  const auto file = open(location, where);
  const auto bytes = file->bytes();
  const int64_t wanted = length.value_or(static_cast<int64_t>(size));
  if (offset > static_cast<int64_t>(bytes.size()) ||
      wanted > static_cast<int64_t>(bytes.size()) - offset) {
    corrupt(where, "external_data: ", wanted, " bytes at offset ", offset, " of \"", location,
            "\", which has ", bytes.size());
  }
  keeper = file;
  return bytes.subspan(static_cast<size_t>(offset), static_cast<size_t>(wanted));
}

std::vector<std::string> TensorReader::external_files() const {
  std::vector<std::string> names;
  for (const auto& row : files_) names.push_back(row.first);
  return names;
}

std::shared_ptr<const MappedFile> TensorReader::open(const std::string& location,
                                                     const Where& where) {
  if (file_.empty()) corrupt(where, "external_data: there is no folder to look in");
  const auto known = files_.find(location);
  if (known != files_.end()) return known->second;
  const fs::path folder = file_.has_parent_path() ? file_.parent_path() : fs::path(".");
  const fs::path path = path_inside(folder, location, where.to_string() + ": external_data");
  if (!file_exists(path)) {
    fail(ErrorCode::kNotFound, where.to_string(), ": external_data: no file \"", path.string(),
         "\"; it belongs beside the model");
  }
  if (!lies_beside(path, file_)) {
    corrupt(where, "external_data: \"", location, "\" is a link out of the model's folder");
  }
  return files_.emplace(location, MappedFile::open(path)).first->second;
}

}  // namespace tamis::onnx
