#include "kernels/cuda/emulator/words.h"

#include <atomic>
#include <cstring>

#include "kernels/cuda/emulator/machine.h"

namespace tamis::cuda::emulator {

namespace {

constexpr uint32_t kCopyBytes = 16;
// What a copy's target holds until it arrives.
constexpr int kPoison = 0xA5;

void arrive(Machine& machine, const Copy& copy) {
  unsigned char* to = machine.shared(copy.to, kCopyBytes);
  std::memset(to, 0, kCopyBytes);
  if (copy.valid > 0) std::memcpy(to, copy.from, copy.valid);
  machine.note_shared(machine.running(), copy.to, kCopyBytes, true);
}

void log_aligned(Machine& machine, const void* address, uint32_t bytes) {
  if (reinterpret_cast<uint64_t>(address) % bytes != 0) machine.fault("misaligned global access");
  machine.log_global(address, bytes);
}

}  // namespace

const Position& position() { return Machine::current().position(); }
int architecture() { return Machine::current().options().architecture; }

void warp_collective(Collective run, void* args, const char* name) {
  Machine::current().collective(run, args, name);
}

void block_barrier() { Machine::current().block_barrier(); }

void named_barrier(int id, int threads) { Machine::current().named_barrier(id, threads); }

void warp_barrier() {
  warp_collective([](void* const*) { Machine::current().note_warp_barrier(); }, nullptr,
                  "warp barrier");
}

unsigned char* shared_at(uint32_t address, uint32_t bytes, bool write) {
  Machine& machine = Machine::current();
  unsigned char* memory = machine.shared(address, bytes);
  machine.note_shared(machine.running(), address, bytes, write);
  machine.log_shared(address, bytes);
  return memory;
}

void note_global(const void* address, uint32_t bytes, GlobalAccess access) {
  Machine& machine = Machine::current();
  log_aligned(machine, address, bytes);
  machine.order_global(address, bytes, access);
}

uint32_t count_global(uint32_t* counter) {
  Machine& machine = Machine::current();
  log_aligned(machine, counter, sizeof(*counter));
  if (GlobalOrder* order = machine.options().order) return order->count(counter, machine.moment());
  return std::atomic_ref<uint32_t>(*counter).fetch_add(1, std::memory_order_acq_rel);
}

void note_fence() {
  Machine& machine = Machine::current();
  if (machine.options().order != nullptr) machine.options().order->note_fence(machine.moment());
}

void copy_async(uint32_t to, const void* from, uint32_t valid) {
  Machine& machine = Machine::current();
  if (valid > kCopyBytes) machine.fault("cp.async of more than 16 bytes");
  if (reinterpret_cast<uint64_t>(from) % kCopyBytes != 0) {
    machine.fault("misaligned source of cp.async");
  }
  std::memset(machine.shared(to, kCopyBytes), kPoison, kCopyBytes);
  machine.note_shared(machine.running(), to, kCopyBytes, true);
  if (valid > 0) {
    machine.log_global(from, valid);
    machine.order_global(from, valid, GlobalAccess::kConstant);
  }
  ++machine.counters().copies;
  const Copy copy = {to, from, valid};
  if (architecture() < 80) return arrive(machine, copy);  // a load and a store there
  machine.self().open.push_back(copy);
}

void copy_commit() {
  Thread& self = Machine::current().self();
  self.groups.push_back(std::move(self.open));
  self.open.clear();
}

void copy_wait(int pending) {
  Machine& machine = Machine::current();
  auto& groups = machine.self().groups;
  while (static_cast<int>(groups.size()) > pending) {
    for (const Copy& copy : groups.front()) arrive(machine, copy);
    groups.erase(groups.begin());
  }
}

}  // namespace tamis::cuda::emulator
