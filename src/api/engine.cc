#include "api/engine.h"

#include <algorithm>

#include "base/error.h"

namespace tamis::api {

void BatchBuffer::clear() {
  input_ids.clear();
  token_type_ids.clear();
  cu_seqlens.assign(1, 0);
  selected_tokens.clear();
  max_seqlen = 0;
}

void BatchBuffer::append(const tasks::Sequence& sequence) {
  const auto first = static_cast<int32_t>(input_ids.size());
  input_ids.insert(input_ids.end(), sequence.ids.begin(), sequence.ids.end());
  if (sequence.type_ids.empty()) {
    token_type_ids.resize(input_ids.size(), 0);
  } else {
    token_type_ids.insert(token_type_ids.end(), sequence.type_ids.begin(), sequence.type_ids.end());
  }
  for (const int32_t token : sequence.selected) selected_tokens.push_back(first + token);
  cu_seqlens.push_back(static_cast<int32_t>(input_ids.size()));
  max_seqlen = std::max(max_seqlen, static_cast<int32_t>(sequence.ids.size()));
}

runtime::PackedBatch BatchBuffer::packed() const {
  return {input_ids, token_type_ids, {}, cu_seqlens, selected_tokens, max_seqlen};
}

struct Engine::Worker {
  explicit Worker(std::shared_ptr<const runtime::Plan> plan, ThreadPool& pool)
      : session(std::move(plan), pool) {}

  runtime::Session session;
  runtime::Outputs outputs;
  BatchBuffer batch;
};

Engine::Engine(std::shared_ptr<const runtime::Plan> plan, std::shared_ptr<ThreadPool> pool)
    : plan_(std::move(plan)), pool_(std::move(pool)) {}

Engine::~Engine() = default;

std::unique_ptr<Engine::Worker> Engine::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Worker> worker = std::move(idle_.back());
      idle_.pop_back();
      return worker;
    }
  }
  return std::make_unique<Worker>(plan_, *pool_);
}

void Engine::give_back(std::unique_ptr<Worker> worker) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(worker));
}

void Engine::run(const runtime::PackedBatch& batch, runtime::Outputs& outputs,
                 const runtime::RunControl& control) {
  std::unique_ptr<Worker> worker = take();
  worker->session.run(batch, outputs, control);
  give_back(std::move(worker));
}

namespace {

/// Where a request's rows stand in a batch.
struct RowRange {
  int64_t begin = 0;
  int64_t count = 0;
};

// Rows that the request has in an output counted by `symbol`.
int64_t rows_of(const tasks::Encoded& request, graph::Symbol symbol) {
  if (symbol == graph::Symbol::kSequences) return static_cast<int64_t>(request.sequences.size());
  int64_t rows = 0;
  for (const tasks::Sequence& sequence : request.sequences) {
    const bool chosen = symbol == graph::Symbol::kSelected && !sequence.selected.empty();
    rows += chosen ? static_cast<int64_t>(sequence.selected.size()) : sequence.size();
  }
  return rows;
}

TensorView rows(const TensorView& tensor, int64_t width, RowRange range) {
  // A request of no sequences, a query with nothing to rank, has no row anywhere.
  if (range.count == 0) return {DType::kF32, {0, width}, nullptr};
  const std::byte* first = tensor.data() + static_cast<size_t>(range.begin * width) * sizeof(float);
  return {DType::kF32, {range.count, width}, first};
}

}  // namespace

void Engine::run(std::span<const tasks::Encoded> requests, int64_t max_batch_tokens,
                 Consumer consume, const runtime::RunControl& control) {
  std::unique_ptr<Worker> worker = take();
  for (size_t begin = 0; begin < requests.size();) {
    worker->batch.clear();
    int64_t tokens = 0;
    size_t end = begin;
    while (end < requests.size() &&
           (end == begin || tokens + requests[end].tokens() <= max_batch_tokens)) {
      for (const tasks::Sequence& sequence : requests[end].sequences)
        worker->batch.append(sequence);
      tokens += requests[end].tokens();
      ++end;
    }
    if (tokens > 0) worker->session.run(worker->batch.packed(), worker->outputs, control);
    const std::vector<runtime::PlanOutput>& outputs = plan_->outputs();
    std::vector<tasks::OutputView> views(outputs.size());
    std::vector<int64_t> next_row(outputs.size(), 0);
    for (size_t request = begin; request < end; ++request) {
      for (size_t i = 0; i < outputs.size(); ++i) {
        const RowRange range{next_row[i], rows_of(requests[request], outputs[i].symbol)};
        // Where no request of the batch has a row, nothing ran, and there is no output to look at.
        const TensorView all = tokens > 0 ? worker->outputs.view(i) : TensorView();
        views[i] = {outputs[i].name, rows(all, outputs[i].row_elements, range)};
        next_row[i] += range.count;
      }
      consume(request, views);
    }
    begin = end;
  }
  give_back(std::move(worker));
}

void hand_out(std::span<const tasks::Encoded> requests, const tasks::OutputView& output,
              graph::Symbol symbol, Engine::Consumer consume) {
  int64_t next_row = 0;
  for (size_t request = 0; request < requests.size(); ++request) {
    const RowRange range{next_row, rows_of(requests[request], symbol)};
    const tasks::OutputView view = {output.name,
                                    rows(output.tensor, output.tensor.shape()[1], range)};
    consume(request, {&view, 1});
    next_row += range.count;
  }
}

}  // namespace tamis::api
