// A block's state behind hopper_words.h: mbarriers, boxes on their way, products on their way, and
// what warps know of each other.
//
// Is: the checks of these words and their work. Is not: a scheduler; Machine asks it what can go
// on.
#pragma once

#include <array>
#include <random>
#include <string>
#include <vector>

#include "kernels/cuda/emulator/box_memory.h"
#include "kernels/cuda/emulator/boxed_rows.h"
#include "kernels/cuda/emulator/emulator.h"
#include "kernels/cuda/emulator/mbarriers.h"

namespace tamis::cuda::emulator {

class Machine;

class Hopper {
 public:
  Hopper(size_t shared_bytes, size_t warps, bool check);

  void start_block();
  /// Throws Fault for what a block may not leave behind.
  void end_block(Machine& machine);

  // The words; the running thread or, of those that are collective, the warp's last lane calls.
  void init_mbarrier(Machine& machine, uint32_t address, uint32_t arrivals);
  void fence_mbarriers(Machine& machine);
  void arrive(Machine& machine, uint32_t address, uint32_t bytes);
  /// Number of the barrier to wait for.
  [[nodiscard]] int find_mbarrier(Machine& machine, uint32_t address);
  [[nodiscard]] bool passed(int barrier, uint32_t parity) const {
    return mbarriers_.passed(barrier, parity);
  }
  /// The running warp saw the barrier's complete phases.
  void see(Machine& machine, int barrier);
  void copy_box(Machine& machine, uint32_t to, const TensorMap& map, int byte, int row,
                uint32_t barrier);
  void fence_products(Machine& machine);
  void multiply(Machine& machine, const std::array<int32_t*, kLanes>& d, int columns, uint64_t a,
                uint64_t b);
  void commit_products(Machine& machine);
  void wait_for_products(Machine& machine, int pending);
  void set_registers(Machine& machine, int registers);

  // For the scheduler and for accesses of all kinds.
  /// Lets one of the boxes on their way land, drawn by `random`; if not `always`, every second
  /// time. False if none did.
  bool land_one(Machine& machine, std::mt19937_64& random, bool always);
  /// What a barrier of threads does for the warps that met there.
  void join(const std::vector<int>& warps);
  [[nodiscard]] const Clock& clock(int warp) const {
    return warps_[static_cast<size_t>(warp)].clock;
  }
  /// What is wrong with a thread's own access, "" if nothing is.
  [[nodiscard]] std::string note_access(int warp, uint32_t address, uint32_t bytes, bool write);
  [[nodiscard]] std::string describe(int barrier) const { return mbarriers_.describe(barrier); }

 private:
  struct FlyingBox {
    BoxedRows rows;
    uint32_t to = 0;
    int64_t byte = 0;
    int64_t row = 0;
    int barrier = 0;
    int number = -1;  ///< of box_memory_
  };
  /// Operands of 32 bytes of k.
  struct Product {
    int columns = 0;
    uint64_t a = 0;
    uint64_t b = 0;
    size_t sums = 0;  ///< of Warp::sums

    bool operator==(const Product&) const = default;
  };
  /// What a warp's products add to, until none of them is on its way.
  struct Sums {
    std::array<int32_t*, kLanes> d = {};
    std::vector<int32_t> values;  ///< [lanes, columns / 2]
    int products = 0;
  };
  struct Warp {
    Clock clock;
    bool fenced = false;
    std::vector<Product> open;  ///< not committed
    std::vector<std::vector<Product>> groups;
    std::vector<Sums> sums;
    size_t issued = 0;
    int registers = 0;  ///< of a thread; 0: as at the kernel's entry
  };

  [[nodiscard]] Warp& warp(int number) { return warps_[static_cast<size_t>(number)]; }
  [[nodiscard]] static int running_warp(const Machine& machine);
  [[nodiscard]] Actor actor(int number) { return {number, &warp(number).clock}; }
  [[nodiscard]] int known_mbarrier(Machine& machine, uint32_t address);
  void land(Machine& machine, const FlyingBox& box);
  static void note_rows(Machine& machine, const BoxedRows& rows, int64_t byte, int64_t row);
  void check_operand(Machine& machine, uint64_t descriptor) const;
  void check_group(Machine& machine, int number, const Product& product);
  template <typename Each>
  void for_each_chunk(const Product& product, int number, const Each& each) const;
  [[nodiscard]] size_t find_sums(Warp& own, const std::array<int32_t*, kLanes>& d, int columns);
  void run(Machine& machine, int number, const Product& product);

  bool check_;
  Mbarriers mbarriers_;
  BoxMemory memory_;
  std::vector<FlyingBox> flying_;
  std::vector<Warp> warps_;
  std::vector<std::vector<Product>> issued_;  ///< by warpgroup, in order
};

}  // namespace tamis::cuda::emulator
