// Unigram: of all ways to cut a word into pieces, the one with the highest sum of scores.
#include <algorithm>
#include <limits>

#include "tokenizer/byte_tokens.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/models/model.h"
#include "tokenizer/trie.h"

namespace tamis::tokenizer {

namespace {

/// An unknown character scores this much less than the worst piece (SentencePiece's constant).
constexpr double kUnkPenalty = 10.0;

class UnigramModel : public Model {
 public:
  UnigramModel(const JsonView& json, const std::string& where) : where_(where) {
    read_pieces(array_field(json, "vocab", where), where + ".vocab");
    const JsonView unk = json.get("unk_id");
    if (!unk.is_null()) {
      const int64_t id = unk.as_int(where + ".unk_id");
      if (id < 0 || id >= static_cast<int64_t>(scores_.size())) {
        fail(ErrorCode::kCorruptData, where, ".unk_id: ", id, " is outside the vocabulary of ",
             scores_.size(), " pieces");
      }
      unk_id_ = static_cast<int32_t>(id);
    }
    if (bool_field_or(json, "byte_fallback", false, where)) bytes_ = find_byte_tokens(vocab_);
    std::vector<std::pair<std::string_view, int32_t>> keys;
    keys.reserve(scores_.size());
    vocab_.for_each([&](std::string_view token, int32_t id) { keys.emplace_back(token, id); });
    trie_ = Trie::build(std::move(keys));
  }

  [[nodiscard]] int32_t unk_id() const override { return unk_id_; }
  [[nodiscard]] int32_t matched_text_id() const override {
    return unk_id_ < 0 ? SequenceTokens::kNoMatchedTextId : unk_id_;
  }

  void tokenize(const Text& text, Scratch& scratch, size_t limit,
                SequenceTokens& out) const override {
    for_each_word(text, limit, out, [&](TokenWriter& writer, const Piece& piece, int32_t index) {
      const std::string_view word = text.view(piece);
      if (word.size() > WordCache::kMaxWord) {
        cut(word, scratch);
        write(word, piece.begin, index, scratch, writer);
        return;
      }
      const uint64_t hash = hash_bytes(word);
      const WordCache::Line* known = scratch.cache.find(word, hash);
      if (known == nullptr) {
        const size_t before = out.ids.size();
        cut(word, scratch);
        const bool plain = write(word, piece.begin, index, scratch, writer);
        if (plain && scratch.ends.size() <= WordCache::kMaxTokens) {
          remember(word, hash, out, before, scratch);
        }
        return;
      }
      size_t begin = piece.begin;
      for (size_t i = 0; i < known->count; ++i) {
        const size_t end = piece.begin + known->ends[i];
        writer.add(known->ids[i], begin, end, index);
        begin = end;
      }
    });
  }

 private:
  void read_pieces(const JsonView& list, const std::string& where) {
    const auto count = static_cast<int64_t>(list.size());
    scores_.reserve(list.size());
    vocab_.reserve(list.size());
    for (size_t i = 0; i < list.size(); ++i) {
      const JsonView pair = list.at(i);
      if (!pair.is_array() || pair.size() != 2) {
        fail(ErrorCode::kCorruptData, where, "[", i, "]: expected [piece, score]");
      }
      const double score = pair.at(1).as_double(where);
      vocab_.add(pair.at(0).as_string(where), static_cast<int64_t>(i), count, where);
      scores_.push_back(score);
      if (score < min_score_) min_score_ = score;
    }
  }

  /// Viterbi. Leaves where each piece ends, and its id, in scratch.ends and scratch.piece_ids,
  /// neighboring unknown characters joined.
  void cut(std::string_view word, Scratch& scratch) const {
    constexpr uint32_t kUnreached = UINT32_MAX;
    auto& path = scratch.path;
    path.assign(word.size() + 1, {0.0, -1, kUnreached});
    const double unk_score = min_score_ - kUnkPenalty;
    for (size_t begin = 0; begin < word.size();) {
      const double score_here = path[begin].score;
      const uint32_t width = utf8_size(word[begin]);
      bool has_single = false;
      const auto offer = [&](size_t end, double score, int32_t id) {
        auto& node = path[end];
        if (node.start != kUnreached && !(score > node.score)) return;
        if (id < 0) {
          fail(ErrorCode::kCorruptData, where_,
               ": a character is unknown and the model has no unk_id");
        }
        node = {score, id, static_cast<uint32_t>(begin)};
      };
      uint32_t at = Trie::kRoot;
      for (size_t end = begin; end < word.size();) {
        at = trie_.step(at, word[end]);
        if (at == Trie::kNowhere) break;
        ++end;
        const int32_t id = trie_.value(at);
        if (id < 0) continue;
        offer(end, scores_[static_cast<size_t>(id)] + score_here, id);
        has_single = has_single || end == begin + width;
      }
      if (!has_single) offer(begin + width, unk_score + score_here, unk_id_);
      begin += width;
    }
    walk_back(word.size(), scratch);
  }

  void walk_back(size_t size, Scratch& scratch) const {
    auto& ends = scratch.ends;
    auto& ids = scratch.piece_ids;
    ends.clear();
    ids.clear();
    for (size_t end = size; end > 0; end = scratch.path[end].start) {
      const int32_t id = scratch.path[end].id;
      const bool joins = id == unk_id_ && !ids.empty() && ids.back() == unk_id_;
      if (joins) continue;
      ends.push_back(static_cast<uint32_t>(end));
      ids.push_back(id);
    }
    std::reverse(ends.begin(), ends.end());
    std::reverse(ids.begin(), ids.end());
  }

  /// Appends the pieces; false if some became bytes.
  bool write(std::string_view word, size_t offset, int32_t index, const Scratch& scratch,
             TokenWriter& writer) const {
    bool plain = true;
    size_t begin = 0;
    for (size_t i = 0; i < scratch.ends.size(); ++i) {
      const size_t end = scratch.ends[i];
      int32_t id = scratch.piece_ids[i];
      if (id == unk_id_) {
        // Joined unknown characters may spell a piece after all.
        const std::string_view piece = word.substr(begin, end - begin);
        const int32_t whole = vocab_.find(piece);
        if (whole >= 0) {
          id = whole;
        } else if (bytes_ && bytes_->covers(piece)) {
          for (const char byte : piece) {
            writer.add(bytes_->id(byte), offset + begin, offset + end, index);
          }
          plain = false;
          begin = end;
          continue;
        }
      }
      writer.add(id, offset + begin, offset + end, index);
      begin = end;
    }
    return plain;
  }

  static void remember(std::string_view word, uint64_t hash, const SequenceTokens& out,
                       size_t before, Scratch& scratch) {
    WordCache::Line& line = scratch.cache.take(word, hash);
    line.count = static_cast<uint8_t>(scratch.ends.size());
    for (size_t i = 0; i < scratch.ends.size(); ++i) {
      line.ends[i] = static_cast<uint8_t>(scratch.ends[i]);
      line.ids[i] = out.ids[before + i];
    }
  }

  std::string where_;
  std::vector<double> scores_;
  double min_score_ = std::numeric_limits<double>::infinity();
  int32_t unk_id_ = -1;
  std::optional<ByteTokens> bytes_;
  Trie trie_;
};

}  // namespace

std::unique_ptr<Model> make_unigram_model(const JsonView& json, const std::string& where) {
  return std::make_unique<UnigramModel>(json, where);
}

}  // namespace tamis::tokenizer
