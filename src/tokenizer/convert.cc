#include "tokenizer/convert.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/error.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/utf8.h"

namespace tamis::tokenizer {

namespace {

struct Special {
  std::string_view content;
  int64_t id;
  bool lstrip = false;
};

void write_added_tokens(JsonWriter& json, const std::vector<Special>& tokens) {
  json.key("added_tokens").begin_array();
  for (const Special& token : tokens) {
    json.begin_object()
        .member("id", token.id)
        .member("content", token.content)
        .member("single_word", false)
        .member("lstrip", token.lstrip)
        .member("rstrip", false)
        .member("normalized", false)
        .member("special", true)
        .end_object();
  }
  json.end_array();
}

/// One part of a template: "$A", "$B" or a special token, and its type id.
struct Part {
  std::string_view id;
  int type_id;
};

void write_parts(JsonWriter& json, std::string_view key, const std::vector<Part>& parts) {
  json.key(key).begin_array();
  for (const Part& part : parts) {
    const bool sequence = part.id.starts_with('$');
    json.begin_object().key(sequence ? "Sequence" : "SpecialToken").begin_object();
    json.member("id", sequence ? part.id.substr(1) : part.id).member("type_id", part.type_id);
    json.end_object().end_object();
  }
  json.end_array();
}

struct TokenId {
  std::string_view token;
  int64_t id;
};

void write_template(JsonWriter& json, const std::vector<Part>& single,
                    const std::vector<Part>& pair, const std::vector<TokenId>& tokens) {
  json.key("post_processor").begin_object().member("type", "TemplateProcessing");
  write_parts(json, "single", single);
  write_parts(json, "pair", pair);
  json.key("special_tokens").begin_object();
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0 && tokens[i].token == tokens[0].token) continue;
    json.key(tokens[i].token).begin_object().member("id", tokens[i].token);
    json.key("ids").begin_array().value(tokens[i].id).end_array();
    json.key("tokens").begin_array().value(tokens[i].token).end_array().end_object();
  }
  json.end_object().end_object();
}

void write_head(JsonWriter& json) {
  json.begin_object().member("version", "1.0");
  json.key("truncation").null().key("padding").null();
}

int64_t id_in(const std::map<std::string_view, int64_t>& vocab, std::string_view token,
              const std::string& source) {
  const auto found = vocab.find(token);
  if (found == vocab.end()) {
    fail(ErrorCode::kCorruptData, source, ": special token ", json_quote(token),
         " is not in the vocabulary");
  }
  return found->second;
}

}  // namespace

std::string_view SideFiles::special(std::string_view key, std::string_view fallback) const {
  for (const JsonView& file : {tokenizer_config, special_tokens_map}) {
    const JsonView token = file.get(key);
    if (token.is_string()) return token.as_string(key);
    if (token.is_object()) return string_field(token, "content", std::string(key));
  }
  return fallback;
}

