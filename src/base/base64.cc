#include "base/base64.h"

#include <array>
#include <cstdint>

namespace tamis {

namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Two digits for each 12 bits: half the look-ups of one digit at a time.
constexpr std::array<char, 8192> make_pairs() {
  std::array<char, 8192> pairs = {};
  for (size_t i = 0; i < 4096; ++i) {
    pairs[2 * i] = kDigits[i >> 6];
    pairs[2 * i + 1] = kDigits[i & 63];
  }
  return pairs;
}

constexpr std::array<char, 8192> kPairs = make_pairs();

}  // namespace

std::string encode_base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4, '=');
  char* to = out.data();
  const auto* from = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t left = bytes.size();
  for (; left >= 3; left -= 3, from += 3, to += 4) {
    const uint32_t bits = uint32_t{from[0]} << 16 | uint32_t{from[1]} << 8 | from[2];
    const char* const high = &kPairs[2 * (bits >> 12)];
    const char* const low = &kPairs[2 * (bits & 4095)];
    to[0] = high[0];
    to[1] = high[1];
    to[2] = low[0];
    to[3] = low[1];
  }
  if (left == 0) return out;
  const uint32_t bits = uint32_t{from[0]} << 16 | (left == 2 ? uint32_t{from[1]} << 8 : 0U);
  to[0] = kDigits[bits >> 18];
  to[1] = kDigits[bits >> 12 & 63];
  if (left == 2) to[2] = kDigits[bits >> 6 & 63];
  return out;
}

}  // namespace tamis
