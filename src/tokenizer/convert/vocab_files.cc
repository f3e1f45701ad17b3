#include "tokenizer/convert/vocab_files.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "tokenizer/chars.h"
#include "tokenizer/utf8.h"

namespace tamis::tokenizer {

namespace {

void check_utf8(std::string_view text, std::string_view what, const std::string& source) {
  const size_t bad = find_invalid_utf8(text);
  if (bad == std::string_view::npos) return;
  fail(ErrorCode::kCorruptData, source, ": ", what, "not UTF-8 at byte ", bad);
}

std::string_view without_trailing_space(std::string_view text) {
  while (!text.empty()) {
    const size_t before = previous_code_point(text, text.size());
    if (!is_whitespace(decode_utf8(text.data() + before))) break;
    text.remove_suffix(text.size() - before);
  }
  return text;
}

/// A line's token: BertJapaneseTokenizer keeps the white space at its end.
std::string_view token_of(std::string_view line, ClassRules rules) {
  if (!is_japanese(rules)) return without_trailing_space(line);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

/// Lines of merges.txt without the version line and empty ones.
void write_merges(JsonWriter& json, std::string_view merges) {
  json.key("merges").begin_array();
  for (size_t at = 0; at < merges.size();) {
    const size_t end = std::min(merges.find('\n', at), merges.size());
    std::string_view line = merges.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty() && !line.starts_with("#version")) json.value(line);
    at = end + 1;
  }
  json.end_array();
}

}  // namespace

VocabSource vocab_source(ClassRules rules) {
  switch (rules) {
    case ClassRules::kQwen35:
    case ClassRules::kUnbuilt:
      return {};
    case ClassRules::kBert:
    case ClassRules::kMpnet:
    case ClassRules::kFunnel:
    case ClassRules::kEsm:
    case ClassRules::kJapanese:
    case ClassRules::kJapaneseCharacters:
      return {VocabFiles::kVocabTxt};
    case ClassRules::kRoberta:
    case ClassRules::kGpt2:
    case ClassRules::kGptNeox:
    case ClassRules::kQwen2:
    case ClassRules::kDeberta:
    case ClassRules::kHerbert:
      return {VocabFiles::kByteBpe};
    case ClassRules::kXlmRoberta:
    case ClassRules::kCamembert:
    case ClassRules::kMbart:
    case ClassRules::kMbart50:
      return {VocabFiles::kPieces, "sentencepiece.bpe.model"};
    case ClassRules::kAlbert:
    case ClassRules::kT5:
    case ClassRules::kBigBird:
    case ClassRules::kXlnet:
      return {VocabFiles::kPieces, "spiece.model"};
    case ClassRules::kDebertaV2:
      return {VocabFiles::kPieces, "spm.model"};
    case ClassRules::kRemBert:
      return {VocabFiles::kPieces, "sentencepiece.model"};
    case ClassRules::kGeneric:
    case ClassRules::kLlama:
    case ClassRules::kGemma:
      return {VocabFiles::kPieces, "tokenizer.model"};
  }
  TAMIS_CHECK(false);
}

std::string convert_vocab_txt(std::string_view vocab_txt, ClassRules rules,
                              const std::string& source) {
  check_utf8(vocab_txt, "", source);
  std::map<std::string_view, int64_t> vocab;
  int64_t next = 0;
  for (size_t at = 0; at < vocab_txt.size(); ++next) {
    const size_t end = std::min(vocab_txt.find('\n', at), vocab_txt.size());
    vocab[token_of(vocab_txt.substr(at, end - at), rules)] = next;
    at = end + 1;
  }
  const bool letters = rules == ClassRules::kEsm || rules == ClassRules::kJapaneseCharacters;
  JsonWriter json;
  json.begin_object().key("model").begin_object().member("type",
                                                         letters ? "WordLevel" : "WordPiece");
  json.key("vocab").begin_object();
  for (const auto& [token, id] : vocab) json.member(token, id);
  json.end_object().end_object().end_object();
  return json.take();
}

std::string convert_byte_bpe(std::string_view vocab_json, std::string_view merges_txt,
                             const std::string& source) {
  const JsonDocument vocab = JsonDocument::parse(vocab_json, source);
  check_utf8(merges_txt, "merges are ", source);
  JsonWriter json;
  json.begin_object().key("model").begin_object().member("type", "BPE");
  json.member("vocab", vocab.root());
  write_merges(json, merges_txt);
  json.end_object().end_object();
  return json.take();
}

}  // namespace tamis::tokenizer
