// WordPiece classes: BERT's kin, MPNet and Funnel.
#include "base/error.h"
#include "tokenizer/convert/class_row.h"

namespace tamis::tokenizer {

namespace {

constexpr RoleDefault kMpnetRoles[] = {
    {Role::kBos, "<s>"},   {Role::kEos, "</s>"},  {Role::kSep, "</s>"},   {Role::kCls, "<s>"},
    {Role::kUnk, "[UNK]"}, {Role::kPad, "<pad>"}, {Role::kMask, "<mask>"}};
constexpr RoleDefault kFunnelRoles[] = {
    {Role::kUnk, "<unk>"},   {Role::kSep, "<sep>"}, {Role::kPad, "<pad>"}, {Role::kCls, "<cls>"},
    {Role::kMask, "<mask>"}, {Role::kBos, "<s>"},   {Role::kEos, "</s>"}};

std::string bert_normalizer(const ClassInput& input, bool clean_text) {
  JsonWriter json;
  json.begin_object().member("type", "BertNormalizer").member("clean_text", clean_text);
  json.member("handle_chinese_chars", flag(input, "tokenize_chinese_chars", true));
  const JsonView strip = input.config.get("strip_accents");
  json.key("strip_accents");
  if (strip.is_null()) {
    json.null();
  } else {
    json.value(flag(input, "strip_accents", false));
  }
  json.member("lowercase", flag(input, "do_lower_case", true)).end_object();
  return json.take();
}

Components wordpiece_components(std::string normalizer) {
  Components parts;
  parts.normalizer = std::move(normalizer);
  parts.pre_tokenizer = R"({"type":"BertPreTokenizer"})";
  parts.decoder = R"({"type":"WordPiece","prefix":"##","cleanup":true})";
  return parts;
}

Components bert_components(const ClassInput& input) {
  return wordpiece_components(bert_normalizer(input, true));
}

Components funnel_components(const ClassInput& input) {
  return wordpiece_components(bert_normalizer(input, flag(input, "clean_text", true)));
}

std::string mpnet_post_processor(const PostInput& post) {
  const std::string& first = needed(post.input, post.tokens, Role::kCls);
  const std::string& last = needed(post.input, post.tokens, Role::kSep);
  return roberta_processing({first, last, post.id_of(first), post.id_of(last)}, true, false);
}

/// The first token has segment 2.
std::string funnel_post_processor(const PostInput& post) {
  const std::string& first = needed(post.input, post.tokens, Role::kCls);
  const std::string& last = needed(post.input, post.tokens, Role::kSep);
  const Part pair[] = {{first, 2}, {"$A", 0}, {last, 0}, {"$B", 1}, {last, 1}};
  return template_processing(std::span(pair).first(3), pair, post.id_of);
}

}  // namespace

void wordpiece_options(const ClassInput& input, const SpecialTokens& tokens, const JsonView&,
                       JsonWriter& json) {
  json.member("type", "WordPiece").member("unk_token", needed(input, tokens, Role::kUnk));
  json.member("continuing_subword_prefix", "##").member("max_input_chars_per_word", 100);
}

std::span<const ClassFunctions> wordpiece_classes() {
  static const ClassFunctions kRows[] = {
      {ClassRules::kBert, ModelKind::kWordPiece, bert_roles(), bert_components, wordpiece_options,
       wrapped_by_cls},
      {ClassRules::kMpnet, ModelKind::kWordPiece, kMpnetRoles, bert_components, wordpiece_options,
       mpnet_post_processor, Flagged::kAll},
      {ClassRules::kFunnel, ModelKind::kWordPiece, kFunnelRoles, funnel_components,
       wordpiece_options, funnel_post_processor},
  };
  return kRows;
}

}  // namespace tamis::tokenizer
