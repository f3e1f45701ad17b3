// The state of one launch.
#pragma once

#include <exception>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "kernels/cuda/emulator/fiber.h"
#include "kernels/cuda/emulator/hopper.h"
#include "kernels/cuda/emulator/shared_memory.h"
#include "kernels/cuda/emulator/words.h"

namespace tamis::cuda::emulator {

enum class State : uint8_t { kReady, kWarp, kBlock, kNamed, kMbarrier, kDone };

/// A cp.async on its way.
struct Copy {
  uint32_t to = 0;
  const void* from = nullptr;
  uint32_t valid = 0;
};

/// An access that counts in a warp's requests.
struct LoggedAccess {
  uint64_t address = 0;
  uint32_t bytes = 0;
};

struct Thread {
  Fiber fiber;
  Dim index;
  State state = State::kDone;
  const char* at = "";  ///< what it waits at
  Collective run = nullptr;
  void* args = nullptr;
  int barrier = 0;                        ///< kNamed and kMbarrier: which, and
  uint32_t parity = 0;                    ///< of which phase
  std::vector<Copy> open;                 ///< not committed
  std::vector<std::vector<Copy>> groups;  ///< oldest first
  // Since the warp's last collective.
  std::vector<LoggedAccess> shared_log;
  std::vector<LoggedAccess> global_log;
};

struct Warp {
  int first = 0;
  int size = 0;
  int waiting = 0;  ///< at a collective
  uint32_t syncs = 0;
};

/// A barrier for some of the block's warps.
struct NamedBarrier {
  int expected = 0;
  int arrived = 0;
};

/// Not thread-safe; one runs at a time in an OS thread.
class Machine {
 public:
  Machine(const Launch& launch, const std::function<void()>& body, const Options& options);

  Counters run();
  /// The machine that runs in this OS thread.
  [[nodiscard]] static Machine& current();

  // What words.h is made of; the running thread calls.
  [[nodiscard]] const Position& position() const { return position_; }
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] Counters& counters() { return counters_; }
  void collective(Collective work, void* args, const char* name);
  void block_barrier();
  void note_warp_barrier() { ++warp_of(running_).syncs; }
  void named_barrier(int id, int threads);
  void wait_for_mbarrier(int number, uint32_t parity);
  /// A Fault where the architecture has none of its words.
  [[nodiscard]] Hopper& hopper();
  [[nodiscard]] unsigned char* shared(uint32_t address, uint32_t bytes);
  void note_shared(int thread, uint32_t address, uint32_t bytes, bool write);
  /// A box is there: no thread's write, which races with none.
  void note_landed(uint32_t address, uint32_t bytes) { shared_.note_landed(address, bytes); }
  void log_shared(uint32_t address, uint32_t bytes);
  void log_global(const void* address, uint32_t bytes);
  void order_global(const void* address, uint32_t bytes, GlobalAccess access);
  [[nodiscard]] Moment moment() const;
  [[nodiscard]] Thread& self() { return threads_[static_cast<size_t>(running_)]; }
  [[nodiscard]] int running() const { return running_; }
  [[nodiscard]] int thread_of_lane(int lane) const { return running_ / kLanes * kLanes + lane; }
  [[noreturn]] void fault(const std::string& what) const;

 private:
  static void enter();
  [[nodiscard]] Warp& warp_of(int thread) { return warps_[static_cast<size_t>(thread / kLanes)]; }
  [[nodiscard]] Thread& thread(int i) { return threads_[static_cast<size_t>(i)]; }
  [[nodiscard]] std::string where(int thread) const;

  void run_block();
  void run_block_in_line();
  void start_threads();
  bool run_warp(Warp& warp);
  bool release_barrier();
  bool release_mbarriers();
  void join(State state, int barrier);
  [[noreturn]] void report_deadlock();
  void check_progress(const Warp& warp);
  void unwind();
  void resume(int thread);
  void suspend();
  void finish_thread();
  [[nodiscard]] int count(State state) const;

  // Requests of a warp since its last collective (access_log.cc).
  void count_requests(Warp& warp);
  void count_shared_request(const Warp& warp, size_t request);
  void count_global_request(const Warp& warp, size_t request);

  Launch launch_;
  const std::function<void()>& body_;
  Options options_;
  Counters counters_;
  Position position_;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<NamedBarrier> named_;
  SharedMemory shared_;
  Hopper hopper_;
  StackMemory stacks_;
  Fiber scheduler_;
  int running_ = 0;
  uint32_t epoch_ = 1;
  std::exception_ptr error_;
  bool stopping_ = false;
  std::mt19937_64 random_;
};

}  // namespace tamis::cuda::emulator
