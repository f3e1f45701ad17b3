// The safetensors format: a JSON header and one block of bytes.
//
// Is: reader (mapped, nothing copied) and writer. Is not: a checkpoint (checkpoint.h). May use:
// base, tensor. Source: https://huggingface.co/docs/safetensors/index#format
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/stored_tensor.h"

namespace tamis {

/// The format's own limit on the header, 100 MB.
inline constexpr size_t kMaxSafetensorsHeader = 100'000'000;

struct SafetensorsContents {
  std::vector<StoredTensor> tensors;  ///< sorted by name
  std::map<std::string, std::string> metadata;
};

/// Maps the file; the tensors keep the mapping alive. Dtypes and ranks that Tensor cannot hold are
/// let through (StoredTensor::tensor is null). Throws Error: kCorruptData naming file, tensor and
/// offset for anything else that the format forbids (a header over its limit or past the end,
/// offsets out of range, out of order, overlapping or with holes, a size that is not shape times
/// dtype, bytes behind the last tensor), and what MappedFile::open throws.
[[nodiscard]] SafetensorsContents read_safetensors(const std::filesystem::path& path);

/// The same from bytes; `source` names them in messages, `keeper` keeps them alive.
[[nodiscard]] SafetensorsContents parse_safetensors(std::span<const std::byte> bytes,
                                                    const std::string& source,
                                                    const std::shared_ptr<const void>& keeper);

struct NamedTensor {
  std::string name;
  TensorView view;
};

/// Writes the tensors, widest elements first and then by name, so that every tensor lies at a
/// multiple of its element's size and the first at a multiple of 64; the same tensors and metadata
/// give the same bytes. Throws Error: kInvalidArgument (a name twice, or "__metadata__"),
/// kUnavailable (the file cannot be written).
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace tamis
