// A PEFT adapter that lies beside a checkpoint's weights: LoRA, added to them when they are read.
//
// Is: adapter_config.json and adapter_model.safetensors or .bin of type LORA for linear layers and
// embeddings, with biases and modules saved whole. Is not: DoRA, QLoRA, other methods, which are
// refused by name. May use: base, tensor.
// Source: https://github.com/huggingface/peft, tuners/lora/config.py and layer.py
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "formats/stored_tensor.h"

namespace tamis {

/// Adds the folder's adapter to `tensors`; nothing happens without an adapter_config.json. Throws
/// Error naming the file: kUnsupported (another method, an option or a tensor that is not
/// understood), kCorruptData (shapes that do not fit), kNotFound (no adapter weights).
void apply_peft_adapter(const std::filesystem::path& folder, std::vector<StoredTensor>& tensors);

/// Folders inside `folder` that hold an adapter each, as Jina v3 has one for each of its tasks, by
/// name and sorted.
[[nodiscard]] std::vector<std::string> adapter_names(const std::filesystem::path& folder);

}  // namespace tamis
