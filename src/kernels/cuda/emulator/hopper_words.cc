#include "kernels/cuda/emulator/hopper_words.h"

#include "kernels/cuda/emulator/machine.h"

namespace tamis::cuda::emulator {

namespace {

Hopper& hopper() { return Machine::current().hopper(); }

using Work = void (*)(Machine& machine, int value);

struct TogetherArgs {
  Work work;
  int value;
};

// A collective of the warp in which the last lane calls work(machine, value), of a value that all
// lanes have.
void together(Work work, int value, const char* name) {
  TogetherArgs args = {work, value};
  warp_collective(
      [](void* const* lanes) {
        Machine& machine = Machine::current();
        const auto& first = *static_cast<const TogetherArgs*>(lanes[0]);
        for (int lane = 1; lane < kLanes; ++lane) {
          const auto& other = *static_cast<const TogetherArgs*>(lanes[lane]);
          if (other.work != first.work) machine.fault("lanes diverge: they are at different words");
          if (other.value != first.value) machine.fault("lanes differ in an operand");
        }
        first.work(machine, first.value);
      },
      &args, name);
}

struct MultiplyArgs {
  int32_t* d;
  int columns;
  uint64_t a;
  uint64_t b;
};

void multiply(void* const* lanes) {
  Machine& machine = Machine::current();
  const auto& first = *static_cast<const MultiplyArgs*>(lanes[0]);
  std::array<int32_t*, kLanes> d = {};
  for (int lane = 0; lane < kLanes; ++lane) {
    const auto& args = *static_cast<const MultiplyArgs*>(lanes[lane]);
    if (args.columns != first.columns || args.a != first.a || args.b != first.b) {
      machine.fault("wgmma: lanes differ in operands");
    }
    d[static_cast<size_t>(lane)] = args.d;
  }
  machine.hopper().multiply(machine, d, first.columns, first.a, first.b);
}

}  // namespace

void mbarrier_init(uint32_t barrier, uint32_t arrivals) {
  hopper().init_mbarrier(Machine::current(), barrier, arrivals);
}

void fence_mbarrier_init() { hopper().fence_mbarriers(Machine::current()); }

void mbarrier_arrive(uint32_t barrier, uint32_t bytes) {
  hopper().arrive(Machine::current(), barrier, bytes);
}

void mbarrier_wait(uint32_t barrier, uint32_t parity) {
  Machine& machine = Machine::current();
  const int number = hopper().find_mbarrier(machine, barrier);
  while (!hopper().passed(number, parity)) machine.wait_for_mbarrier(number, parity);
  hopper().see(machine, number);
}

void copy_box(uint32_t to, const TensorMap& map, int byte, int row, uint32_t barrier) {
  hopper().copy_box(Machine::current(), to, map, byte, row, barrier);
}

void wgmma_fence() {
  together([](Machine& machine, int) { machine.hopper().fence_products(machine); }, 0,
           "wgmma fence");
}

void wgmma_u8s8(int32_t* d, int columns, uint64_t a, uint64_t b) {
  MultiplyArgs args = {d, columns, a, b};
  warp_collective(multiply, &args, "wgmma");
}

void wgmma_commit() {
  together([](Machine& machine, int) { machine.hopper().commit_products(machine); }, 0,
           "wgmma commit");
}

void wgmma_wait(int pending) {
  together([](Machine& machine, int count) { machine.hopper().wait_for_products(machine, count); },
           pending, "wgmma wait");
}

void set_registers(int registers) {
  together([](Machine& machine, int count) { machine.hopper().set_registers(machine, count); },
           registers, "setmaxnreg");
}

}  // namespace tamis::cuda::emulator
