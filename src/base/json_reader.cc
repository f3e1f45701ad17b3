#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <memory_resource>
#include <new>
#include <unordered_set>

#include "base/error.h"
#include "base/json.h"

namespace tamis {

// An object's children alternate key, value; both lie in one array.
struct JsonNode {
  JsonKind kind = JsonKind::kNull;
  bool boolean = false;
  size_t size = 0;  // bytes of a string, elements of an array, members of an object
  union {
    int64_t integer;
    double number;
    const char* text;
    const JsonNode* children;
  };
  JsonNode() : integer(0) {}
};

struct JsonDocument::Impl {
  simdjson::dom::parser parser;
  std::pmr::monotonic_buffer_resource arena;
  JsonNode root;
};

namespace {

// Objects up to this many keys are searched for duplicates pair by pair (45 comparisons at most).
constexpr size_t kPairwiseKeys = 10;

// Numbers of Python's that stand as nulls in a rewritten text, by the null's index in it.
using PythonNumbers = std::map<size_t, double>;

class TreeBuilder {
 public:
  TreeBuilder(std::pmr::memory_resource& arena, std::string_view source,
              const PythonNumbers& numbers)
      : arena_(arena), source_(source), numbers_(numbers) {}

  void build(simdjson::dom::element element, JsonNode& node) {
    using simdjson::dom::element_type;
    switch (element.type()) {
      case element_type::NULL_VALUE:
        if (const auto number = numbers_.find(nulls_++); number != numbers_.end()) {
          node.kind = JsonKind::kDouble;
          node.number = number->second;
        }
        break;
      case element_type::BOOL:
        node.kind = JsonKind::kBool;
        node.boolean = element.get_bool().value_unsafe();
        break;
      case element_type::INT64:
        node.kind = JsonKind::kInt;
        node.integer = element.get_int64().value_unsafe();
        break;
      case element_type::UINT64:
        node.kind = JsonKind::kDouble;
        node.number = static_cast<double>(element.get_uint64().value_unsafe());
        break;
      case element_type::DOUBLE:
        node.kind = JsonKind::kDouble;
        node.number = element.get_double().value_unsafe();
        break;
      case element_type::STRING:
        set_string(node, element.get_string().value_unsafe());
        break;
      case element_type::ARRAY:
        build_array(element.get_array().value_unsafe(), node);
        break;
      case element_type::OBJECT:
        build_object(element.get_object().value_unsafe(), node);
        break;
    }
  }

 private:
  static void set_string(JsonNode& node, std::string_view text) {
    node.kind = JsonKind::kString;
    node.text = text.data();
    node.size = text.size();
  }

  JsonNode* allocate(size_t count) {
    if (count == 0) return nullptr;
    auto* nodes =
        static_cast<JsonNode*>(arena_.allocate(count * sizeof(JsonNode), alignof(JsonNode)));
    std::uninitialized_default_construct_n(nodes, count);
    return nodes;
  }

  // simdjson saturates its stored count at 2^24 - 1, so the elements are counted here.
  void build_array(simdjson::dom::array array, JsonNode& node) {
    const auto count = static_cast<size_t>(std::distance(array.begin(), array.end()));
    JsonNode* children = allocate(count);
    node.kind = JsonKind::kArray;
    node.size = count;
    node.children = children;
    for (simdjson::dom::element element : array) build(element, *children++);
  }

  void build_object(simdjson::dom::object object, JsonNode& node) {
    const auto count = static_cast<size_t>(std::distance(object.begin(), object.end()));
    JsonNode* children = allocate(2 * count);
    node.kind = JsonKind::kObject;
    node.size = count;
    node.children = children;
    for (const simdjson::dom::key_value_pair field : object) {
      set_string(*children++, field.key);
      build(field.value, *children++);
    }
    refuse_duplicate_keys(node);
  }

  void refuse_duplicate_keys(const JsonNode& node) {
    const auto key = [&node](size_t i) {
      return std::string_view(node.children[2 * i].text, node.children[2 * i].size);
    };
    if (node.size <= kPairwiseKeys) {
      for (size_t i = 1; i < node.size; ++i) {
        for (size_t j = 0; j < i; ++j) {
          if (key(i) == key(j)) duplicate(key(i));
        }
      }
      return;
    }
    std::unordered_set<std::string_view> seen;
    seen.reserve(node.size);
    for (size_t i = 0; i < node.size; ++i) {
      if (!seen.insert(key(i)).second) duplicate(key(i));
    }
  }

