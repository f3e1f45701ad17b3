#include "tokenizer/class_rules.h"

#include <span>
#include <vector>

#include "base/error.h"
#include "tokenizer/json_fields.h"

namespace tamis::tokenizer {

namespace {

constexpr std::string_view kMetaspace = "\xE2\x96\x81";

enum class ModelKind : uint8_t { kWordPiece, kBpe, kUnigram };

struct RoleDefault {
  Role role;
  std::string_view content;
};

/// What differs from class to class and is no code.
struct RulesRow {
  ClassRules rules;
  ModelKind model;
  std::span<const RoleDefault> roles;
};

constexpr RoleDefault kBertRoles[] = {{Role::kUnk, "[UNK]"},
                                      {Role::kSep, "[SEP]"},
                                      {Role::kPad, "[PAD]"},
                                      {Role::kCls, "[CLS]"},
                                      {Role::kMask, "[MASK]"}};
constexpr RoleDefault kMpnetRoles[] = {
    {Role::kBos, "<s>"},   {Role::kEos, "</s>"},  {Role::kSep, "</s>"},   {Role::kCls, "<s>"},
    {Role::kUnk, "[UNK]"}, {Role::kPad, "<pad>"}, {Role::kMask, "<mask>"}};
constexpr RoleDefault kRobertaRoles[] = {
    {Role::kBos, "<s>"},   {Role::kEos, "</s>"},  {Role::kSep, "</s>"},   {Role::kCls, "<s>"},
    {Role::kUnk, "<unk>"}, {Role::kPad, "<pad>"}, {Role::kMask, "<mask>"}};
constexpr RoleDefault kAlbertRoles[] = {
    {Role::kBos, "[CLS]"}, {Role::kEos, "[SEP]"}, {Role::kUnk, "<unk>"},  {Role::kSep, "[SEP]"},
    {Role::kPad, "<pad>"}, {Role::kCls, "[CLS]"}, {Role::kMask, "[MASK]"}};

constexpr RulesRow kRules[] = {
    {ClassRules::kBert, ModelKind::kWordPiece, kBertRoles},
    {ClassRules::kMpnet, ModelKind::kWordPiece, kMpnetRoles},
    {ClassRules::kRoberta, ModelKind::kBpe, kRobertaRoles},
    {ClassRules::kXlmRoberta, ModelKind::kUnigram, kRobertaRoles},
    {ClassRules::kCamembert, ModelKind::kUnigram, kRobertaRoles},
    {ClassRules::kAlbert, ModelKind::kUnigram, kAlbertRoles},
};

const RulesRow& rules_row(ClassRules rules) {
  for (const RulesRow& row : kRules) {
    if (row.rules == rules) return row;
  }
  TAMIS_CHECK(false);
}

bool flag(const ClassInput& input, std::string_view key, bool fallback) {
  const JsonView value = input.config.get(key);
  if (value.is_null()) return fallback;
  return value.as_bool(cat(input.config.source, ": ", key));
}

/// A token that the class cannot do without.
const std::string& needed(const ClassInput& input, const SpecialTokens& tokens, Role role) {
  const std::optional<TokenValue>& token = tokens.role(role);
  if (!token || token->content.empty()) {
    fail(ErrorCode::kUnsupported, input.config.source, ": ", kRoles[static_cast<size_t>(role)],
         " is empty; ", input.class_name, " needs one");
  }
  return token->content;
}

void write_type(JsonWriter& json, std::string_view type) {
  json.begin_object().member("type", type).end_object();
}

std::string bert_normalizer(const ClassInput& input) {
  JsonWriter json;
  json.begin_object().member("type", "BertNormalizer").member("clean_text", true);
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

Components bert_components(const ClassInput& input) {
  Components parts;
  parts.normalizer = bert_normalizer(input);
  parts.pre_tokenizer = R"({"type":"BertPreTokenizer"})";
  parts.decoder = R"({"type":"WordPiece","prefix":"##","cleanup":true})";
  return parts;
}

Components roberta_components(const ClassInput& input) {
  Components parts;
  JsonWriter json;
  json.begin_object().member("type", "ByteLevel");
  json.member("add_prefix_space", flag(input, "add_prefix_space", false));
  json.member("trim_offsets", true).member("use_regex", true).end_object();
  parts.pre_tokenizer = json.take();
  parts.decoder =
      R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true})";
  return parts;
}

/// The first charsmap of tokenizer.json's normalizer; absent if there is none.
JsonView charsmap_of(const JsonView& normalizer) {
  const JsonView list = normalizer.get("normalizers");
  if (!list.is_array()) return normalizer.get("precompiled_charsmap");
  for (size_t i = 0; i < list.size(); ++i) {
    const JsonView charsmap = list.at(i).get("precompiled_charsmap");
    if (charsmap.is_string()) return charsmap;
  }
  return {};
}

void write_charsmap(JsonWriter& json, const JsonView& charsmap) {
  json.begin_object().member("type", "Precompiled");
  json.member("precompiled_charsmap", charsmap).end_object();
}

void write_replace(JsonWriter& json, std::string_view text, std::string_view content) {
  json.begin_object().member("type", "Replace").key("pattern").begin_object();
  json.member("String", text).end_object().member("content", content).end_object();
}

std::string albert_normalizer(const ClassInput& input, const JsonView& charsmap) {
  JsonWriter json;
  json.begin_object().member("type", "Sequence").key("normalizers").begin_array();
  write_replace(json, "``", "\"");
  write_replace(json, "''", "\"");
  if (!flag(input, "keep_accents", false)) {
    write_type(json, "NFKD");
    write_type(json, "StripAccents");
  }
  if (flag(input, "do_lower_case", true)) write_type(json, "Lowercase");
  if (charsmap.is_string()) write_charsmap(json, charsmap);
  json.end_array().end_object();
  return json.take();
}

void write_metaspace(JsonWriter& json, std::string_view scheme) {
  json.begin_object().member("type", "Metaspace").member("replacement", kMetaspace);
  json.member("prepend_scheme", scheme).member("split", true).end_object();
}

Components sentencepiece_components(const ClassInput& input) {
  Components parts;
  const JsonView charsmap = charsmap_of(input.root.get("normalizer"));
  JsonWriter json;
  if (input.rules == ClassRules::kAlbert) {
    parts.normalizer = albert_normalizer(input, charsmap);
  } else if (charsmap.is_string()) {
    write_charsmap(json, charsmap);
    parts.normalizer = json.take();
  }
  const std::string_view scheme = flag(input, "add_prefix_space", true) ? "always" : "never";
  json.begin_object().member("type", "Sequence").key("pretokenizers").begin_array();
  write_type(json, "WhitespaceSplit");
  write_metaspace(json, scheme);
  json.end_array().end_object();
  parts.pre_tokenizer = json.take();
  write_metaspace(json, scheme);
  parts.decoder = json.take();
  return parts;
}

/// tokenizer.json's model, sure to be of the kind that the class has.
JsonView model_of(const ClassInput& input, ModelKind kind) {
  constexpr std::string_view kNames[] = {"WordPiece", "BPE", "Unigram"};
  const std::string_view wanted = kNames[static_cast<size_t>(kind)];
  const JsonView model = field(input.root, "model", input.source);
  // Old files name no type.
  const std::string_view type = string_field_or(model, "type", wanted, input.source);
  const JsonView vocab = field(model, "vocab", input.source);
  if (type != wanted || vocab.is_array() != (kind == ModelKind::kUnigram)) {
    fail(ErrorCode::kUnsupported, input.source, ": model ", json_quote(type), " under ",
         input.class_name, ", which has ", wanted,
         "; accepted as it stands with tokenizer_class PreTrainedTokenizerFast");
  }
  return model;
}

int64_t unigram_unk(const ClassInput& input, const SpecialTokens& tokens, const JsonView& vocab) {
  if (input.rules == ClassRules::kAlbert) return 1;
  if (input.rules == ClassRules::kXlmRoberta) return 3;
  const std::string& unk = needed(input, tokens, Role::kUnk);
  for (size_t i = 0; i < vocab.size(); ++i) {
    const JsonView piece = vocab.at(i);
    if (piece.is_array() && piece.size() > 0 && piece.at(0).is_string() &&
        piece.at(0).as_string(input.source) == unk) {
      return static_cast<int64_t>(i);
    }
  }
  return 0;
}

std::string class_model(const ClassInput& input, const SpecialTokens& tokens, ModelKind kind) {
  const JsonView model = model_of(input, kind);
  const JsonView vocab = model.get("vocab");
  JsonWriter json;
  json.begin_object();
  switch (kind) {
    case ModelKind::kWordPiece:
      json.member("type", "WordPiece");
      json.member("unk_token", needed(input, tokens, Role::kUnk));
      json.member("continuing_subword_prefix", "##").member("max_input_chars_per_word", 100);
      break;
    case ModelKind::kBpe:
      json.member("type", "BPE").key("dropout").null().key("unk_token").null();
      json.member("continuing_subword_prefix", "").member("end_of_word_suffix", "");
      json.member("fuse_unk", false).member("byte_fallback", false);
      json.member("ignore_merges", false);
      break;
    case ModelKind::kUnigram:
      json.member("type", "Unigram").member("unk_id", unigram_unk(input, tokens, vocab));
      break;
  }
  json.member("vocab", vocab);
  if (kind == ModelKind::kBpe) json.member("merges", array_field(model, "merges", input.source));
  if (kind == ModelKind::kUnigram) json.member("byte_fallback", false);
  json.end_object();
  return json.take();
}

/// One part of a template: "$A", "$B" or a special token, and its type id.
struct Part {
  std::string_view id;
  int type_id;
};

void write_parts(JsonWriter& json, std::string_view key, const std::vector<Part>& parts) {
  json.key(key).begin_array();
  for (const Part& part : parts) {
    const bool sequence = part.id == "$A" || part.id == "$B";
    json.begin_object().key(sequence ? "Sequence" : "SpecialToken").begin_object();
    json.member("id", sequence ? part.id.substr(1) : part.id).member("type_id", part.type_id);
    json.end_object().end_object();
  }
  json.end_array();
}

struct Wrapping {
  std::string_view first;
  std::string_view last;
  int64_t first_id;
  int64_t last_id;
};

std::string template_processing(const Wrapping& wrap, bool two_separators) {
  JsonWriter json;
  json.begin_object().member("type", "TemplateProcessing");
  write_parts(json, "single", {{wrap.first, 0}, {"$A", 0}, {wrap.last, 0}});
  if (two_separators) {
    write_parts(
        json, "pair",
        {{wrap.first, 0}, {"$A", 0}, {wrap.last, 0}, {wrap.last, 0}, {"$B", 0}, {wrap.last, 0}});
  } else {
    write_parts(json, "pair",
                {{wrap.first, 0}, {"$A", 0}, {wrap.last, 0}, {"$B", 1}, {wrap.last, 1}});
  }
  json.key("special_tokens").begin_object();
  const auto token = [&](std::string_view name, int64_t id) {
    json.key(name).begin_object().member("id", name).key("ids").begin_array().value(id);
    json.end_array().key("tokens").begin_array().value(name).end_array().end_object();
  };
  token(wrap.first, wrap.first_id);
  if (wrap.last != wrap.first) token(wrap.last, wrap.last_id);
  json.end_object().end_object();
  return json.take();
}

std::string roberta_processing(const Wrapping& wrap, bool trim_offsets, bool add_prefix_space) {
  JsonWriter json;
  json.begin_object().member("type", "RobertaProcessing");
  json.key("sep").begin_array().value(wrap.last).value(wrap.last_id).end_array();
  json.key("cls").begin_array().value(wrap.first).value(wrap.first_id).end_array();
  json.member("trim_offsets", trim_offsets).member("add_prefix_space", add_prefix_space);
  json.end_object();
  return json.take();
}

/// ALBERT's class keeps the post-processor of tokenizer.json.
std::string albert_post_processor(const ClassInput& input, const Wrapping& wrap) {
  const JsonView own = input.root.get("post_processor");
  if (own.is_null()) {
    return template_processing({"[CLS]", "[SEP]", wrap.first_id, wrap.last_id}, false);
  }
  JsonWriter json;
  json.value(own);
  return json.take();
}

}  // namespace

