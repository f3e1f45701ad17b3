#include "formats/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <iterator>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "formats/stored_tensor.h"

namespace tamis {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kAlignment = 64;       // of the first value
constexpr size_t kVersion1Prefix = 10;  // magic, version, 16-bit length
constexpr size_t kVersion2Prefix = 12;  // magic, version, 32-bit length
constexpr size_t kMaxHeader = 65536;

struct DescrRow {
  std::string_view descr;
  DType dtype;
};
constexpr DescrRow kDescrs[] = {
    {"<f4", DType::kF32}, {"<f8", DType::kF64}, {"<f2", DType::kF16}, {"|i1", DType::kI8},
    {"|u1", DType::kU8},  {"<i4", DType::kI32}, {"<i8", DType::kI64}, {"|b1", DType::kBool},
};

// Reads the Python dict literal of a header: {'descr': '<f4', 'fortran_order': False,
// 'shape': (2, 3), }.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, std::string_view source) : rest_(text), source_(source) {}

  void parse() {
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr") {
        descr = quoted();
      } else if (key == "fortran_order") {
        fortran_order = boolean();
      } else if (key == "shape") {
        shape = tuple();
      } else {
        corrupt();
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_spaces();
    if (!rest_.empty()) corrupt();
  }

  std::string_view descr;
  bool fortran_order = false;
  std::vector<int64_t> shape;

 private:
  [[noreturn]] void corrupt() const {
    fail(ErrorCode::kCorruptData, source_,
         ": the header of a .npy file must be {'descr': '<f4', 'fortran_order': False, 'shape': "
         "(2, 3)}; it is wrong at ",
         json_quote(rest_.substr(0, 40)));
  }
  void skip_spaces() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size()));
  }
  bool accept(char sign) {
    skip_spaces();
    if (!rest_.starts_with(sign)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char sign) {
    if (!accept(sign)) corrupt();
  }
  std::string_view quoted() {
    expect('\'');
    const size_t end = rest_.find('\'');
    if (end == std::string_view::npos) corrupt();
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }
  bool boolean() {
    skip_spaces();
    const bool yes = rest_.starts_with("True");
    if (!yes && !rest_.starts_with("False")) corrupt();
    rest_.remove_prefix(yes ? 4 : 5);
    return yes;
  }
  std::vector<int64_t> tuple() {
    std::vector<int64_t> numbers;
    expect('(');
    while (!accept(')')) {
      int64_t number = 0;
      const auto parsed = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
      if (parsed.ec != std::errc()) corrupt();
      rest_.remove_prefix(static_cast<size_t>(parsed.ptr - rest_.data()));
      numbers.push_back(number);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return numbers;
  }

  std::string_view rest_;
  std::string_view source_;
};

// The header's text; `data` gets where the values begin.
std::string_view header_text(std::span<const std::byte> bytes, std::string_view source,
                             size_t& data) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with(kMagic) || text.size() < kVersion2Prefix) {
    fail(ErrorCode::kCorruptData, source, ": not a .npy file");
  }
  const int version = text[kMagic.size()];
  if (version < 1 || version > 3) {
    fail(ErrorCode::kUnsupported, source, ": .npy version ", version, "; accepted are 1 to 3");
  }
  const size_t prefix = version == 1 ? kVersion1Prefix : kVersion2Prefix;
  uint32_t length = 0;
  std::memcpy(&length, text.data() + kMagic.size() + 2, version == 1 ? 2 : 4);
  if (length > kMaxHeader || length > text.size() - prefix) {
    fail(ErrorCode::kCorruptData, source, ": .npy header of ", length,
         " bytes passes the end of the file or the limit of ", kMaxHeader);
  }
  data = prefix + length;
  return text.substr(prefix, length);
}

}  // namespace

std::string npy_header(const Shape& shape, DType dtype) {
  const auto* const row =
      std::ranges::find_if(kDescrs, [&](const DescrRow& r) { return r.dtype == dtype; });
  TAMIS_CHECK(row != std::end(kDescrs));
  std::string sizes;
  for (const int64_t size : shape.sizes()) sizes += cat(size, ", ");
  // One size keeps its comma: (3,) is a tuple, (3) a number.
  if (shape.rank() > 1) sizes.resize(sizes.size() - 2);
  if (shape.rank() == 1) sizes.resize(sizes.size() - 1);
  std::string dict =
      cat("{'descr': '", row->descr, "', 'fortran_order': False, 'shape': (", sizes, "), }");
  // A newline last, spaces before it up to the alignment.
  const size_t used = kVersion1Prefix + dict.size() + 1;
  dict.append((kAlignment - used % kAlignment) % kAlignment, ' ');
  dict.push_back('\n');
  const auto length = static_cast<uint16_t>(dict.size());
  std::string header(kMagic);
  header.append("\x01\x00", 2);
  header.append(reinterpret_cast<const char*>(&length), sizeof(length));
  return header + dict;
}

Tensor parse_npy(std::span<const std::byte> bytes, std::string_view source) {
  size_t data = 0;
  HeaderParser header(header_text(bytes, source, data), source);
  header.parse();
  const DescrRow* found = nullptr;
  for (const DescrRow& row : kDescrs) {
    if (row.descr == header.descr) found = &row;
  }
  if (found == nullptr || header.fortran_order || header.shape.size() > Shape::kMaxRank) {
    fail(ErrorCode::kUnsupported, source, ": array of ", json_quote(header.descr.substr(0, 40)),
         header.fortran_order ? " in Fortran order" : "", " with ", header.shape.size(),
         " dimensions; accepted are <f4, <f8, <f2, |i1, |u1, <i4, <i8 and |b1 in C order with at "
         "most 4");
  }
  const auto elements = checked_elements(header.shape);
  size_t size = 0;
  if (!elements ||
      __builtin_mul_overflow(static_cast<size_t>(*elements), dtype_bytes(found->dtype), &size) ||
      size != bytes.size() - data) {
    fail(ErrorCode::kCorruptData, source, ": shape ", sizes_to_string(header.shape), " of ",
         found->descr, " does not fit the ", bytes.size() - data, " bytes behind the header");
  }
  auto copy = std::make_shared<std::vector<int64_t>>((size + 7) / 8);
  if (size != 0) std::memcpy(copy->data(), bytes.data() + data, size);
  const Shape shape{std::span<const int64_t>(header.shape)};
  const TensorView view(found->dtype, shape, copy->data());
  return Tensor(view, std::move(copy));
}

Tensor read_npy(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  return parse_npy(file->bytes(), path.string());
}

}  // namespace tamis
