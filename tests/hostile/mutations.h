// Files as a hostile author would write them: well-formed enough to be read far.
//
// Is: one change of a text of JSON, of lines, of protobuf's fields, of a safetensors file, of a zip
// whose checksums stay right, or of plain bytes. Is not: what reads them. May use: base, zlib.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tamis::hostile {

/// splitmix64: the same numbers on every machine.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next();
  /// 0 to `count` - 1; count is at least 1.
  size_t below(size_t count) { return static_cast<size_t>(next() % count); }
  bool one_in(size_t count) { return below(count) == 0; }

 private:
  uint64_t state_;
};

/// The file with one change, by what its name says it is.
[[nodiscard]] std::string mutated(std::string_view name, std::string_view bytes, Random& random);

}  // namespace tamis::hostile
