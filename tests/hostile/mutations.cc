#include "tests/hostile/mutations.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace tamis::hostile {

namespace {

constexpr std::string_view kJsonValues[] = {"0",
                                            "-1",
                                            "1",
                                            "2",
                                            "3",
                                            "7",
                                            "1000",
                                            "65536",
                                            "2147483647",
                                            "2147483648",
                                            "-2147483649",
                                            "9007199254740993",
                                            "9223372036854775807",
                                            "-9223372036854775808",
                                            "18446744073709551616",
                                            "0.5",
                                            "-0.0",
                                            "1e-320",
                                            "1e308",
                                            "-1e39",
                                            "NaN",
                                            "Infinity",
                                            "true",
                                            "false",
                                            "null",
                                            "\"\"",
                                            "\"relu\"",
                                            "\"bert\"",
                                            "\"\\u0000\"",
                                            "\"../../etc/passwd\"",
                                            "[]",
                                            "{}",
                                            "[0]",
                                            "[null]",
                                            "[[[[[[[[]]]]]]]]",
                                            "{\"a\":{\"a\":{\"a\":{}}}}",
                                            "[1,2,3,4,5,6,7,8,9]"};

constexpr std::string_view kNumbers[] = {
    "0",   "-1",  "1",   "2", "31", "4096", "2147483648", "4294967296", "9223372036854775807",
    "nan", "inf", "1e39"};

constexpr uint64_t kVarints[] = {0,
                                 1,
                                 2,
                                 3,
                                 127,
                                 128,
                                 65536,
                                 0x7fffffff,
                                 0x80000000,
                                 0xffffffff,
                                 uint64_t{1} << 40,
                                 INT64_MAX,
                                 uint64_t{1} << 63,
                                 UINT64_MAX};

template <typename Array>
auto pick(const Array& array, Random& random) {
  return array[random.below(std::size(array))];
}

// A document with one of its values, by its place in file order, changed.
class JsonMutator {
 public:
  JsonMutator(JsonView root, Random& random) : random_(random) {
    collect(root);
    target_ = random.below(values_.size());
    way_ = random.below(8);
    emit(root);
  }

  std::string take() { return std::move(out_); }

 private:
  void collect(JsonView view) {
    values_.push_back(view);
    for (size_t i = 0; i < view.size(); ++i) {
      if (view.is_object()) keys_.push_back(view.member(i).key);
      collect(view.is_object() ? view.member(i).value : view.at(i));
    }
  }

  void write(JsonView view) {
    JsonWriter json;
    json.value(view);
    out_ += json.take();
  }

  void emit(JsonView view) {
    if (place_++ == target_) return emit_changed(view);
    emit_plain(view);
  }

  void emit_changed(JsonView view) {
    if (way_ < 4) {
      out_ += pick(kJsonValues, random_);
    } else if (way_ < 6) {
      write(pick(values_, random_));
    } else {
      emit_plain(view);
    }
  }

  void emit_plain(JsonView view) {
    if (!view.is_object() && !view.is_array()) return write(view);
    out_ += view.is_object() ? '{' : '[';
    bool first = true;
    for (size_t i = 0; i < view.size(); ++i) {
      const bool changed = place_ == target_;
      // Left out.
      if (changed && way_ == 7) {
        ++place_;
        continue;
      }
      if (!first) out_ += ',';
      first = false;
      if (view.is_object()) {
        const bool renamed = changed && way_ == 6;
        out_ += json_quote(renamed ? pick(keys_, random_) : view.member(i).key) + ":";
      }
      emit(view.is_object() ? view.member(i).value : view.at(i));
    }
    out_ += view.is_object() ? '}' : ']';
  }

  Random& random_;
  std::vector<JsonView> values_;
  std::vector<std::string_view> keys_;
  size_t target_ = 0;
  size_t way_ = 0;
  size_t place_ = 0;
  std::string out_;
};

bool read_varint(std::string_view bytes, size_t& at, uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && at < bytes.size(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes[at++]);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(value | 0x80));
  bytes.push_back(static_cast<char>(value));
  return bytes;
}

struct WireField {
  uint64_t tag = 0;
  uint64_t number = 0;  // of a varint
  std::string_view bytes;

  [[nodiscard]] unsigned wire() const { return static_cast<unsigned>(tag & 7); }
};

