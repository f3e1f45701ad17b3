// What a warp's accesses cost: cycles of shared memory's banks, sectors of global memory.
#include <algorithm>
#include <array>

#include "kernels/cuda/emulator/machine.h"

namespace tamis::cuda::emulator {

namespace {

constexpr uint32_t kBanks = 32;
constexpr uint32_t kBankBytes = 4;
constexpr uint64_t kSectorBytes = 32;

using Words = std::array<std::vector<uint64_t>, kBanks>;

void add_words(const LoggedAccess& access, Words& words) {
  for (uint32_t byte = 0; byte < access.bytes; byte += kBankBytes) {
    const uint64_t word = (access.address + byte) / kBankBytes;
    std::vector<uint64_t>& bank = words[word % kBanks];
    if (std::find(bank.begin(), bank.end(), word) == bank.end()) bank.push_back(word);
  }
}

}  // namespace

void Machine::log_shared(uint32_t address, uint32_t bytes) {
  if (options_.check) self().shared_log.push_back({address, bytes});
}

void Machine::log_global(const void* address, uint32_t bytes) {
  if (options_.check) self().global_log.push_back({reinterpret_cast<uint64_t>(address), bytes});
}

// The i-th access of each lane since the last collective is taken for one request of the warp.
void Machine::count_requests(Warp& warp) {
  size_t shared = 0;
  size_t global = 0;
  for (int t = warp.first; t < warp.first + warp.size; ++t) {
    shared = std::max(shared, thread(t).shared_log.size());
    global = std::max(global, thread(t).global_log.size());
  }
  for (size_t i = 0; i < shared; ++i) count_shared_request(warp, i);
  for (size_t i = 0; i < global; ++i) count_global_request(warp, i);
  for (int t = warp.first; t < warp.first + warp.size; ++t) {
    thread(t).shared_log.clear();
    thread(t).global_log.clear();
  }
}

// A request of b bytes a lane takes the lanes in groups that fill 128 bytes; a group takes as many
// cycles as its most wanted bank has words.
void Machine::count_shared_request(const Warp& warp, size_t request) {
  uint32_t bytes = kBankBytes;
  for (int t = warp.first; t < warp.first + warp.size; ++t) {
    const auto& log = thread(t).shared_log;
    if (request < log.size()) bytes = std::max(bytes, log[request].bytes);
  }
  const int group = std::clamp(static_cast<int>(128 / bytes), 1, kLanes);
  ++counters_.shared_requests;
  for (int first = 0; first < warp.size; first += group) {
    Words words;
    for (int lane = first; lane < std::min(first + group, warp.size); ++lane) {
      const auto& log = thread(warp.first + lane).shared_log;
      if (request < log.size()) add_words(log[request], words);
    }
    size_t cycles = 0;
    for (const auto& bank : words) cycles = std::max(cycles, bank.size());
    counters_.shared_cycles += cycles;
  }
}

void Machine::count_global_request(const Warp& warp, size_t request) {
  std::vector<uint64_t> sectors;
  for (int t = warp.first; t < warp.first + warp.size; ++t) {
    const auto& log = thread(t).global_log;
    if (request >= log.size()) continue;
    const LoggedAccess& access = log[request];
    counters_.global_bytes += access.bytes;
    const uint64_t last = (access.address + access.bytes - 1) / kSectorBytes;
    for (uint64_t sector = access.address / kSectorBytes; sector <= last; ++sector) {
      if (std::find(sectors.begin(), sectors.end(), sector) == sectors.end()) {
        sectors.push_back(sector);
      }
    }
  }
  ++counters_.global_requests;
  counters_.global_sectors += sectors.size();
}

}  // namespace tamis::cuda::emulator
