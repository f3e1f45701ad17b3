#include "tokenizer/convert/tokenizer_classes.h"

#include "tokenizer/json_fields.h"

namespace tamis::tokenizer {

namespace {

struct ClassRow {
  std::string_view name;
  ClassRules rules;
  bool segments;
};

constexpr ClassRow kClasses[] = {
#define X(name, rules, segments) {name, ClassRules::rules, segments},
#include "tokenizer/convert/tokenizer_classes.inc"
#undef X
};

struct ModelTypeRow {
  std::string_view model_type;
  std::string_view name;
  bool always;
};

constexpr ModelTypeRow kModelTypes[] = {
#define X(model_type, name, always) {model_type, name, always},
#include "tokenizer/convert/model_types.inc"
#undef X
};

constexpr std::string_view kGenericClass = "TokenizersBackend";

std::string built_classes() {
  std::string list;
  for (const ClassRow& row : kClasses) {
    if (row.rules == ClassRules::kUnbuilt || row.rules == ClassRules::kGeneric) continue;
    list += cat(list.empty() ? "" : ", ", row.name);
  }
  return list;
}

std::string_view without_fast(std::string_view name) {
  if (name.ends_with("Fast")) name.remove_suffix(4);
  return name;
}

const ClassRow* find_class(std::string_view name) {
  name = without_fast(name);
  for (const ClassRow& row : kClasses) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

const ModelTypeRow* registered_for(const JsonView& model_config, const std::string& source) {
  const JsonView type = model_config.get("model_type");
  if (!type.is_string()) return nullptr;
  for (const ModelTypeRow& row : kModelTypes) {
    if (row.model_type == type.as_string(source)) return &row;
  }
  return nullptr;
}

/// The name that the files give, behind what transformers puts in its place: the class of a
/// model_type that is often mislabeled, and the generic one where that or Llama's byte-level kind
/// is registered.
std::string_view class_name(const ClassFiles& files, bool own_code, const std::string& source) {
  const ModelTypeRow* registered = registered_for(files.model_config, source);
  std::string_view named = string_field_or(files.tokenizer_config, "tokenizer_class", "", source);
  if (named.empty()) named = string_field_or(files.model_config, "tokenizer_class", "", source);
  if (named.empty()) return registered != nullptr ? registered->name : std::string_view();
  if (own_code) return named;
  const std::string_view plain = without_fast(named);
  const bool always = registered != nullptr && registered->always;
  if (plain == "LlamaTokenizer" && files.byte_level && !always) return kGenericClass;
  if (registered == nullptr || registered->name == plain) return named;
  if (registered->name == kGenericClass) return kGenericClass;
  return always ? registered->name : named;
}

}  // namespace

bool reads_vocab_txt_alone(ClassRules rules) {
  return rules == ClassRules::kEsm || is_japanese(rules);
}

bool is_japanese(ClassRules rules) {
  return rules == ClassRules::kJapanese || rules == ClassRules::kJapaneseCharacters;
}

TokenizerClass tokenizer_class_of(const ClassFiles& files, const std::string& source) {
  TokenizerClass found;
  const bool own_code = files.tokenizer_config.get("auto_map").get("AutoTokenizer").exists();
  found.name = class_name(files, own_code, source);
  if (found.name.empty()) return found;
  const ClassRow* row = find_class(found.name);
  if (row != nullptr) {
    found.rules = row->rules;
    found.segments = row->segments;
    const JsonView subwords = files.tokenizer_config.get("subword_tokenizer_type");
    if (row->rules == ClassRules::kJapanese && subwords.is_string() &&
        subwords.as_string(source) == "character") {
      found.rules = ClassRules::kJapaneseCharacters;
    }
    if (row->rules != ClassRules::kUnbuilt) return found;
    fail(ErrorCode::kUnsupported, source, ": tokenizer_class ", json_quote(found.name),
         ": how it cuts text is not built; built are ", built_classes(),
         ", and any tokenizer.json under PreTrainedTokenizerFast");
  }
  found.known = false;
  if (own_code) {
    fail(ErrorCode::kUnsupported, source, ": tokenizer_class ", json_quote(found.name),
         " is code beside the checkpoint (auto_map), which is never run; built are ",
         built_classes(), ", and any tokenizer.json under PreTrainedTokenizerFast");
  }
  return found;
}

}  // namespace tamis::tokenizer
