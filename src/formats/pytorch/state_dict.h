// A pickled dict of tensors (a state_dict of PyTorch) over storages that lie elsewhere in the file.
//
// Is: names, shapes and views of storages as tensors, within limits. Is not: the container that
// holds pickle and storages (pytorch_bin.cc, pytorch_legacy.cc). May use: base, tensor.
// Source: torch/_utils.py, whose _rebuild functions the pickle names.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/pytorch/pickle.h"
#include "formats/stored_tensor.h"

namespace tamis {

/// The globals that a pickle of tensors may name.
[[nodiscard]] std::span<const std::string_view> torch_globals();

/// Bytes of an element of "torch.FloatStorage" and its kin; 0 for what is none of them.
[[nodiscard]] size_t torch_element_bytes(std::string_view storage_type);

/// The bytes of the storage of that key (its dtype is not looked at); nothing if there is none.
using FindStorage = std::function<std::optional<StoredBytes>(std::string_view key)>;

/// The dict's tensors, sorted by name; entries that are not tensors are left out. Views that are
/// not contiguous or not aligned are copied, at most `copy_budget` bytes in all. Throws Error
/// {kCorruptData} naming `source` and the tensor.
[[nodiscard]] std::vector<StoredTensor> read_state_dict(const PickleValue& root,
                                                        const std::string& source,
                                                        size_t copy_budget,
                                                        const FindStorage& find);

}  // namespace tamis
