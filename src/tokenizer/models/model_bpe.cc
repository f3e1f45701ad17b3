// BPE: characters (or bytes) of a word joined pair by pair, in the order that training found.
#include <algorithm>
#include <array>

#include "tokenizer/bpe_merge.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/byte_tokens.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/merges.h"
#include "tokenizer/models/model.h"

namespace tamis::tokenizer {

namespace {

class BpeModel : public Model {
 public:
  BpeModel(const JsonView& json, const std::string& where) : where_(where) {
    refuse_dropout(json, where);
    vocab_ = Vocab::from_json(field(json, "vocab", where), where + ".vocab");
    prefix_ = string_field_or(json, "continuing_subword_prefix", "", where);
    suffix_ = string_field_or(json, "end_of_word_suffix", "", where);
    has_unk_ = !json.get("unk_token").is_null();
    unk_token_ = string_field_or(json, "unk_token", "", where);
    unk_id_ = has_unk_ ? vocab_.find(unk_token_) : -1;
    fuse_unk_ = bool_field_or(json, "fuse_unk", false, where);
    ignore_merges_ = bool_field_or(json, "ignore_merges", false, where);
    if (bool_field_or(json, "byte_fallback", false, where)) bytes_ = find_byte_tokens(vocab_);
    read_merges(array_field(json, "merges", where), where + ".merges");
    // Then a pair that joins always makes a longer token, so no queue entry can be stale and yet
    // look valid, and a plain search for the first best pair gives what the library's queue gives.
    simple_ = vocab_.ids_unique() && prefix_.empty();
  }

  [[nodiscard]] int32_t unk_id() const override { return unk_id_; }

  bool read_raw_bytes() override {
    if (!prefix_.empty() || !suffix_.empty()) return false;
    for (size_t byte = 0; byte < 256; ++byte) {
      char name[4];
      const uint32_t size = encode_utf8(kByteLevelCharacters[byte], name);
      byte_ids_[byte] = vocab_.find(std::string_view(name, size));
      if (byte_ids_[byte] < 0) return false;
    }
    raw_ = true;
    return true;
  }

  void tokenize(const Text& text, Scratch& scratch, size_t limit,
                SequenceTokens& out) const override {
    for_each_word(text, limit, out, [&](TokenWriter& writer, const Piece& piece, int32_t index) {
      const std::string_view word = text.view(piece);
      const bool cached = word.size() <= WordCache::kMaxWord;
      const uint64_t hash = cached ? hash_bytes(word) : 0;
      const WordCache::Line* known = cached ? scratch.cache.find(word, hash) : nullptr;
      if (known != nullptr) {
        size_t begin = piece.begin;
        for (size_t i = 0; i < known->count; ++i) {
          const size_t end = piece.begin + known->ends[i];
          writer.add(known->ids[i], begin, end, index);
          begin = end;
        }
        return;
      }
      merge(word, scratch);
      write(scratch.symbols, piece, index, writer);
      if (cached) remember(word, hash, scratch);
    });
  }

 private:
  static void refuse_dropout(const JsonView& json, const std::string& where) {
    const JsonView dropout = json.get("dropout");
    if (dropout.is_null() || dropout.as_double(where + ".dropout") == 0.0) return;
    fail(ErrorCode::kUnsupported, where, ".dropout: ", dropout.as_double(where),
         " makes tokens random; only null or 0 are supported");
  }

  void read_merges(const JsonView& list, const std::string& where) {
    merges_.reserve(list.size());
    uint32_t rank = 0;
    std::string joined;
    for (size_t i = 0; i < list.size(); ++i) {
      std::string_view first;
      std::string_view second;
      if (!merge_parts(list.at(i), cat(where, "[", i, "]"), first, second)) continue;
      if (second.size() < prefix_.size()) {
        fail(ErrorCode::kCorruptData, where, "[", i, "]: ", json_quote(second),
             " is shorter than continuing_subword_prefix");
      }
      joined.assign(first).append(second.substr(prefix_.size()));
      const auto id_of = [&](std::string_view token) {
        const int32_t id = vocab_.find(token);
        if (id >= 0) return id;
        fail(ErrorCode::kCorruptData, where, "[", i, "]: token ", json_quote(token),
             " is not in the vocabulary");
      };
      merges_.add(id_of(first), id_of(second), {rank++, id_of(joined)});
    }
  }

  /// "a b" or ["a", "b"]; false for the version line of merges.txt.
  static bool merge_parts(const JsonView& item, const std::string& where, std::string_view& first,
                          std::string_view& second) {
    if (item.is_array()) {
      if (item.size() != 2) fail(ErrorCode::kCorruptData, where, ": expected two tokens");
      first = item.at(0).as_string(where);
      second = item.at(1).as_string(where);
      return true;
    }
    const std::string_view line = item.as_string(where);
    if (line.starts_with("#version")) return false;
    const size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
      fail(ErrorCode::kCorruptData, where, ": ", json_quote(line),
           " is not two tokens with a space between");
    }
    first = line.substr(0, space);
    second = line.substr(space + 1);
    return true;
  }

