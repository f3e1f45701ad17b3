// SentencePiece models: Unigram ones, whose pieces some classes number anew, and BPE.
#include <cmath>
#include <unordered_map>

#include "base/base64.h"
#include "base/error.h"
#include "tokenizer/convert/class_json.h"
#include "tokenizer/convert/class_rules.h"
#include "tokenizer/convert/generic_pieces.h"
#include "tokenizer/convert/languages.h"
#include "tokenizer/convert/pieces.h"
#include "tokenizer/convert/sentencepiece.h"
#include "tokenizer/convert/vocab_files.h"
#include "tokenizer/utf8.h"

namespace tamis::tokenizer {

namespace {

struct ScoredPiece {
  std::string_view text;
  double score;
};

/// The content of a role, by which some classes name their first pieces.
std::string_view role_or(const SpecialTokens& tokens, Role role, std::string_view fallback) {
  const std::optional<TokenValue>& token = tokens.role(role);
  return token ? std::string_view(token->content) : fallback;
}

void append_pieces(const SentencePieceModel& model, size_t from, std::vector<ScoredPiece>& vocab) {
  for (size_t i = from; i < model.pieces.size(); ++i) {
    vocab.push_back({model.pieces[i].text, model.pieces[i].score});
  }
}

/// fairseq's order: the first of a text, pad, eos, unk, then the pieces behind the model's first
/// three and the languages.
std::vector<ScoredPiece> fairseq(const SentencePieceModel& model, const SpecialTokens& tokens,
                                 ClassRules rules) {
  const Role first = rules == ClassRules::kMbart50 ? Role::kCls : Role::kBos;
  std::vector<ScoredPiece> vocab = {{role_or(tokens, first, "<s>"), 0},
                                    {role_or(tokens, Role::kPad, "<pad>"), 0},
                                    {role_or(tokens, Role::kEos, "</s>"), 0},
                                    {role_or(tokens, Role::kUnk, "<unk>"), 0}};
  append_pieces(model, 3, vocab);
  for (const std::string_view language : languages_of(rules)) vocab.push_back({language, 0});
  vocab.push_back({role_or(tokens, Role::kMask, "<mask>"), 0});
  return vocab;
}

/// Unused or moved entries, then the pieces behind the model's unknown one.
std::vector<ScoredPiece> camembert(const SentencePieceModel& model, const SpecialTokens& tokens) {
  std::vector<ScoredPiece> vocab = {{"<s>NOTUSED", 0},
                                    {role_or(tokens, Role::kPad, "<pad>"), 0},
                                    {"</s>NOTUSED", 0},
                                    {role_or(tokens, Role::kUnk, "<unk>"), 0},
                                    {"<unk>NOTUSED", -100}};
  append_pieces(model, 1, vocab);
  vocab.push_back({role_or(tokens, Role::kMask, "<mask>"), 0});
  return vocab;
}

/// The pieces, and T5's sentinels from the last to the first.
std::vector<ScoredPiece> as_numbered(const SentencePieceModel& model,
                                     const std::vector<std::string>& sentinels) {
  std::vector<ScoredPiece> vocab;
  append_pieces(model, 0, vocab);
  for (size_t i = sentinels.size(); i > 0; --i) vocab.push_back({sentinels[i - 1], 0});
  return vocab;
}

std::vector<ScoredPiece> vocabulary(const SentencePieceModel& model, ClassRules rules,
                                    const SpecialTokens& tokens,
                                    const std::vector<std::string>& sentinels) {
  if (rules == ClassRules::kXlmRoberta || !languages_of(rules).empty()) {
    return fairseq(model, tokens, rules);
  }
  if (rules == ClassRules::kCamembert) return camembert(model, tokens);
  return as_numbered(model, sentinels);
}

std::vector<std::string> sentinels_of(const ClassInput& input) {
  std::vector<std::string> names;
  if (input.rules != ClassRules::kT5) return names;
  const int64_t size = count_of(input, "extra_ids", kSentinels);
  for (int64_t i = 0; i < size; ++i) names.push_back(cat("<extra_id_", i, ">"));
  return names;
}

void write_vocab(const std::vector<ScoredPiece>& vocab, const std::string& source,
                 JsonWriter& json) {
  json.key("vocab").begin_array();
  for (const ScoredPiece& piece : vocab) {
    write_scored_piece(json, piece.text, piece.score, source);
  }
  json.end_array();
}

/// Pieces by their id; of equal ones the last counts.
using PieceIds = std::unordered_map<std::string_view, int64_t>;

PieceIds piece_ids(const SentencePieceModel& model) {
  PieceIds ids;
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    ids[model.pieces[i].text] = static_cast<int64_t>(i);
  }
  return ids;
}

/// A SentencePiece model keeps no merges: every cut of a piece into two others is one, those of
/// earlier pieces before those of later ones, shorter beginnings first.
void write_merges(const SentencePieceModel& model, const PieceIds& ids, JsonWriter& json) {
  json.key("merges").begin_array();
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    const std::string_view piece = model.pieces[i].text;
    if (piece.empty() || ids.at(piece) != static_cast<int64_t>(i)) continue;
    for (size_t at = utf8_size(piece[0]); at < piece.size(); at += utf8_size(piece[at])) {
      const std::string_view first = piece.substr(0, at);
      const std::string_view second = piece.substr(at);
      if (!ids.contains(first) || !ids.contains(second)) continue;
      json.begin_array().value(first).value(second).end_array();
    }
  }
  json.end_array();
}

