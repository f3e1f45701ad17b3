#include "formats/pytorch/pickle.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.h"
#include "base/json.h"

namespace tamis {

namespace {

// data.pkl of a model with 1,000 tensors is 100 kB.
constexpr size_t kMaxPickleBytes = size_t{16} << 20;
constexpr size_t kMaxBytesWithPayloads = size_t{256} << 20;
constexpr size_t kMaxValues = 1'000'000;

enum Opcode : uint8_t {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kDup = '2',
  kBinFloat = 'G',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBinString = 'T',
  kShortBinString = 'U',
  kBinUnicode = 'X',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kDict = 'd',
  kEmptyDict = '}',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kList = 'l',
  kEmptyList = ']',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kEmptyTuple = ')',
  kSetItems = 'u',
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kProto = 0x80,
  kNewObj = 0x81,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
  kLong4 = 0x8b,
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kBinBytes8 = 0x8e,
  kEmptySet = 0x8f,
  kAddItems = 0x90,
  kFrozenSet = 0x91,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
  kByteArray8 = 0x96,
};

}  // namespace

class PickleMachine {
 public:
  PickleMachine(std::string_view bytes, const std::string& source,
                std::span<const std::string_view> allowed, std::string_view what,
                PayloadOf* payload_of = nullptr)
      : bytes_(bytes), source_(source), allowed_(allowed), what_(what), payload_of_(payload_of) {}

  Pickle run() {
    const size_t most = payload_of_ != nullptr ? kMaxBytesWithPayloads : kMaxPickleBytes;
    if (bytes_.size() > most) {
      corrupt("pickle of ", bytes_.size(), " bytes; at most ", most, " are accepted");
    }
    for (;;) {
      opcode_offset_ = at_;
      const auto opcode = static_cast<uint8_t>(take(1)[0]);
      if (opcode == kStop) break;
      if (!run_constant(opcode) && !run_text(opcode) && !run_container(opcode) &&
          !run_stack(opcode)) {
        corrupt("pickle opcode ", int{opcode}, " is not one of protocols 2 to 5 that data uses");
      }
    }
    out_.root_ = pop();
    return std::move(out_);
  }

  size_t consumed() const { return at_; }

 private:
  template <typename... Parts>
  [[noreturn]] void corrupt(const Parts&... parts) const {
    fail(ErrorCode::kCorruptData, source_, ": at byte ", opcode_offset_, ": ", parts...);
  }

  std::string_view take(uint64_t size) {
    if (size > bytes_.size() - at_) corrupt("the pickle ends in the middle of a value");
    const std::string_view taken = bytes_.substr(at_, size);
    at_ += size;
    return taken;
  }

  template <typename T>
  T take_number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  std::string_view take_line() {
    const size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) corrupt("the pickle ends in the middle of a line");
    const std::string_view line = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return line;
  }

  PickleValue& push(PickleKind kind) {
    if (out_.values_.size() == kMaxValues) corrupt("more than ", kMaxValues, " values");
    PickleValue& value = out_.values_.emplace_back();
    value.kind = kind;
    stack_.push_back(&value);
    return value;
  }

  void push_int(int64_t number) { push(PickleKind::kInt).integer = number; }
  void push_bool(bool flag) { push(PickleKind::kBool).integer = flag ? 1 : 0; }
  void push_text(std::string_view text) { push(PickleKind::kString).text = text; }

