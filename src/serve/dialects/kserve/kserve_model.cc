#include "serve/dialects/kserve/kserve_model.h"

namespace tamis::serve {

namespace {

std::vector<KserveTensorSpec> text_inputs(const ServableInfo& info) {
  std::vector<KserveTensorSpec> specs = {{"text", KserveType::kBytes, {-1}}};
  if (info.reads_labels) specs.push_back({"labels", KserveType::kBytes, {-1}});
  switch (info.task) {
    case tasks::TaskKind::kClassify:
    case tasks::TaskKind::kRerank:
    case tasks::TaskKind::kZeroShot:
      specs.push_back({"text_pair", KserveType::kBytes, {-1}, true});
      break;
    case tasks::TaskKind::kQa:
      specs.push_back({"text_pair", KserveType::kBytes, {-1}});
      break;
    case tasks::TaskKind::kEmbed:
    case tasks::TaskKind::kNer:
    case tasks::TaskKind::kFillMask:
    case tasks::TaskKind::kEmbedSparse:
    case tasks::TaskKind::kEmbedMulti:
    case tasks::TaskKind::kEmbedAll:
      break;
  }
  return specs;
}

std::vector<KserveTensorSpec> tensor_inputs(const Servable& model) {
  std::vector<KserveTensorSpec> specs = {{"input_ids", KserveType::kInt64, {-1, -1}},
                                         {"attention_mask", KserveType::kInt64, {-1, -1}, true}};
  const tasks::TaskModel* const task = model.task_model();
  const bool types =
      task != nullptr ? task->uses_type_ids : model.info().limits.type_vocab_size > 0;
  if (types) {
    specs.push_back({"token_type_ids", KserveType::kInt64, {-1, -1}, true});
  }
  return specs;
}

std::vector<KserveTensorSpec> text_outputs(const ServableInfo& info) {
  const auto labels = static_cast<int64_t>(info.labels.size());
  switch (info.task) {
    case tasks::TaskKind::kEmbed:
      return {{"embedding", KserveType::kFp32, {-1, info.output_size}}};
    case tasks::TaskKind::kClassify:
    case tasks::TaskKind::kRerank:
    case tasks::TaskKind::kZeroShot:
      return {{"logits", KserveType::kFp32, {-1, labels}},
              {"scores", KserveType::kFp32, {-1, labels}},
              {"label", KserveType::kBytes, {-1}}};
    case tasks::TaskKind::kNer:
    case tasks::TaskKind::kQa:
    case tasks::TaskKind::kFillMask:
    case tasks::TaskKind::kEmbedSparse:
    case tasks::TaskKind::kEmbedMulti:
    case tasks::TaskKind::kEmbedAll:
      return {{"result", KserveType::kBytes, {-1}}};
  }
  return {};
}

std::vector<KserveTensorSpec> tensor_outputs(const KserveTarget& target) {
  std::vector<KserveTensorSpec> specs;
  for (const OutputInfo& output : target.model->model().outputs(OutputSet::kTask)) {
    std::vector<int64_t> shape = {-1, output.row_elements};
    if (output.unit != engine::RowUnit::kSequence) shape.insert(shape.begin(), -1);
    specs.push_back({output.name, KserveType::kFp32, std::move(shape)});
  }
  const ServableInfo& info = target.model->info();
  if (info.has_token_embeddings) {
    specs.push_back({"token_embeddings", KserveType::kFp32, {-1, -1, info.hidden_size}});
  }
  return specs;
}

}  // namespace

namespace {

// By name, else by the MODEL argument that it was loaded with, as every other dialect does.
ModelLease find_model(ModelRepository& models, const std::string& name,
                      const std::string& version) {
  if (ModelLease found = models.find(name, version)) return found;
  for (const ModelLease& model : models.loaded()) {
    if (model->info().source == name) return models.find(model->name(), version);
  }
  return nullptr;
}

}  // namespace

KserveTarget kserve_target(ModelRepository& models, const std::string& name,
                           const std::string& version) {
  if (ModelLease found = find_model(models, name, version)) return {std::move(found), false, name};
  for (const std::string_view suffix : {kTextSuffix, kTensorSuffix}) {
    if (!name.ends_with(suffix)) continue;
    const std::string base = name.substr(0, name.size() - suffix.size());
    if (ModelLease found = find_model(models, base, version)) {
      return {std::move(found), suffix == kTensorSuffix, name};
    }
    if (const std::string away = models.away(base); !away.empty()) {
      return {models.lease(away, version), suffix == kTensorSuffix, name};
    }
  }
  std::string away = models.away(name);
  if (away.empty()) away = models.fallback();
  return {models.lease(away.empty() ? name : away, version), false, name};
}

KserveMetadata kserve_metadata(ModelRepository& models, const KserveTarget& target) {
  KserveMetadata metadata;
  metadata.name = target.name;
  for (const ModelLease& version : models.versions(target.model->name())) {
    metadata.versions.push_back(version->version());
  }
  metadata.platform = "tamis";
  if (target.tensors) {
    metadata.inputs = tensor_inputs(target.model->model());
    metadata.outputs = tensor_outputs(target);
  } else {
    metadata.inputs = text_inputs(target.model->info());
    metadata.outputs = text_outputs(target.model->info());
  }
  return metadata;
}

const std::vector<std::string>& kserve_extensions() {
  static const std::vector<std::string> kNames = {
      "classification",  "model_repository",    "model_repository(unload_dependents)",
      "schedule_policy", "model_configuration", "binary_tensor_data",
      "parameters",      "statistics"};
  return kNames;
}

std::vector<KserveTarget> kserve_targets(ModelRepository& models, const std::string& name,
                                         const std::string& version) {
  if (!name.empty()) return {kserve_target(models, name, version)};
  std::vector<KserveTarget> targets;
  for (const ModelLease& model : models.loaded()) {
    targets.push_back({model, false, model->name()});
    targets.push_back({model, true, cat(model->name(), kTensorSuffix)});
  }
  return targets;
}

}  // namespace tamis::serve
