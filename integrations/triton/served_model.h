// A model of the server's repository, from its load to its unload.
//
// Is: its config and what runs it, one for each device that instances name. Is not: entry points
// (backend.cc). May use: runner.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "integrations/triton/runner.h"

namespace tamis::triton {

/// Thread-safe.
class ServedModel {
 public:
  /// Reads the config and loads the model, for the CPU unless its instances are all on cards;
  /// completes a config without inputs and outputs if the server allows that. Throws Error naming
  /// model and field.
  explicit ServedModel(TRITONBACKEND_Model* model);

  /// What runs on "cpu" or "cuda:N"; loaded at the first call. Throws as the constructor.
  [[nodiscard]] const Runner& on(const std::string& device);
  /// Requests count one each where the server does not batch.
  [[nodiscard]] const ModelConfig& config() const { return config_; }

 private:
  void complete(TRITONBACKEND_Model* model, std::string_view json);
  [[nodiscard]] std::unique_ptr<Runner> load(const std::string& device) const;
  /// Throws Error for what contradicts the config.
  void check(const Runner& runner) const;

  ModelConfig config_;
  Settings settings_;
  std::string folder_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Runner>> runners_;
};

}  // namespace tamis::triton
