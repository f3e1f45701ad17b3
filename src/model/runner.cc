#include "model/runner.h"

#include <algorithm>

#include "base/error.h"

namespace tamis::api {

struct Runner::Worker {
  explicit Worker(const engine::Engine& engine) : session(engine.make_session()) {}

  std::unique_ptr<engine::Session> session;
  engine::Outputs outputs;
  engine::BatchBuilder batch;
  std::vector<tasks::OutputView> views;
};

Runner::Runner(std::shared_ptr<const engine::Engine> engine, std::shared_ptr<ThreadPool> pool,
               int64_t max_tokens)
    : engine_(std::move(engine)), info_(engine_->info()), pool_(std::move(pool)) {
  int64_t& most = info_.limits.max_seqlen;
  if (max_tokens > 0) most = std::min(most, max_tokens);
}

Runner::~Runner() = default;

std::unique_ptr<Runner::Worker> Runner::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Worker> worker = std::move(idle_.back());
      idle_.pop_back();
      return worker;
    }
  }
  return std::make_unique<Worker>(*engine_);
}

void Runner::give_back(std::unique_ptr<Worker> worker) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(worker));
}

// The session knows the engine's own limits.
void Runner::check(const engine::PackedBatch& batch) const {
  if (batch.max_seqlen > info_.limits.max_seqlen) engine::check_batch(batch, info_.limits);
}

void Runner::run(const engine::PackedBatch& batch, engine::Outputs& outputs,
                 const engine::RunControl& control) {
  check(batch);
  std::unique_ptr<Worker> worker = take();
  worker->session->run(batch, outputs, control);
  give_back(std::move(worker));
}

namespace {

TensorView cut(const TensorView& tensor, int64_t width, engine::RowRange range) {
  // A request of no sequences, a query with nothing to rank, has no row anywhere.
  if (range.count == 0) return {DType::kF32, {0, width}, nullptr};
  const std::byte* first = tensor.data() + static_cast<size_t>(range.begin * width) * sizeof(float);
  return {DType::kF32, {range.count, width}, first};
}

// Requests from `begin` on that fit a batch together; one at least. Its sequences are in `batch`.
size_t fill(std::span<const tasks::Encoded> requests, size_t begin, int64_t max_batch_tokens,
            engine::BatchCost cost, engine::BatchBuilder& batch) {
  batch.clear();
  size_t end = begin;
  for (; end < requests.size(); ++end) {
    engine::BatchCost with = cost;
    for (const tasks::Sequence& sequence : requests[end].sequences) with.add(sequence.size());
    if (end != begin && with.value() > max_batch_tokens) break;
    cost = with;
    for (const tasks::Sequence& sequence : requests[end].sequences) batch.append(sequence.view());
  }
  return end;
}

}  // namespace

void Runner::run(std::span<const tasks::Encoded> requests, int64_t max_batch_tokens,
                 Consumer consume, const engine::RunControl& control) {
  std::unique_ptr<Worker> worker = take();
  const std::vector<engine::EngineOutput>& outputs = info().outputs;
  worker->views.resize(outputs.size());
  engine::BatchCost cost;
  cost.padded = info().padded;
  for (size_t begin = 0; begin < requests.size();) {
    const size_t end = fill(requests, begin, max_batch_tokens, cost, worker->batch);
    const engine::PackedBatch batch = worker->batch.batch();
    check(batch);
    if (batch.tokens() > 0) worker->session->run(batch, worker->outputs, control);
    const engine::RowMap rows(batch);
    int64_t sequence = 0;
    for (size_t request = begin; request < end; ++request) {
      const int64_t next = sequence + static_cast<int64_t>(requests[request].sequences.size());
      for (size_t i = 0; i < outputs.size(); ++i) {
        const engine::RowRange range = rows.rows(outputs[i].unit, sequence, next);
        const TensorView all = batch.tokens() > 0 ? worker->outputs.view(i) : TensorView();
        worker->views[i] = {outputs[i].name, cut(all, outputs[i].width, range)};
      }
      consume(request, worker->views);
      sequence = next;
    }
    begin = end;
  }
  give_back(std::move(worker));
}

void hand_out(std::span<const tasks::Encoded> requests, const engine::PackedBatch& batch,
              const tasks::OutputView& output, engine::RowUnit unit, Runner::Consumer consume) {
  const engine::RowMap rows(batch);
  int64_t sequence = 0;
  for (size_t request = 0; request < requests.size(); ++request) {
    const int64_t next = sequence + static_cast<int64_t>(requests[request].sequences.size());
    const tasks::OutputView view = {
        output.name, cut(output.tensor, output.tensor.shape()[1], rows.rows(unit, sequence, next))};
    consume(request, {&view, 1});
    sequence = next;
  }
}

}  // namespace tamis::api
