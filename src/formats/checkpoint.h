// A Hugging Face folder: config.json and its weights, whatever files they lie in.
//
// Is: tensors by Hugging Face name, mapped read-only, and ModelConfig. Is not: a graph, a choice of
// family, a tokenizer. May use: base, tensor.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gliner_config.h"
#include "formats/hf_config.h"
#include "formats/stored_tensor.h"

namespace tamis {

struct CheckpointOptions {
  std::string family = {};  ///< ModelConfig::parse()'s
  std::string adapter =
      {};  ///< the name of adapter_names() to apply; "": the one beside the weights
  std::filesystem::path base =
      {};  ///< config.json and weights of an adapter alone (adapter_base.h)
};

/// Thread-safe: immutable after open(). The tensors it hands out stay valid without it.
class Checkpoint {
 public:
  /// Reads config.json and the first that is there of model.safetensors,
  /// model.safetensors.index.json, pytorch_model.bin and pytorch_model.bin.index.json, and adds a
  /// PEFT adapter that lies beside them (peft_adapter.h), or in the folder that the options name.
  /// Of a folder that holds an adapter alone config.json and weights are those of `base`.
  /// Of a GLiNER model (gliner_config.h) the encoder's tensors have the names of a bare encoder.
  /// Warns of adapters in folders of their own if none is named. Throws Error: kNotFound (the
  /// folder, config.json or all of these), kCorruptData, kUnsupported.
  [[nodiscard]] static std::shared_ptr<const Checkpoint> open(
      const std::filesystem::path& folder, const CheckpointOptions& options = {});

  /// A checkpoint made in memory, for tests and tools.
  Checkpoint(std::filesystem::path folder, ModelConfig config, std::vector<StoredTensor> tensors);

  [[nodiscard]] const ModelConfig& config() const { return config_; }
  /// Of a GLiNER model, whose config() is its encoder's; nothing for others.
  [[nodiscard]] const std::optional<GlinerConfig>& gliner() const { return gliner_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  /// The same tensors, and the same config.json as it reads for another family. Throws what
  /// ModelConfig::parse() throws.
  [[nodiscard]] Checkpoint read_as(std::string_view family) const;

  /// True if a tensor of that name lies in the files, whatever its dtype and rank.
  [[nodiscard]] bool has(std::string_view name) const { return tensors_.contains(name); }
  /// Dtype, shape and bytes, aligned to the element's size; nothing if there is none of that name.
  /// Throws kUnsupported for a dtype or rank that Tensor cannot hold.
  [[nodiscard]] std::optional<TensorView> find(std::string_view name) const;
  /// The tensor, the same object at every call; it keeps the mapped file alive. Reads all its
  /// values once a call. Throws Error: kNotFound naming the folder and the tensor, kUnsupported as
  /// find(), kCorruptData if it holds NaN or infinity.
  [[nodiscard]] std::shared_ptr<const Tensor> tensor(std::string_view name) const;
  /// All names, sorted.
  [[nodiscard]] std::vector<std::string> names() const;

 private:
  [[nodiscard]] static std::shared_ptr<const Checkpoint> open_gliner(
      const std::filesystem::path& folder, const CheckpointOptions& options);

  std::filesystem::path folder_;
  ModelConfig config_;
  std::optional<GlinerConfig> gliner_;
  std::map<std::string, StoredTensor, std::less<>> tensors_;
};

/// Throws Error{kUnsupported} naming the file if a folder without config.json shows by another file
/// what it is: a PEFT adapter alone, a diffusers pipeline.
void refuse_foreign_folder(const std::filesystem::path& folder);

/// One file of all weights, or an index of several.
struct WeightNames {
  std::string_view file;
  std::string_view index;
};

/// In the order in which they are looked for.
[[nodiscard]] std::vector<WeightNames> weight_names();

/// The files that an index names, relative to its folder. Throws Error{kCorruptData}.
[[nodiscard]] std::set<std::string> shard_files(const std::filesystem::path& index);

/// The tensors of a folder's weights, looked for as Checkpoint::open() does. Each name once.
[[nodiscard]] std::vector<StoredTensor> read_weights(const std::filesystem::path& folder);

}  // namespace tamis
