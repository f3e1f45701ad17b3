// The tokens of a model: text to id and id to text.
//
// Is: a flat hash table over one arena of bytes. Is not: the added tokens. May use: base.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace tamis::tokenizer {

/// A fast, well-mixed hash of a short string.
[[nodiscard]] inline uint64_t hash_bytes(std::string_view text) {
  constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15u;  // 2^64 / golden ratio
  uint64_t hash = text.size() * kMultiplier;
  const char* at = text.data();
  size_t left = text.size();
  const auto mix = [&hash](uint64_t word) {
    hash = (hash ^ word) * kMultiplier;
    hash ^= hash >> 32;
  };
  for (; left >= 8; left -= 8, at += 8) {
    uint64_t word;
    __builtin_memcpy(&word, at, 8);
    mix(word);
  }
  if (left >= 4) {
    uint32_t low;
    uint32_t high;
    __builtin_memcpy(&low, at, 4);
    __builtin_memcpy(&high, at + left - 4, 4);
    mix(low | static_cast<uint64_t>(high) << 32);
  } else if (left > 0) {
    mix(static_cast<unsigned char>(at[0]) | static_cast<uint64_t>(at[left / 2]) << 8 |
        static_cast<uint64_t>(at[left - 1]) << 16);
  }
  return hash;
}

/// Immutable after the last add(), then safe to read from any thread.
class Vocab {
 public:
  /// Members of a JSON object {token: id}. Throws Error{kCorruptData} for what is not one and for
  /// ids far outside the vocabulary.
  [[nodiscard]] static Vocab from_json(const JsonView& object, std::string_view what);

  /// A later add() of the same token gives it the later id; the earlier id still has the token.
  /// Throws Error{kCorruptData} for an id over `max_id`.
  void add(std::string_view token, int64_t id, int64_t max_id, std::string_view what);
  void reserve(size_t tokens);

  /// -1 if there is none.
  [[nodiscard]] int32_t find(std::string_view token) const {
    return find(token, hash_bytes(token));
  }
  [[nodiscard]] int32_t find(std::string_view token, uint64_t hash) const;

  /// Empty if no token has that id.
  [[nodiscard]] std::string_view token(int32_t id) const;
  [[nodiscard]] bool has_id(int32_t id) const;

  /// Calls visit(token, id) for each token, in no order.
  template <typename Visit>
  void for_each(Visit visit) const {
    for (const Entry& entry : slots_) {
      if (entry.id >= 0) {
        visit(std::string_view(arena_).substr(entry.begin, entry.size), entry.id);
      }
    }
  }

  /// Number of add() calls.
  [[nodiscard]] size_t size() const { return count_; }
  /// One more than the highest id.
  [[nodiscard]] int32_t id_limit() const { return static_cast<int32_t>(by_id_.size()); }
  /// False if two tokens share an id.
  [[nodiscard]] bool ids_unique() const { return ids_unique_; }

 private:
  struct Entry {
    uint32_t hash;
    uint32_t begin;
    uint32_t size;
    int32_t id;  // -1: free
  };
  struct Place {
    uint32_t begin = 0;
    uint32_t size = 0;
    bool used = false;
  };
  void grow(size_t slots);

  std::string arena_;
  std::vector<Entry> slots_;
  std::vector<Place> by_id_;
  size_t count_ = 0;
  bool ids_unique_ = true;
};

}  // namespace tamis::tokenizer
