// Byte-level BPE classes: RoBERTa's kin, GPT-2, GPT-NeoX, Qwen2 and DeBERTa.
#include "base/error.h"
#include "tokenizer/convert/class_row.h"

namespace tamis::tokenizer {

namespace {

constexpr std::string_view kEndOfText = "<|endoftext|>";
constexpr RoleDefault kGpt2Roles[] = {
    {Role::kUnk, kEndOfText}, {Role::kBos, kEndOfText}, {Role::kEos, kEndOfText}};
constexpr RoleDefault kGptNeoxRoles[] = {{Role::kUnk, kEndOfText},
                                         {Role::kBos, kEndOfText},
                                         {Role::kEos, kEndOfText},
                                         {Role::kPad, "<|padding|>"}};
constexpr RoleDefault kQwenRoles[] = {
    {Role::kUnk, kEndOfText}, {Role::kEos, kEndOfText}, {Role::kPad, kEndOfText}};
constexpr RoleDefault kDebertaRoles[] = {
    {Role::kBos, "[CLS]"}, {Role::kEos, "[SEP]"}, {Role::kSep, "[SEP]"},  {Role::kCls, "[CLS]"},
    {Role::kUnk, "[UNK]"}, {Role::kPad, "[PAD]"}, {Role::kMask, "[MASK]"}};

constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen35Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+)"
    R"([\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

Components byte_components(const ClassInput& input) {
  Components parts;
  JsonWriter json;
  write_byte_level(json, flag(input, "add_prefix_space", false), true);
  parts.pre_tokenizer = json.take();
  parts.decoder =
      R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true})";
  return parts;
}

Components neox_components(const ClassInput& input) {
  Components parts = byte_components(input);
  parts.normalizer = R"({"type":"NFC"})";
  return parts;
}

Components pattern_components(const ClassInput& input, std::string_view pattern) {
  Components parts = neox_components(input);
  JsonWriter json;
  json.begin_object().member("type", "Sequence").key("pretokenizers").begin_array();
  json.begin_object().member("type", "Split").key("pattern").begin_object();
  json.member("Regex", pattern).end_object().member("behavior", "Isolated");
  json.member("invert", false).end_object();
  write_byte_level(json, flag(input, "add_prefix_space", false), false);
  json.end_array().end_object();
  parts.pre_tokenizer = json.take();
  return parts;
}

Components qwen2_components(const ClassInput& input) {
  return pattern_components(input, kQwen2Pattern);
}

Components qwen35_components(const ClassInput& input) {
  return pattern_components(input, kQwen35Pattern);
}

void byte_options(const ClassInput&, const SpecialTokens&, const JsonView&, JsonWriter& json) {
  json.member("type", "BPE").key("dropout").null().key("unk_token").null();
  json.member("continuing_subword_prefix", "").member("end_of_word_suffix", "");
  json.member("fuse_unk", false).member("byte_fallback", false).member("ignore_merges", false);
}

std::string roberta_post_processor(const PostInput& post) {
  const std::string& first = needed(post.input, post.tokens, Role::kCls);
  const std::string& last = needed(post.input, post.tokens, Role::kSep);
  return roberta_processing({first, last, post.id_of(first), post.id_of(last)},
                            flag(post.input, "trim_offsets", true),
                            flag(post.input, "add_prefix_space", false));
}

std::string deberta_post_processor(const PostInput& post) {
  return wrapped_twice(post, Role::kCls, Role::kSep);
}

/// The class forgets tokenizer.json's.
std::string neox_post_processor(const PostInput& post) {
  ClassInput input = post.input;
  input.root = {};
  return own_post_processor(input, post.tokens, post.id_of);
}

}  // namespace

std::span<const ClassFunctions> byte_classes() {
  static const ClassFunctions kRows[] = {
      {ClassRules::kRoberta, ModelKind::kBpe, roberta_roles(), byte_components, byte_options,
       roberta_post_processor},
      {ClassRules::kGpt2, ModelKind::kBpe, kGpt2Roles, byte_components, byte_options,
       kept_post_processor},
      {ClassRules::kGptNeox, ModelKind::kBpe, kGptNeoxRoles, neox_components, byte_options,
       neox_post_processor},
      {ClassRules::kQwen2, ModelKind::kBpe, kQwenRoles, qwen2_components, byte_options,
       kept_post_processor},
      {ClassRules::kQwen35, ModelKind::kBpe, kQwenRoles, qwen35_components, byte_options,
       kept_post_processor},
      {ClassRules::kDeberta, ModelKind::kBpe, kDebertaRoles, byte_components, byte_options,
       deberta_post_processor},
  };
  return kRows;
}

}  // namespace tamis::tokenizer
