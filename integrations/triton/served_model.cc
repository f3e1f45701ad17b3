#include "integrations/triton/served_model.h"

#include "base/error.h"

namespace tamis::triton {

namespace {

constexpr uint32_t kConfigVersion = 1;

std::string config_json(TRITONBACKEND_Model* model) {
  TRITONSERVER_Message* message = nullptr;
  check(TRITONBACKEND_ModelConfig(model, kConfigVersion, &message));
  const MessagePtr owned(message);
  const char* text = nullptr;
  size_t size = 0;
  check(TRITONSERVER_MessageSerializeToJson(message, &text, &size));
  return {text, size};
}

// The version's folder, or what `default_model_filename` names in it.
std::string model_folder(TRITONBACKEND_Model* model, const ModelConfig& config) {
  TRITONBACKEND_ArtifactType type = TRITONBACKEND_ARTIFACT_FILESYSTEM;
  const char* repository = nullptr;
  uint64_t version = 0;
  check(TRITONBACKEND_ModelRepository(model, &type, &repository));
  if (type != TRITONBACKEND_ARTIFACT_FILESYSTEM) {
    fail(ErrorCode::kUnsupported, "model ", config.name, " does not lie in a folder");
  }
  check(TRITONBACKEND_ModelVersion(model, &version));
  std::string folder = cat(std::string_view(repository), "/", version);
  if (!config.file.empty()) folder += "/" + config.file;
  return folder;
}

}  // namespace

ServedModel::ServedModel(TRITONBACKEND_Model* model) {
  const std::string json = config_json(model);
  config_ = parse_config(json);
  settings_ = read_settings(config_);
  folder_ = model_folder(model, config_);
  bool allowed = false;
  triton::check(TRITONBACKEND_ModelAutoCompleteConfig(model, &allowed));
  if (allowed && config_.inputs.empty() && config_.outputs.empty()) complete(model, json);
  if (!config_.wants_cards) static_cast<void>(on("cpu"));
}

void ServedModel::complete(TRITONBACKEND_Model* model, std::string_view json) {
  std::unique_ptr<Runner> runner = load("cpu");
  config_ = completed(config_, contract_of(runner->subject()));
  const std::string text = complete_config(json, config_);
  TRITONSERVER_Message* message = nullptr;
  triton::check(TRITONSERVER_MessageNewFromSerializedJson(&message, text.data(), text.size()));
  const MessagePtr owned(message);
  triton::check(TRITONBACKEND_ModelSetConfig(model, kConfigVersion, message));
  check(*runner);
  if (!config_.wants_cards) runners_["cpu"] = std::move(runner);
}

std::unique_ptr<Runner> ServedModel::load(const std::string& device) const {
  Settings settings = settings_;
  settings.load.device = device;
  switch (settings.mode) {
    case Mode::kTexts:
      return make_text_runner(folder_, settings, config_);
    case Mode::kIds:
      return make_id_runner(folder_, settings, config_);
    case Mode::kTokenizer:
      return make_tokenizer_runner(folder_, settings, config_);
  }
  return nullptr;
}

const Runner& ServedModel::on(const std::string& device) {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<Runner>& runner = runners_[device];
  if (runner != nullptr) return *runner;
  std::unique_ptr<Runner> loaded = load(device);
  check(*loaded);
  runner = std::move(loaded);
  return *runner;
}

void ServedModel::check(const Runner& runner) const {
  check_settings(config_, settings_, runner.subject().task);
  check_contract(config_, contract_of(runner.subject()));
  try {
    runner.check();
  } catch (const Error& error) {
    fail(error.code(), "config.pbtxt of ", config_.name,
         ": every request would be refused: ", error.what());
  }
}

}  // namespace tamis::triton
