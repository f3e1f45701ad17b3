// What torch.save wrote before torch 1.6: pickles one behind the other, then raw storages.
//
// Is: the tensors of such a file. Is not: the still older tar files, which are refused. May use:
// base, tensor. Source: torch/serialization.py, _legacy_save() and _legacy_load().
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "formats/stored_tensor.h"

namespace tamis {

/// True if the bytes begin with the pickled magic number.
[[nodiscard]] bool is_pytorch_legacy(std::span<const std::byte> bytes);

/// As parse_pytorch_bin(), for bytes of which is_pytorch_legacy() is true.
[[nodiscard]] std::vector<StoredTensor> parse_pytorch_legacy(
    std::span<const std::byte> bytes, const std::string& source,
    const std::shared_ptr<const void>& keeper);

}  // namespace tamis
