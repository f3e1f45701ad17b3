// CUDA kernels on a CPU: each thread of a block is a fiber.
//
// Is: one kernel launch, block after block, exact in integers, with floats rounded as the device's
// scalar instructions round them; and a report of what a GPU would let pass: races in shared
// memory, reads of bytes that nothing wrote, accesses out of bounds or misaligned, collectives that
// not all lanes reach. Is not: a model of time (counters() gives what such a model needs), of
// caches, or of blocks that run at once. For tests only. May use: nothing.
//
// A fiber runs until it meets a collective (a barrier, a shuffle, ldmatrix, mma). The last lane of
// the warp to arrive does the work of all on their registers, which lie on the waiting fibers'
// stacks. Warps run in an order drawn from the seed, each as far ahead as barriers allow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>

namespace tamis::cuda::emulator {

inline constexpr int kLanes = 32;

class GlobalOrder;

/// What a kernel did that it may not; what() names block, thread, warp and lane.
class Fault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A grid's or a block's sizes, or a place in it.
struct Dim {
  unsigned x = 1;
  unsigned y = 1;
  unsigned z = 1;

  [[nodiscard]] unsigned count() const { return x * y * z; }
};

struct Options {
  uint64_t seed = 1;  ///< draws the order of warps
  bool check = true;  ///< races, unwritten reads, bank conflicts, sectors; twice the time
  size_t shared_limit = 99 * 1024;
  /// 75: the bodies for Turing, whose copies are at once and whose 16-bit floats are f16. 90: the
  /// words of device_hopper.h too. Else 80.
  int architecture = 80;
  /// False for kernels without barriers, shuffles and products: their threads run one after the
  /// other without a fiber each, and a collective is a Fault.
  bool collectives = true;
  /// Checks what blocks pass each other in global memory (global_order.h); null: does not. Parts of
  /// a grid that several OS threads run share one.
  GlobalOrder* order = nullptr;
};

/// What a launch did, for the whole grid.
struct Counters {
  uint64_t mma = 0;              ///< warp instructions
  uint64_t ldmatrix = 0;         ///< 8x8 matrices
  uint64_t ldmatrix_cycles = 0;  ///< one a matrix where no bank is hit twice
  uint64_t copies = 0;           ///< 16-byte cp.async of threads
  uint64_t shared_requests = 0;  ///< warp loads and stores
  uint64_t shared_cycles = 0;
  uint64_t global_requests = 0;
  uint64_t global_sectors = 0;  ///< of 32 bytes
  uint64_t global_bytes = 0;    ///< that threads asked for
  uint64_t wgmma = 0;           ///< warps' parts of products of warpgroups
  uint64_t boxes = 0;
  uint64_t block_barriers = 0;
  uint64_t collectives = 0;
};

struct Launch {
  Dim grid;
  Dim block;
  size_t shared_bytes = 0;
  /// Of the grid's blocks, x fastest, those that are run; for several OS threads that share it.
  unsigned first_block = 0;
  unsigned end_block = ~0u;
};

/// Runs `body` as each thread of the grid. Throws Fault, and what the body throws. Not from inside
/// a body; several OS threads may launch at once.
Counters launch(const Launch& launch, const std::function<void()>& body,
                const Options& options = {});

}  // namespace tamis::cuda::emulator
