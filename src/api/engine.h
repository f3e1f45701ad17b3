// Runs encoded requests on a plan.
//
// Is: packing requests into ragged batches and handing each its rows of the outputs. Is not:
// encoding or decoding (tasks), queueing (serve). May use: tasks, runtime.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "runtime/plan.h"
#include "runtime/session.h"
#include "tasks/task.h"

namespace tamis::api {

/// The arrays of a PackedBatch, reused from batch to batch.
struct BatchBuffer {
  std::vector<int32_t> input_ids;
  std::vector<int32_t> token_type_ids;
  std::vector<int32_t> cu_seqlens;
  std::vector<int32_t> selected_tokens;
  int32_t max_seqlen = 0;

  void clear();
  void append(const tasks::Sequence& sequence);
  [[nodiscard]] runtime::PackedBatch packed() const;
};

/// Thread-safe: each call takes a session of its own.
class Engine {
 public:
  Engine(std::shared_ptr<const runtime::Plan> plan, std::shared_ptr<ThreadPool> pool);
  ~Engine();

  /// Called once a request, in order; the views are valid during the call.
  using Consumer = FunctionRef<void(size_t request, std::span<const tasks::OutputView>)>;

  /// Runs the requests in batches of whole requests, each of at most `max_batch_tokens` (one
  /// request may be larger). Throws what Session::run throws.
  void run(std::span<const tasks::Encoded> requests, int64_t max_batch_tokens, Consumer consume,
           const runtime::RunControl& control = {});

  /// Runs one batch as it is; `outputs` hold its results.
  void run(const runtime::PackedBatch& batch, runtime::Outputs& outputs,
           const runtime::RunControl& control = {});

  [[nodiscard]] const runtime::Plan& plan() const { return *plan_; }
  [[nodiscard]] ThreadPool& pool() const { return *pool_; }

 private:
  struct Worker;
  [[nodiscard]] std::unique_ptr<Worker> take();
  void give_back(std::unique_ptr<Worker> worker);

  std::shared_ptr<const runtime::Plan> plan_;
  std::shared_ptr<ThreadPool> pool_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Worker>> idle_;
};

/// One output of a batch that held all sequences of the requests in their order, its rows counted
/// by `symbol`: hands each request its own, as Engine::run does.
void hand_out(std::span<const tasks::Encoded> requests, const tasks::OutputView& output,
              graph::Symbol symbol, Engine::Consumer consume);

}  // namespace tamis::api
