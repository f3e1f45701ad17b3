// A tensor as a weight file holds it, whatever the file's format.
//
// Is: the common result of the weight readers. Is not: a file. May use: base, tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace tamis {

/// A named tensor of a weight file. Copy freely; immutable, so safe to read from any thread.
struct StoredTensor {
  std::string name;
  std::string dtype;           ///< as the file spells it: "F32", "F8_E4M3", "torch.ShortStorage"
  std::vector<int64_t> sizes;  ///< of any rank
  std::string source;          ///< the file, for messages
  /// Null where Tensor cannot hold it (dtype, or rank over Shape::kMaxRank): such tensors may lie
  /// in a file and are an error only when asked for.
  std::shared_ptr<const Tensor> tensor;
};

/// Bytes of a file that make one tensor.
struct StoredBytes {
  std::optional<DType> dtype;  ///< nothing: not a DType of ours
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> keeper;  ///< keeps `bytes` alive
};

/// Sets `stored.tensor` to a slice of the bytes if Tensor can hold it. Bytes that do not lie at a
/// multiple of their element's size are copied to aligned memory, so that as<T>() is always lawful;
/// nothing is promised beyond that alignment. `bytes` has the size that sizes and dtype ask for.
void attach_bytes(StoredTensor& stored, const StoredBytes& bytes);

/// stored.tensor, or Error{kUnsupported} naming file, tensor and what would be accepted.
[[nodiscard]] const std::shared_ptr<const Tensor>& usable_tensor(const StoredTensor& stored);

/// Throws Error{kCorruptData} naming file, tensor and element if a usable tensor holds NaN or
/// infinity. Reads all its values.
void require_finite(const StoredTensor& stored);

/// The product of the sizes; nothing if one is negative or the product passes int64.
[[nodiscard]] std::optional<int64_t> checked_elements(std::span<const int64_t> sizes);

/// The index of the first NaN or infinity of a floating tensor, nothing if all are finite.
[[nodiscard]] std::optional<int64_t> first_non_finite(const TensorView& tensor);

/// Throws kCorruptData if the bytes are the text that git leaves in place of a large file that it
/// has not fetched.
void refuse_lfs_pointer(std::span<const std::byte> bytes, std::string_view source);

/// "[2, 3]" for sizes of any rank.
[[nodiscard]] std::string sizes_to_string(std::span<const int64_t> sizes);

}  // namespace tamis
