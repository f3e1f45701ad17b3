#include "kernels/cuda/emulator/machine.h"

#include <algorithm>
#include <numeric>

namespace tamis::cuda::emulator {

namespace {

thread_local Machine* running_machine = nullptr;

/// Thrown where a fiber waits when the launch is over before it is.
struct Stopped {};

constexpr int kNamedBarriers = 16;
constexpr unsigned kMostThreads = 1024;
constexpr int kHopper = 90;

}  // namespace

Machine& Machine::current() { return *running_machine; }

Machine::Machine(const Launch& launch, const std::function<void()>& body, const Options& options)
    : launch_(launch),
      body_(body),
      options_(options),
      threads_(launch.block.count()),
      warps_((launch.block.count() + kLanes - 1) / kLanes),
      named_(kNamedBarriers),
      shared_(launch.shared_bytes, options.check),
      hopper_(launch.shared_bytes, warps_.size(), options.check),
      stacks_(options.collectives ? launch.block.count() : 0),
      random_(options.seed) {
  const auto threads = static_cast<int>(threads_.size());
  for (int w = 0; w < static_cast<int>(warps_.size()); ++w) {
    warps_[static_cast<size_t>(w)].first = w * kLanes;
    warps_[static_cast<size_t>(w)].size = std::min(kLanes, threads - w * kLanes);
  }
  for (unsigned t = 0; t < threads_.size(); ++t) {
    const Dim& block = launch.block;
    threads_[t].index = {t % block.x, t / block.x % block.y, t / block.x / block.y};
  }
}

Counters Machine::run() {
  Machine* const before = running_machine;
  running_machine = this;
  try {
    const Dim& grid = launch_.grid;
    const unsigned end = std::min(grid.count(), launch_.end_block);
    for (unsigned i = launch_.first_block; i < end; ++i) {
      position_.block = {i % grid.x, i / grid.x % grid.y, i / grid.x / grid.y};
      run_block();
    }
  } catch (...) {
    unwind();
    running_machine = before;
    throw;
  }
  running_machine = before;
  return counters_;
}

std::string Machine::where(int thread) const {
  const Dim& block = position_.block;
  const auto text = [](unsigned value) { return std::to_string(value); };
  return "block (" + text(block.x) + ", " + text(block.y) + ", " + text(block.z) + "), thread " +
         std::to_string(thread) + " (warp " + std::to_string(thread / kLanes) + ", lane " +
         std::to_string(thread % kLanes) + ")";
}

void Machine::fault(const std::string& what) const { throw Fault(what + ", " + where(running_)); }

// Each fiber's first and only function.
void Machine::enter() {
  Fiber::entered();
  Machine& machine = current();
  try {
    machine.body_();
  } catch (const Stopped&) {
  } catch (...) {
    if (machine.error_ == nullptr) machine.error_ = std::current_exception();
  }
  machine.finish_thread();
}

void Machine::finish_thread() {
  Thread& done = self();
  done.state = State::kDone;
  done.at = "exit";
  done.fiber.leave_for(scheduler_);
}

void Machine::start_threads() {
  for (size_t t = 0; t < threads_.size(); ++t) {
    Thread& thread = threads_[t];
    thread.state = State::kReady;
    thread.at = "start";
    thread.open.clear();
    thread.groups.clear();
    thread.fiber.start(stacks_.stack(t), enter);
  }
  for (Warp& warp : warps_) warp.waiting = 0;
  std::fill(named_.begin(), named_.end(), NamedBarrier{});
  shared_.clear();
  if (options_.architecture >= kHopper) hopper_.start_block();
  ++epoch_;
}

int Machine::count(State state) const {
  return static_cast<int>(std::count_if(threads_.begin(), threads_.end(),
                                        [&](const Thread& t) { return t.state == state; }));
}

// Threads that never wait need no stack of their own.
void Machine::run_block_in_line() {
  shared_.clear();
  ++epoch_;
  for (size_t t = 0; t < threads_.size(); ++t) {
    running_ = static_cast<int>(t);
    position_.thread = threads_[t].index;
    body_();
  }
  if (!options_.check) return;
  for (Warp& warp : warps_) count_requests(warp);
}

void Machine::run_block() {
  if (!options_.collectives) return run_block_in_line();
  start_threads();
  std::vector<size_t> order(warps_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  while (count(State::kDone) < static_cast<int>(threads_.size())) {
    std::shuffle(order.begin(), order.end(), random_);
    bool progress = hopper_.land_one(*this, random_, false);
    progress = release_mbarriers() || progress;
    for (const size_t w : order) {
      progress = run_warp(warps_[w]) || progress;
      check_progress(warps_[w]);
    }
    progress = release_barrier() || progress;
    if (progress || hopper_.land_one(*this, random_, true)) continue;
    report_deadlock();
  }
  if (options_.architecture >= kHopper) hopper_.end_block(*this);
}

// Who waits for an mbarrier is named first: others wait for it.
void Machine::report_deadlock() {
  running_ = -1;
  for (int t = 0; t < static_cast<int>(threads_.size()); ++t) {
    const State state = thread(t).state;
    const bool first = running_ < 0 || thread(running_).state != State::kMbarrier;
    if (state != State::kDone && first) running_ = t;
  }
  std::string at = self().at;
  if (self().state == State::kMbarrier) {
    at = "the " + hopper_.describe(self().barrier) + " for parity " + std::to_string(self().parity);
  }
  fault("deadlock: some threads left or wait elsewhere, others wait at " + at);
}

// Runs the warp until none of its lanes is ready. True if any ran.
bool Machine::run_warp(Warp& warp) {
  bool any = false;
  for (bool ran = true; ran;) {
    ran = false;
    for (int t = warp.first; t < warp.first + warp.size; ++t) {
      if (thread(t).state != State::kReady) continue;
      resume(t);
      ran = any = true;
      if (error_ != nullptr) std::rethrow_exception(error_);
    }
  }
  const bool done = thread(warp.first).state == State::kDone;
  if (any && done && options_.check) count_requests(warp);
  return any;
}

// Lanes that wait for lanes which are gone or at a barrier will wait for ever.
void Machine::check_progress(const Warp& warp) {
  if (warp.waiting == 0) return;
  for (int t = warp.first; t < warp.first + warp.size; ++t) {
    if (thread(t).state == State::kMbarrier) return;  // it may come yet
  }
  std::string text = "lanes diverge or are gone: they are at";
  for (int t = warp.first; t < warp.first + warp.size; ++t) {
    if (thread(t).state == State::kWarp) running_ = t;
    text += std::string(t == warp.first ? " " : ", ") + thread(t).at;
  }
  fault(text);
}

// Lets the block's barrier go if all threads that are left wait there; those that left count as
// arrived, as on the device. True if it went.
bool Machine::release_barrier() {
  const int waiting = count(State::kBlock);
  const auto threads = static_cast<int>(threads_.size());
  if (waiting == 0 || waiting + count(State::kDone) < threads) return false;
  ++epoch_;
  ++counters_.block_barriers;
  join(State::kBlock, -1);
  for (Thread& thread : threads_) {
    if (thread.state == State::kBlock) thread.state = State::kReady;
  }
  return true;
}

// Warps that met at a barrier know what each of them knew.
void Machine::join(State state, int barrier) {
  if (options_.architecture < kHopper) return;
  std::vector<int> met;
  for (const Warp& warp : warps_) {
    const Thread& first = thread(warp.first);
    const bool here = first.state == state && (barrier < 0 || first.barrier == barrier);
    if (here) met.push_back(warp.first / kLanes);
  }
  hopper_.join(met);
}

// Lets go who waits for a phase that is complete. True if any did.
bool Machine::release_mbarriers() {
  bool any = false;
  for (Thread& thread : threads_) {
    if (thread.state != State::kMbarrier || !hopper_.passed(thread.barrier, thread.parity)) {
      continue;
    }
    thread.state = State::kReady;
    any = true;
  }
  return any;
}

// Ends the fibers that are in the middle, so that what lies on their stacks is destroyed.
void Machine::unwind() {
  if (!options_.collectives) return;
  stopping_ = true;
  for (int t = 0; t < static_cast<int>(threads_.size()); ++t) {
    if (thread(t).state == State::kDone || thread(t).at == std::string("start")) continue;
    resume(t);
  }
}

void Machine::resume(int t) {
  running_ = t;
  position_.thread = thread(t).index;
  scheduler_.switch_to(thread(t).fiber);
}

void Machine::suspend() {
  if (!options_.collectives) fault(std::string(self().at) + " in a kernel that is to have none");
  self().fiber.switch_to(scheduler_);
  if (stopping_) throw Stopped();
}

void Machine::collective(Collective work, void* args, const char* name) {
  Warp& warp = warp_of(running_);
  Thread& thread = self();
  thread.run = work;
  thread.args = args;
  thread.at = name;
  if (++warp.waiting < warp.size) {
    thread.state = State::kWarp;
    return suspend();
  }
  void* lanes[kLanes] = {};
  for (int lane = 0; lane < warp.size; ++lane) {
    Thread& other = this->thread(warp.first + lane);
    if (other.run != work) {
      fault(std::string("lanes diverge: one is at ") + other.at + ", another at " + name);
    }
    lanes[lane] = other.args;
    other.state = State::kReady;
  }
  if (warp.size < kLanes) fault(std::string(name) + " in a warp of fewer than 32 threads");
  warp.waiting = 0;
  ++counters_.collectives;
  if (options_.check) count_requests(warp);
  work(lanes);
}

void Machine::block_barrier() {
  Thread& thread = self();
  thread.at = "block barrier";
  thread.state = State::kBlock;
  suspend();
}

void Machine::named_barrier(int id, int threads) {
  if (id < 0 || id >= kNamedBarriers || threads <= 0 || threads % kLanes != 0) {
    fault("named barrier " + std::to_string(id) + " of " + std::to_string(threads) + " threads");
  }
  NamedBarrier& barrier = named_[static_cast<size_t>(id)];
  if (barrier.arrived > 0 && barrier.expected != threads) {
    fault("named barrier: threads expect different numbers");
  }
  barrier.expected = threads;
  Thread& thread = self();
  thread.at = "named barrier";
  thread.barrier = id;
  if (++barrier.arrived < threads) {
    thread.state = State::kNamed;
    return suspend();
  }
  // Who did not take part is not ordered by it: the epoch is the whole block's, so races with those
  // go unseen, and none is invented.
  barrier = {};
  ++epoch_;
  thread.state = State::kNamed;
  join(State::kNamed, id);
  thread.state = State::kReady;
  for (Thread& other : threads_) {
    if (other.state == State::kNamed && other.barrier == id) other.state = State::kReady;
  }
}

void Machine::wait_for_mbarrier(int number, uint32_t parity) {
  Thread& thread = self();
  thread.at = "mbarrier";
  thread.barrier = number;
  thread.parity = parity;
  thread.state = State::kMbarrier;
  suspend();
}

Hopper& Machine::hopper() {
  if (options_.architecture < kHopper) fault("a word of compute capability 9.0 on an older card");
  return hopper_;
}

unsigned char* Machine::shared(uint32_t address, uint32_t bytes) {
  const char* wrong = nullptr;
  unsigned char* memory = shared_.at(address, bytes, &wrong);
  if (memory == nullptr) fault(std::string(wrong) + " at " + std::to_string(address));
  return memory;
}

void Machine::note_shared(int thread, uint32_t address, uint32_t bytes, bool write) {
  if (!options_.check) return;
  const int warp = thread / kLanes;
  Access access = {epoch_, warp_of(thread).syncs, thread, warp, 0};
  const Clock* clock = nullptr;
  if (options_.architecture >= kHopper) {
    clock = &hopper_.clock(warp);
    access.moment = clock->of_warp(warp);
    const std::string wrong = hopper_.note_access(warp, address, bytes, write);
    if (!wrong.empty()) {
      throw Fault(wrong + ", byte " + std::to_string(address) + ", " + where(thread));
    }
  }
  const std::string wrong = shared_.note(address, bytes, write, access, clock);
  if (wrong.empty()) return;
  std::string text = wrong + ", byte " + std::to_string(shared_.fault_byte());
  if (shared_.fault_thread() >= 0) {
    text += ", the other thread is " + std::to_string(shared_.fault_thread());
  }
  throw Fault(text + ", " + where(thread));
}

Moment Machine::moment() const {
  return {position_.block.y * launch_.grid.x + position_.block.x, running_, epoch_};
}

void Machine::order_global(const void* address, uint32_t bytes, GlobalAccess access) {
  if (options_.order == nullptr) return;
  const std::string wrong = options_.order->note(address, bytes, access, moment());
  if (!wrong.empty()) fault(wrong);
}

Counters launch(const Launch& launch, const std::function<void()>& body, const Options& options) {
  if (launch.shared_bytes > options.shared_limit) {
    throw Fault("launch: " + std::to_string(launch.shared_bytes) +
                " bytes of shared memory, over " + std::to_string(options.shared_limit));
  }
  const unsigned threads = launch.block.count();
  if (threads == 0 || threads > kMostThreads || launch.grid.count() == 0) {
    throw Fault("launch: " + std::to_string(threads) + " threads in a block");
  }
  return Machine(launch, body, options).run();
}

}  // namespace tamis::cuda::emulator
