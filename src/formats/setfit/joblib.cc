#include "formats/setfit/joblib.h"

#include <charconv>
#include <cstring>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"

namespace tamis {

namespace {

constexpr int64_t kMaxBytes = int64_t{256} << 20;
constexpr size_t kMaxRank = 2;
constexpr int64_t kMaxTextBytes = 4 * 4096;  // of one element

[[noreturn]] void corrupt(const std::string& source, std::string_view what) {
  fail(ErrorCode::kCorruptData, source, ": an array of joblib: ", what);
}

// A byte that counts those behind it stands before the array, so that its first lies aligned.
std::optional<PicklePayload> payload_of(const PickleValue& object, const std::string& source) {
  if (!is_joblib_array(object)) return std::nullopt;
  const NumpyArray array = numpy_array(object, source);
  return PicklePayload{array.alignment != 0,
                       static_cast<uint64_t>(array.elements() * array.item_size)};
}

bool is_call_of(const PickleValue* value, std::string_view name) {
  return value != nullptr && value->kind == PickleKind::kCall && value->items.size() >= 2 &&
         value->items[0]->text == name;
}

// "f4" of dtype("f4", False, True), the state behind it.
void read_dtype(const PickleValue* dtype, const std::string& source, NumpyArray& array) {
  if (!is_call_of(dtype, "numpy.dtype") || dtype->items[1]->items.empty()) {
    corrupt(source, "no dtype");
  }
  const std::string_view name = dtype->items[1]->items[0]->text;
  const char* const end = name.data() + name.size();
  const bool known = name.size() >= 2 && std::string_view("fiuU").find(name[0]) != name.npos;
  const auto parsed =
      known ? std::from_chars(name.data() + 1, end, array.item_size) : std::from_chars_result{};
  std::string_view order = "<";
  if (dtype->items.size() > 2 && dtype->items[2]->items.size() > 1) {
    order = dtype->items[2]->items[1]->text;
  }
  const bool good = known && parsed.ec == std::errc() && parsed.ptr == end && order != ">";
  if (!good) {
    fail(ErrorCode::kUnsupported, source, ": an array of joblib has dtype ",
         json_quote(cat(order.substr(0, 1), name.substr(0, 20))),
         "; accepted are little-endian floats, integers and text of fixed length");
  }
  array.kind = name[0];
  // Of text NumPy counts code points.
  if (array.kind == 'U' && array.item_size <= kMaxTextBytes) array.item_size *= 4;
  const int64_t size = array.item_size;
  const bool text = array.kind == 'U' && size >= 4 && size <= kMaxTextBytes;
  const bool number =
      array.kind == 'f' ? size == 4 || size == 8 : size == 1 || size == 2 || size == 4 || size == 8;
  if (!text && (array.kind == 'U' || !number)) corrupt(source, "another size of its elements");
}

void read_shape(const PickleValue* shape, const std::string& source, NumpyArray& array) {
  if (shape == nullptr || shape->kind != PickleKind::kTuple || shape->items.empty() ||
      shape->items.size() > kMaxRank) {
    corrupt(source, "its shape must be of one or two dimensions");
  }
  int64_t bytes = array.item_size;
  for (const PickleValue* size : shape->items) {
    const int64_t length = size->kind == PickleKind::kInt ? size->integer : -1;
    if (length < 1 || length > kMaxBytes / bytes) {
      corrupt(source, "its shape has no elements or is beyond 256 MiB");
    }
    bytes *= length;
    array.shape.push_back(length);
  }
}

template <typename T>
T number_at(std::string_view bytes, size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

double number_of(const NumpyArray& array, size_t index) {
  const std::string_view bytes = array.bytes;
  const bool is_signed = array.kind == 'i';
  switch (array.item_size) {
    case 1:
      return is_signed ? number_at<int8_t>(bytes, index) : number_at<uint8_t>(bytes, index);
    case 2:
      return is_signed ? number_at<int16_t>(bytes, index) : number_at<uint16_t>(bytes, index);
    case 4:
      if (array.kind == 'f') return number_at<float>(bytes, index);
      return is_signed ? number_at<int32_t>(bytes, index) : number_at<uint32_t>(bytes, index);
    default:
      if (array.kind == 'f') return number_at<double>(bytes, index);
      return is_signed ? static_cast<double>(number_at<int64_t>(bytes, index))
                       : static_cast<double>(number_at<uint64_t>(bytes, index));
  }
}

}  // namespace

int64_t NumpyArray::elements() const {
  int64_t product = 1;
  for (const int64_t size : shape) product *= size;
  return product;
}

bool is_joblib_array(const PickleValue& value) { return is_call_of(&value, kJoblibArray); }

const PickleValue* attribute_of(const PickleValue& call, std::string_view name) {
  if (call.kind != PickleKind::kCall) return nullptr;
  for (size_t i = 2; i + 1 < call.items.size(); i += 2) {
    const PickleValue& key = *call.items[i];
    if (key.kind == PickleKind::kString && key.text == name) return call.items[i + 1];
  }
  return nullptr;
}

NumpyArray numpy_array(const PickleValue& wrapper, const std::string& source) {
  NumpyArray array;
  read_dtype(attribute_of(wrapper, "dtype"), source, array);
  read_shape(attribute_of(wrapper, "shape"), source, array);
  const PickleValue* const order = attribute_of(wrapper, "order");
  if (order == nullptr || (order->text != "C" && order->text != "F")) {
    corrupt(source, "its order is neither C nor F");
  }
  array.by_column = order->text == "F";
  if (const PickleValue* alignment = attribute_of(wrapper, "numpy_array_alignment_bytes")) {
    if (alignment->kind == PickleKind::kInt) array.alignment = alignment->integer;
  }
  array.bytes = wrapper.text;
  return array;
}

std::vector<double> numbers_of(const NumpyArray& array, const std::string& source) {
  if (array.kind == 'U') {
    fail(ErrorCode::kUnsupported, source, ": an array of text where numbers are accepted");
  }
  const auto rows = static_cast<size_t>(array.shape[0]);
  const auto count = static_cast<size_t>(array.elements());
  std::vector<double> numbers(count);
  for (size_t i = 0; i < count; ++i) {
    const size_t from = array.by_column ? i % (count / rows) * rows + i / (count / rows) : i;
    numbers[i] = number_of(array, from);
  }
  return numbers;
}

std::vector<std::string> texts_of(const NumpyArray& array, const std::string& source) {
  TAMIS_CHECK(array.kind == 'U');
  std::vector<std::string> texts(static_cast<size_t>(array.elements()));
  const auto length = static_cast<size_t>(array.item_size) / 4;
  for (size_t i = 0; i < texts.size(); ++i) {
    std::vector<uint32_t> points(length);
    for (size_t j = 0; j < length; ++j)
      points[j] = number_at<uint32_t>(array.bytes, i * length + j);
    while (!points.empty() && points.back() == 0) points.pop_back();
    for (const uint32_t point : points) {
      if (point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) {
        corrupt(source, "text that is no code point");
      }
      append_utf8(texts[i], point);
    }
  }
  return texts;
}

Pickle parse_joblib(std::string_view bytes, const std::string& source,
                    std::span<const std::string_view> allowed, std::string_view what) {
  return Pickle::parse_with_payloads(bytes, source, allowed, what, payload_of);
}

}  // namespace tamis
