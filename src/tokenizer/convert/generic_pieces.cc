#include "tokenizer/convert/generic_pieces.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <unordered_map>

#include "base/base64.h"
#include "base/error.h"
#include "tokenizer/convert/class_row.h"
#include "tokenizer/convert/pieces.h"
#include "tokenizer/utf8.h"

namespace tamis::tokenizer {

namespace {

/// Tokens by id, and ids by token: of equal tokens the last counts, and the others have none.
struct Names {
  std::vector<std::string_view> tokens;
  std::unordered_map<std::string_view, size_t> ids;

  [[nodiscard]] bool counts(size_t id) const {
    const auto own = ids.find(tokens[id]);
    return own != ids.end() && own->second == id;
  }
};

Names names_of(const SentencePieceModel& model) {
  Names names;
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    names.ids[piece.text] = names.tokens.size();
    names.tokens.push_back(piece.text);
  }
  return names;
}

/// Listed tokens in the place of pieces of the same id, but for tokens that are pieces of an id
/// which nothing lists.
Names renamed(const Names& pieces, const std::map<int64_t, TokenValue>& listed) {
  Names names;
  names.tokens = pieces.tokens;
  for (size_t id = 0; id < names.tokens.size(); ++id) {
    if (!pieces.counts(id)) continue;
    const auto other = listed.find(static_cast<int64_t>(id));
    if (other != listed.end()) {
      const auto own = pieces.ids.find(other->second.content);
      const bool kept =
          own != pieces.ids.end() && !listed.contains(static_cast<int64_t>(own->second));
      if (!kept) names.tokens[id] = other->second.content;
    }
    names.ids[names.tokens[id]] = id;
  }
  return names;
}

/// Every cut of a normal piece into two others; those of high scores first, of equal scores by id,
/// then by text.
void write_merges(const SentencePieceModel& model, const Names& names, const std::string& source,
                  JsonWriter& json) {
  using Ranked = std::tuple<float, size_t, std::string_view, std::string_view>;
  std::unordered_map<std::string_view, size_t> normal;
  for (const auto& [token, id] : names.ids) {
    if (model.pieces[id].type == SentencePieceType::kNormal) normal.emplace(token, id);
  }
  std::vector<Ranked> merges;
  for (const auto& [token, id] : normal) {
    if (token.empty()) continue;
    for (size_t at = utf8_size(token[0]); at < token.size(); at += utf8_size(token[at])) {
      const std::string_view left = token.substr(0, at);
      const std::string_view right = token.substr(at);
      if (!normal.contains(left) || !normal.contains(right)) continue;
      merges.emplace_back(-model.pieces[id].score, id, left, right);
    }
  }
  if (std::ranges::any_of(model.pieces, [](const auto& p) { return !std::isfinite(p.score); })) {
    fail(ErrorCode::kCorruptData, source, ": the score of a piece is not a number");
  }
  std::ranges::sort(merges);
  json.key("merges").begin_array();
  for (const auto& [score, id, left, right] : merges) {
    json.begin_array().value(left).value(right).end_array();
  }
  json.end_array();
}

int64_t characters(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; });
}

/// The pieces that are found in a text before it is cut, longest first.
std::vector<std::string_view> whole_pieces(const SentencePieceModel& model, const Names& names) {
  std::vector<std::string_view> whole;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const bool user_defined = model.pieces[id].type == SentencePieceType::kUserDefined;
    if (user_defined && names.counts(id)) whole.push_back(names.tokens[id]);
  }
  std::ranges::stable_sort(
      whole, [](std::string_view a, std::string_view b) { return characters(a) > characters(b); });
  return whole;
}

void write_bpe(const SentencePieceModel& model, const Names& names, bool whole,
               const std::string& source, JsonWriter& json) {
  json.key("model").begin_object().member("type", "BPE").key("vocab").begin_object();
  for (size_t id = 0; id < names.tokens.size(); ++id) {
    if (names.counts(id)) json.member(names.tokens[id], static_cast<int64_t>(id));
  }
  json.end_object();
  write_merges(model, names, source, json);
  json.member("unk_token", model.unk_piece).member("fuse_unk", true);
  json.member("byte_fallback", model.byte_fallback);
  json.member("ignore_merges", whole).end_object();
}

void write_unigram(const SentencePieceModel& model, const std::string& source, JsonWriter& json) {
  json.key("model").begin_object().member("type", "Unigram").member("unk_id", model.unk_id);
  json.key("vocab").begin_array();
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    write_scored_piece(json, piece.text, piece.score, source);
  }
  json.end_array().member("byte_fallback", model.byte_fallback).end_object();
}

