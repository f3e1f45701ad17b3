// Products of warpgroups: m64nNk32 of u8 and s8, operands in shared memory behind descriptors.
#include <algorithm>
#include <cstring>

#include "kernels/cuda/emulator/hopper.h"
#include "kernels/cuda/emulator/machine.h"

namespace tamis::cuda::emulator {

namespace {

constexpr int kGroupWarps = 4;
constexpr int kWarpRows = 16;
constexpr int kDepth = 32;
constexpr uint32_t kChunkBytes = 16;
constexpr uint32_t kRowBytes = 128;
constexpr int32_t kPoison = static_cast<int32_t>(0xA5A5A5A5);

// PTX ISA, "Matrix Descriptor Format": addresses in units of 16 bytes.
uint32_t start_of(uint64_t descriptor) { return static_cast<uint32_t>(descriptor & 0x3fff) << 4; }
uint32_t stride_of(uint64_t descriptor) {
  return static_cast<uint32_t>(descriptor >> 32 & 0x3fff) << 4;
}

// Where 16 bytes of an operand's row lie: eight rows of 128 bytes, whose chunks are mixed by the
// bits of the address that count those rows.
uint32_t place_of(uint64_t descriptor, int row, int chunk) {
  const uint32_t plain =
      start_of(descriptor) + static_cast<uint32_t>(row / 8) * stride_of(descriptor) +
      static_cast<uint32_t>(row % 8) * kRowBytes + static_cast<uint32_t>(chunk) * kChunkBytes;
  return plain ^ (plain >> 7 & 7) << 4;
}

}  // namespace

void Hopper::check_operand(Machine& machine, uint64_t descriptor) const {
  if (descriptor >> 62 != 1) machine.fault("wgmma: a descriptor without the 128-byte swizzle");
  if ((descriptor >> 49 & 7) != 0) machine.fault("wgmma: a descriptor with a base offset");
}

// All warps of a group issue the same products.
void Hopper::check_group(Machine& machine, int number, const Product& product) {
  const auto group = static_cast<size_t>(number / kGroupWarps);
  if (warps_.size() < (group + 1) * kGroupWarps) {
    machine.fault("wgmma in a group of fewer than four warps");
  }
  std::vector<Product>& issued = issued_[group];
  Product given = product;
  given.sums = 0;
  size_t& own = warp(number).issued;
  if (own == issued.size()) issued.push_back(given);
  if (!(issued[own] == given)) machine.fault("wgmma: warps of one group differ in operands");
  ++own;
}

/// Calls each(place) for what the warp's part of a product reads of shared memory.
template <typename Each>
void Hopper::for_each_chunk(const Product& product, int number, const Each& each) const {
  for (int chunk = 0; chunk < kDepth / static_cast<int>(kChunkBytes); ++chunk) {
    for (int row = 0; row < kWarpRows; ++row) {
      each(place_of(product.a, number % kGroupWarps * kWarpRows + row, chunk));
    }
    for (int column = 0; column < product.columns; ++column) {
      each(place_of(product.b, column, chunk));
    }
  }
}

void Hopper::fence_products(Machine& machine) { warp(running_warp(machine)).fenced = true; }

size_t Hopper::find_sums(Warp& own, const std::array<int32_t*, kLanes>& d, int columns) {
  const auto known = std::find_if(own.sums.begin(), own.sums.end(), [&](const Sums& sums) {
    return sums.products > 0 && sums.d == d;
  });
  if (known != own.sums.end()) return static_cast<size_t>(known - own.sums.begin());
  auto free = std::find_if(own.sums.begin(), own.sums.end(),
                           [](const Sums& sums) { return sums.products == 0; });
  if (free == own.sums.end()) free = own.sums.insert(free, Sums{});
  free->d = d;
  free->values.clear();
  for (int32_t* lane : d) {
    free->values.insert(free->values.end(), lane, lane + columns / 2);
    std::fill(lane, lane + columns / 2, kPoison);
  }
  return static_cast<size_t>(free - own.sums.begin());
}

void Hopper::multiply(Machine& machine, const std::array<int32_t*, kLanes>& d, int columns,
                      uint64_t a, uint64_t b) {
  const int number = running_warp(machine);
  Warp& own = warp(number);
  if (!own.fenced) machine.fault("wgmma: registers were not fenced before it");
  check_operand(machine, a);
  check_operand(machine, b);
  Product product = {columns, a, b, 0};
  check_group(machine, number, product);
  std::string wrong;
  for_each_chunk(product, number, [&](uint32_t place) {
    (void)machine.shared(place, kChunkBytes);
    if (!check_ || !wrong.empty()) return;
    wrong = memory_.note_product(place, actor(number));
    if (!wrong.empty()) wrong += ", byte " + std::to_string(place);
  });
  if (!wrong.empty()) machine.fault(wrong);
  product.sums = find_sums(own, d, columns);
  ++own.sums[product.sums].products;
  own.open.push_back(product);
  ++machine.counters().wgmma;
}

void Hopper::commit_products(Machine& machine) {
  Warp& own = warp(running_warp(machine));
  own.groups.push_back(std::move(own.open));
  own.open.clear();
}

// Operands are read here, as late as a card may.
void Hopper::wait_for_products(Machine& machine, int pending) {
  const int number = running_warp(machine);
  Warp& own = warp(number);
  while (static_cast<int>(own.groups.size()) > pending) {
    for (const Product& product : own.groups.front()) run(machine, number, product);
    own.groups.erase(own.groups.begin());
  }
  own.fenced = false;  // from here on the warp may touch its registers
}

void Hopper::run(Machine& machine, int number, const Product& product) {
  alignas(32) int16_t a[kWarpRows][kDepth];
  const auto chunk_of = [&](uint64_t descriptor, int row, int chunk) {
    return machine.shared(place_of(descriptor, row, chunk), kChunkBytes);
  };
  constexpr int kChunk = static_cast<int>(kChunkBytes);
  for (int k = 0; k < kDepth; ++k) {
    for (int row = 0; row < kWarpRows; ++row) {
      const int in_group = number % kGroupWarps * kWarpRows + row;
      a[row][k] = chunk_of(product.a, in_group, k / kChunk)[k % kChunk];
    }
  }
  Sums& sums = warp(number).sums[product.sums];
  const auto lane_sums = static_cast<size_t>(product.columns / 2);
  for (int column = 0; column < product.columns; ++column) {
    alignas(32) int16_t b[kDepth];
    for (int k = 0; k < kDepth; ++k) {
      b[k] = static_cast<int8_t>(chunk_of(product.b, column, k / kChunk)[k % kChunk]);
    }
    for (int row = 0; row < kWarpRows; ++row) {
      int32_t sum = 0;
      for (int k = 0; k < kDepth; ++k) sum += int32_t{a[row][k]} * int32_t{b[k]};
      // Lane l has rows l / 4 and 8 below, columns 2 (l % 4) and the next of each eight.
      const auto lane = static_cast<size_t>(row % 8 * 4 + column % 8 / 2);
      const auto at = static_cast<size_t>(column / 8 * 4 + row / 8 * 2 + column % 2);
      sums.values[lane * lane_sums + at] += sum;
    }
  }
  if (check_) {
    for_each_chunk(product, number,
                   [&](uint32_t place) { memory_.note_product_end(place, actor(number)); });
  }
  if (--sums.products > 0) return;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    std::copy_n(sums.values.begin() + static_cast<std::ptrdiff_t>(lane * lane_sums), lane_sums,
                sums.d[lane]);
  }
}

}  // namespace tamis::cuda::emulator
