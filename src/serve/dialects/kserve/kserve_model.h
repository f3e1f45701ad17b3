// The two faces that a loaded model has in KServe: texts in (NAME, NAME_inference) and token ids in
// (NAME_model).
//
// Is: names, metadata, counters of those faces. Is not: JSON, HTTP or gRPC. May use:
// model_repository, kserve_tensor.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "serve/core/model_repository.h"
#include "serve/dialects/kserve/kserve_tensor.h"

namespace tamis::serve {

/// Behind the model's name, in its faces'.
inline constexpr std::string_view kTextSuffix = "_inference";
inline constexpr std::string_view kTensorSuffix = "_model";

/// A face of a model.
struct KserveTarget {
  ModelLease model;
  bool tensors = false;  ///< NAME_model
  std::string name;      ///< as it was asked for
};

/// Finds NAME, NAME_inference or NAME_model. Throws as ModelRepository::lease.
[[nodiscard]] KserveTarget kserve_target(ModelRepository& models, const std::string& name,
                                         const std::string& version);

struct KserveMetadata {
  std::string name;
  std::vector<std::string> versions;
  std::string platform;
  std::vector<KserveTensorSpec> inputs;
  std::vector<KserveTensorSpec> outputs;
};

[[nodiscard]] KserveMetadata kserve_metadata(ModelRepository& models, const KserveTarget& target);

/// Names of Triton's extensions that are spoken here.
[[nodiscard]] const std::vector<std::string>& kserve_extensions();

/// All faces of all loaded models with their counters; or of one, given its name and version.
[[nodiscard]] std::vector<KserveTarget> kserve_targets(ModelRepository& models,
                                                       const std::string& name,
                                                       const std::string& version);

}  // namespace tamis::serve
