// BPE over characters, most of it made from SentencePiece models: Llama, Gemma, HerBERT.
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

/// With the numbers of Herbert's own vocabulary, whatever the folder's are.
std::string herbert_post_processor(const PostInput& post) {
  constexpr int64_t kCls = 0;
  constexpr int64_t kSep = 2;
  return bert_processing({needed(post.input, post.tokens, Role::kCls),
                          needed(post.input, post.tokens, Role::kSep), kCls, kSep});
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
  };
  return kRows;
}

}  // namespace tamis::tokenizer
