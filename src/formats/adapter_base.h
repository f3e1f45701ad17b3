// The model that a PEFT adapter was made for, where it lies elsewhere.
//
// Is: what adapter_config.json says of the base, and of the class that the adapter is for. Is not:
// where a base lies (model/model_path.h), what the adapter adds to it (peft_adapter.h). May use:
// base, tensor.
// Source: https://github.com/huggingface/peft, config.py and auto.py
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "formats/hf_config.h"
#include "formats/stored_tensor.h"

namespace tamis {

/// A folder as PEFT saves it: an adapter, and no config.json.
[[nodiscard]] bool is_adapter_alone(const std::filesystem::path& folder);

/// `base_model_name_or_path` of such a folder, a path or a hub id with `revision`:
/// "ORG/NAME@REVISION". Throws Error{kUnsupported} naming the file where it names none.
[[nodiscard]] std::string adapter_base(const std::filesystem::path& folder);

/// Makes the base's configuration that of the class which the adapter was trained in (`task_type`,
/// or the class of `auto_mapping`), with as many labels as the head among the adapter's own
/// `tensors` has rows where the base names none. Throws Error{kUnsupported} for a task_type that is
/// not known.
void take_adapter_class(const std::filesystem::path& folder,
                        const std::vector<StoredTensor>& tensors, ModelConfig& config);

}  // namespace tamis