std::string convert_wordpiece(std::string_view vocab_txt, const SideFiles& files,
                              const std::string& source) {
  std::map<std::string_view, int64_t> vocab;
  const size_t bad = find_invalid_utf8(vocab_txt);
  if (bad != std::string_view::npos) {
    fail(ErrorCode::kCorruptData, source, ": not UTF-8 at byte ", bad);
  }
  int64_t next = 0;
  for (size_t at = 0; at < vocab_txt.size(); ++next) {
    const size_t end = std::min(vocab_txt.find('\n', at), vocab_txt.size());
    std::string_view token = vocab_txt.substr(at, end - at);
    if (token.ends_with('\r')) token.remove_suffix(1);
    vocab[token] = next;
    at = end + 1;
  }
  const std::string_view unk = files.special("unk_token", "[UNK]");
  const std::string_view sep = files.special("sep_token", "[SEP]");
  const std::string_view cls = files.special("cls_token", "[CLS]");
  const JsonView& config = files.tokenizer_config;
  const bool lowercase = bool_field_or(config, "do_lower_case", true, source);
  JsonWriter json;
  write_head(json);
  std::vector<Special> added;
  for (const std::string_view token : {unk, sep, files.special("pad_token", "[PAD]"), cls,
                                       files.special("mask_token", "[MASK]")}) {
    const auto found = vocab.find(token);
    if (found != vocab.end()) added.push_back({token, found->second});
  }
  write_added_tokens(json, added);
  json.key("normalizer").begin_object().member("type", "BertNormalizer").member("clean_text", true);
  json.member("handle_chinese_chars",
              bool_field_or(config, "tokenize_chinese_chars", true, source));
  json.member("strip_accents", bool_field_or(config, "strip_accents", lowercase, source));
  json.member("lowercase", lowercase).end_object();
  json.key("pre_tokenizer").begin_object().member("type", "BertPreTokenizer").end_object();
  write_template(json, {{cls, 0}, {"$A", 0}, {sep, 0}},
                 {{cls, 0}, {"$A", 0}, {sep, 0}, {"$B", 1}, {sep, 1}},
                 {{cls, id_in(vocab, cls, source)}, {sep, id_in(vocab, sep, source)}});
  json.key("decoder").begin_object().member("type", "WordPiece").member("prefix", "##");
  json.member("cleanup", true).end_object();
  json.key("model").begin_object().member("type", "WordPiece").member("unk_token", unk);
  json.member("continuing_subword_prefix", "##").member("max_input_chars_per_word", 100);
  json.key("vocab").begin_object();
  for (const auto& [token, id] : vocab) json.member(token, id);
  json.end_object().end_object().end_object();
  return json.take();
}

namespace {

/// Lines of merges.txt without the version line and empty ones.
void write_merges(JsonWriter& json, std::string_view merges, const std::string& source) {
  const size_t bad = find_invalid_utf8(merges);
  if (bad != std::string_view::npos) {
    fail(ErrorCode::kCorruptData, source, ": merges are not UTF-8 at byte ", bad);
  }
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

std::string convert_byte_bpe(std::string_view vocab_json, std::string_view merges_txt,
                             const SideFiles& files, const std::string& source) {
  const JsonDocument document = JsonDocument::parse(vocab_json, source);
  const JsonView vocab = document.root();
  std::map<std::string_view, int64_t> ids;
  for (size_t i = 0; i < vocab.size(); ++i) {
    ids[vocab.member(i).key] = vocab.member(i).value.as_int(source);
  }
  const std::string_view cls = files.special("cls_token", "<s>");
  const std::string_view sep = files.special("sep_token", "</s>");
  const JsonView& config = files.tokenizer_config;
  const bool prefix = bool_field_or(config, "add_prefix_space", false, source);
  JsonWriter json;
  write_head(json);
  std::vector<Special> added;
  for (const std::string_view token :
       {cls, files.special("pad_token", "<pad>"), sep, files.special("unk_token", "<unk>")}) {
    const auto found = ids.find(token);
    if (found != ids.end()) added.push_back({token, found->second});
  }
  const std::string_view mask = files.special("mask_token", "<mask>");
  const auto found_mask = ids.find(mask);
  if (found_mask != ids.end()) added.push_back({mask, found_mask->second, true});
  write_added_tokens(json, added);
  json.key("normalizer").null();
  json.key("pre_tokenizer").begin_object().member("type", "ByteLevel");
  json.member("add_prefix_space", prefix).member("trim_offsets", true).member("use_regex", true);
  json.end_object();
  json.key("post_processor").begin_object().member("type", "RobertaProcessing");
  json.key("sep").begin_array().value(sep).value(id_in(ids, sep, source)).end_array();
  json.key("cls").begin_array().value(cls).value(id_in(ids, cls, source)).end_array();
  json.member("trim_offsets", bool_field_or(config, "trim_offsets", true, source));
  json.member("add_prefix_space", prefix).end_object();
  json.key("decoder").begin_object().member("type", "ByteLevel").member("add_prefix_space", true);
  json.member("trim_offsets", true).member("use_regex", true).end_object();
  json.key("model").begin_object().member("type", "BPE").key("vocab").value(vocab);
  write_merges(json, merges_txt, source);
  json.end_object().end_object();
  return json.take();
}

}  // namespace tamis::tokenizer
