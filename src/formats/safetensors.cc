#include "formats/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mapped_file.h"

namespace tamis {

static_assert(std::endian::native == std::endian::little, "safetensors is little-endian");

namespace {

constexpr size_t kLengthBytes = 8;  // the header's length, little-endian, before the header
constexpr std::string_view kMetadataKey = "__metadata__";

// Elements the format has and DType has not: their bits are known, so their sizes are checked.
struct ForeignDType {
  std::string_view name;
  int64_t bits;
};
constexpr ForeignDType kForeignDTypes[] = {
    {"I16", 16},    {"U16", 16},    {"U32", 32},    {"U64", 64}, {"F8_E4M3", 8}, {"F8_E5M2", 8},
    {"F8_E8M0", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4},   {"C64", 64},
};

// Bits of one element, nothing for a name that is not known.
std::optional<int64_t> dtype_bits(std::string_view name) {
  if (const auto dtype = dtype_from_name(name)) {
    return static_cast<int64_t>(dtype_bytes(*dtype)) * 8;
  }
  for (const ForeignDType& foreign : kForeignDTypes) {
    if (foreign.name == name) return foreign.bits;
  }
  return std::nullopt;
}

struct Range {
  int64_t begin = 0;
  int64_t end = 0;
};

class HeaderReader {
 public:
  HeaderReader(std::span<const std::byte> data, const std::string& source,
               const std::shared_ptr<const void>& keeper)
      : data_(data), source_(source), keeper_(keeper) {}

  SafetensorsContents read(JsonView header) {
    if (!header.is_object()) {
      fail(ErrorCode::kCorruptData, source_, ": safetensors header must be a JSON object");
    }
    for (size_t i = 0; i < header.size(); ++i) {
      const JsonView::Member member = header.member(i);
      if (member.key == kMetadataKey) {
        read_metadata(member.value);
      } else {
        read_tensor(member.key, member.value);
      }
    }
    check_coverage();
    // Behind check_coverage(): tensors that do not overlap copy no more than the file's size.
    for (size_t i = 0; i < ranges_.size(); ++i) attach(contents_.tensors[i], ranges_[i]);
    std::sort(contents_.tensors.begin(), contents_.tensors.end(),
              [](const StoredTensor& a, const StoredTensor& b) { return a.name < b.name; });
    return std::move(contents_);
  }

 private:
  template <typename... Parts>
  [[noreturn]] void corrupt(std::string_view tensor, const Parts&... parts) const {
    fail(ErrorCode::kCorruptData, source_, ": tensor ", json_quote(tensor.substr(0, 200)), ": ",
         parts...);
  }

  void read_metadata(JsonView metadata) {
    const std::string what = cat(source_, ": ", kMetadataKey);
    if (!metadata.is_object()) {
      fail(ErrorCode::kCorruptData, what, " must be an object of strings");
    }
    for (size_t i = 0; i < metadata.size(); ++i) {
      const JsonView::Member member = metadata.member(i);
      contents_.metadata.emplace(member.key, member.value.as_string(what));
    }
  }

  void read_tensor(std::string_view name, JsonView info) {
    const std::string what = cat(source_, ": tensor ", json_quote(name.substr(0, 200)));
    if (!info.is_object()) {
      fail(ErrorCode::kCorruptData, what, " must be an object with dtype, shape and data_offsets");
    }
    StoredTensor stored;
    stored.name = name;
    stored.source = source_;
    stored.dtype = info.get("dtype").as_string(what + ": dtype");
    stored.sizes = read_sizes(info.get("shape"), name);
    const Range range = read_range(info.get("data_offsets"), name);
    check_size(stored, range);
    ranges_.push_back(range);
    contents_.tensors.push_back(std::move(stored));
  }

  std::vector<int64_t> read_sizes(JsonView shape, std::string_view name) const {
    if (!shape.is_array()) corrupt(name, "shape must be an array of sizes");
    std::vector<int64_t> sizes;
    sizes.reserve(shape.size());
    for (size_t i = 0; i < shape.size(); ++i) {
      if (!shape.at(i).is_int()) corrupt(name, "shape must be an array of integers");
      sizes.push_back(shape.at(i).as_int("shape"));
      if (sizes.back() < 0) corrupt(name, "negative size ", sizes.back(), " in its shape");
    }
    return sizes;
  }

  Range read_range(JsonView offsets, std::string_view name) const {
    if (!offsets.is_array() || offsets.size() != 2 || !offsets.at(0).is_int() ||
        !offsets.at(1).is_int()) {
      corrupt(name, "data_offsets must be two integers");
    }
    const Range range = {offsets.at(0).as_int("begin"), offsets.at(1).as_int("end")};
    if (range.begin < 0 || range.begin > range.end) {
      corrupt(name, "data_offsets [", range.begin, ", ", range.end, "] are not in order");
    }
    if (range.end > static_cast<int64_t>(data_.size())) {
      corrupt(name, "offset ", range.end, " past the end of the data (", data_.size(), " bytes)");
    }
    return range;
  }

  void check_size(const StoredTensor& stored, Range range) const {
    const auto bits = dtype_bits(stored.dtype);
    if (!bits) return;
    int64_t total_bits = 0;
    const auto elements = checked_elements(stored.sizes);
    if (!elements || __builtin_mul_overflow(*elements, *bits, &total_bits)) {
      corrupt(stored.name, "shape ", sizes_to_string(stored.sizes), " is too large");
    }
    if (total_bits % 8 != 0 || total_bits / 8 != range.end - range.begin) {
      corrupt(stored.name, "shape ", sizes_to_string(stored.sizes), " of ", stored.dtype, " needs ",
              (total_bits + 7) / 8, " bytes, data_offsets give ", range.end - range.begin);
    }
  }