void write_bpe(const SentencePieceModel& model, JsonWriter& json) {
  const PieceIds ids = piece_ids(model);
  json.member("type", "BPE").key("vocab").begin_object();
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    const auto id = static_cast<int64_t>(i);
    if (ids.at(model.pieces[i].text) == id) json.member(model.pieces[i].text, id);
  }
  json.end_object();
  write_merges(model, ids, json);
}

void check_algorithm(const SentencePieceModel& model, const ClassInput& input) {
  const bool bpe = model.algorithm == kBpePieces;
  const bool generic = input.rules == ClassRules::kGeneric;
  const bool wants_bpe = input.rules == ClassRules::kLlama || input.rules == ClassRules::kGemma;
  if ((bpe || model.algorithm == kUnigramPieces) && (generic || bpe == wants_bpe)) return;
  fail(ErrorCode::kUnsupported, input.source, ": SentencePiece algorithm ", model.algorithm,
       " under ", input.class_name, "; accepted is ",
       generic     ? "unigram (1) or bpe (2)"
       : wants_bpe ? "bpe (2)"
                   : "unigram (1)");
}

}  // namespace

void write_scored_piece(JsonWriter& json, std::string_view text, double score,
                        const std::string& source) {
  if (!std::isfinite(score)) {
    fail(ErrorCode::kCorruptData, source, ": the score of piece ", json_quote(text),
         " is not a number");
  }
  json.begin_array().value(text).value(score).end_array();
}

std::vector<TokenValue> added_pieces(const SentencePieceModel& model, bool user_defined) {
  std::vector<TokenValue> tokens;
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    const bool control = piece.type == SentencePieceType::kControl;
    const bool whole = user_defined && piece.type == SentencePieceType::kUserDefined;
    if (!control && !whole) continue;
    TokenValue token;
    token.content = piece.text;
    token.plain = false;
    token.special = control;
    token.normalized = false;
    tokens.push_back(std::move(token));
  }
  return tokens;
}

ConvertedPieces convert_sentencepiece(std::string_view bytes, const ClassInput& input,
                                      const SpecialTokens& tokens) {
  const SentencePieceModel model = parse_sentencepiece(bytes, input.source);
  check_algorithm(model, input);
  if (input.rules == ClassRules::kGeneric)
    return convert_generic_pieces(model, input, tokens.listed);
  const std::vector<std::string> sentinels = sentinels_of(input);
  JsonWriter json;
  json.begin_object();
  if (!model.charsmap.empty()) {
    json.key("normalizer").begin_object().member("type", "Precompiled");
    json.member("precompiled_charsmap", encode_base64(model.charsmap)).end_object();
  }
  json.key("model").begin_object();
  if (model.algorithm == kBpePieces) {
    write_bpe(model, json);
  } else {
    json.member("type", "Unigram").member("unk_id", model.unk_id);
    write_vocab(vocabulary(model, input.rules, tokens, sentinels), input.source, json);
  }
  json.end_object().end_object();
  ConvertedPieces out;
  out.json = json.take();
  out.tokens = added_pieces(model, true);
  return out;
}

}  // namespace tamis::tokenizer
