// Unigram classes, most of them made from SentencePiece models: XLM-RoBERTa, CamemBERT, ALBERT,
// DeBERTa-v2, T5, BigBird, RemBERT, XLNet and mBART.
#include <algorithm>
#include <vector>

#include "base/error.h"
#include "tokenizer/convert/class_row.h"
#include "tokenizer/convert/languages.h"

namespace tamis::tokenizer {

namespace {

constexpr RoleDefault kAlbertRoles[] = {
    {Role::kBos, "[CLS]"}, {Role::kEos, "[SEP]"}, {Role::kUnk, "<unk>"},  {Role::kSep, "[SEP]"},
    {Role::kPad, "<pad>"}, {Role::kCls, "[CLS]"}, {Role::kMask, "[MASK]"}};
constexpr RoleDefault kDebertaV2Roles[] = {
    {Role::kBos, "[CLS]"}, {Role::kEos, "[SEP]"}, {Role::kUnk, "[UNK]"},  {Role::kSep, "[SEP]"},
    {Role::kPad, "[PAD]"}, {Role::kCls, "[CLS]"}, {Role::kMask, "[MASK]"}};
constexpr RoleDefault kT5Roles[] = {
    {Role::kEos, "</s>"}, {Role::kUnk, "<unk>"}, {Role::kPad, "<pad>"}};
constexpr RoleDefault kBigBirdRoles[] = {
    {Role::kUnk, "<unk>"}, {Role::kBos, "<s>"},     {Role::kEos, "</s>"}, {Role::kPad, "<pad>"},
    {Role::kSep, "[SEP]"}, {Role::kMask, "[MASK]"}, {Role::kCls, "[CLS]"}};
constexpr RoleDefault kXlnetRoles[] = {
    {Role::kBos, "<s>"},   {Role::kEos, "</s>"},  {Role::kUnk, "<unk>"},  {Role::kSep, "<sep>"},
    {Role::kPad, "<pad>"}, {Role::kCls, "<cls>"}, {Role::kMask, "<mask>"}};

/// mBART-50 has no bos of its own.
constexpr RoleDefault kMbart50Roles[] = {{Role::kEos, "</s>"},  {Role::kSep, "</s>"},
                                         {Role::kCls, "<s>"},   {Role::kUnk, "<unk>"},
                                         {Role::kPad, "<pad>"}, {Role::kMask, "<mask>"}};

/// Normalizers one behind the other.
class Sequence {
 public:
  Sequence() { json.begin_object().member("type", "Sequence").key("normalizers").begin_array(); }
  [[nodiscard]] std::string take() {
    json.end_array().end_object();
    return json.take();
  }
  JsonWriter json;
};

JsonView charsmap(const ClassInput& input) { return charsmap_of(input.root.get("normalizer")); }

std::string charsmap_alone(const ClassInput& input) {
  if (!charsmap(input).is_string()) return "null";
  JsonWriter json;
  write_charsmap(json, charsmap(input));
  return json.take();
}

void write_quotes(JsonWriter& json) {
  write_replace(json, "``", "\"");
  write_replace(json, "''", "\"");
}

void write_without_accents(JsonWriter& json) {
  write_type(json, "NFKD");
  write_type(json, "StripAccents");
}

/// What ALBERT and XLNet share.
std::string quotes_normalizer(const ClassInput& input, bool keep_accents, bool lowercase) {
  Sequence steps;
  write_quotes(steps.json);
  if (!keep_accents) write_without_accents(steps.json);
  if (lowercase) write_type(steps.json, "Lowercase");
  if (charsmap(input).is_string()) write_charsmap(steps.json, charsmap(input));
  return steps.take();
}

std::string_view scheme_of(const ClassInput& input, std::string_view otherwise) {
  return flag(input, "add_prefix_space", true) ? "always" : otherwise;
}

std::string metaspace(std::string_view scheme) {
  JsonWriter json;
  write_metaspace(json, scheme, true);
  return json.take();
}

/// Metaspace behind `first`, a pre-tokenizer's type or nothing.
Components metaspace_components(std::string normalizer, std::string_view first,
                                std::string_view scheme) {
  Components parts;
  parts.normalizer = std::move(normalizer);
  parts.decoder = metaspace(scheme);
  JsonWriter json;
  json.begin_object().member("type", "Sequence").key("pretokenizers").begin_array();
  if (first == "Punctuation") {
    json.begin_object().member("type", first).member("behavior", "Isolated").end_object();
  } else if (!first.empty()) {
    write_type(json, first);
  }
  write_metaspace(json, scheme, true);
  json.end_array().end_object();
  parts.pre_tokenizer = json.take();
  return parts;
}

Components xlm_roberta_components(const ClassInput& input) {
  return metaspace_components(charsmap_alone(input), "WhitespaceSplit", scheme_of(input, "never"));
}

Components albert_components(const ClassInput& input) {
  return metaspace_components(quotes_normalizer(input, flag(input, "keep_accents", false),
                                                flag(input, "do_lower_case", true)),
                              "WhitespaceSplit", scheme_of(input, "never"));
}

Components xlnet_components(const ClassInput& input) {
  return metaspace_components(quotes_normalizer(input, false, flag(input, "do_lower_case", false)),
                              "WhitespaceSplit", "always");
}

Components t5_components(const ClassInput& input) {
  return metaspace_components(charsmap_alone(input), "WhitespaceSplit", "always");
}

Components deberta_v2_components(const ClassInput& input) {
  Sequence steps;
  if (flag(input, "do_lower_case", false)) write_type(steps.json, "Lowercase");
  write_replace_regex(steps.json, R"(\s{2,}|[\n\r\t])", " ");
  write_type(steps.json, "NFC");
  write_strip(steps.json, false, true);
  return metaspace_components(steps.take(),
                              flag(input, "split_by_punct", false) ? "Punctuation" : "",
                              scheme_of(input, "first"));
}

Components big_bird_components(const ClassInput& input) {
  Sequence steps;
  write_replace_regex(steps.json, " {2,}", kMetaspace);
  return metaspace_components(steps.take(), "", scheme_of(input, "never"));
}

Components rem_bert_components(const ClassInput& input) {
  Sequence steps;
  write_quotes(steps.json);
  write_replace_regex(steps.json, " {2,}", " ");
  if (!flag(input, "keep_accents", true)) write_without_accents(steps.json);
  if (flag(input, "do_lower_case", false)) write_type(steps.json, "Lowercase");
  if (charsmap(input).is_string()) write_charsmap(steps.json, charsmap(input));
  return metaspace_components(steps.take(), "", scheme_of(input, "never"));
}

/// The class forgets the model's own normalizer.
Components mbart_components(const ClassInput&) {
  return metaspace_components("null", "WhitespaceSplit", "always");
}

Components mbart50_components(const ClassInput& input) {
  Sequence steps;
  if (charsmap(input).is_string()) write_charsmap(steps.json, charsmap(input));
  write_replace_regex(steps.json, " {2,}", " ");
  return metaspace_components(steps.take(), "", "always");
}

void write_unigram(JsonWriter& json, int64_t unk_id) {
  json.member("type", "Unigram").member("unk_id", unk_id).member("byte_fallback", false);
}

template <int64_t kUnkId>
void fixed_unk_options(const ClassInput&, const SpecialTokens&, const JsonView&, JsonWriter& json) {
  write_unigram(json, kUnkId);
}

/// Where a piece stands in the vocabulary; with `unscored`, only where its score is 0.
int64_t place_of_piece(const ClassInput& input, std::string_view text, const JsonView& vocab,
                       bool unscored, int64_t otherwise) {
  for (size_t i = 0; i < vocab.size(); ++i) {
    const JsonView piece = vocab.at(i);
    if (!piece.is_array() || piece.size() != 2 || !piece.at(0).is_string()) continue;
    if (piece.at(0).as_string(input.source) != text) continue;
    if (!unscored || piece.at(1).as_double(input.source) == 0.0) return static_cast<int64_t>(i);
  }
  return otherwise;
}

void camembert_options(const ClassInput& input, const SpecialTokens& tokens, const JsonView& vocab,
                       JsonWriter& json) {
  write_unigram(json, place_of_piece(input, needed(input, tokens, Role::kUnk), vocab, false, 0));
}

/// A SentencePiece model's own number of the unknown token, else the option's, else the class's.
int64_t unk_id_of(const ClassInput& input, int64_t otherwise) {
  const JsonView own = input.root.get("model").get("unk_id");
  if (!input.from_tokenizer_json && own.is_int()) return own.as_int(input.source);
  return count_of(input, "unk_id", otherwise);
}

void deberta_v2_options(const ClassInput& input, const SpecialTokens& tokens, const JsonView& vocab,
                        JsonWriter& json) {
  write_unigram(json, place_of_piece(input, needed(input, tokens, Role::kUnk), vocab, true,
                                     unk_id_of(input, 1)));
}

void xlnet_options(const ClassInput& input, const SpecialTokens&, const JsonView&,
                   JsonWriter& json) {
  write_unigram(json, unk_id_of(input, 0));
}

void big_bird_options(const ClassInput& input, const SpecialTokens& tokens, const JsonView& vocab,
                      JsonWriter& json) {
  constexpr int64_t kUsualPlace = 100;
  write_unigram(json,
                place_of_piece(input, needed(input, tokens, Role::kUnk), vocab, true, kUsualPlace));
}

/// By bos and eos, whatever cls and sep are.
std::string xlm_roberta_post_processor(const PostInput& post) {
  return wrapped_twice(post, Role::kBos, Role::kEos);
}

/// ALBERT's class keeps the post-processor of tokenizer.json, and has add_bos_token and
/// add_eos_token decide over its own.
std::string albert_post_processor(const PostInput& post) {
  if (names_ends(post.input)) return kept_post_processor(post);
  const std::string& first = needed(post.input, post.tokens, Role::kCls);
  const std::string& last = needed(post.input, post.tokens, Role::kSep);
  if (!post.input.root.get("post_processor").is_null()) return kept_post_processor(post);
  const IdOf id_of = [&](std::string_view name) {
    return post.id_of(name == "[CLS]" ? first : last);
  };
  return wrapped({post.input, post.tokens, id_of}, "[CLS]", "[SEP]");
}

/// Without a tokenizer.json the class loses its own.
std::string rem_bert_post_processor(const PostInput& post) {
  const bool lost = post.input.root.get("post_processor").is_null() || names_ends(post.input);
  return lost ? kept_post_processor(post) : wrapped_by_cls(post);
}

/// </s> behind each text, with the number of eos.
std::string t5_post_processor(const PostInput& post) {
  const int64_t eos = post.id_of(needed(post.input, post.tokens, Role::kEos));
  const Part pair[] = {{"$A", 0}, {"</s>", 0}, {"$B", 0}, {"</s>", 0}};
  return template_processing(std::span(pair).first(2), pair, [&](std::string_view) { return eos; });
}

/// Behind the texts, with a segment of its own for cls.
std::string xlnet_post_processor(const PostInput& post) {
  const std::string& sep = needed(post.input, post.tokens, Role::kSep);
  const std::string& cls = needed(post.input, post.tokens, Role::kCls);
  const Part single[] = {{"$A", 0}, {sep, 0}, {cls, 2}};
  const Part pair[] = {{"$A", 0}, {sep, 0}, {"$B", 1}, {sep, 1}, {cls, 2}};
  return template_processing(single, pair, post.id_of);
}

/// src_lang, which must be one of the class's.
std::string language_of(const ClassInput& input) {
  const JsonView value = input.config.get("src_lang");
  const std::string where = cat(input.config.source, ": src_lang");
  const std::string name(value.is_null() ? "en_XX" : value.as_string(where));
  const auto all = languages_of(input.rules);
  if (std::ranges::find(all, name) != all.end()) return name;
  std::string accepted;
  for (const std::string_view language : all) {
    accepted += cat(accepted.empty() ? "" : ", ", language);
  }
  fail(ErrorCode::kUnsupported, where, " ", json_quote(name.substr(0, 200)), " is no language of ",
       input.class_name, "; accepted are ", accepted);
}

/// The language's place in the vocabulary, whether or not it is an added token as well. A
/// tokenizer.json without it is of another class.
int64_t language_id(const ClassInput& input, const std::string& language) {
  const JsonView vocab = input.root.get("model").get("vocab");
  const int64_t id = place_of_piece(input, language, vocab, false, -1);
  if (id >= 0) return id;
  fail(ErrorCode::kUnsupported, input.source, ": model.vocab has no ", json_quote(language),
       ", the language that ", input.class_name, " adds to a text");
}

/// The texts one behind the other, then eos; the language in front of all or behind.
std::string with_language(const PostInput& post, bool is_first) {
  const std::string& eos = needed(post.input, post.tokens, Role::kEos);
  const std::string language = language_of(post.input);
  const int64_t id = language_id(post.input, language);
  std::vector<Part> single;
  if (is_first) single.push_back({language, 0});
  single.push_back({"$A", 0});
  std::vector<Part> pair = single;
  pair.push_back({"$B", 0});
  for (std::vector<Part>* parts : {&single, &pair}) {
    parts->push_back({eos, 0});
    if (!is_first) parts->push_back({language, 0});
  }
  return template_processing(single, pair, [&](std::string_view token) {
    return token == language ? id : post.id_of(token);
  });
}

std::string mbart_post_processor(const PostInput& post) { return with_language(post, false); }
std::string mbart50_post_processor(const PostInput& post) { return with_language(post, true); }

/// The languages, before or behind what files name.
void language_tokens(const ClassInput& input, SpecialTokens& tokens) {
  if (!tokens.additional) tokens.additional.emplace();
  std::vector<TokenValue> languages;
  for (const std::string_view name : languages_of(input.rules)) {
    languages.push_back({std::string(name)});
  }
  const bool first = input.rules == ClassRules::kMbart;
  tokens.additional->insert(first ? tokens.additional->begin() : tokens.additional->end(),
                            languages.begin(), languages.end());
}

void camembert_tokens(const ClassInput&, SpecialTokens& tokens) {
  if (tokens.additional) return;
  tokens.additional = {{"<s>NOTUSED"}, {"</s>NOTUSED"}, {"<unk>NOTUSED"}};
}

void xlnet_tokens(const ClassInput&, SpecialTokens& tokens) {
  if (!tokens.additional) tokens.additional = {{"<eop>"}, {"<eod>"}};
}

/// The sentinels, unless the list has some already.
void t5_tokens(const ClassInput& input, SpecialTokens& tokens) {
  const int64_t count = count_of(input, "extra_ids", kSentinels);
  if (!tokens.additional) tokens.additional.emplace();
  int64_t known = 0;
  for (const TokenValue& token : *tokens.additional) {
    known += token.content.find("<extra_id_") != std::string::npos;
  }
  if (known > 0 && count > 0 && known != count && !tokens.extras) {
    fail(ErrorCode::kUnsupported, input.config.source, ": extra_ids ", count, ", but ", known,
         " tokens <extra_id_...> among additional_special_tokens; ", input.class_name,
         " takes as many");
  }
  for (int64_t i = 0; known == 0 && i < count; ++i) {
    tokens.additional->push_back({cat("<extra_id_", i, ">")});
  }
}

}  // namespace

std::span<const ClassFunctions> unigram_classes() {
  constexpr ModelKind kKind = ModelKind::kUnigram;
  static const ClassFunctions kRows[] = {
      {ClassRules::kXlmRoberta, kKind, roberta_roles(), xlm_roberta_components,
       fixed_unk_options<3>, xlm_roberta_post_processor},
      {ClassRules::kCamembert, kKind, roberta_roles(), xlm_roberta_components, camembert_options,
       xlm_roberta_post_processor, Flagged::kMask, camembert_tokens},
      {ClassRules::kAlbert, kKind, kAlbertRoles, albert_components, fixed_unk_options<1>,
       albert_post_processor},
      {ClassRules::kDebertaV2, kKind, kDebertaV2Roles, deberta_v2_components, deberta_v2_options,
       wrapped_by_cls},
      {ClassRules::kT5, kKind, kT5Roles, t5_components, fixed_unk_options<2>, t5_post_processor,
       Flagged::kNone, t5_tokens},
      {ClassRules::kBigBird, kKind, kBigBirdRoles, big_bird_components, big_bird_options,
       wrapped_by_cls, Flagged::kAll},
      {ClassRules::kRemBert, kKind, kAlbertRoles, rem_bert_components, fixed_unk_options<2>,
       rem_bert_post_processor},
      {ClassRules::kXlnet, kKind, kXlnetRoles, xlnet_components, xlnet_options,
       xlnet_post_processor, Flagged::kMask, xlnet_tokens},
      {ClassRules::kMbart, kKind, roberta_roles(), mbart_components, fixed_unk_options<3>,
       mbart_post_processor, Flagged::kMask, language_tokens},
      {ClassRules::kMbart50, kKind, kMbart50Roles, mbart50_components, fixed_unk_options<3>,
       mbart50_post_processor, Flagged::kMask, language_tokens},
  };
  return kRows;
}

}  // namespace tamis::tokenizer
