// Classes that transformers writes in Python, whose vocabulary is vocab.txt alone: the letters of
// ESM, and BertJapaneseTokenizer with MeCab.
#include <algorithm>
#include <iterator>

#include "base/error.h"
#include "tokenizer/convert/class_row.h"
#include "tokenizer/mecab/mecab.h"

namespace tamis::tokenizer {

namespace {

constexpr RoleDefault kEsmRoles[] = {{Role::kUnk, "<unk>"},
                                     {Role::kCls, "<cls>"},
                                     {Role::kPad, "<pad>"},
                                     {Role::kMask, "<mask>"},
                                     {Role::kEos, "<eos>"}};

// What Python's str.split() takes for white space.
constexpr std::string_view kPythonSpaces =
    R"({"type":"Split","pattern":{"Regex":"[\\s\\x1C-\\x1F]+"},"behavior":"Removed","invert":false})";

/// Python's search for tokens is another than the library's where tokens have flags or stand in for
/// letters.
void make_plain(const ClassInput& input, TokenValue& token) {
  if (token.lstrip || token.rstrip || token.single_word) {
    fail(ErrorCode::kUnsupported, input.config.source, ": token ", json_quote(token.content),
         " has lstrip, rstrip or single_word; ", input.class_name, " takes none of them");
  }
  token.normalized = false;
}

/// All tokens are looked for at once, in the text as it stands.
void make_all_plain(const ClassInput& input, SpecialTokens& tokens) {
  for (auto& [id, token] : tokens.listed) make_plain(input, token);
  for (auto& role : tokens.roles) {
    if (role) make_plain(input, *role);
  }
  for (auto& [name, token] : tokens.own_roles) make_plain(input, token);
  for (auto* list : {&tokens.extras, &tokens.additional}) {
    if (!*list) continue;
    for (TokenValue& token : **list) make_plain(input, token);
  }
}

[[noreturn]] void refuse_id(const ClassInput& input, const TokenValue& token, int64_t id) {
  fail(ErrorCode::kUnsupported, input.config.source, ": token ", json_quote(token.content),
       " with id ", id, " is not that of vocab.txt; ", input.class_name, " takes no other");
}

Components esm_components(const ClassInput&) {
  Components parts;
  parts.pre_tokenizer = kPythonSpaces;
  return parts;
}

void word_level_options(const ClassInput& input, const SpecialTokens& tokens, const JsonView&,
                        JsonWriter& json) {
  json.member("type", "WordLevel").member("unk_token", needed(input, tokens, Role::kUnk));
}

std::string esm_post_processor(const PostInput& post) {
  const std::string& first = needed(post.input, post.tokens, Role::kCls);
  const std::string& last = needed(post.input, post.tokens, Role::kEos);
  const Part pair[] = {{first, 0}, {"$A", 0}, {last, 0}, {"$B", 0}, {last, 0}};
  return template_processing(std::span(pair).first(3), pair, post.id_of);
}

/// Every token of the vocabulary is found in a text before it is cut at white space.
void esm_tokens(const ClassInput& input, SpecialTokens& tokens) {
  const JsonView vocab =
      input.root.get("model").get("vocab").as_object(cat(input.source, ": model.vocab"));
  for (const auto& [id, token] : tokens.listed) {
    const JsonView own = vocab.get(token.content);
    if (!own.is_int() || own.as_int(input.source) != id) refuse_id(input, token, id);
  }
  make_all_plain(input, tokens);
  for (size_t i = 0; i < vocab.size(); ++i) {
    const JsonView::Member member = vocab.member(i);
    TokenValue token{std::string(member.key)};
    token.plain = false;
    token.special = false;
    token.normalized = false;
    tokens.listed.try_emplace(member.value.as_int(input.source), std::move(token));
  }
}

/// Fails unless the key's value, or that of a folder without the key, is `accepted`.
void require_choice(const ClassInput& input, std::string_view key, std::string_view fallback,
                    std::initializer_list<std::string_view> accepted) {
  const JsonView value = input.config.get(key);
  const std::string_view found =
      value.is_null() ? fallback : value.as_string(cat(input.config.source, ": ", key));
  if (std::ranges::find(accepted, found) != accepted.end()) return;
  std::string list;
  for (const std::string_view one : accepted) list += cat(list.empty() ? "" : " and ", one);
  fail(ErrorCode::kUnsupported, input.config.source, ": ", key, " is ", json_quote(found),
       ": another way of cutting words is not built; accepted are ", list);
}

void require_flag(const ClassInput& input, std::string_view key, bool fallback, bool accepted) {
  if (flag(input, key, fallback) == accepted) return;
  fail(ErrorCode::kUnsupported, input.config.source, ": ", key, " is ", accepted ? "false" : "true",
       " under ", input.class_name, ", which is not built; accepted is ",
       accepted ? "true" : "false");
}

struct MecabOptions {
  std::string dictionary = "unidic_lite";
  bool normalize = true;
};

MecabOptions mecab_options(const ClassInput& input) {
  MecabOptions options;
  const JsonView arguments = input.config.get("mecab_kwargs");
  if (!arguments.is_null() && !arguments.is_object()) {
    fail(ErrorCode::kCorruptData, input.config.source, ": mecab_kwargs is not an object");
  }
  for (size_t i = 0; i < arguments.size(); ++i) {
    const auto [key, value] = arguments.member(i);
    const std::string where = cat(input.config.source, ": mecab_kwargs.", key);
    if (key == "mecab_dic" && value.is_string()) {
      options.dictionary = value.as_string(where);
    } else if (key == "normalize_text") {
      options.normalize = value.as_bool(where);
    } else if (key != "mecab_option" || !(value.is_null() || value.as_string(where).empty())) {
      fail(ErrorCode::kUnsupported, where,
           ": is not built; accepted are normalize_text and mecab_dic, the name of a dictionary");
    }
  }
  return options;
}

Components japanese_components(const ClassInput& input) {
  require_choice(input, "word_tokenizer_type", "basic", {"mecab"});
  require_choice(input, "subword_tokenizer_type", "wordpiece", {"wordpiece", "character"});
  require_flag(input, "do_word_tokenize", true, true);
  require_flag(input, "do_subword_tokenize", true, true);
  // It would change words after they are cut.
  require_flag(input, "do_lower_case", false, false);
  const MecabOptions options = mecab_options(input);
  const bool characters = input.rules == ClassRules::kJapaneseCharacters;
  if (characters && !options.normalize) {
    fail(ErrorCode::kUnsupported, input.config.source,
         ": mecab_kwargs.normalize_text is false with characters, which are normalized after they "
         "are cut; accepted is true");
  }
  Components parts;
  if (options.normalize) parts.normalizer = R"({"type":"NFKC"})";
  JsonWriter json;
  json.begin_object().member("type", "Sequence").key("pretokenizers").begin_array();
  json.begin_object().member("type", "MeCab").member("dictionary", options.dictionary);
  json.member("words", Mecab::open(options.dictionary, input.config.source)->words()).end_object();
  const JsonDocument cut = JsonDocument::parse(
      characters ? R"({"type":"FixedLength","length":1})" : kPythonSpaces, input.source);
  json.value(cut.root()).end_array().end_object();
  parts.pre_tokenizer = json.take();
  parts.decoder = R"({"type":"WordPiece","prefix":"##","cleanup":false})";
  return parts;
}

/// Tokens that the vocabulary lacks follow it, as they are listed.
void japanese_tokens(const ClassInput& input, SpecialTokens& tokens) {
  const JsonView vocab = input.root.get("model").get("vocab");
  auto next = static_cast<int64_t>(vocab.size());
  for (const auto& [id, token] : tokens.listed) {
    const JsonView own = vocab.get(token.content);
    if (id != (own.is_int() ? own.as_int(input.source) : next++)) refuse_id(input, token, id);
  }
  make_all_plain(input, tokens);
}

}  // namespace

std::span<const ClassFunctions> python_classes() {
  static const ClassFunctions kRows[] = {
      {ClassRules::kEsm, ModelKind::kWordLevel, kEsmRoles, esm_components, word_level_options,
       esm_post_processor, Flagged::kNone, esm_tokens},
      {ClassRules::kJapanese, ModelKind::kWordPiece, bert_roles(), japanese_components,
       wordpiece_options, wrapped_by_cls, Flagged::kNone, japanese_tokens},
      {ClassRules::kJapaneseCharacters, ModelKind::kWordLevel, bert_roles(), japanese_components,
       word_level_options, wrapped_by_cls, Flagged::kNone, japanese_tokens},
  };
  return kRows;
}

}  // namespace tamis::tokenizer
