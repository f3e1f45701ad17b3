#include "tokenizer/tokenizer_classes.h"

#include "tokenizer/json_fields.h"

namespace tamis::tokenizer {

namespace {

struct ClassRow {
  std::string_view name;
  ClassRules rules;
};

constexpr ClassRow kClasses[] = {
#define X(name, rules) {name, ClassRules::rules},
#include "tokenizer/tokenizer_classes.inc"
#undef X
};

struct ModelTypeRow {
  std::string_view model_type;
  std::string_view name;
};

/// The class of a checkpoint that names none.
constexpr ModelTypeRow kModelTypes[] = {
    {"bert", "BertTokenizer"},           {"distilbert", "BertTokenizer"},
    {"electra", "BertTokenizer"},        {"roberta", "RobertaTokenizer"},
    {"camembert", "CamembertTokenizer"}, {"xlm-roberta", "XLMRobertaTokenizer"},
    {"albert", "AlbertTokenizer"},       {"mpnet", "MPNetTokenizer"},
};

std::string built_classes() {
  std::string list;
  for (const ClassRow& row : kClasses) {
    if (row.rules == ClassRules::kUnbuilt || row.rules == ClassRules::kGeneric) continue;
    list += cat(list.empty() ? "" : ", ", row.name);
  }
  return list;
}

std::string_view class_name(const JsonView& tokenizer_config, const JsonView& model_config,
                            const std::string& source) {
  const std::string_view own = string_field_or(tokenizer_config, "tokenizer_class", "", source);
  if (!own.empty()) return own;
  const JsonView models = model_config.get("tokenizer_class");
  if (models.is_string()) return models.as_string(source);
  const JsonView type = model_config.get("model_type");
  if (!type.is_string()) return {};
  for (const ModelTypeRow& row : kModelTypes) {
    if (row.model_type == type.as_string(source)) return row.name;
  }
  return {};
}

}  // namespace

TokenizerClass tokenizer_class_of(const JsonView& tokenizer_config, const JsonView& model_config,
                                  const std::string& source) {
  TokenizerClass found;
  found.name = class_name(tokenizer_config, model_config, source);
  if (found.name.empty()) return found;
  std::string_view name = found.name;
  if (name.ends_with("Fast")) name.remove_suffix(4);
  for (const ClassRow& row : kClasses) {
    if (row.name != name) continue;
    found.rules = row.rules;
    if (row.rules != ClassRules::kUnbuilt) return found;
    fail(ErrorCode::kUnsupported, source, ": tokenizer_class ", json_quote(found.name),
         ": how it cuts text is not built; built are ", built_classes(),
         ", and any tokenizer.json under PreTrainedTokenizerFast");
  }
  found.known = false;
  if (tokenizer_config.get("auto_map").get("AutoTokenizer")) {
    fail(ErrorCode::kUnsupported, source, ": tokenizer_class ", json_quote(found.name),
         " is code beside the checkpoint (auto_map), which is never run; built are ",
         built_classes(), ", and any tokenizer.json under PreTrainedTokenizerFast");
  }
  return found;
}

}  // namespace tamis::tokenizer
