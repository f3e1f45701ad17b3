#include <charconv>
#include <unordered_map>

#include "base/json.h"
#include "graph/graph.h"
#include "graph/plain_name.h"

namespace tamis::graph {

namespace {

constexpr std::string_view kHeader = "tamis graph ";
// Version 1 gave operands by their place, and a quantized MatMul was a MatMul with more of them.
constexpr int kPlacesOnly = 1;
constexpr int kNewestVersion = 2;
// Far above any encoder: 1,000 layers of 40 nodes.
constexpr size_t kMostLines = 200000;

/// Reads one line from left to right.
class Line {
 public:
  Line(std::string_view text, std::string_view source, size_t number)
      : text_(text), source_(source), number_(number) {}

  template <typename... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(ErrorCode::kCorruptData, source_, ":", number_, ": ", parts...);
  }

  void skip_spaces() {
    while (!text_.empty() && text_.front() == ' ') text_.remove_prefix(1);
  }
  [[nodiscard]] bool at_end() {
    skip_spaces();
    return text_.empty();
  }
  [[nodiscard]] bool take(std::string_view token) {
    skip_spaces();
    if (!text_.starts_with(token)) return false;
    text_.remove_prefix(token.size());
    return true;
  }
  void expect(std::string_view token) {
    if (!take(token)) refuse("expected \"", token, "\" before \"", text_.substr(0, 40), "\"");
  }
  /// A run of characters up to a space or one of the form's separators.
  std::string_view word() {
    skip_spaces();
    const size_t end = std::min(text_.find_first_of(" ,(){}[]=:@%"), text_.size());
    if (end == 0) refuse("expected a word before \"", text_.substr(0, 40), "\"");
    const std::string_view found = text_.substr(0, end);
    text_.remove_prefix(end);
    return found;
  }
  /// A bare word or a JSON string.
  std::string name() {
    skip_spaces();
    if (text_.empty() || text_.front() != '"') {
      const std::string_view bare = word();
      if (!is_plain_name(bare)) refuse("the name ", json_quote(bare), " must be quoted");
      return std::string(bare);
    }
    size_t end = 1;
    while (end < text_.size() && text_[end] != '"') end += text_[end] == '\\' ? 2 : 1;
    if (end >= text_.size()) refuse("a quoted name does not end");
    const JsonDocument json = JsonDocument::parse(text_.substr(0, end + 1), source_);
    text_.remove_prefix(end + 1);
    return std::string(json.root().as_string("name"));
  }
  template <typename Number>
  Number number() {
    const std::string_view digits = word();
    Number value{};
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) {
      refuse("\"", digits, "\" is not a number");
    }
    return value;
  }

 private:
  std::string_view text_;
  std::string_view source_;
  size_t number_;
};

Symbol symbol_from_name(std::string_view name) {
  for (const Symbol symbol :
       {Symbol::kSequences, Symbol::kTokens, Symbol::kPairs, Symbol::kSelected, Symbol::kFirst}) {
    if (symbol_name(symbol) == name) return symbol;
  }
  return Symbol::kConst;
}

class Parser {
 public:
  Parser(std::string_view source, ConstantSource constants, void* context)
      : source_(source), constants_(constants), context_(context) {}