  /// Leaves the word's tokens in scratch.symbols.
  void merge(std::string_view word, Scratch& scratch) const {
    auto& symbols = scratch.symbols;
    symbols.clear();
    if (ignore_merges_) {
      const int32_t whole = raw_ ? find_raw(word, scratch) : vocab_.find(word);
      if (whole >= 0) {
        symbols.push_back({whole, 0, 0, static_cast<uint32_t>(word.size())});
        return;
      }
    }
    if (raw_) {
      for (const char byte : word) {
        symbols.push_back({byte_ids_[static_cast<unsigned char>(byte)], 0, 0, 1});
      }
    } else {
      add_characters(word, scratch);
    }
    merge_symbols(merges_, simple_, scratch);
  }

  int32_t find_raw(std::string_view word, Scratch& scratch) const {
    scratch.word.clear();
    for (const char byte : word) {
      append_utf8(scratch.word, kByteLevelCharacters[static_cast<unsigned char>(byte)]);
    }
    return vocab_.find(scratch.word);
  }

  void add_characters(std::string_view word, Scratch& scratch) const {
    auto& symbols = scratch.symbols;
    int32_t unk = -1;
    uint32_t unk_size = 0;
    const auto flush = [&] {
      if (unk >= 0) symbols.push_back({unk, 0, 0, unk_size});
      unk = -1;
    };
    for (size_t at = 0; at < word.size();) {
      const uint32_t size = utf8_size(word[at]);
      const std::string_view text = decorated(word, at, size, scratch.word);
      at += size;
      const int32_t id = vocab_.find(text);
      if (id >= 0) {
        flush();
        symbols.push_back({id, 0, 0, size});
        continue;
      }
      // An unknown token that waits to be joined goes behind the bytes, as in the library.
      if (bytes_ && bytes_->covers(text)) {
        for (const char byte : text) symbols.push_back({bytes_->id(byte), 0, 0, 1});
        continue;
      }
      if (!has_unk_) continue;
      if (unk_id_ < 0) {
        fail(ErrorCode::kCorruptData, where_, ": a character is unknown and unk_token ",
             json_quote(unk_token_), " is not in the vocabulary");
      }
      if (unk >= 0 && fuse_unk_) {
        unk_size += size;
        continue;
      }
      flush();
      unk = unk_id_;
      unk_size = size;
    }
    flush();
  }

  /// The character with the prefix or suffix that its place in the word asks for.
  std::string_view decorated(std::string_view word, size_t at, uint32_t size,
                             std::string& buffer) const {
    const std::string_view text = word.substr(at, size);
    const bool with_prefix = at > 0 && !prefix_.empty();
    const bool with_suffix = at + size == word.size() && !suffix_.empty();
    if (!with_prefix && !with_suffix) return text;
    buffer.clear();
    if (with_prefix) buffer += prefix_;
    buffer += text;
    if (with_suffix) buffer += suffix_;
    return buffer;
  }

  /// Bytes of prefixes and suffixes can make symbols longer than the word; offsets end with it.
  static void write(const std::vector<Scratch::Symbol>& symbols, const Piece& piece, int32_t index,
                    TokenWriter& writer) {
    size_t begin = piece.begin;
    for (const Scratch::Symbol& symbol : symbols) {
      const size_t end = std::min<size_t>(begin + symbol.size, piece.end);
      begin = std::min<size_t>(begin, piece.end - 1);
      writer.add(symbol.id, begin, std::max(end, begin + 1), index);
      begin = end;
    }
  }

  static void remember(std::string_view word, uint64_t hash, Scratch& scratch) {
    const auto& symbols = scratch.symbols;
    if (symbols.empty() || symbols.size() > WordCache::kMaxTokens) return;
    size_t end = 0;
    for (const Scratch::Symbol& symbol : symbols) end += symbol.size;
    if (end > word.size()) return;
    WordCache::Line& line = scratch.cache.take(word, hash);
    line.count = static_cast<uint8_t>(symbols.size());
    end = 0;
    for (size_t i = 0; i < symbols.size(); ++i) {
      end += symbols[i].size;
      line.ends[i] = static_cast<uint8_t>(end);
      line.ids[i] = symbols[i].id;
    }
  }

  std::string where_;
  std::string prefix_;
  std::string suffix_;
  std::string unk_token_;
  bool has_unk_ = false;
  int32_t unk_id_ = -1;
  bool fuse_unk_ = false;
  bool ignore_merges_ = false;
  bool raw_ = false;
  bool simple_ = false;
  std::array<int32_t, 256> byte_ids_{};
  std::optional<ByteTokens> bytes_;
  MergeTable merges_;
};

}  // namespace

std::unique_ptr<Model> make_bpe_model(const JsonView& json, const std::string& where) {
  return std::make_unique<BpeModel>(json, where);
}

}  // namespace tamis::tokenizer
