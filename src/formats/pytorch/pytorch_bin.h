// pytorch_model.bin: a pickled dict of tensors, read without running anything.
//
// Is: the tensors of torch.save's zip archives, and of its older files (pytorch_legacy.h). Is not:
// a writer, a way to load objects.
// May use: base, tensor. Source: torch/serialization.py and torch/_utils.py.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "formats/stored_tensor.h"

namespace tamis {

/// Maps the file; contiguous tensors are slices of it, others (transposed views) are copied to
/// row-major order, all copies together at most twice the file's size. Entries of the dict that are
/// not tensors are left out. Sorted by name. Throws Error: kUnsupported (a file of neither kind,
/// with a word on how to convert; a global other than those of tensors, by name; big-endian data),
/// kCorruptData (anything malformed; a view past its storage), and what MappedFile::open() throws.
[[nodiscard]] std::vector<StoredTensor> read_pytorch_bin(const std::filesystem::path& path);

/// The same from bytes; `source` names them in messages, `keeper` keeps them alive.
[[nodiscard]] std::vector<StoredTensor> parse_pytorch_bin(
    std::span<const std::byte> bytes, const std::string& source,
    const std::shared_ptr<const void>& keeper);

}  // namespace tamis