  // Values above the latest mark.
  size_t above_mark() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }

  PickleValue* pop() {
    if (above_mark() == 0) corrupt("nothing on the pickle's stack");
    PickleValue* value = stack_.back();
    stack_.pop_back();
    return value;
  }

  PickleValue& top() {
    if (above_mark() == 0) corrupt("nothing on the pickle's stack");
    return *stack_.back();
  }

  std::vector<const PickleValue*> pop_to_mark() {
    if (marks_.empty()) corrupt("no mark on the pickle's stack");
    const auto from = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<const PickleValue*> items(from, stack_.end());
    stack_.erase(from, stack_.end());
    marks_.pop_back();
    return items;
  }

  void push_tuple(size_t size) {
    std::vector<const PickleValue*> items(size);
    for (size_t i = size; i-- > 0;) items[i] = pop();
    push(PickleKind::kTuple).items = std::move(items);
  }

  // Two's complement, little-endian.
  void push_long(uint64_t size) {
    const std::string_view digits = take(size);
    if (size > sizeof(int64_t)) corrupt("an integer of ", size, " bytes; at most 8 are accepted");
    uint64_t value = size != 0 && (digits.back() & 0x80) != 0 ? ~uint64_t{0} : 0;
    for (size_t i = size; i-- > 0;) value = value << 8 | static_cast<uint8_t>(digits[i]);
    push_int(static_cast<int64_t>(value));
  }

  void push_float() {
    // The one big-endian number of the format.
    const auto bits = __builtin_bswap64(take_number<uint64_t>());
    push(PickleKind::kFloat).number = std::bit_cast<double>(bits);
  }

  void push_global(std::string_view module, std::string_view name) {
    // Cut before they are joined: a long string may be named again and again for a few bytes.
    const std::string full = cat(module.substr(0, 100), ".", name.substr(0, 100));
    if (std::find(allowed_.begin(), allowed_.end(), full) == allowed_.end()) {
      fail(ErrorCode::kUnsupported, source_, ": at byte ", opcode_offset_, ": pickle names ",
           json_quote(full), "; only ", what_, " are accepted");
    }
    PickleValue& value = push(PickleKind::kGlobal);
    value.text = out_.names_.emplace_back(full);
  }

  // Adds to a list, or key and value pairs to a dict or to a call's result.
  void add_items(std::span<const PickleValue* const> items, bool pairs) {
    PickleValue& target = top();
    const bool fits = pairs ? target.kind == PickleKind::kDict || target.kind == PickleKind::kCall
                            : target.kind == PickleKind::kList;
    if (!fits || (pairs && items.size() % 2 != 0)) {
      corrupt("items are added to something that takes none");
    }
    target.items.insert(target.items.end(), items.begin(), items.end());
  }

  void put(size_t index) {
    // Real pickles number their memo from 0 upward.
    if (index > kMaxValues) corrupt("memo ", index, "; at most ", kMaxValues, " are accepted");
    if (index >= memo_.size()) memo_.resize(index + 1);
    memo_[index] = &top();
    memo_size_ = std::max(memo_size_, index + 1);
  }

  void get(size_t index) {
    if (index >= memo_.size() || memo_[index] == nullptr) corrupt("memo ", index, " is not set");
    // Each copy is one byte of pickle or more, so the stack stays bounded by its limit.
    stack_.push_back(memo_[index]);
  }

  bool run_constant(uint8_t opcode) {
    switch (opcode) {
      case kProto: {
        const int version = take_number<uint8_t>();
        if (version < 2 || version > 5) {
          corrupt("pickle protocol ", version, "; accepted are 2 to 5");
        }
        return true;
      }
      case kFrame:
        (void)take(8);  // a hint for buffering
        return true;
      case kNone:
        push(PickleKind::kNone);
        return true;
      case kNewTrue:
      case kNewFalse:
        push_bool(opcode == kNewTrue);
        return true;
      case kBinInt:
        push_int(take_number<int32_t>());
        return true;
      case kBinInt1:
        push_int(take_number<uint8_t>());
        return true;
      case kBinInt2:
        push_int(take_number<uint16_t>());
        return true;
      case kLong1:
        push_long(take_number<uint8_t>());
        return true;
      case kLong4:
        push_long(take_number<uint32_t>());
        return true;
      case kBinFloat:
        push_float();
        return true;
      default:
        return false;
    }
  }

  bool run_text(uint8_t opcode) {
    switch (opcode) {
      case kShortBinString:
      case kShortBinBytes:
      case kShortBinUnicode:
        push_text(take(take_number<uint8_t>()));
        return true;
      case kBinString:
      case kBinBytes:
      case kBinUnicode:
        push_text(take(take_number<uint32_t>()));
        return true;
      case kBinUnicode8:
      case kBinBytes8:
      case kByteArray8:
        push_text(take(take_number<uint64_t>()));
        return true;
      case kGlobal: {
        const std::string_view module = take_line();
        push_global(module, take_line());
        return true;
      }
      case kStackGlobal: {
        const PickleValue* name = pop();
        const PickleValue* module = pop();
        if (name->kind != PickleKind::kString || module->kind != PickleKind::kString) {
          corrupt("a global's name must be two strings");
        }
        push_global(module->text, name->text);
        return true;
      }
      default:
        return false;
    }
  }

  bool run_container(uint8_t opcode) {
    switch (opcode) {
      case kEmptyTuple:
        push(PickleKind::kTuple);
        return true;
      case kTuple1:
      case kTuple2:
      case kTuple3:
        push_tuple(static_cast<size_t>(opcode - kTuple1) + 1);
        return true;
      case kTuple:
        push_marked(PickleKind::kTuple);
        return true;
      case kEmptyList:
      case kEmptySet:
        push(PickleKind::kList);
        return true;
      case kList:
      case kFrozenSet:
        push_marked(PickleKind::kList);
        return true;
      case kEmptyDict:
        push(PickleKind::kDict);
        return true;
      case kDict: {
        const auto items = pop_to_mark();
        push(PickleKind::kDict);
        add_items(items, true);
        return true;
      }
      case kAppend: {
        const PickleValue* const item[] = {pop()};
        add_items(item, false);
        return true;
      }
      case kAppends:
      case kAddItems:
        add_items(pop_to_mark(), false);
        return true;
      case kSetItem: {
        const PickleValue* value = pop();
        const PickleValue* const item[] = {pop(), value};
        add_items(item, true);
        return true;
      }
      case kSetItems:
        add_items(pop_to_mark(), true);
        return true;
      default:
        return false;
    }
  }

  void push_marked(PickleKind kind) {
    auto items = pop_to_mark();
    push(kind).items = std::move(items);
  }

  bool run_stack(uint8_t opcode) {
    switch (opcode) {
      case kMark:
        marks_.push_back(stack_.size());
        return true;
      case kPop:
        // As CPython: right above a mark it takes the mark away.
        if (above_mark() == 0 && !marks_.empty()) {
          marks_.pop_back();
        } else {
          (void)pop();
        }
        return true;
      case kPopMark:
        (void)pop_to_mark();
        return true;
      case kDup:
        stack_.push_back(&top());
        return true;
      case kBinPut:
        put(take_number<uint8_t>());
        return true;
      case kLongBinPut:
        put(take_number<uint32_t>());
        return true;
      case kMemoize:
        put(memo_size_);
        return true;
      case kBinGet:
        get(take_number<uint8_t>());
        return true;
      case kLongBinGet:
        get(take_number<uint32_t>());
        return true;
      case kReduce:
      case kNewObj:
        push_call();
        return true;
      case kBinPersId: {
        const PickleValue* id = pop();
        push(PickleKind::kPersistent).items = {id};
        return true;
      }
      case kBuild:
        build();
        return true;
      default:
        return false;
    }
  }

  // The state of an object: of no use to data but where bytes of the object's own follow.
  void build() {
    const PickleValue* const state = pop();
    PickleValue& target = top();
    if (payload_of_ == nullptr || target.kind != PickleKind::kCall) return;
    if (state->kind == PickleKind::kDict) {
      add_items(state->items, true);
    } else {
      target.items.push_back(state);
    }
    const auto payload = payload_of_(target, source_);
    if (!payload) return;
    if (payload->padded) (void)take(take_number<uint8_t>());
    target.text = take(payload->bytes);
  }

  void push_call() {
    const PickleValue* args = pop();
    const PickleValue* callable = pop();
    if (callable->kind != PickleKind::kGlobal || args->kind != PickleKind::kTuple) {
      corrupt("a call of something that is not a global with a tuple");
    }
    push(PickleKind::kCall).items = {callable, args};
  }

  std::string_view bytes_;
  const std::string& source_;
  std::span<const std::string_view> allowed_;
  std::string_view what_;
  PayloadOf* payload_of_;
  size_t at_ = 0;
  size_t opcode_offset_ = 0;
  Pickle out_;
  std::vector<PickleValue*> stack_;
  std::vector<size_t> marks_;  // sizes of the stack
  std::vector<PickleValue*> memo_;
  size_t memo_size_ = 0;
};

Pickle Pickle::parse(std::string_view bytes, const std::string& source,
                     std::span<const std::string_view> allowed, std::string_view what) {
  return PickleMachine(bytes, source, allowed, what).run();
}

Pickle Pickle::parse_with_payloads(std::string_view bytes, const std::string& source,
                                   std::span<const std::string_view> allowed, std::string_view what,
                                   PayloadOf& payload_of) {
  return PickleMachine(bytes, source, allowed, what, &payload_of).run();
}

Pickle Pickle::parse_first(std::string_view bytes, const std::string& source,
                           std::span<const std::string_view> allowed, std::string_view what,
                           size_t& consumed) {
  PickleMachine machine(bytes.substr(0, kMaxPickleBytes), source, allowed, what);
  Pickle pickle = machine.run();
  consumed = machine.consumed();
  return pickle;
}

}  // namespace tamis
