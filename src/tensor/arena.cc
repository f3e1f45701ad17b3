#include "tensor/arena.h"

#include <sys/mman.h>

#include <cstdlib>
#include <utility>

#include "base/error.h"

namespace tamis {

namespace {

constexpr size_t kTail = 64;
// Blocks of at least this size sit on huge-page boundaries and ask for huge pages (2 MiB on x86).
constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

AlignedBuffer::AlignedBuffer(size_t bytes) : size_(bytes) {
  const size_t whole = align_up(bytes) + kTail;
  const size_t alignment = whole >= kHugePage ? kHugePage : 64;
  void* memory = nullptr;
  if (bytes > (size_t{1} << 46) || ::posix_memalign(&memory, alignment, whole) != 0) {
    fail(ErrorCode::kOutOfMemory, "cannot allocate ", bytes, " bytes");
  }
  if (whole >= kHugePage) ::madvise(memory, whole, MADV_HUGEPAGE);
  data_ = static_cast<std::byte*>(memory);
}

AlignedBuffer::~AlignedBuffer() { std::free(data_); }

AlignedBuffer::AlignedBuffer(AlignedBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

AlignedBuffer& AlignedBuffer::operator=(AlignedBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void AlignedBuffer::reserve(size_t bytes) {
  if (bytes <= size_) return;
  *this = AlignedBuffer();
  *this = AlignedBuffer(bytes);
}

}  // namespace tamis