void write_normalizer(const SentencePieceModel& model, bool legacy, JsonWriter& json) {
  json.key("normalizer").begin_object().member("type", "Sequence").key("normalizers");
  json.begin_array();
  if (!model.charsmap.empty()) {
    json.begin_object().member("type", "Precompiled");
    json.member("precompiled_charsmap", encode_base64(model.charsmap)).end_object();
  }
  if (model.remove_extra_whitespaces) {
    write_replace_regex(json, R"(\A +| +\z)", "");
    write_replace_regex(json, " {2,}", " ");
  }
  if (model.escape_whitespaces) write_replace(json, " ", kMetaspace);
  // Metaspace puts nothing before a text that begins with its own sign, SentencePiece does.
  if (model.add_dummy_prefix && legacy) {
    write_replace_regex(json, cat(R"(\A)", kMetaspace), cat(kMetaspace, kMetaspace));
  }
  json.end_array().end_object();
}

/// `text` as a pattern that matches it alone.
std::string escaped(std::string_view text) {
  constexpr std::string_view kSigns = "()[]{}?*+-|^$\\.&~# \t\n\r\v\f";
  std::string pattern;
  for (const char c : text) {
    if (kSigns.find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

void write_split(const std::vector<std::string_view>& whole, JsonWriter& json) {
  std::string pattern;
  for (const std::string_view piece : whole) {
    if (!pattern.empty()) pattern += '|';
    pattern += escaped(piece);
  }
  json.begin_object().member("type", "Split").key("pattern").begin_object();
  json.member("Regex", pattern).end_object().member("behavior", "Isolated");
  json.member("invert", false).end_object();
}

void write_pre_tokenizer(const SentencePieceModel& model,
                         const std::vector<std::string_view>& whole, bool legacy,
                         JsonWriter& json) {
  if (!model.add_dummy_prefix && whole.empty()) return;
  json.key("pre_tokenizer").begin_object().member("type", "Sequence").key("pretokenizers");
  json.begin_array();
  if (model.add_dummy_prefix) write_metaspace(json, legacy ? "always" : "first", false);
  if (!whole.empty()) write_split(whole, json);
  json.end_array().end_object();
}

void write_decoder(const SentencePieceModel& model, JsonWriter& json) {
  json.key("decoder").begin_object().member("type", "Sequence").key("decoders").begin_array();
  write_replace(json, kMetaspace, " ");
  if (model.byte_fallback) write_type(json, "ByteFallback");
  if (model.byte_fallback || model.add_dummy_prefix) write_type(json, "Fuse");
  if (model.add_dummy_prefix) {
    json.begin_object().member("type", "Strip").member("content", " ").member("start", 1);
    json.member("stop", 0).end_object();
  }
  json.end_array().end_object();
}

std::vector<std::pair<Role, std::string>> model_roles(const SentencePieceModel& model) {
  std::vector<std::pair<Role, std::string>> roles;
  if (model.bos_id >= 0) roles.emplace_back(Role::kBos, model.bos_piece);
  if (model.eos_id >= 0) roles.emplace_back(Role::kEos, model.eos_piece);
  if (model.unk_id >= 0) roles.emplace_back(Role::kUnk, model.unk_piece);
  return roles;
}

/// The class's default is true; a null is as good as false.
bool is_legacy(const ClassInput& input) {
  return !input.config.get("legacy").exists() || flag(input, "legacy", false);
}

}  // namespace

ConvertedPieces convert_generic_pieces(const SentencePieceModel& model, const ClassInput& input,
                                       const std::map<int64_t, TokenValue>& listed) {
  const bool bpe = model.algorithm == kBpePieces;
  const bool legacy = is_legacy(input);
  const Names pieces = names_of(model);
  const Names names = bpe ? renamed(pieces, listed) : pieces;
  const std::vector<std::string_view> whole = whole_pieces(model, names);
  JsonWriter json;
  json.begin_object();
  write_normalizer(model, legacy, json);
  write_pre_tokenizer(model, whole, legacy, json);
  write_decoder(model, json);
  if (bpe) {
    write_bpe(model, names, !whole.empty(), input.source, json);
  } else {
    write_unigram(model, input.source, json);
  }
  json.end_object();
  ConvertedPieces out;
  out.json = json.take();
  out.tokens = added_pieces(model, false);
  out.roles = model_roles(model);
  out.listed_are_raw = model.add_dummy_prefix;
  return out;
}

}  // namespace tamis::tokenizer
