#include "tokenizer/convert/class_rules.h"

#include <vector>

#include "base/error.h"
#include "tokenizer/convert/class_row.h"
#include "tokenizer/json_fields.h"

namespace tamis::tokenizer {

namespace {

constexpr RoleDefault kBertRoles[] = {{Role::kUnk, "[UNK]"},
                                      {Role::kSep, "[SEP]"},
                                      {Role::kPad, "[PAD]"},
                                      {Role::kCls, "[CLS]"},
                                      {Role::kMask, "[MASK]"}};
constexpr RoleDefault kRobertaRoles[] = {
    {Role::kBos, "<s>"},   {Role::kEos, "</s>"},  {Role::kSep, "</s>"},   {Role::kCls, "<s>"},
    {Role::kUnk, "<unk>"}, {Role::kPad, "<pad>"}, {Role::kMask, "<mask>"}};

const ClassFunctions& functions_of(ClassRules rules) {
  for (const auto classes : {wordpiece_classes(), byte_classes(), unigram_classes(),
                             piece_bpe_classes(), python_classes()}) {
    for (const ClassFunctions& row : classes) {
      if (row.rules == rules) return row;
    }
  }
  TAMIS_CHECK(false);
}

/// tokenizer.json's model, sure to be of the kind that the class has.
JsonView model_of(const ClassInput& input, ModelKind kind) {
  constexpr std::string_view kNames[] = {"WordPiece", "BPE", "Unigram", "WordLevel"};
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

/// Where the model does not stand in tokenizer.json, tokenizer_config.json counts as well.
JsonView ends_key(const ClassInput& input, std::string_view key) {
  return input.from_tokenizer_json ? input.config.overrides.get(key) : input.config.get(key);
}

bool adds_end(const ClassInput& input, std::string_view key) {
  const JsonView value = ends_key(input, key);
  return !value.is_null() && value.as_bool(cat(input.config.source, ": ", key));
}

std::string ends_template(const PostInput& post) {
  const auto& bos = post.tokens.role(Role::kBos);
  const auto& eos = post.tokens.role(Role::kEos);
  const bool first = bos && adds_end(post.input, "add_bos_token");
  const bool last = eos && adds_end(post.input, "add_eos_token");
  std::vector<Part> parts;
  const auto add = [&](std::string_view text, int type_id) {
    if (first) parts.push_back({bos->content, type_id});
    parts.push_back({text, type_id});
    if (last) parts.push_back({eos->content, type_id});
  };
  add("$A", 0);
  const std::vector<Part> single = parts;
  add("$B", 1);
  return template_processing(single, parts, post.id_of);
}

}  // namespace

std::span<const RoleDefault> bert_roles() { return kBertRoles; }
std::span<const RoleDefault> roberta_roles() { return kRobertaRoles; }

bool flag(const ClassInput& input, std::string_view key, bool fallback) {
  const JsonView value = input.config.get(key);
  if (value.is_null()) return fallback;
  return value.as_bool(cat(input.config.source, ": ", key));
}

int64_t count_of(const ClassInput& input, std::string_view key, int64_t fallback) {
  const JsonView value = input.config.get(key);
  if (value.is_null()) return fallback;
  const int64_t count = value.as_int(cat(input.config.source, ": ", key));
  constexpr int64_t kMost = 1'000'000;
  if (count >= 0 && count <= kMost) return count;
  fail(ErrorCode::kCorruptData, input.config.source, ": ", key, " ", count,
       "; 0 to 1000000 are accepted");
}

const std::string& needed(const ClassInput& input, const SpecialTokens& tokens, Role role) {
  const std::optional<TokenValue>& token = tokens.role(role);
  if (!token || token->content.empty()) {
    fail(ErrorCode::kUnsupported, input.config.source, ": ", kRoles[static_cast<size_t>(role)],
         " is empty; ", input.class_name, " needs one");
  }
  return token->content;
}

std::string wrapped(const PostInput& post, std::string_view first, std::string_view last) {
  const Part single[] = {{first, 0}, {"$A", 0}, {last, 0}};
  const Part pair[] = {{first, 0}, {"$A", 0}, {last, 0}, {"$B", 1}, {last, 1}};
  return template_processing(single, pair, post.id_of);
}

std::string wrapped_by_cls(const PostInput& post) {
  return wrapped(post, needed(post.input, post.tokens, Role::kCls),
                 needed(post.input, post.tokens, Role::kSep));
}

std::string wrapped_twice(const PostInput& post, Role first_role, Role last_role) {
  const std::string& first = needed(post.input, post.tokens, first_role);
  const std::string& last = needed(post.input, post.tokens, last_role);
  const Part pair[] = {{first, 0}, {"$A", 0}, {last, 0}, {last, 0}, {"$B", 0}, {last, 0}};
  return template_processing(std::span(pair).first(3), pair, post.id_of);
}

std::string kept_post_processor(const PostInput& post) {
  return own_post_processor(post.input, post.tokens, post.id_of);
}

void add_class_tokens(const ClassInput& input, SpecialTokens& tokens) {
  const ClassFunctions& row = functions_of(input.rules);
  for (const RoleDefault& role : row.roles) {
    const auto i = static_cast<size_t>(role.role);
    if (!tokens.named[i]) tokens.roles[i] = TokenValue{std::string(role.content)};
  }
  for (size_t i = 0; i < tokens.roles.size(); ++i) {
    std::optional<TokenValue>& token = tokens.roles[i];
    const bool mask = static_cast<Role>(i) == Role::kMask;
    if (!token || !token->plain) continue;
    if (row.flagged == Flagged::kNone || (row.flagged == Flagged::kMask && !mask)) continue;
    token->plain = false;
    token->special = false;  // until it is added as one with a role
    token->lstrip = mask;
  }
  if (row.further_tokens != nullptr) row.further_tokens(input, tokens);
}

bool pads_left(ClassRules rules) {
  return rules == ClassRules::kLlama || rules == ClassRules::kGemma || rules == ClassRules::kXlnet;
}

Restated restated_tokens(ClassRules rules) {
  if (rules == ClassRules::kQwen2) return Restated::kByText;
  return rules == ClassRules::kRemBert ? Restated::kAsTheyAre : Restated::kNone;
}

Components class_components(const ClassInput& input, const SpecialTokens& tokens) {
  const ClassFunctions& row = functions_of(input.rules);
  Components parts = row.components(input);
  const JsonView model = model_of(input, row.model);
  const JsonView vocab = model.get("vocab");
  JsonWriter json;
  json.begin_object();
  row.model_options(input, tokens, vocab, json);
  json.member("vocab", vocab);
  if (row.model == ModelKind::kBpe) {
    json.member("merges", array_field(model, "merges", input.source));
  }
  json.end_object();
  parts.model = json.take();
  return parts;
}

std::string class_post_processor(const ClassInput& input, const SpecialTokens& tokens,
                                 const IdOf& id_of) {
  return functions_of(input.rules).post_processor({input, tokens, id_of});
}

bool names_ends(const ClassInput& input) {
  return ends_key(input, "add_bos_token").exists() || ends_key(input, "add_eos_token").exists();
}

std::string own_post_processor(const ClassInput& input, const SpecialTokens& tokens,
                               const IdOf& id_of) {
  const JsonView own = input.root.get("post_processor");
  if (own.is_null() || names_ends(input)) return ends_template({input, tokens, id_of});
  JsonWriter json;
  json.value(own);
  return json.take();
}

}  // namespace tamis::tokenizer
