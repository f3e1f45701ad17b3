// mbarriers, copies of boxes, registers; products are in wgmma.cc.
#include "kernels/cuda/emulator/hopper.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/cuda/emulator/machine.h"

namespace tamis::cuda::emulator {

namespace {

constexpr uint32_t kSwizzleBytes = 1024;
constexpr uint32_t kBoxAlignment = 128;
constexpr uint32_t kChunkBytes = 16;
constexpr uint32_t kSectorBytes = 32;
constexpr int kPoison = 0xA5;  // what a box's place holds until it lands
constexpr int kRegisters = 65536;
constexpr int kLeastRegisters = 24;
constexpr int kMostRegisters = 256;

}  // namespace

Hopper::Hopper(size_t shared_bytes, size_t warps, bool check)
    : check_(check), memory_(shared_bytes), warps_(warps), issued_((warps + 3) / 4) {}

int Hopper::running_warp(const Machine& machine) { return machine.running() / kLanes; }

void Hopper::start_block() {
  mbarriers_.clear();
  memory_.clear();
  flying_.clear();
  for (size_t w = 0; w < warps_.size(); ++w) {
    warps_[w] = {};
    warps_[w].clock.set_warp(static_cast<int>(w), 1);
  }
  for (std::vector<Product>& products : issued_) products.clear();
}

void Hopper::end_block(Machine& machine) {
  if (!flying_.empty()) machine.fault("a block left with boxes on their way");
  for (size_t w = 0; w < warps_.size(); ++w) {
    if (!warps_[w].open.empty() || !warps_[w].groups.empty()) {
      machine.fault("warp " + std::to_string(w) + " left with products that it did not wait for");
    }
    if (warps_[w].issued != issued_[w / 4].size()) {
      machine.fault("warps of one group issued different numbers of products");
    }
  }
}

void Hopper::init_mbarrier(Machine& machine, uint32_t address, uint32_t arrivals) {
  (void)machine.shared(address, 8);
  const int own = running_warp(machine);
  std::string wrong;
  mbarriers_.init(address, arrivals, own, warp(own).clock, wrong);
  if (check_ && wrong.empty()) wrong = memory_.note_access(address, 8, true, actor(own));
  if (!wrong.empty()) machine.fault(wrong);
}

void Hopper::fence_mbarriers(Machine& machine) { mbarriers_.fence(running_warp(machine)); }

int Hopper::find_mbarrier(Machine& machine, uint32_t address) {
  const int number = mbarriers_.find(address);
  if (number < 0) machine.fault("no mbarrier at " + std::to_string(address));
  const Mbarrier& barrier = mbarriers_.at(number);
  const int own = running_warp(machine);
  if (check_ && own != barrier.warp && warp(own).clock.of_warp(barrier.warp) < barrier.moment) {
    machine.fault("race: nothing orders the init of the " + mbarriers_.describe(number) +
                  " before its use");
  }
  return number;
}

void Hopper::arrive(Machine& machine, uint32_t address, uint32_t bytes) {
  const int number = find_mbarrier(machine, address);
  const int own = running_warp(machine);
  std::string wrong;
  mbarriers_.arrive(number, warp(own).clock, bytes, wrong);
  if (!wrong.empty()) machine.fault(wrong);
  warp(own).clock.set_warp(own, warp(own).clock.of_warp(own) + 1);
}

void Hopper::see(Machine& machine, int barrier) {
  warp(running_warp(machine)).clock.join(mbarriers_.at(barrier).released);
}

void Hopper::join(const std::vector<int>& warps) {
  Clock all;
  for (const int w : warps) all.join(warp(w).clock);
  for (const int w : warps) {
    warp(w).clock.join(all);
    warp(w).clock.set_warp(w, all.of_warp(w) + 1);
  }
}

std::string Hopper::note_access(int number, uint32_t address, uint32_t bytes, bool write) {
  if (mbarriers_.covers(address, bytes)) return "access to the bytes of an mbarrier";
  return memory_.note_access(address, bytes, write, actor(number));
}

void Hopper::copy_box(Machine& machine, uint32_t to, const TensorMap& map, int byte, int row,
                      uint32_t barrier) {
  const std::optional<BoxedRows> rows = read_map(map);
  if (!rows) machine.fault("copy of a box by a map that the driver did not make");
  if (to % (rows->swizzled ? kSwizzleBytes : kBoxAlignment) != 0) {
    machine.fault("misaligned place of a box");
  }
  for (uint32_t at = 0; at < rows->bytes(); at += kChunkBytes) {
    std::memset(machine.shared(to + at, kChunkBytes), kPoison, kChunkBytes);
  }
  FlyingBox box = {*rows, to, byte, row, find_mbarrier(machine, barrier), -1};
  if (!mbarriers_.at(box.barrier).fenced) {
    machine.fault("no fence made the mbarrier known to the copying unit");
  }
  if (check_) {
    const std::string wrong = memory_.note_box(to, rows->bytes(), box.barrier, mbarriers_,
                                               actor(running_warp(machine)), box.number);
    if (!wrong.empty()) machine.fault(wrong + ", byte " + std::to_string(to));
  }
  note_rows(machine, *rows, byte, row);
  ++machine.counters().boxes;
  flying_.push_back(box);
}

// The bytes that are copied of the rows that are there.
void Hopper::note_rows(Machine& machine, const BoxedRows& rows, int64_t byte, int64_t row) {
  const int64_t first = std::max<int64_t>(byte, 0);
  const int64_t end =
      std::min<int64_t>(byte + rows.box_bytes, static_cast<int64_t>(rows.row_bytes));
  if (first >= end) return;
  const auto bytes = static_cast<uint32_t>(end - first);
  for (int64_t r = std::max<int64_t>(row, 0);
       r < std::min<int64_t>(row + rows.box_rows, static_cast<int64_t>(rows.rows)); ++r) {
    const unsigned char* from = rows.data + r * static_cast<int64_t>(rows.stride) + first;
    machine.order_global(from, bytes, GlobalAccess::kConstant);
    machine.counters().global_bytes += bytes;
    machine.counters().global_sectors += (bytes + kSectorBytes - 1) / kSectorBytes;
  }
}

bool Hopper::land_one(Machine& machine, std::mt19937_64& random, bool always) {
  if (flying_.empty() || (!always && random() % 2 == 0)) return false;
  std::swap(flying_[random() % flying_.size()], flying_.back());
  const FlyingBox box = flying_.back();
  flying_.pop_back();
  land(machine, box);
  return true;
}

void Hopper::land(Machine& machine, const FlyingBox& box) {
  const BoxedRows& rows = box.rows;
  for (uint32_t r = 0; r < rows.box_rows; ++r) {
    const int64_t row = box.row + r;
    const bool there = row >= 0 && row < static_cast<int64_t>(rows.rows);
    for (uint32_t chunk = 0; chunk < rows.box_bytes / kChunkBytes; ++chunk) {
      const uint32_t place = rows.swizzled ? chunk ^ r % 8 : chunk;
      unsigned char* to =
          machine.shared(box.to + r * rows.box_bytes + place * kChunkBytes, kChunkBytes);
      std::memset(to, 0, kChunkBytes);
      const int64_t first = box.byte + int64_t{chunk} * kChunkBytes;
      for (int64_t b = 0; there && b < kChunkBytes; ++b) {
        if (first + b < 0 || first + b >= static_cast<int64_t>(rows.row_bytes)) continue;
        to[b] =
            rows.data[static_cast<uint64_t>(row) * rows.stride + static_cast<uint64_t>(first + b)];
      }
    }
  }
  machine.note_landed(box.to, rows.bytes());
  if (box.number >= 0) memory_.note_landing(box.number);
  mbarriers_.land(box.barrier, rows.bytes());
}

void Hopper::set_registers(Machine& machine, int registers) {
  if (registers % 8 != 0 || registers < kLeastRegisters || registers > kMostRegisters) {
    machine.fault("setmaxnreg of " + std::to_string(registers));
  }
  warp(running_warp(machine)).registers = registers;
  int all = 0;
  for (const Warp& other : warps_) all += other.registers * kLanes;
  if (all > kRegisters) {
    machine.fault("setmaxnreg: warps take " + std::to_string(all) + " registers of " +
                  std::to_string(kRegisters));
  }
}

}  // namespace tamis::cuda::emulator
