#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "tokenizer/chars.h"

namespace tamis::tokenizer {

namespace {

bool ends_with_word(std::string_view text) {
  return !text.empty() &&
         is_word(decode_utf8(text.data() + previous_code_point(text, text.size())));
}

bool starts_with_word(std::string_view text) {
  return !text.empty() && is_word(decode_utf8(text.data()));
}

size_t trailing_space_start(std::string_view text) {
  size_t at = text.size();
  while (at > 0) {
    const size_t before = previous_code_point(text, at);
    if (!is_whitespace(decode_utf8(text.data() + before))) break;
    at = before;
  }
  return at;
}

size_t leading_space_end(std::string_view text) {
  size_t at = 0;
  while (at < text.size() && is_whitespace(decode_utf8(text.data() + at)))
    at += utf8_size(text[at]);
  return at;
}

}  // namespace

void AddedTokens::add(std::vector<AddedToken> tokens, const Model& model) {
  auto next_id = static_cast<int32_t>(model.vocab().size());
  for (const int32_t id : order_) next_id = std::max(next_id, id + 1);
  for (AddedToken& token : tokens) {
    if (!token.content.empty()) add_one(std::move(token), model, next_id);
  }
}

void AddedTokens::add_one(AddedToken token, const Model& model, int32_t& next_id) {
  const auto known = by_content_.find(token.content);
  int32_t id = known != by_content_.end() ? known->second : model.vocab().find(token.content);
  if (id < 0) id = next_id++;
  if (token.special) special_[token.content] = true;
  by_content_[token.content] = id;
  if (by_id_.find(id) == by_id_.end()) order_.push_back(id);
  by_id_[id] = std::move(token);
}

void AddedTokens::build(Matcher& matcher, std::vector<std::pair<std::string_view, int32_t>> keys) {
  matcher = Matcher();
  for (const auto& key : keys) {
    if (key.first.empty()) continue;
    const auto first = static_cast<unsigned char>(key.first[0]);
    matcher.first[first] = true;
    matcher.only_first = matcher.any && matcher.only_first != first ? -1 : first;
    matcher.any = true;
  }
  if (std::count(matcher.first.begin(), matcher.first.end(), true) != 1) matcher.only_first = -1;
  // Of tokens that normalize to the same text the one with the lowest id is found; which one the
  // library finds hangs on the order of a hash table that is new each time.
  std::ranges::sort(keys);
  const auto same_text = [](const auto& a, const auto& b) { return a.first == b.first; };
  keys.erase(std::unique(keys.begin(), keys.end(), same_text), keys.end());
  matcher.trie = Trie::build(std::move(keys));
}

void AddedTokens::finish(const Normalizer* normalizer, Scratch& scratch) {
  std::vector<std::pair<std::string_view, int32_t>> plain;
  std::vector<std::pair<std::string_view, int32_t>> normalized;
  for (const int32_t id : order_) {
    const AddedToken& token = by_id_[id];
    if (!token.normalized) {
      plain.emplace_back(token.content, id);
      continue;
    }
    std::string form = token.content;
    if (normalizer != nullptr) {
      scratch.text.assign(token.content, is_ascii(token.content));
      normalizer->normalize(scratch.text, scratch);
      form.assign(scratch.text.bytes());
    }
    if (form.empty() && !token.content.empty()) {
      fail(ErrorCode::kUnsupported, "the added token ", json_quote(token.content),
           " is nothing once it is normalized, and so stands between all characters of every text: "
           "the tokenizers library then reads no words; \"normalized\": false is accepted");
    }
    const std::string& kept = normalized_form_[id] = std::move(form);
    normalized.emplace_back(kept, id);
  }
  build(plain_, std::move(plain));
  build(normalized_, std::move(normalized));
}

size_t AddedTokens::next_start(const Matcher& matcher, std::string_view text, size_t at) {
  if (matcher.only_first >= 0) {
    const size_t found = text.find(static_cast<char>(matcher.only_first), at);
    return found == std::string_view::npos ? text.size() : found;
  }
  while (at < text.size() && !matcher.first[static_cast<unsigned char>(text[at])]) ++at;
  return at;
}

bool AddedTokens::found(const Matcher& matcher, std::string_view text) {
  if (!matcher.any) return false;
  for (size_t at = next_start(matcher, text, 0); at < text.size();
       at = next_start(matcher, text, at + 1)) {
    if (matcher.trie.longest_prefix(text.substr(at)).size > 0) return true;
  }
  return false;
}

void AddedTokens::cut(const Matcher& matcher, const Text& text, const Piece& piece,
                      std::vector<Piece>& out) const {
  const std::string_view sentence = text.view(piece);
  const auto push = [&](size_t begin, size_t end, int32_t token) {
    if (begin == end) return;
    const auto at = static_cast<uint32_t>(piece.begin + begin);
    out.push_back({at, static_cast<uint32_t>(piece.begin + end), text.align(at).start, token});
  };
  size_t done = 0;
  size_t at = matcher.any ? next_start(matcher, sentence, 0) : sentence.size();
  while (at < sentence.size()) {
    const Trie::Match match = matcher.trie.longest_prefix(sentence.substr(at));
    if (match.size == 0) {
      at = next_start(matcher, sentence, at + 1);
      continue;
    }
    size_t start = at;
    size_t stop = at + match.size;
    at = next_start(matcher, sentence, stop);
    const AddedToken& token = by_id_.at(match.value);
    if (token.single_word &&
        (ends_with_word(sentence.substr(0, start)) || starts_with_word(sentence.substr(stop)))) {
      continue;
    }
    if (token.lstrip) start = std::max(trailing_space_start(sentence.substr(0, start)), done);
    if (token.rstrip) stop += leading_space_end(sentence.substr(stop));
    // White space that the token before has taken; the library fails there.
    if (start > stop) continue;
    if (done < start) push(done, start, kNoToken);
    push(start, stop, match.value);
    done = stop;
  }
  push(done, sentence.size(), kNoToken);
}

int32_t AddedTokens::find(std::string_view content) const {
  const auto found = by_content_.find(std::string(content));
  return found == by_content_.end() ? -1 : found->second;
}

const AddedToken* AddedTokens::token(int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second;
}

std::string_view AddedTokens::decoded(int32_t id) const {
  const auto form = normalized_form_.find(id);
  if (form != normalized_form_.end()) return form->second;
  return by_id_.at(id).content;
}

bool AddedTokens::is_special(std::string_view content) const {
  return special_.find(std::string(content)) != special_.end();
}

}  // namespace tamis::tokenizer
