#include "kernels/cuda/emulator/box_memory.h"

#include <algorithm>

namespace tamis::cuda::emulator {

void BoxMemory::clear() {
  std::fill(units_.begin(), units_.end(), Unit{});
  boxes_.clear();
}

// Why a warp may not yet see what the unit's box brings.
std::string BoxMemory::why_not_read(const Unit& unit, const Actor& actor) const {
  const Box& box = boxes_[static_cast<size_t>(unit.box)];
  if (!box.landed) return "a box that is on its way";
  if (actor.clock->of_barrier(box.barrier) <= box.phase) {
    return "a box whose mbarrier its warp did not wait for";
  }
  return "";
}

// Why what a unit holds may not be overwritten yet.
std::string BoxMemory::why_not_written(const Unit& unit, const Actor& actor) const {
  if (unit.products > 0) return "what a product that was not waited for reads";
  if (unit.box < 0) return "";
  const Box& box = boxes_[static_cast<size_t>(unit.box)];
  for (size_t warp = 0; warp < box.reads.size(); ++warp) {
    const bool own = static_cast<int>(warp) == actor.warp;
    if (!own && box.reads[warp] > actor.clock->of_warp(static_cast<int>(warp))) {
      return "what warp " + std::to_string(warp) + " read, which nothing orders before it";
    }
  }
  return why_not_read(unit, actor);
}

std::string BoxMemory::note_box(uint32_t to, uint32_t bytes, int barrier, const Mbarriers& barriers,
                                const Actor& actor, int& number) {
  for (uint32_t at = to; at < to + bytes; at += kUnitBytes) {
    const Unit& there = unit(at);
    if (there.by_threads) return "race: box over what threads wrote or read themselves";
    const std::string why = why_not_written(there, actor);
    if (!why.empty()) return "race: box over " + why;
  }
  number = static_cast<int>(boxes_.size());
  boxes_.push_back({barrier, barriers.at(barrier).phases, false, {}});
  for (uint32_t at = to; at < to + bytes; at += kUnitBytes) unit(at).box = number;
  return "";
}

std::string BoxMemory::note_product(uint32_t address, const Actor& actor) {
  Unit& there = unit(address);
  if (there.box < 0) return "wgmma reads shared memory that no box filled";
  const std::string why = why_not_read(there, actor);
  if (!why.empty()) return "race: wgmma reads " + why;
  ++there.products;
  return "";
}

void BoxMemory::note_product_end(uint32_t address, const Actor& actor) {
  Unit& there = unit(address);
  --there.products;
  std::vector<uint32_t>& reads = boxes_[static_cast<size_t>(there.box)].reads;
  const auto warp = static_cast<size_t>(actor.warp);
  if (warp >= reads.size()) reads.resize(warp + 1);
  reads[warp] = actor.clock->of_warp(actor.warp);
}

std::string BoxMemory::note_access(uint32_t address, uint32_t bytes, bool write,
                                   const Actor& actor) {
  for (uint32_t at = address / kUnitBytes * kUnitBytes; at < address + bytes; at += kUnitBytes) {
    Unit& there = unit(at);
    const std::string why = write            ? why_not_written(there, actor)
                            : there.box >= 0 ? why_not_read(there, actor)
                                             : std::string();
    if (!why.empty()) return std::string("race: ") + (write ? "store over " : "load of ") + why;
    if (write) there.box = -1;
    there.by_threads = true;
  }
  return "";
}

}  // namespace tamis::cuda::emulator
