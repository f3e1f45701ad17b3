#include "kernels/cuda/emulator/mbarriers.h"

namespace tamis::cuda::emulator {

namespace {

constexpr uint32_t kBytes = 8;
constexpr uint32_t kMostArrivals = (1u << 20) - 1;

}  // namespace

void Mbarriers::clear() {
  barriers_.clear();
  numbers_.clear();
}

int Mbarriers::find(uint32_t address) const {
  const auto found = numbers_.find(address);
  return found == numbers_.end() ? -1 : found->second;
}

bool Mbarriers::covers(uint32_t address, uint32_t bytes) const {
  if (numbers_.empty()) return false;
  const auto next = numbers_.lower_bound(address + bytes);
  return next != numbers_.begin() && std::prev(next)->first + kBytes > address;
}

void Mbarriers::init(uint32_t address, uint32_t arrivals, int warp, const Clock& clock,
                     std::string& fault) {
  if (arrivals == 0 || arrivals > kMostArrivals) {
    fault = "mbarrier of " + std::to_string(arrivals) + " arrivals";
  } else if (covers(address, kBytes)) {
    fault = "mbarrier where there is one";
  }
  if (!fault.empty()) return;
  Mbarrier barrier;
  barrier.address = address;
  barrier.arrivals = arrivals;
  barrier.warp = warp;
  barrier.moment = clock.of_warp(warp);
  numbers_[address] = static_cast<int>(barriers_.size());
  barriers_.push_back(std::move(barrier));
}

void Mbarriers::fence(int warp) {
  for (Mbarrier& barrier : barriers_) barrier.fenced = barrier.fenced || barrier.warp == warp;
}

void Mbarriers::arrive(int number, const Clock& clock, uint32_t bytes, std::string& fault) {
  Mbarrier& barrier = at(number);
  if (barrier.arrived == barrier.arrivals) {
    fault = "more arrivals than the " + describe(number) + " takes";
    return;
  }
  barrier.joining.join(clock);
  barrier.bytes += bytes;
  ++barrier.arrived;
  turn(number);
}

void Mbarriers::land(int number, uint32_t bytes) {
  at(number).bytes -= bytes;
  turn(number);
}

void Mbarriers::turn(int number) {
  Mbarrier& barrier = at(number);
  if (barrier.arrived != barrier.arrivals || barrier.bytes != 0) return;
  barrier.arrived = 0;
  barrier.joining.set_barrier(number, ++barrier.phases);
  barrier.released.join(barrier.joining);
}

bool Mbarriers::passed(int number, uint32_t parity) const {
  return at(number).phases % 2 != parity % 2;
}

std::string Mbarriers::describe(int number) const {
  const Mbarrier& barrier = at(number);
  return "mbarrier at " + std::to_string(barrier.address) + " (phase " +
         std::to_string(barrier.phases) + " lacks " +
         std::to_string(barrier.arrivals - barrier.arrived) + " of " +
         std::to_string(barrier.arrivals) + " arrivals and " + std::to_string(barrier.bytes) +
         " bytes)";
}

}  // namespace tamis::cuda::emulator
