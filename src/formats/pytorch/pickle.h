// Python pickles as data: a call in the pickle becomes a node, and nothing is ever called.
//
// Is: the stack machine of protocols 2 to 5 over a fixed list of allowed names, within limits.
// Is not: an interpreter of what the calls mean (pytorch_bin.h). May use: base.
// Source: CPython's Lib/pickletools.py, which describes every opcode.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tamis {

enum class PickleKind : uint8_t {
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,      ///< str and bytes
  kTuple,       ///< items
  kList,        ///< items; also sets
  kDict,        ///< items: key, value, key, value, ...
  kGlobal,      ///< text: "module.name"
  kCall,        ///< callable(*args), then what was set on the result: see PickleValue::items
  kPersistent,  ///< items[0]: the persistent id
};

/// A node of a pickle. Values may be shared and, in hostile files, lie inside themselves: walk to a
/// fixed depth only.
struct PickleValue {
  PickleKind kind = PickleKind::kNone;
  int64_t integer = 0;  ///< kBool, kInt
  double number = 0;    ///< kFloat
  std::string_view text;
  /// kCall: items[0] the callable, items[1] the argument tuple, from items[2] on the key, value
  /// pairs that were set on the result; of parse_with_payloads() also what BUILD set, pairs of
  /// a dict or another state as it is, and the payload in `text`.
  std::vector<const PickleValue*> items;
};

/// Bytes of an object's own behind it.
struct PicklePayload {
  bool padded = false;  ///< a byte that counts those to pass over stands first
  uint64_t bytes = 0;
};
/// Nothing if opcodes follow the object at once. May throw Error naming `source`.
using PayloadOf = std::optional<PicklePayload>(const PickleValue& object,
                                               const std::string& source);

/// Thread-safe: immutable after parse(). Borrows the pickle's bytes for the texts.
class Pickle {
 public:
  /// Limits: 16 MiB of pickle, a million values, integers of 64 bits. `allowed` holds the globals
  /// that may be named, "module.name"; any other is Error{kUnsupported}: '<source>: pickle names
  /// "os.system"; only <what> are accepted'. Throws kCorruptData for anything malformed.
  [[nodiscard]] static Pickle parse(std::string_view bytes, const std::string& source,
                                    std::span<const std::string_view> allowed,
                                    std::string_view what);

  /// As parse(), of the pickle that `bytes` begin with; what follows it, from `consumed` on, is not
  /// looked at.
  [[nodiscard]] static Pickle parse_first(std::string_view bytes, const std::string& source,
                                          std::span<const std::string_view> allowed,
                                          std::string_view what, size_t& consumed);

  /// As parse(), of at most 256 MiB, with bytes that are no opcodes behind objects of which
  /// `payload_of` says so, once their state is set.
  [[nodiscard]] static Pickle parse_with_payloads(std::string_view bytes, const std::string& source,
                                                  std::span<const std::string_view> allowed,
                                                  std::string_view what, PayloadOf& payload_of);

  /// Every value of the pickle, in the order in which they were made.
  [[nodiscard]] const std::deque<PickleValue>& values() const { return values_; }
  [[nodiscard]] const PickleValue& root() const { return *root_; }

 private:
  friend class PickleMachine;
  Pickle() = default;

  std::deque<PickleValue> values_;
  std::deque<std::string> names_;  // of globals
  const PickleValue* root_ = nullptr;
};

}  // namespace tamis
