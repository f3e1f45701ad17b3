// Tokens that are found in a text before the model sees it.
//
// Is: tokenizer.json's "added_tokens": matching, stripping, their ids. Is not: the vocabulary.
// May use: trie, text.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/models/model.h"
#include "tokenizer/normalizers/normalizer.h"
#include "tokenizer/text.h"
#include "tokenizer/trie.h"

namespace tamis::tokenizer {

struct AddedToken {
  std::string content;
  bool single_word = false;
  bool lstrip = false;
  bool rstrip = false;
  bool normalized = true;
  bool special = false;
  friend bool operator==(const AddedToken&, const AddedToken&) = default;
};

/// Immutable after finish(), then thread-safe.
class AddedTokens {
 public:
  /// Adds tokens as the library does: an id is the model's if the model knows the token, else the
  /// next free one. Empty ones are ignored.
  void add(std::vector<AddedToken> tokens, const Model& model);
  /// Builds the matchers; `normalizer` may be null.
  void finish(const Normalizer* normalizer, Scratch& scratch);

  /// Cuts piece `piece` of `text` at the tokens found and appends to `out`, text and tokens alike.
  void cut_original(const Text& text, const Piece& piece, std::vector<Piece>& out) const {
    cut(plain_, text, piece, out);
  }
  void cut_normalized(const Text& text, const Piece& piece, std::vector<Piece>& out) const {
    cut(normalized_, text, piece, out);
  }
  [[nodiscard]] bool found_in_original(std::string_view text) const { return found(plain_, text); }
  [[nodiscard]] bool found_in_normalized(std::string_view text) const {
    return found(normalized_, text);
  }

  /// -1 if there is none.
  [[nodiscard]] int32_t find(std::string_view content) const;
  [[nodiscard]] const AddedToken* token(int32_t id) const;
  /// What decoding sees: the normalized form if the token is normalized.
  [[nodiscard]] std::string_view decoded(int32_t id) const;
  [[nodiscard]] bool is_special(std::string_view content) const;
  [[nodiscard]] const std::vector<int32_t>& ids() const { return order_; }

 private:
  struct Matcher {
    Trie trie;
    bool any = false;
    std::array<bool, 256> first{};
    /// The one byte that all tokens begin with, -1 if they differ.
    int only_first = -1;
  };
  void add_one(AddedToken token, const Model& model, int32_t& next_id);
  static void build(Matcher& matcher, std::vector<std::pair<std::string_view, int32_t>> keys);
  static size_t next_start(const Matcher& matcher, std::string_view text, size_t at);
  [[nodiscard]] static bool found(const Matcher& matcher, std::string_view text);
  void cut(const Matcher& matcher, const Text& text, const Piece& piece,
           std::vector<Piece>& out) const;

  std::unordered_map<std::string, int32_t> by_content_;
  std::unordered_map<int32_t, AddedToken> by_id_;
  std::unordered_map<int32_t, std::string> normalized_form_;
  std::unordered_map<std::string, bool> special_;
  std::vector<int32_t> order_;
  Matcher plain_;
  Matcher normalized_;
};

}  // namespace tamis::tokenizer
