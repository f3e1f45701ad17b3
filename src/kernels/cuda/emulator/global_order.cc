#include "kernels/cuda/emulator/global_order.h"

#include <algorithm>
#include <atomic>

namespace tamis::cuda::emulator {

namespace {

constexpr uint64_t kUnitBytes = 2;

}  // namespace

std::string GlobalOrder::note(const void* address, uint32_t bytes, GlobalAccess access,
                              const Moment& now) {
  const std::lock_guard lock(mutex_);
  const auto first = reinterpret_cast<uint64_t>(address);
  for (uint64_t unit = first / kUnitBytes; unit <= (first + bytes - 1) / kUnitBytes; ++unit) {
    const auto found = writes_.find(unit);
    if (access == GlobalAccess::kWrite) {
      if (found != writes_.end() && !is_ordered(found->second, now)) {
        return "global memory: a write after another thread's, and nothing orders them";
      }
      writes_[unit] = {now, ++events_};
    } else if (found != writes_.end()) {
      if (access == GlobalAccess::kConstant) {
        return "global memory: load_global() or a copy of what this launch wrote";
      }
      if (!is_ordered(found->second, now)) {
        return "global memory: a read of what another thread wrote, and nothing orders them";
      }
    }
  }
  return "";
}

void GlobalOrder::note_fence(const Moment& now) {
  const std::lock_guard lock(mutex_);
  Block& block = blocks_[now.block];
  block.fences[now.thread] = {now, ++events_};
  const auto counted = block.counts.find(now.thread);
  if (counted == block.counts.end()) return;
  counted->second.at = now;
  block.acquired.push_back(counted->second);
  block.counts.erase(counted);
}

uint32_t GlobalOrder::count(uint32_t* counter, const Moment& now) {
  const std::lock_guard lock(mutex_);
  const auto address = reinterpret_cast<uint64_t>(counter);
  Block& block = blocks_[now.block];
  std::vector<Publication>& publications = publications_[address];
  block.counts[now.thread] = {now, address, publications.size()};
  const auto fence = block.fences.find(now.thread);
  if (fence != block.fences.end()) publications.push_back({fence->second, publications.size()});
  return std::atomic_ref<uint32_t>(*counter).fetch_add(1, std::memory_order_acq_rel);
}

// Of its own thread all that came before the fence, of the block's others what a barrier passed on.
bool GlobalOrder::covers(const Publication& publication, const Write& write) const {
  const Moment& at = publication.fence.at;
  if (at.block != write.at.block) return false;
  return write.at.epoch < at.epoch ||
         (write.at.thread == at.thread && write.number < publication.fence.number);
}

bool GlobalOrder::is_ordered(const Write& write, const Moment& now) {
  if (write.at.block == now.block) {
    return write.at.thread == now.thread || write.at.epoch < now.epoch;
  }
  const std::vector<Acquisition>& acquired = blocks_[now.block].acquired;
  return std::ranges::any_of(acquired, [&](const Acquisition& acquisition) {
    if (acquisition.at.thread != now.thread && acquisition.at.epoch >= now.epoch) return false;
    const std::vector<Publication>& published = publications_[acquisition.counter];
    return std::ranges::any_of(published, [&](const Publication& publication) {
      return publication.number < acquisition.publications && covers(publication, write);
    });
  });
}

}  // namespace tamis::cuda::emulator
