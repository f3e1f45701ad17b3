// SentencePiece models of XLM-RoBERTa, CamemBERT and ALBERT: each class numbers its pieces anew.
#include <cmath>

#include "base/base64.h"
#include "base/error.h"
#include "tokenizer/convert.h"
#include "tokenizer/sentencepiece.h"

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

/// fairseq's order: bos, pad, eos, unk, then the pieces behind the model's first three.
std::vector<ScoredPiece> xlm_roberta(const SentencePieceModel& model, const SpecialTokens& tokens) {
  std::vector<ScoredPiece> vocab = {{role_or(tokens, Role::kBos, "<s>"), 0},
                                    {role_or(tokens, Role::kPad, "<pad>"), 0},
                                    {role_or(tokens, Role::kEos, "</s>"), 0},
                                    {role_or(tokens, Role::kUnk, "<unk>"), 0}};
  append_pieces(model, 3, vocab);
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

std::vector<ScoredPiece> as_numbered(const SentencePieceModel& model) {
  std::vector<ScoredPiece> vocab;
  append_pieces(model, 0, vocab);
  return vocab;
}

std::vector<ScoredPiece> vocabulary(const SentencePieceModel& model, ClassRules rules,
                                    const SpecialTokens& tokens) {
  if (rules == ClassRules::kXlmRoberta) return xlm_roberta(model, tokens);
  if (rules == ClassRules::kCamembert) return camembert(model, tokens);
  return as_numbered(model);
}

std::vector<TokenValue> added_pieces(const SentencePieceModel& model) {
  std::vector<TokenValue> tokens;
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    const bool control = piece.type == SentencePieceType::kControl;
    if (!control && piece.type != SentencePieceType::kUserDefined) continue;
    TokenValue token;
    token.content = piece.text;
    token.plain = false;
    token.special = control;
    token.normalized = false;
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace

ConvertedPieces convert_sentencepiece(std::string_view bytes, ClassRules rules,
                                      const SpecialTokens& tokens, const std::string& source) {
  const SentencePieceModel model = parse_sentencepiece(bytes, source);
  constexpr int32_t kUnigram = 1;
  if (model.algorithm != kUnigram) {
    fail(ErrorCode::kUnsupported, source, ": SentencePiece algorithm ", model.algorithm,
         " is not supported; only unigram (1) is");
  }
  JsonWriter json;
  json.begin_object();
  if (!model.charsmap.empty()) {
    json.key("normalizer").begin_object().member("type", "Precompiled");
    json.member("precompiled_charsmap", encode_base64(model.charsmap)).end_object();
  }
  json.key("model").begin_object().member("type", "Unigram").key("vocab").begin_array();
  for (const ScoredPiece& piece : vocabulary(model, rules, tokens)) {
    if (!std::isfinite(piece.score)) {
      fail(ErrorCode::kCorruptData, source, ": the score of piece ", json_quote(piece.text),
           " is not a number");
    }
    json.begin_array().value(piece.text).value(piece.score).end_array();
  }
  json.end_array().end_object().end_object();
  return {json.take(), added_pieces(model)};
}

}  // namespace tamis::tokenizer