void add_class_tokens(const ClassInput& input, SpecialTokens& tokens) {
  for (const RoleDefault& row : rules_row(input.rules).roles) {
    const auto i = static_cast<size_t>(row.role);
    if (!tokens.named[i]) tokens.roles[i] = TokenValue{std::string(row.content)};
  }
  const bool mpnet = input.rules == ClassRules::kMpnet;
  for (size_t i = 0; i < tokens.roles.size(); ++i) {
    std::optional<TokenValue>& token = tokens.roles[i];
    if (!token || !token->plain) continue;
    const bool mask = static_cast<Role>(i) == Role::kMask;
    // A plain mask of these classes takes the space before it in.
    if (!mpnet && !(mask && input.rules == ClassRules::kCamembert)) continue;
    token->plain = false;
    token->lstrip = mask;
  }
  if (input.rules == ClassRules::kCamembert && !tokens.extras) {
    tokens.extras = {{"<s>NOTUSED"}, {"</s>NOTUSED"}, {"<unk>NOTUSED"}};
  }
}

Components class_components(const ClassInput& input, const SpecialTokens& tokens) {
  const ModelKind kind = rules_row(input.rules).model;
  Components parts;
  switch (kind) {
    case ModelKind::kWordPiece:
      parts = bert_components(input);
      break;
    case ModelKind::kBpe:
      parts = roberta_components(input);
      break;
    case ModelKind::kUnigram:
      parts = sentencepiece_components(input);
      break;
  }
  parts.model = class_model(input, tokens, kind);
  return parts;
}

std::string class_post_processor(const ClassInput& input, const SpecialTokens& tokens,
                                 const std::function<int64_t(std::string_view)>& id_of) {
  // XLM-RoBERTa and CamemBERT wrap a text by bos and eos, whatever cls and sep are.
  const bool by_ends =
      input.rules == ClassRules::kXlmRoberta || input.rules == ClassRules::kCamembert;
  const std::string& first = needed(input, tokens, by_ends ? Role::kBos : Role::kCls);
  const std::string& last = needed(input, tokens, by_ends ? Role::kEos : Role::kSep);
  const Wrapping wrap{first, last, id_of(first), id_of(last)};
  switch (input.rules) {
    case ClassRules::kMpnet:
      return roberta_processing(wrap, true, false);
    case ClassRules::kRoberta:
      return roberta_processing(wrap, flag(input, "trim_offsets", true),
                                flag(input, "add_prefix_space", false));
    case ClassRules::kAlbert:
      return albert_post_processor(input, wrap);
    default:
      return template_processing(wrap, by_ends);
  }
}

}  // namespace tamis::tokenizer
