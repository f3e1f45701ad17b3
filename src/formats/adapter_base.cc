#include "formats/adapter_base.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "formats/config_file.h"

namespace tamis {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kConfigName = "adapter_config.json";

// The end of the class for a task_type; empty: the base's own class stays.
struct ClassRow {
  std::string_view task_type;
  std::string_view suffix;
};
constexpr ClassRow kClasses[] = {
    {"SEQ_CLS", "ForSequenceClassification"},
    {"TOKEN_CLS", "ForTokenClassification"},
    {"QUESTION_ANS", "ForQuestionAnswering"},
    {"FEATURE_EXTRACTION", "Model"},
    {"CAUSAL_LM", ""},
    {"SEQ_2_SEQ_LM", ""},
};

// Where classes of transformers keep a classifier's last layer.
constexpr std::string_view kHeads[] = {"classifier.weight", "classifier.out_proj.weight",
                                       "score.weight", "logits_proj.weight"};

std::string accepted_types() {
  std::string list;
  for (const ClassRow& row : kClasses)
    list += cat(list.empty() ? "\"" : ", \"", row.task_type, "\"");
  return list;
}

// "Bert" of "BertForMaskedLM" and of "BertModel".
std::string_view class_prefix(std::string_view name) {
  for (const std::string_view mark : {"For", "LMHead", "Model"}) {
    if (const size_t at = name.find(mark); at != name.npos) return name.substr(0, at);
  }
  return name;
}

void count_labels(const std::vector<StoredTensor>& tensors, ModelConfig& config) {
  const ConfigFields& fields = config.fields;
  if (fields.has("id2label") || fields.has("num_labels") || fields.has("_num_labels")) return;
  for (const StoredTensor& tensor : tensors) {
    const bool is_head = std::ranges::any_of(kHeads, [&](std::string_view name) {
      return tensor.name == name || tensor.name.ends_with(cat(".", name));
    });
    if (!is_head || tensor.tensor == nullptr || tensor.tensor->shape().rank() != 2) continue;
    config.num_labels = tensor.tensor->shape()[0];
    config.id2label.clear();
    for (int64_t id = 0; id < config.num_labels; ++id) config.id2label.push_back(cat("LABEL_", id));
    return;
  }
}

}  // namespace

bool is_adapter_alone(const fs::path& folder) {
  return file_exists(folder / kConfigName) && !file_exists(folder / "config.json");
}

std::string adapter_base(const fs::path& folder) {
  const ConfigFile file(folder / kConfigName);
  const auto base = file->text("base_model_name_or_path");
  std::error_code ignored;
  if (base && !base->empty()) {
    const auto revision = file->text("revision");
    const bool is_id = !fs::exists(*base, ignored) && base->find('@') == base->npos;
    return revision && is_id ? cat(*base, "@", *revision) : *base;
  }
  fail(ErrorCode::kUnsupported, file->what("base_model_name_or_path"),
       " names no model that the adapter is for; accepted are a folder, a hub id, and the adapter "
       "in the base's folder");
}

void take_adapter_class(const fs::path& folder, const std::vector<StoredTensor>& tensors,
                        ModelConfig& config) {
  const ConfigFile file(folder / kConfigName);
  const auto type = file->text("task_type");
  const auto mapping = file->object("auto_mapping");
  if (type) {
    const auto* const row = std::ranges::find(kClasses, *type, &ClassRow::task_type);
    if (row == std::end(kClasses)) {
      fail(ErrorCode::kUnsupported, file->what("task_type"), " is ",
           json_quote(type->substr(0, 100)), "; accepted are null, ", accepted_types());
    }
    if (!row->suffix.empty() && !config.architectures.empty()) {
      config.architectures = {cat(class_prefix(config.architectures.front()), row->suffix)};
    }
  } else if (mapping) {
    if (const auto name = mapping->text("base_model_class")) config.architectures = {*name};
  }
  count_labels(tensors, config);
}

}  // namespace tamis
