#include "graph/attributes.h"

#include <charconv>

#include "base/error.h"
#include "graph/mark_switches.h"

namespace tamis::graph {

namespace {

constexpr std::string_view kPoolModeNames[] = {"cls",           "mean",          "max",
                                               "mean_sqrt_len", "weighted_mean", "last_token"};
constexpr std::string_view kRuleNames[] = {"absolute", "roberta"};
constexpr std::string_view kArithmeticNames[] = {"fp32", "bf16"};
constexpr std::string_view kBiasRuleNames[] = {"none", "t5", "alibi"};
constexpr std::string_view kGlobalRuleNames[] = {"none", "first", "before_separator",
                                                 "behind_separator", "through_separator"};
constexpr std::string_view kBoolNames[] = {"false", "true"};

template <typename Enum, size_t kCount>
bool read_enum(const std::string_view (&names)[kCount], std::string_view text, Enum& out) {
  for (size_t i = 0; i < kCount; ++i) {
    if (names[i] != text) continue;
    out = static_cast<Enum>(i);
    return true;
  }
  return false;
}

std::string write(int64_t value) { return cat(value); }
std::string write(float value) { return cat(value); }
std::string write(Activation value) { return std::string(activation_name(value)); }
std::string write(PositionRule value) {
  return std::string(kRuleNames[static_cast<size_t>(value)]);
}
std::string write(FloatArithmetic value) {
  return std::string(kArithmeticNames[static_cast<size_t>(value)]);
}
std::string write(BiasRule value) {
  return std::string(kBiasRuleNames[static_cast<size_t>(value)]);
}
std::string write(GlobalRule value) {
  return std::string(kGlobalRuleNames[static_cast<size_t>(value)]);
}
std::string write(bool value) { return std::string(kBoolNames[value ? 1 : 0]); }
std::string write(QuantScheme value) { return std::string(scheme_name(value)); }
std::string write(const std::vector<Pooling>& modes) {
  std::string text;
  for (const Pooling mode : modes) {
    if (!text.empty()) text += '+';
    text += pool_mode_name(mode);
  }
  return text;
}

template <typename Number>
bool read_number(std::string_view text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}
bool read(std::string_view text, int64_t& out) { return read_number(text, out); }
bool read(std::string_view text, float& out) { return read_number(text, out); }
bool read(std::string_view text, PositionRule& out) { return read_enum(kRuleNames, text, out); }
bool read(std::string_view text, FloatArithmetic& out) {
  return read_enum(kArithmeticNames, text, out);
}
bool read(std::string_view text, BiasRule& out) { return read_enum(kBiasRuleNames, text, out); }
bool read(std::string_view text, GlobalRule& out) { return read_enum(kGlobalRuleNames, text, out); }
bool read(std::string_view text, bool& out) { return read_enum(kBoolNames, text, out); }
bool read(std::string_view text, Activation& out) {
  const auto found = activation_from_name(text);
  out = found.value_or(Activation::kNone);
  return found.has_value();
}
bool read(std::string_view text, QuantScheme& out) {
  const auto found = scheme_from_name(text);
  out = found.value_or(QuantScheme::kPerTokenU8);
  return found.has_value();
}
bool read(std::string_view text, std::vector<Pooling>& out) {
  out.clear();
  while (!text.empty()) {
    const size_t plus = text.find('+');
    Pooling mode = Pooling::kCls;
    if (!read_enum(kPoolModeNames, text.substr(0, plus), mode)) return false;
    out.push_back(mode);
    text = plus == text.npos ? std::string_view() : text.substr(plus + 1);
  }
  return !out.empty();
}

}  // namespace

std::string_view pool_mode_name(Pooling mode) {
  const auto i = static_cast<size_t>(mode);
  TAMIS_CHECK(i < std::size(kPoolModeNames));
  return kPoolModeNames[i];
}

Attributes default_attributes(OpKind kind) {
  switch (kind) {
#define X(name, attributes, operands) \
  case OpKind::k##name:               \
    return attributes{};
#include "graph/ops.inc"
#undef X
  }
  return NoAttributes{};
}

namespace {

// The fields of one struct as text.
struct Writer {
  std::string text;

  template <typename Field>
  void operator()(std::string_view name, const Field& value) {
    text += cat(text.empty() ? "{" : ", ", name, "=", write(value));
  }
  template <typename Field>
  void operator()(std::string_view name, const Field& value, const Field& usual) {
    if (value != usual) (*this)(name, value);
  }
};

// Sets the field `name` from `text`.
struct Reader {
  std::string_view name;
  std::string_view text;
  bool done = false;

  template <typename Field>
  void operator()(std::string_view field, Field& value) {
    if (field == name) done = read(text, value);
  }
  template <typename Field>
  void operator()(std::string_view field, Field& value, const Field& /*usual*/) {
    (*this)(field, value);
  }
};

}  // namespace

std::string to_string(const Attributes& attributes) {
  Writer writer;
  std::visit([&](const auto& fields) { std::decay_t<decltype(fields)>::visit(fields, writer); },
             attributes);
  return writer.text.empty() ? writer.text : writer.text + "}";
}

bool set_attribute(Attributes& attributes, std::string_view name, std::string_view text) {
  Reader reader{name, text};
  std::visit([&](auto& fields) { std::decay_t<decltype(fields)>::visit(fields, reader); },
             attributes);
  return reader.done;
}

FakeQuantizeAttributes fake_quantize_attributes(const Quantizer& mark) {
  FakeQuantizeAttributes attributes;
  attributes.scheme = mark.scheme;
  if (!is_static(mark.scheme)) return attributes;
  if (!mark.low || !mark.high) {
    fail(ErrorCode::kInvalidArgument, "simulation: the quantizer \"", mark.names[0],
         "\" is on and static but has no range; calibrate it or switch it off");
  }
  attributes.low = *mark.low;
  attributes.high = *mark.high;
  return attributes;
}

}  // namespace tamis::graph