  [[noreturn]] void duplicate(std::string_view key) const {
    fail(ErrorCode::kCorruptData, source_, ": JSON object has the key ",
         json_quote(key.substr(0, 200)), " twice; each key may stand once");
  }

  std::pmr::memory_resource& arena_;
  std::string_view source_;
  const PythonNumbers& numbers_;
  size_t nulls_ = 0;
};

std::string_view kind_name(JsonKind kind) {
  switch (kind) {
    case JsonKind::kNull:
      return "null";
    case JsonKind::kBool:
      return "a boolean";
    case JsonKind::kInt:
      return "an integer";
    case JsonKind::kDouble:
      return "a number";
    case JsonKind::kString:
      return "a string";
    case JsonKind::kArray:
      return "an array";
    case JsonKind::kObject:
      return "an object";
  }
  return "nothing";
}

[[noreturn]] void wrong_kind(std::string_view what, std::string_view expected,
                             const JsonNode* node) {
  fail(ErrorCode::kCorruptData, what, " must be ", expected, ", found ",
       node == nullptr ? std::string_view("nothing") : kind_name(node->kind));
}

// simdjson refuses integers beyond 64 bits, and Hugging Face writes one in most
// tokenizer_config.json files: "model_max_length": 1000000000000000019884624838656. The text with
// ".0" behind each of them.
std::string with_large_integers_as_doubles(std::string_view text) {
  std::string out;
  bool in_string = false;
  for (size_t i = 0; i < text.size();) {
    if (!in_string && (text[i] == '-' || (text[i] >= '0' && text[i] <= '9'))) {
      const size_t end = std::min(text.find_first_not_of("0123456789+-.eE", i), text.size());
      int64_t value = 0;
      const auto read = std::from_chars(text.data() + i, text.data() + end, value);
      out += text.substr(i, end - i);
      if (read.ec == std::errc::result_out_of_range && read.ptr == text.data() + end) out += ".0";
      i = end;
      continue;
    }
    if (text[i] == '"') in_string = !in_string;
    if (in_string && text[i] == '\\' && i + 1 < text.size()) out += text[i++];
    out += text[i++];
  }
  return out;
}

struct PythonLiteral {
  std::string_view text;
  double value;
};
constexpr PythonLiteral kPythonLiterals[] = {
    {"NaN", std::numeric_limits<double>::quiet_NaN()},
    {"Infinity", std::numeric_limits<double>::infinity()},
    {"-Infinity", -std::numeric_limits<double>::infinity()},
};

const PythonLiteral* python_literal_at(std::string_view text) {
  for (const PythonLiteral& literal : kPythonLiterals) {
    if (text.starts_with(literal.text)) return &literal;
  }
  return nullptr;
}

struct PythonText {
  std::string json;  // with null in the place of each literal
  PythonNumbers numbers;
  std::string_view first;  // the first literal, empty if there is none
  size_t first_at = 0;
};

PythonText without_python_numbers(std::string_view text) {
  PythonText out;
  bool in_string = false;
  size_t nulls = 0;
  for (size_t i = 0; i < text.size();) {
    if (!in_string) {
      if (const PythonLiteral* literal = python_literal_at(text.substr(i))) {
        if (out.numbers.empty()) {
          out.first = literal->text;
          out.first_at = i;
        }
        out.numbers.emplace(nulls++, literal->value);
        out.json += "null";
        i += literal->text.size();
        continue;
      }
      if (text.substr(i).starts_with("null")) ++nulls;
    }
    if (text[i] == '"') in_string = !in_string;
    if (in_string && text[i] == '\\' && i + 1 < text.size()) out.json += text[i++];
    out.json += text[i++];
  }
  return out;
}

// Python and some editors of Windows write it before UTF-8.
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

void refuse_byte_order_mark(std::string_view text, std::string_view source) {
  if (!text.starts_with(kByteOrderMark)) return;
  fail(ErrorCode::kCorruptData, source,
       ": not valid JSON: begins with a byte order mark (BOM); save it as UTF-8 without one");
}

// With a second try for integers that simdjson does not hold.
simdjson::error_code parse_text(simdjson::dom::parser& parser, std::string_view text,
                                simdjson::dom::element& element) {
  const simdjson::error_code error = parser.parse(text.data(), text.size()).get(element);
  if (error != simdjson::NUMBER_ERROR) return error;
  const std::string widened = with_large_integers_as_doubles(text);
  return parser.parse(widened.data(), widened.size()).get(element);
}

// The largest magnitude at which every integer is a double: 2^53.
constexpr double kExactIntegers = 9007199254740992.0;

}  // namespace

JsonDocument::JsonDocument(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;
JsonDocument::~JsonDocument() = default;

JsonDocument JsonDocument::parse(std::string_view text, std::string_view source,
                                 const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    fail(ErrorCode::kCorruptData, source, ": JSON text of ", text.size(),
         " bytes is over the limit of ", limits.max_bytes, " bytes");
  }
  // The library copies from the text's address, which an empty text need not have.
  if (text.empty()) fail(ErrorCode::kCorruptData, source, ": not valid JSON: it is empty");
  refuse_byte_order_mark(text, source);
  auto impl = std::make_unique<Impl>();
  simdjson::error_code error =
      impl->parser.allocate(std::max<size_t>(text.size(), 64), limits.max_depth);
  simdjson::dom::element element;
  if (!error) error = parse_text(impl->parser, text, element);
  PythonText python;
  if (error && error != simdjson::DEPTH_ERROR) {
    python = without_python_numbers(text);
    if (!python.numbers.empty() && limits.python_numbers) {
      error = parse_text(impl->parser, python.json, element);
    } else if (!python.numbers.empty()) {
      fail(ErrorCode::kCorruptData, source, ": not valid JSON: ", python.first, " at byte ",
           python.first_at, "; numbers must be finite");
    }
  }
  if (error) {
    if (error == simdjson::MEMALLOC) throw std::bad_alloc();
    if (error == simdjson::DEPTH_ERROR) {
      fail(ErrorCode::kCorruptData, source, ": JSON nested deeper than ", limits.max_depth,
           " levels");
    }
    fail(ErrorCode::kCorruptData, source,
         ": not valid JSON: ", std::string_view(simdjson::error_message(error)));
  }
  TreeBuilder(impl->arena, source, python.numbers).build(element, impl->root);
  return JsonDocument(std::move(impl));
}

JsonView JsonDocument::root() const { return JsonView(&impl_->root); }

JsonKind JsonView::kind() const { return exists() ? node_->kind : JsonKind::kNull; }

bool JsonView::is_number() const {
  return exists() && (node_->kind == JsonKind::kInt || node_->kind == JsonKind::kDouble);
}

bool JsonView::as_bool(std::string_view what) const {
  if (!is_bool()) wrong_kind(what, "a boolean", node_);
  return node_->boolean;
}

int64_t JsonView::as_int(std::string_view what) const {
  if (is_int()) return node_->integer;
  if (exists() && node_->kind == JsonKind::kDouble) {
    const double number = node_->number;
    if (number >= -kExactIntegers && number <= kExactIntegers &&
        number == static_cast<double>(static_cast<int64_t>(number))) {
      return static_cast<int64_t>(number);
    }
  }
  wrong_kind(what, "an integer", node_);
}

double JsonView::as_double(std::string_view what) const {
  if (!is_number()) wrong_kind(what, "a number", node_);
  return node_->kind == JsonKind::kInt ? static_cast<double>(node_->integer) : node_->number;
}

std::string_view JsonView::as_string(std::string_view what) const {
  if (!is_string()) wrong_kind(what, "a string", node_);
  return {node_->text, node_->size};
}

JsonView JsonView::as_array(std::string_view what) const {
  if (!is_array()) wrong_kind(what, "an array", node_);
  return *this;
}

JsonView JsonView::as_object(std::string_view what) const {
  if (!is_object()) wrong_kind(what, "an object", node_);
  return *this;
}

size_t JsonView::size() const { return is_array() || is_object() ? node_->size : 0; }

JsonView JsonView::at(size_t i) const {
  TAMIS_CHECK(is_array() && i < node_->size);
  return JsonView(node_->children + i);
}

JsonView::Member JsonView::member(size_t i) const {
  TAMIS_CHECK(is_object() && i < node_->size);
  const JsonNode& name = node_->children[2 * i];
  return {std::string_view(name.text, name.size), JsonView(node_->children + 2 * i + 1)};
}

JsonView JsonView::get(std::string_view key) const {
  if (!is_object()) return {};
  for (size_t i = 0; i < node_->size; ++i) {
    const JsonNode& name = node_->children[2 * i];
    if (std::string_view(name.text, name.size) == key) {
      return JsonView(node_->children + 2 * i + 1);
    }
  }
  return {};
}

}  // namespace tamis
