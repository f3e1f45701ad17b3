// Runs encoded requests on an engine.
//
// Is: cutting requests into batches and handing each its rows of the outputs. Is not: encoding or
// decoding (tasks), queueing (serve), packing (engine). May use: tasks, engine.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "engine/batch_builder.h"
#include "engine/engine.h"
#include "tasks/task.h"

namespace tamis::api {

/// Thread-safe: each call takes a session of its own.
class Runner {
 public:
  /// `max_tokens`: a limit of sequences beside the engine's own; 0: none.
  Runner(std::shared_ptr<const engine::Engine> engine, std::shared_ptr<ThreadPool> pool,
         int64_t max_tokens = 0);
  ~Runner();

  /// Called once a request, in order; the views are valid during the call.
  using Consumer = FunctionRef<void(size_t request, std::span<const tasks::OutputView>)>;

  /// Runs the requests in batches of whole requests, each of at most `max_batch_tokens` as the
  /// engine counts them (one request may be larger). Throws what Session::run throws.
  void run(std::span<const tasks::Encoded> requests, int64_t max_batch_tokens, Consumer consume,
           const engine::RunControl& control = {});

  /// Runs one batch as it is; `outputs` hold its results.
  void run(const engine::PackedBatch& batch, engine::Outputs& outputs,
           const engine::RunControl& control = {});

  [[nodiscard]] const engine::EngineInfo& info() const { return info_; }
  [[nodiscard]] const engine::Engine& engine() const { return *engine_; }
  [[nodiscard]] ThreadPool& pool() const { return *pool_; }

 private:
  struct Worker;
  void check(const engine::PackedBatch& batch) const;
  [[nodiscard]] std::unique_ptr<Worker> take();
  void give_back(std::unique_ptr<Worker> worker);

  std::shared_ptr<const engine::Engine> engine_;
  engine::EngineInfo info_;
  std::shared_ptr<ThreadPool> pool_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Worker>> idle_;
};

/// One output of a batch that held all sequences of the requests in their order: hands each request
/// its rows, as Runner::run does.
void hand_out(std::span<const tasks::Encoded> requests, const engine::PackedBatch& batch,
              const tasks::OutputView& output, engine::RowUnit unit, Runner::Consumer consume);

}  // namespace tamis::api
