// Checkpoints changed in memory.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "formats/checkpoint.h"
#include "models/models.h"

namespace tamis::models {

inline std::filesystem::path testdata_model(const std::string& name) {
  return std::filesystem::path(TAMIS_TESTDATA) / "models" / name;
}

/// A committed checkpoint whose config and tensors a test may change.
struct EditableCheckpoint {
  explicit EditableCheckpoint(const std::string& name)
      : config(ModelConfig::read(testdata_model(name) / "config.json")),
        tensors(read_weights(testdata_model(name))) {}

  /// The tensor of that name; the test ends if there is none.
  StoredTensor& at(const std::string& name) {
    for (StoredTensor& tensor : tensors) {
      if (tensor.name == name) return tensor;
    }
    throw std::runtime_error("no tensor " + name);
  }
  void rename(const std::function<std::string(const std::string&)>& new_name) {
    for (StoredTensor& tensor : tensors) tensor.name = new_name(tensor.name);
  }
  void remove(const std::string& name) {
    std::erase_if(tensors, [&name](const StoredTensor& tensor) { return tensor.name == name; });
  }
  void set(const std::string& name, Tensor tensor) {
    remove(name);
    StoredTensor stored;
    stored.name = name;
    stored.source = "memory";
    stored.dtype = dtype_name(tensor.dtype());
    stored.sizes.assign(tensor.shape().sizes().begin(), tensor.shape().sizes().end());
    stored.tensor = std::make_shared<const Tensor>(std::move(tensor));
    tensors.push_back(std::move(stored));
  }
  [[nodiscard]] Checkpoint make() const { return Checkpoint("memory", config, tensors); }

  ModelConfig config;
  std::vector<StoredTensor> tensors;
};

/// The folder's checkpoint with a key of its config set, anew or in place of another value.
inline EditableCheckpoint with_key(const std::string& folder, const std::string& key,
                                   const std::string& value) {
  EditableCheckpoint checkpoint(folder);
  std::string json = read_file(testdata_model(folder) / "config.json");
  const std::string member = cat("\"", key, "\": ");
  const size_t at = json.find(member);
  if (at == json.npos) {
    json.insert(1, cat(member, value, ","));
  } else {
    const size_t begin = at + member.size();
    json.replace(begin, json.find_first_of(",\n", begin) - begin, value);
  }
  checkpoint.config = ModelConfig::parse(json, "config.json");
  return checkpoint;
}

/// The graph's nodes of that kind.
inline std::vector<graph::Node> nodes_of(const BuiltModel& model, graph::OpKind op) {
  std::vector<graph::Node> found;
  for (const graph::Node& node : model.graph.nodes()) {
    if (node.op == op) found.push_back(node);
  }
  return found;
}

}  // namespace tamis::models