std::optional<std::vector<WireField>> fields_of(std::string_view bytes) {
  std::vector<WireField> fields;
  for (size_t at = 0; at < bytes.size();) {
    WireField field;
    if (!read_varint(bytes, at, field.tag) || field.tag < 8) return std::nullopt;
    size_t size = 0;
    if (field.wire() == 0) {
      if (!read_varint(bytes, at, field.number)) return std::nullopt;
    } else if (field.wire() == 1 || field.wire() == 5) {
      size = field.wire() == 1 ? 8 : 4;
    } else if (field.wire() == 2) {
      uint64_t length = 0;
      if (!read_varint(bytes, at, length)) return std::nullopt;
      size = static_cast<size_t>(std::min<uint64_t>(length, bytes.size() + 1));
    } else {
      return std::nullopt;
    }
    if (size > bytes.size() - at) return std::nullopt;
    field.bytes = bytes.substr(at, size);
    at += size;
    fields.push_back(field);
  }
  return fields;
}

void append(std::string& out, const WireField& field) {
  out += varint(field.tag);
  if (field.wire() == 0) out += varint(field.number);
  if (field.wire() == 2) out += varint(field.bytes.size());
  out += field.bytes;
}

void put_le32(std::string& bytes, size_t at, uint32_t value) {
  for (size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(value >> (8 * i));
}

uint64_t get_le(std::string_view bytes, size_t at, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) {
    value |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[at + i])) << (8 * i);
  }
  return value;
}

}  // namespace