  Graph parse(std::string_view text) {
    size_t number = 0;
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      Line line(text.substr(0, end), source_, ++number);
      text.remove_prefix(std::min(end + 1, text.size()));
      if (number > kMostLines) line.refuse("more than ", kMostLines, " lines");
      if (number == 1) {
        parse_header(line);
      } else if (!line.at_end()) {
        parse_line(line);
      }
    }
    if (number == 0) {
      fail(ErrorCode::kCorruptData, source_, ": empty; expected \"", kHeader, kNewestVersion, "\"");
    }
    try {
      verify(graph_);
    } catch (const Error& error) {
      fail(ErrorCode::kCorruptData, source_, ": ", std::string_view(error.what()));
    }
    return std::move(graph_);
  }

 private:
  void parse_header(Line& line) {
    line.expect(kHeader);
    version_ = line.number<int>();
    if (version_ < kPlacesOnly || version_ > kNewestVersion || !line.at_end()) {
      line.refuse("unknown graph version; this program reads versions ", kPlacesOnly, " to ",
                  kNewestVersion);
    }
  }

  void parse_line(Line& line) {
    if (line.take("input ")) {
      parse_input(line);
    } else if (line.take("constant ")) {
      parse_constant(line);
    } else if (line.take("output ")) {
      const std::string name = line.name();
      line.expect("=");
      graph_.add_output(name, value(line));
    } else if (line.take("quantizer ")) {
      parse_quantizer(line);
      return;  // names run to the end of the line
    } else {
      parse_node(line);
    }
    if (!line.at_end()) line.refuse("something follows the end of the statement");
  }

  std::string new_name(Line& line) {
    line.expect("%");
    std::string name = line.name();
    if (ids_.contains(name)) line.refuse("\"", name, "\" is defined twice");
    return name;
  }

  ValueId value(Line& line) {
    line.expect("%");
    const std::string name = line.name();
    const auto found = ids_.find(name);
    if (found == ids_.end()) line.refuse("\"", name, "\" is used before it is defined");
    return found->second;
  }

  ValueType type(Line& line) {
    line.expect(":");
    const std::string_view dtype_text = line.word();
    const auto dtype = dtype_from_name(dtype_text);
    if (!dtype) line.refuse("unknown dtype \"", dtype_text, "\"");
    line.expect("[");
    std::vector<Dim> dims;
    while (!line.take("]")) {
      if (!dims.empty()) line.expect(",");
      const std::string_view size = line.word();
      if (const Symbol symbol = symbol_from_name(size); symbol != Symbol::kConst) {
        dims.push_back(Dim::of(symbol));
        continue;
      }
      int64_t number = -1;
      const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), number);
      if (error != std::errc() || end != size.data() + size.size() || number < 0) {
        line.refuse("\"", size, "\" is not a size; a number, B, T, A or S is");
      }
      dims.push_back(Dim::of(number));
      if (dims.size() > 4) line.refuse("more than 4 dimensions");
    }
    return {*dtype, make_shape(dims, line)};
  }

  static SymbolicShape make_shape(const std::vector<Dim>& dims, const Line& line) {
    switch (dims.size()) {
      case 0:
        return {};
      case 1:
        return {dims[0]};
      case 2:
        return {dims[0], dims[1]};
      case 3:
        return {dims[0], dims[1], dims[2]};
      case 4:
        return {dims[0], dims[1], dims[2], dims[3]};
      default:
        line.refuse("more than 4 dimensions");
    }
  }

  void parse_input(Line& line) {
    const std::string name = new_name(line);
    const ValueType declared = type(line);
    ids_[name] = graph_.add_input(name, declared.dtype, declared.shape);
  }

  void parse_constant(Line& line) {
    const std::string name = new_name(line);
    const ValueType declared = type(line);
    std::shared_ptr<const Tensor> tensor = constants_(context_, name);
    if (tensor == nullptr) line.refuse("there is no tensor \"", name, "\"");
    const SymbolicShape found(tensor->shape().sizes());
    if (tensor->dtype() != declared.dtype || found != declared.shape) {
      line.refuse("tensor \"", name, "\" is ", dtype_name(tensor->dtype()), found.to_string(),
                  ", the graph needs ", dtype_name(declared.dtype), declared.shape.to_string());
    }
    ids_[name] = graph_.add_constant(name, std::move(tensor));
  }

  void parse_node(Line& line) {
    const std::string name = new_name(line);
    line.expect("=");
    const std::string_view op_text = line.word();
    auto op = op_from_name(op_text);
    if (!op) line.refuse("unknown op \"", op_text, "\"");
    const std::vector<ValueId> inputs =
        version_ == kPlacesOnly ? parse_places(line) : parse_operands(line, *op);
    if (version_ == kPlacesOnly && op == OpKind::kMatMul &&
        inputs.size() > op_info(OpKind::kMatMul).count) {
      op = OpKind::kQuantizedMatMul;
    }
    Attributes attributes = default_attributes(*op);
    if (line.take("{")) parse_attributes(line, attributes);
    std::string scope;
    if (line.take("@")) scope = line.name();
    const ValueType declared = type(line);
    ValueId id = kNoValue;
    try {
      id = graph_.add_node(*op, inputs, attributes, scope, name);
    } catch (const Error& error) {
      line.refuse(std::string_view(error.what()));
    }
    const Value& made = graph_.value(id);
    if (made.dtype != declared.dtype || made.shape != declared.shape) {
      line.refuse("the op gives ", dtype_name(made.dtype), made.shape.to_string());
    }
    ids_[name] = id;
  }

  std::vector<ValueId> parse_operands(Line& line, OpKind op) {
    std::vector<ValueId> inputs(op_info(op).count, kNoValue);
    line.expect("(");
    bool first = true;
    while (!line.take(")")) {
      if (!first) line.expect(",");
      first = false;
      const std::string_view name = line.word();
      const auto operand = operand_from_name(name);
      const auto place = operand ? op_info(op).place(*operand) : std::nullopt;
      if (!place) line.refuse(op_name(op), " has no operand \"", name, "\"");
      if (inputs[*place] != kNoValue) line.refuse("operand \"", name, "\" is given twice");
      line.expect("=");
      inputs[*place] = value(line);
    }
    return inputs;
  }

  std::vector<ValueId> parse_places(Line& line) {
    std::vector<ValueId> inputs;
    line.expect("(");
    while (!line.take(")")) {
      if (!inputs.empty()) line.expect(",");
      inputs.push_back(line.take("-") ? kNoValue : value(line));
    }
    return inputs;
  }

  static void parse_attributes(Line& line, Attributes& attributes) {
    bool first = true;
    while (!line.take("}")) {
      if (!first) line.expect(",");
      first = false;
      const std::string_view field = line.word();
      line.expect("=");
      const std::string_view text = line.word();
      if (!set_attribute(attributes, field, text)) {
        line.refuse("cannot set ", field, " to \"", text, "\"");
      }
    }
  }

  static Operand named_operand(Line& line) {
    const std::string_view name = line.word();
    const auto operand = operand_from_name(name);
    if (!operand) line.refuse("unknown operand \"", name, "\"");
    return *operand;
  }

  // The operand of the last node that version 1 gave a number.
  Operand operand_at_place(Line& line) {
    const auto place = line.number<size_t>();
    const Node& node = graph_.nodes().back();
    if (node.op == OpKind::kAttention && place == 3) return Operand::kProbabilities;
    const auto operands = op_info(node.op).operands();
    if (place >= operands.size()) line.refuse(op_name(node.op), " has no operand ", place);
    return operands[place].operand;
  }

  void parse_quantizer(Line& line) {
    if (graph_.nodes().empty()) line.refuse("a quantizer stands below its node");
    Quantizer mark;
    mark.operand = version_ == kPlacesOnly ? operand_at_place(line) : named_operand(line);
    const std::string_view scheme_text = line.word();
    const auto scheme = scheme_from_name(scheme_text);
    if (!scheme) line.refuse("unknown scheme \"", scheme_text, "\"");
    mark.scheme = *scheme;
    const std::string_view state = line.word();
    if (state != "on" && state != "off") line.refuse("\"", state, "\" is neither on nor off");
    mark.enabled = state == "on";
    if (line.take("[")) {
      mark.low = line.number<float>();
      line.expect(",");
      mark.high = line.number<float>();
      line.expect("]");
    }
    while (!line.at_end()) mark.names.push_back(line.name());
    graph_.nodes().back().quantizers.push_back(std::move(mark));
  }

  std::string_view source_;
  ConstantSource constants_;
  void* context_;
  int version_ = kNewestVersion;
  Graph graph_;
  std::unordered_map<std::string, ValueId> ids_;
};

}  // namespace

Graph parse_graph(std::string_view text, std::string_view source, ConstantSource constants,
                  void* context) {
  return Parser(source, constants, context).parse(text);
}

}  // namespace tamis::graph
