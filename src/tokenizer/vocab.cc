#include "tokenizer/vocab.h"

#include "base/error.h"

namespace tamis::tokenizer {

Vocab Vocab::from_json(const JsonView& object, std::string_view what) {
  if (!object.is_object()) fail(ErrorCode::kCorruptData, what, ": not an object of token: id");
  // Real vocabularies have holes, but small ones; this bounds memory by the size of the file.
  const int64_t max_id = static_cast<int64_t>(object.size()) * 4 + 65536;
  Vocab vocab;
  vocab.reserve(object.size());
  for (size_t i = 0; i < object.size(); ++i) {
    const auto member = object.member(i);
    vocab.add(member.key, member.value.as_int(what), max_id, what);
  }
  return vocab;
}

void Vocab::reserve(size_t tokens) {
  size_t slots = 16;
  while (slots < tokens * 2) slots *= 2;
  if (slots > slots_.size()) grow(slots);
  by_id_.reserve(tokens);
}

void Vocab::grow(size_t slots) {
  std::vector<Entry> old(slots, Entry{0, 0, 0, -1});
  old.swap(slots_);
  const size_t mask = slots - 1;
  for (const Entry& entry : old) {
    if (entry.id < 0) continue;
    size_t slot = entry.hash & mask;
    while (slots_[slot].id >= 0) slot = (slot + 1) & mask;
    slots_[slot] = entry;
  }
}

void Vocab::add(std::string_view token, int64_t id, int64_t max_id, std::string_view what) {
  if (id < 0 || id > max_id) {
    fail(ErrorCode::kCorruptData, what, ": id ", id, " of token ", json_quote(token),
         " is outside the vocabulary; ids go from 0 to the number of tokens");
  }
  if (arena_.size() + token.size() > UINT32_MAX) {
    fail(ErrorCode::kCorruptData, what, ": tokens take more than 4 GiB");
  }
  if ((count_ + 1) * 2 > slots_.size()) grow(slots_.empty() ? 16 : slots_.size() * 2);
  const auto hash = static_cast<uint32_t>(hash_bytes(token));
  const size_t mask = slots_.size() - 1;
  size_t slot = hash & mask;
  while (slots_[slot].id >= 0) {
    Entry& entry = slots_[slot];
    if (entry.hash == hash && std::string_view(arena_).substr(entry.begin, entry.size) == token) {
      break;
    }
    slot = (slot + 1) & mask;
  }
  if (slots_[slot].id < 0) {
    slots_[slot] = {hash, static_cast<uint32_t>(arena_.size()), static_cast<uint32_t>(token.size()),
                    0};
    arena_.append(token);
  }
  ++count_;
  slots_[slot].id = static_cast<int32_t>(id);
  if (by_id_.size() <= static_cast<size_t>(id)) by_id_.resize(static_cast<size_t>(id) + 1);
  Place& place = by_id_[static_cast<size_t>(id)];
  if (place.used) ids_unique_ = false;
  place = {slots_[slot].begin, slots_[slot].size, true};
}

int32_t Vocab::find(std::string_view token, uint64_t hash) const {
  if (slots_.empty()) return -1;
  const auto wanted = static_cast<uint32_t>(hash);
  const size_t mask = slots_.size() - 1;
  for (size_t slot = wanted & mask;; slot = (slot + 1) & mask) {
    const Entry& entry = slots_[slot];
    if (entry.id < 0) return -1;
    if (entry.hash == wanted && entry.size == token.size() &&
        __builtin_memcmp(arena_.data() + entry.begin, token.data(), token.size()) == 0) {
      return entry.id;
    }
  }
}

std::string_view Vocab::token(int32_t id) const {
  if (!has_id(id)) return {};
  const Place& place = by_id_[static_cast<size_t>(id)];
  return std::string_view(arena_).substr(place.begin, place.size);
}

bool Vocab::has_id(int32_t id) const {
  return id >= 0 && static_cast<size_t>(id) < by_id_.size() && by_id_[static_cast<size_t>(id)].used;
}

}  // namespace tamis::tokenizer
