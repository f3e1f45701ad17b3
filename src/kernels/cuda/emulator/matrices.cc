// ldmatrix and mma.sync, with the fragment layouts of PTX.
#include <algorithm>
#include <cstring>

#include "base/bf16.h"
#include "kernels/cuda/emulator/machine.h"

namespace tamis::cuda::emulator {

namespace {

constexpr uint32_t kRowBytes = 16;

struct LoadArgs {
  uint32_t* registers;
  uint32_t address;
  bool transposed;
};

template <typename Args>
Args& of(void* lane) {
  return *static_cast<Args*>(lane);
}

// Cycles to read eight rows of 16 bytes: rows of the same 16 bytes count once.
uint64_t bank_cycles(const uint32_t (&addresses)[8]) {
  uint64_t most = 0;
  for (uint32_t group = 0; group < 8; ++group) {
    std::vector<uint32_t> lines;
    for (const uint32_t address : addresses) {
      const uint32_t line = address / kRowBytes;
      const bool seen = std::find(lines.begin(), lines.end(), line) != lines.end();
      if (line % 8 == group && !seen) lines.push_back(line);
    }
    most = std::max(most, uint64_t{lines.size()});
  }
  return most;
}

void load_matrix(void* const* lanes, int matrix) {
  Machine& machine = Machine::current();
  uint16_t rows[8][8];
  uint32_t addresses[8];
  for (int i = 0; i < 8; ++i) {
    const int lane = matrix * 8 + i;
    addresses[i] = of<LoadArgs>(lanes[lane]).address;
    std::memcpy(rows[i], machine.shared(addresses[i], kRowBytes), kRowBytes);
    machine.note_shared(machine.thread_of_lane(lane), addresses[i], kRowBytes, false);
  }
  ++machine.counters().ldmatrix;
  machine.counters().ldmatrix_cycles += bank_cycles(addresses);
  for (int lane = 0; lane < kLanes; ++lane) {
    const LoadArgs& args = of<LoadArgs>(lanes[lane]);
    uint16_t pair[2];
    for (int e = 0; e < 2; ++e) {
      const int row = args.transposed ? lane % 4 * 2 + e : lane / 4;
      const int column = args.transposed ? lane / 4 : lane % 4 * 2 + e;
      pair[e] = rows[row][column];
    }
    std::memcpy(&args.registers[matrix], pair, sizeof pair);
  }
}

template <typename D>
struct MultiplyArgs {
  D* d;
  const uint32_t* a;
  uint32_t b[2];
};

// Lane l's d[r] is row l / 4 + r / 2 * 8, column l % 4 * 2 + r % 2.
template <typename D>
void add_results(void* const* lanes, const D (&c)[16][8]) {
  for (int lane = 0; lane < kLanes; ++lane) {
    D* d = of<MultiplyArgs<D>>(lanes[lane]).d;
    for (int r = 0; r < 4; ++r) d[r] += c[lane / 4 + r / 2 * 8][lane % 4 * 2 + r % 2];
  }
  ++Machine::current().counters().mma;
}

// Sixteen bytes of k are one m8n8k16 of Turing, thirty-two one m16n8k32: the integers are the same.
void run_u8s8(void* const* lanes) {
  uint8_t a[16][32];
  int8_t b[8][32];
  for (int lane = 0; lane < kLanes; ++lane) {
    const auto& args = of<MultiplyArgs<int32_t>>(lanes[lane]);
    for (int r = 0; r < 4; ++r) {
      std::memcpy(&a[lane / 4 + r % 2 * 8][lane % 4 * 4 + r / 2 * 16], &args.a[r], 4);
    }
    for (int r = 0; r < 2; ++r) std::memcpy(&b[lane / 4][lane % 4 * 4 + r * 16], &args.b[r], 4);
  }
  int32_t c[16][8] = {};
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < 8; ++j) {
      for (int k = 0; k < 32; ++k) c[i][j] += int32_t{a[i][k]} * int32_t{b[j][k]};
    }
  }
  add_results(lanes, c);
}

float value_of(uint32_t pair, int e, bool half) {
  const auto bits = static_cast<uint16_t>(pair >> (16 * e));
  return half ? f16_to_float(bits) : bf16_to_float(bits);
}

void run_b16(void* const* lanes) {
  const bool half = architecture() < 80;
  float a[16][16];
  float b[16][8];
  for (int lane = 0; lane < kLanes; ++lane) {
    const auto& args = of<MultiplyArgs<float>>(lanes[lane]);
    for (int e = 0; e < 2; ++e) {
      for (int r = 0; r < 4; ++r) {
        a[lane / 4 + r % 2 * 8][lane % 4 * 2 + r / 2 * 8 + e] = value_of(args.a[r], e, half);
      }
      for (int r = 0; r < 2; ++r) {
        b[lane % 4 * 2 + r * 8 + e][lane / 4] = value_of(args.b[r], e, half);
      }
    }
  }
  float c[16][8] = {};
  for (int i = 0; i < 16; ++i) {
    for (int k = 0; k < 16; ++k) {
      for (int j = 0; j < 8; ++j) c[i][j] += a[i][k] * b[k][j];
    }
  }
  add_results(lanes, c);
}

}  // namespace

void load_matrices(uint32_t (&registers)[4], uint32_t address, bool transposed) {
  LoadArgs args = {registers, address, transposed};
  warp_collective(
      [](void* const* lanes) {
        for (int matrix = 0; matrix < 4; ++matrix) load_matrix(lanes, matrix);
      },
      &args, "ldmatrix");
}

void multiply_u8s8(int32_t (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  MultiplyArgs<int32_t> args = {d, a, {b0, b1}};
  warp_collective(run_u8s8, &args, "mma u8 s8");
}

void multiply_b16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  MultiplyArgs<float> args = {d, a, {b0, b1}};
  warp_collective(run_b16, &args, "mma b16");
}

}  // namespace tamis::cuda::emulator