  void attach(StoredTensor& stored, Range range) const {
    const auto bytes = data_.subspan(static_cast<size_t>(range.begin),
                                     static_cast<size_t>(range.end - range.begin));
    // The tensors do not overlap, so each may let go of its own bytes.
    attach_bytes(stored, {dtype_from_name(stored.dtype), bytes, keep_slice(keeper_, bytes)});
  }

  // The tensors lie one behind the other from 0 to the end of the data.
  void check_coverage() const {
    std::vector<size_t> order(ranges_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(), [this](size_t a, size_t b) {
      return std::pair(ranges_[a].begin, ranges_[a].end) <
             std::pair(ranges_[b].begin, ranges_[b].end);
    });
    int64_t end = 0;
    for (const size_t i : order) {
      const std::string& name = contents_.tensors[i].name;
      if (ranges_[i].begin < end) {
        corrupt(name, "offset ", ranges_[i].begin, " overlaps the tensor before it, which ends at ",
                end);
      }
      if (ranges_[i].begin > end) {
        corrupt(name, "offset ", ranges_[i].begin, " leaves a hole behind offset ", end);
      }
      end = ranges_[i].end;
    }
    if (end != static_cast<int64_t>(data_.size())) {
      fail(ErrorCode::kCorruptData, source_, ": ", static_cast<int64_t>(data_.size()) - end,
           " bytes behind the last tensor, which ends at ", end);
    }
  }

  std::span<const std::byte> data_;
  const std::string& source_;
  const std::shared_ptr<const void>& keeper_;
  SafetensorsContents contents_;
  std::vector<Range> ranges_;  // of contents_.tensors, in the header's order
};

std::string make_header(std::span<const NamedTensor> sorted,
                        const std::map<std::string, std::string>& metadata) {
  JsonWriter json;
  json.begin_object();
  if (!metadata.empty()) {
    json.key(kMetadataKey).begin_object();
    for (const auto& [key, value] : metadata) json.member(key, value);
    json.end_object();
  }
  uint64_t offset = 0;
  for (const NamedTensor& tensor : sorted) {
    json.key(tensor.name).begin_object();
    json.member("dtype", dtype_name(tensor.view.dtype()));
    json.key("shape").begin_array();
    for (const int64_t size : tensor.view.shape().sizes()) json.value(size);
    json.end_array();
    json.key("data_offsets").begin_array().value(offset);
    offset += tensor.view.size_bytes();
    json.value(offset).end_array().end_object();
  }
  json.end_object();
  std::string header = json.take();
  // Spaces up to a multiple of 64 for the first tensor; the format allows them behind the JSON.
  header.resize((kLengthBytes + header.size() + 63) / 64 * 64 - kLengthBytes, ' ');
  return header;
}

}  // namespace

SafetensorsContents parse_safetensors(std::span<const std::byte> bytes, const std::string& source,
                                      const std::shared_ptr<const void>& keeper) {
  refuse_lfs_pointer(bytes, source);
  if (bytes.size() < kLengthBytes) {
    fail(ErrorCode::kCorruptData, source, ": ", bytes.size(),
         " bytes are too few for a safetensors file, which begins with 8 bytes of length");
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kMaxSafetensorsHeader) {
    fail(ErrorCode::kCorruptData, source, ": safetensors header of ", length,
         " bytes is over the format's limit of ", kMaxSafetensorsHeader, " bytes");
  }
  if (length > bytes.size() - kLengthBytes) {
    fail(ErrorCode::kCorruptData, source, ": safetensors header of ", length,
         " bytes ends past the file's ", bytes.size(), " bytes; the file is truncated");
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, length);
  const JsonDocument header = JsonDocument::parse(text, source, {.max_depth = 8});
  return HeaderReader(bytes.subspan(kLengthBytes + length), source, keeper).read(header.root());
}

SafetensorsContents read_safetensors(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  return parse_safetensors(file->bytes(), path.string(), file);
}

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<NamedTensor> sorted(tensors.begin(), tensors.end());
  std::sort(sorted.begin(), sorted.end(), [](const NamedTensor& a, const NamedTensor& b) {
    const size_t width_a = dtype_bytes(a.view.dtype());
    const size_t width_b = dtype_bytes(b.view.dtype());
    return width_a != width_b ? width_a > width_b : a.name < b.name;
  });
  std::vector<std::string_view> names;
  for (const NamedTensor& tensor : sorted) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end() || std::binary_search(names.begin(), names.end(), kMetadataKey)) {
    fail(ErrorCode::kInvalidArgument, path.string(), ": the tensor name ",
         json_quote(twice != names.end() ? *twice : kMetadataKey), " cannot be written",
         twice != names.end() ? " twice" : ": the format reserves it");
  }
  const std::string header = make_header(sorted, metadata);
  const uint64_t length = header.size();
  std::vector<std::string_view> pieces;
  pieces.emplace_back(reinterpret_cast<const char*>(&length), kLengthBytes);
  pieces.emplace_back(header);
  for (const NamedTensor& tensor : sorted) {
    pieces.emplace_back(reinterpret_cast<const char*>(tensor.view.data()),
                        tensor.view.size_bytes());
  }
  write_file(path, pieces);
}

}  // namespace tamis
