// BPE over characters, most of it made from SentencePiece models: Llama, Gemma, HerBERT; and the
// letters of ESM.
#include "base/error.h"
#include "tokenizer/convert/class_row.h"

namespace tamis::tokenizer {

namespace {

constexpr RoleDefault kLlamaRoles[] = {
    {Role::kUnk, "<unk>"}, {Role::kBos, "<s>"}, {Role::kEos, "</s>"}};
constexpr RoleDefault kGemmaRoles[] = {{Role::kUnk, "<unk>"},
                                       {Role::kBos, "<bos>"},
                                       {Role::kEos, "<eos>"},
                                       {Role::kPad, "<pad>"},
                                       {Role::kMask, "<mask>"}};
constexpr RoleDefault kHerbertRoles[] = {{Role::kCls, "<s>"},
                                         {Role::kUnk, "<unk>"},
                                         {Role::kPad, "<pad>"},
                                         {Role::kMask, "<mask>"},
                                         {Role::kSep, "</s>"}};
constexpr RoleDefault kEsmRoles[] = {{Role::kUnk, "<unk>"},
                                     {Role::kCls, "<cls>"},
                                     {Role::kPad, "<pad>"},
                                     {Role::kMask, "<mask>"},
                                     {Role::kEos, "<eos>"}};

std::string pieces_decoder(bool strip) {
  JsonWriter json;
  json.begin_object().member("type", "Sequence").key("decoders").begin_array();
  write_replace(json, kMetaspace, " ");
  write_type(json, "ByteFallback");
  write_type(json, "Fuse");
  if (strip) {
    json.begin_object().member("type", "Strip").member("content", " ").member("start", 1);
    json.member("stop", 0).end_object();
  }
  json.end_array().end_object();
  return json.take();
}

Components llama_components(const ClassInput& input) {
  const bool prefix = flag(input, "add_prefix_space", true);
  const std::string_view first = flag(input, "legacy", false) ? "always" : "first";
  Components parts;
  JsonWriter json;
  write_metaspace(json, prefix ? first : "never", false);
  parts.pre_tokenizer = json.take();
  parts.decoder = pieces_decoder(prefix);
  return parts;
}

Components gemma_components(const ClassInput&) {
  Components parts;
  JsonWriter json;
  write_replace(json, " ", kMetaspace);
  parts.normalizer = json.take();
  json.begin_object().member("type", "Split").key("pattern").begin_object();
  json.member("String", " ").end_object().member("behavior", "MergedWithPrevious");
  json.member("invert", false).end_object();
  parts.pre_tokenizer = json.take();
  parts.decoder = pieces_decoder(false);
  return parts;
}

Components herbert_components(const ClassInput&) {
  Components parts;
  parts.normalizer = R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,)"
                     R"("strip_accents":false,"lowercase":false})";
  parts.pre_tokenizer = R"({"type":"BertPreTokenizer"})";
  parts.decoder = R"({"type":"BPEDecoder","suffix":"</w>"})";
  return parts;
}

Components esm_components(const ClassInput&) {
  Components parts;
  // What Python's str.split() takes for white space.
  parts.pre_tokenizer =
      R"({"type":"Split","pattern":{"Regex":"[\\s\\x1C-\\x1F]+"},"behavior":"Removed",)"
      R"("invert":false})";
  return parts;
}

void llama_options(const ClassInput&, const SpecialTokens&, const JsonView&, JsonWriter& json) {
  json.member("type", "BPE").member("fuse_unk", true).member("byte_fallback", true);
}

void gemma_options(const ClassInput& input, const SpecialTokens& tokens, const JsonView& vocab,
                   JsonWriter& json) {
  llama_options(input, tokens, vocab, json);
  json.member("unk_token", needed(input, tokens, Role::kUnk));
}

void herbert_options(const ClassInput& input, const SpecialTokens& tokens, const JsonView&,
                     JsonWriter& json) {
  json.member("type", "BPE").member("end_of_word_suffix", "</w>");
  json.member("unk_token", needed(input, tokens, Role::kUnk));
}

void esm_options(const ClassInput& input, const SpecialTokens& tokens, const JsonView&,
                 JsonWriter& json) {
  json.member("type", "WordLevel").member("unk_token", needed(input, tokens, Role::kUnk));
}

/// With the numbers of Herbert's own vocabulary, whatever the folder's are.
std::string herbert_post_processor(const PostInput& post) {
  constexpr int64_t kCls = 0;
  constexpr int64_t kSep = 2;
  return bert_processing({needed(post.input, post.tokens, Role::kCls),
                          needed(post.input, post.tokens, Role::kSep), kCls, kSep});
}

std::string esm_post_processor(const PostInput& post) {
  const std::string& first = needed(post.input, post.tokens, Role::kCls);
  const std::string& last = needed(post.input, post.tokens, Role::kEos);
  const Part pair[] = {{first, 0}, {"$A", 0}, {last, 0}, {"$B", 0}, {last, 0}};
  return template_processing(std::span(pair).first(3), pair, post.id_of);
}

/// The class is written in Python, whose search for tokens is another than the library's where
/// tokens have flags or stand in for letters.
void check_plain(const ClassInput& input, const TokenValue& token) {
  if (!token.lstrip && !token.rstrip && !token.single_word) return;
  fail(ErrorCode::kUnsupported, input.config.source, ": token ", json_quote(token.content),
       " has lstrip, rstrip or single_word; ", input.class_name, " takes none of them");
}

/// Every token of the vocabulary is found in a text before it is cut at white space.
void esm_tokens(const ClassInput& input, SpecialTokens& tokens) {
  const JsonView vocab = input.root.get("model").get("vocab");
  for (const auto& [id, token] : tokens.listed) {
    const JsonView own = vocab.get(token.content);
    if (own.is_int() && own.as_int(input.source) == id) continue;
    fail(ErrorCode::kUnsupported, input.config.source, ": token ", json_quote(token.content),
         " with id ", id, " is not that of vocab.txt; ", input.class_name, " takes no other");
  }
  for (const auto& [id, token] : tokens.listed) check_plain(input, token);
  // Nothing normalizes a text, so all tokens are looked for at once.
  const auto make_plain = [&](TokenValue& token) {
    check_plain(input, token);
    token.normalized = false;
  };
  for (auto& role : tokens.roles) {
    if (role) make_plain(*role);
  }
  for (auto& [name, token] : tokens.own_roles) make_plain(token);
  for (auto* list : {&tokens.extras, &tokens.additional}) {
    if (!*list) continue;
    for (TokenValue& token : **list) make_plain(token);
  }
  for (size_t i = 0; i < vocab.size(); ++i) {
    const JsonView::Member member = vocab.member(i);
    TokenValue token{std::string(member.key)};
    token.plain = false;
    token.special = false;
    token.normalized = false;
    tokens.listed.try_emplace(member.value.as_int(input.source), std::move(token));
  }
}

}  // namespace

std::span<const ClassFunctions> piece_bpe_classes() {
  static const ClassFunctions kRows[] = {
      {ClassRules::kLlama, ModelKind::kBpe, kLlamaRoles, llama_components, llama_options,
       kept_post_processor},
      {ClassRules::kGemma, ModelKind::kBpe, kGemmaRoles, gemma_components, gemma_options,
       kept_post_processor},
      {ClassRules::kHerbert, ModelKind::kBpe, kHerbertRoles, herbert_components, herbert_options,
       herbert_post_processor},
      {ClassRules::kEsm, ModelKind::kWordLevel, kEsmRoles, esm_components, esm_options,
       esm_post_processor, Flagged::kNone, esm_tokens},
  };
  return kRows;
}

}  // namespace tamis::tokenizer
