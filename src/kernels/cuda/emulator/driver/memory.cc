// Memory of the double: a page behind each block of device memory cannot be touched, and none of it
// can while no work is done: a host that reads it faults, as on a card.
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "kernels/cuda/emulator/driver/state.h"

namespace tamis::cuda::emulator {

namespace {

constexpr size_t kAlignment = 256;
// What nothing wrote: NaN as floats.
constexpr int kUnwritten = 0xFF;

size_t rounded_up(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

template <typename Map>
auto block_of(Map& blocks, uint64_t address) {
  auto next = blocks.upper_bound(address);
  return next == blocks.begin() ? blocks.end() : std::prev(next);
}

}  // namespace

int DoubleState::allocate(size_t bytes, uint64_t* address) {
  if (bytes == 0) return kInvalidValue;
  if (settings.allocations_until_failure == 0) return kOutOfMemory;
  if (settings.allocations_until_failure > 0) --settings.allocations_until_failure;
  if (bytes > free_bytes()) return kOutOfMemory;
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t used = rounded_up(bytes, kAlignment);
  const size_t body = rounded_up(used, page);
  void* base =
      ::mmap(nullptr, body + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) return kOutOfMemory;
  std::memset(base, kUnwritten, body);
  ::mprotect(base, body + page, PROT_NONE);
  *address = reinterpret_cast<uint64_t>(base) + body - used;
  device_[*address] = {base, body + page, used};
  settings.allocated_bytes += static_cast<int64_t>(used);
  return kOk;
}

int DoubleState::release(uint64_t address) {
  const auto found = device_.find(address);
  if (found == device_.end()) return kInvalidValue;
  // As the driver does: what runs ends first.
  (void)finish_all();
  settings.allocated_bytes -= static_cast<int64_t>(found->second.bytes);
  ::munmap(found->second.base, found->second.mapped);
  device_.erase(found);
  return kOk;
}

int DoubleState::allocate_pinned(size_t bytes, void** memory) {
  if (bytes == 0) return kInvalidValue;
  void* base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) return kOutOfMemory;
  *memory = base;
  pinned_[reinterpret_cast<uint64_t>(base)] = {base, bytes, bytes};
  return kOk;
}

int DoubleState::release_pinned(void* memory) {
  const auto found = pinned_.find(reinterpret_cast<uint64_t>(memory));
  if (found == pinned_.end()) return kInvalidValue;
  (void)finish_all();
  ::munmap(found->second.base, found->second.mapped);
  pinned_.erase(found);
  return kOk;
}

bool DoubleState::pinned(const void* memory) const {
  const auto address = reinterpret_cast<uint64_t>(memory);
  const auto found = block_of(pinned_, address);
  return found != pinned_.end() && address < found->first + found->second.bytes;
}

bool DoubleState::on_device(uint64_t address, size_t bytes) const {
  const auto found = block_of(device_, address);
  return found != device_.end() && address + bytes <= found->first + found->second.bytes;
}

size_t DoubleState::free_bytes() const {
  const int64_t left = settings.memory_bytes - settings.allocated_bytes;
  return left < 0 ? 0 : static_cast<size_t>(left);
}

void DoubleState::set_access(bool open) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  for (auto& [address, block] : device_) {
    ::mprotect(block.base, block.mapped - page, open ? PROT_READ | PROT_WRITE : PROT_NONE);
  }
}

int DoubleState::finish(DoubleStream& stream) {
  if (lost) return kLaunchFailed;
  if (stream.waiting.empty()) return kOk;
  std::vector<Work> work;
  work.swap(stream.waiting);
  set_access(true);
  int result = kOk;
  for (const Work& piece : work) {
    result = piece();
    if (result != kOk) break;
  }
  set_access(false);
  if (result != kOk) lost = true;
  return result;
}

int DoubleState::finish_all() {
  for (const auto& stream : streams) {
    if (stream == nullptr || stream->capturing) continue;
    if (const int result = finish(*stream); result != kOk) return result;
  }
  return kOk;
}

}  // namespace tamis::cuda::emulator