uint64_t Random::next() {
  state_ += 0x9e3779b97f4a7c15;
  uint64_t value = state_;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

namespace {

std::string mutate_bytes(std::string_view bytes, Random& random) {
  std::string out(bytes);
  if (out.empty()) return std::string(1 + random.below(16), static_cast<char>(random.next()));
  const size_t at = random.below(out.size());
  switch (random.below(5)) {
    case 0:
      out[at] = static_cast<char>(random.next());
      break;
    case 1:
      out[at] = static_cast<char>(out[at] ^ (1 << random.below(8)));
      break;
    case 2:
      out.resize(at);
      break;
    case 3:
      out.erase(at, 1 + random.below(8));
      break;
    default:
      out.insert(at, out.substr(random.below(out.size()), 1 + random.below(16)));
      break;
  }
  return out;
}

std::string mutate_json(std::string_view text, Random& random) {
  try {
    const JsonDocument document = JsonDocument::parse(text, "", {.python_numbers = true});
    return JsonMutator(document.root(), random).take();
  } catch (const Error&) {
    return mutate_bytes(text, random);
  }
}

std::string mutate_lines(std::string_view text, Random& random) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  if (lines.empty()) return mutate_bytes(text, random);
  const size_t at = random.below(lines.size());
  std::string& line = lines[at];
  switch (random.below(6)) {
    case 0:
      lines.erase(lines.begin() + static_cast<int64_t>(at));
      break;
    case 1:
      lines.insert(lines.begin() + static_cast<int64_t>(at), line);
      break;
    case 2:
      std::swap(line, lines[random.below(lines.size())]);
      break;
    case 3:
      line = mutate_bytes(line, random);
      break;
    default: {
      // A number of the line, or a word of another one's.
      const size_t digit = line.find_first_of("0123456789", random.below(line.size() + 1));
      if (digit == line.npos) {
        line += " " + lines[random.below(lines.size())];
        break;
      }
      const size_t end = std::min(line.find_first_not_of("0123456789.", digit), line.size());
      line.replace(digit, end - digit, pick(kNumbers, random));
    }
  }
  std::string out;
  for (const std::string& item : lines) out += item + "\n";
  return out;
}

std::string mutate_protobuf(std::string_view bytes, Random& random) {
  const auto fields = fields_of(bytes);
  if (!fields || fields->empty()) return mutate_bytes(bytes, random);
  const size_t target = random.below(fields->size());
  const size_t way = random.below(8);
  std::string changed;
  std::string out;
  for (size_t i = 0; i < fields->size(); ++i) {
    WireField field = (*fields)[i];
    if (i != target) {
      append(out, field);
      continue;
    }
    if (field.wire() == 2 && way < 5) {
      changed = mutate_protobuf(field.bytes, random);
      field.bytes = changed;
    } else if (field.wire() == 0 && way < 5) {
      field.number = pick(kVarints, random);
    } else if (way == 5) {
      continue;
    } else if (way == 6) {
      append(out, field);
    } else {
      append(out, (*fields)[random.below(fields->size())]);
      changed = mutate_bytes(field.bytes, random);
      if (field.wire() == 2) field.bytes = changed;
    }
    append(out, field);
  }
  return out;
}

std::string mutate_safetensors(std::string_view bytes, Random& random) {
  if (bytes.size() < 8) return mutate_bytes(bytes, random);
  const uint64_t header = get_le(bytes, 0, 8);
  if (header > bytes.size() - 8 || random.one_in(8)) return mutate_bytes(bytes, random);
  const auto size = static_cast<size_t>(header);
  const std::string_view data = bytes.substr(8 + size);
  if (random.one_in(4) && data.size() >= 4) {
    // A number among the weights that is none, or huge.
    std::string out(bytes);
    constexpr uint32_t kBits[] = {0x7fc00000, 0x7f800000, 0xff800000, 0x7f7fffff, 0x80000000, 1};
    put_le32(out, 8 + size + random.below(data.size() / 4) * 4, pick(kBits, random));
    return out;
  }
  const std::string changed = mutate_json(bytes.substr(8, size), random);
  std::string out(8, '\0');
  put_le32(out, 0, static_cast<uint32_t>(changed.size()));
  return out + changed + std::string(data);
}

std::string mutate_zip(std::string_view bytes, Random& random) {
  // Entries that lie there as they are, each with its sum before it and in the directory.
  struct Entry {
    size_t local = 0;
    size_t directory = 0;
    size_t data = 0;
    size_t size = 0;
  };
  std::vector<Entry> entries;
  for (size_t at = bytes.find("PK\x01\x02"); at != bytes.npos && at + 46 <= bytes.size();
       at = bytes.find("PK\x01\x02", at + 4)) {
    Entry entry{static_cast<size_t>(get_le(bytes, at + 42, 4)), at, 0,
                static_cast<size_t>(get_le(bytes, at + 20, 4))};
    if (entry.local + 30 > bytes.size()) continue;
    entry.data = entry.local + 30 +
                 static_cast<size_t>(get_le(bytes, entry.local + 26, 2) +
                                     get_le(bytes, entry.local + 28, 2));
    const std::string_view name =
        bytes.substr(at + 46, static_cast<size_t>(get_le(bytes, at + 28, 2)));
    const bool pickle = name.ends_with(".pkl");
    if (entry.size == 0 || entry.size > bytes.size() || entry.data > bytes.size() - entry.size)
      continue;
    // The tables are what can be read wrongly.
    for (int copies = pickle ? 8 : 1; copies > 0; --copies) entries.push_back(entry);
  }
  if (entries.empty() || random.one_in(8)) return mutate_bytes(bytes, random);
  const Entry& entry = pick(entries, random);
  std::string out(bytes);
  const size_t at = entry.data + random.below(entry.size);
  if (random.one_in(2)) {
    out[at] = static_cast<char>(random.next());
  } else {
    // What lies elsewhere in it.
    const size_t count = std::min(1 + random.below(8), entry.data + entry.size - at);
    const std::string piece = out.substr(entry.data + random.below(entry.size - count + 1), count);
    out.replace(at, count, piece);
  }
  const auto sum = static_cast<uint32_t>(crc32(
      0, reinterpret_cast<const Bytef*>(out.data() + entry.data), static_cast<uInt>(entry.size)));
  put_le32(out, entry.local + 14, sum);
  put_le32(out, entry.directory + 16, sum);
  return out;
}

}  // namespace

std::string mutated(std::string_view name, std::string_view bytes, Random& random) {
  if (random.one_in(16)) return mutate_bytes(bytes, random);
  if (name.ends_with(".json")) return mutate_json(bytes, random);
  if (name.ends_with(".safetensors")) return mutate_safetensors(bytes, random);
  if (name.ends_with(".bin")) return mutate_zip(bytes, random);
  if (name.ends_with(".onnx") || name.ends_with(".model")) return mutate_protobuf(bytes, random);
  return mutate_lines(bytes, random);
}

}  // namespace tamis::hostile
