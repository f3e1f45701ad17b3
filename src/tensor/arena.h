// Aligned memory that grows and is reused.
#pragma once

#include <cstddef>

namespace tamis {

/// A block of memory aligned to 64 bytes with 64 readable bytes behind its end, so that a vector
/// load of the last elements stays inside. Not zeroed. Not thread-safe.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  /// Throws Error{kOutOfMemory}.
  explicit AlignedBuffer(size_t bytes);
  ~AlignedBuffer();
  AlignedBuffer(AlignedBuffer&& other) noexcept;
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept;

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] size_t size() const { return size_; }

  /// Makes room for `bytes`; the contents are lost if it has to grow.
  void reserve(size_t bytes);

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// Rounds up to the alignment of AlignedBuffer.
[[nodiscard]] constexpr size_t align_up(size_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace tamis
