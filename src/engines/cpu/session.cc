#include "engines/cpu/session.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "base/error.h"
#include "engine/batch_builder.h"

namespace tamis::engines::cpu {

using engine::FloatInput;
using engine::Outputs;
using engine::PackedBatch;
using engine::RunControl;

namespace {

enum class Ending : int { kNone, kCancelled, kDeadline };

[[noreturn]] void throw_ending(Ending ending) {
  if (ending == Ending::kDeadline) fail(ErrorCode::kDeadlineExceeded, "run: past its deadline");
  fail(ErrorCode::kCancelled, "run: cancelled");
}

std::byte* bytes_of(std::span<const int32_t> ids, int64_t first) {
  if (ids.empty()) return nullptr;
  return reinterpret_cast<std::byte*>(const_cast<int32_t*>(ids.data() + first));
}

const FloatInput* find_float_input(const PackedBatch& batch, std::string_view name) {
  for (const FloatInput& input : batch.float_inputs) {
    if (input.name == name) return &input;
  }
  return nullptr;
}

// Inner values that the graph starts from must come with the batch.
void check_float_inputs(const Plan& plan, const PackedBatch& batch) {
  for (const PlanInput& input : plan.inputs()) {
    if (input.kind != PlanInput::Kind::kFloatRows) continue;
    const FloatInput* given = find_float_input(batch, input.name);
    if (given == nullptr || (given->rows == nullptr && batch.tokens() > 0)) {
      fail(ErrorCode::kInvalidArgument, "batch: no rows for the input \"", input.name, "\" (F32",
           input.shape.to_string(), ")");
    }
  }
}

}  // namespace

/// One worker's memory, kept from run to run.
struct Session::WorkerState {
  AlignedBuffer arena;
  AlignedBuffer scratch;
  std::vector<size_t> offsets;
  std::vector<std::byte*> values;
  StepContext context;
};

/// What the workers of one run share.
struct Session::Run {
  Run(const PackedBatch& batch_to_run, const RunControl& run_control)
      : batch(batch_to_run), control(run_control) {}

  const PackedBatch& batch;
  const RunControl& control;
  std::atomic<size_t> next_block{0};
  std::atomic<int> ending{static_cast<int>(Ending::kNone)};
  std::mutex progress_mutex;
  int64_t tokens_done = 0;
  // The team's step at which worker 0 saw an ending; -1: none.
  std::atomic<int64_t> team_stops_at{-1};

  [[nodiscard]] Ending look() const {
    if (control.stop != nullptr && control.stop->load(std::memory_order_relaxed)) {
      return Ending::kCancelled;
    }
    if (control.deadline_ns != 0 && control.clock->now_ns() >= control.deadline_ns) {
      return Ending::kDeadline;
    }
    return Ending::kNone;
  }
  void end(Ending why) { ending.store(static_cast<int>(why), std::memory_order_relaxed); }
  [[nodiscard]] bool ended() const {
    return ending.load(std::memory_order_relaxed) != static_cast<int>(Ending::kNone);
  }
  void report(const Block& block) {
    if (!control.progress) return;
    const std::lock_guard lock(progress_mutex);
    tokens_done += block.tokens();
    control.progress(tokens_done, batch.tokens());
  }
};

Session::Session(std::shared_ptr<const Plan> plan, std::shared_ptr<ThreadPool> pool)
    : plan_(std::move(plan)), pool_(std::move(pool)) {}

Session::Session(std::shared_ptr<const Plan> plan, ThreadPool& pool)
    : Session(std::move(plan), engine::borrow(pool)) {}

Session::~Session() = default;

// All memory is made here: which worker meets the largest block is chance, and a member of a team
// that failed to allocate would leave the others waiting.
void Session::ensure_workers(int workers, size_t scratch) {
  while (static_cast<int>(workers_.size()) < workers) {
    workers_.push_back(std::make_unique<WorkerState>());
  }
  size_t arena = 0;
  for (const Block& block : schedule_.blocks) {
    arena = std::max(arena, plan_->table().offsets(block, workers_[0]->offsets));
  }
  for (size_t i = 0; i < workers_.size(); ++i) {
    WorkerState& worker = *workers_[i];
    worker.scratch.reserve(scratch);
    // A team works in worker 0's arena.
    if (schedule_.team && i > 0) continue;
    worker.arena.reserve(arena);
    worker.offsets.reserve(plan_->table().slots.size());
    worker.values.reserve(plan_->table().values.size());
  }
}

void Session::prepare(const PackedBatch& batch, Outputs& outputs) {
  const engine::RowMap rows(batch);
  output_data_.clear();
  outputs.truncate(plan_->outputs().size());
  for (size_t i = 0; i < plan_->outputs().size(); ++i) {
    const PlanOutput& output = plan_->outputs()[i];
    output_data_.push_back(
        outputs.prepare(i, output.name, rows.total(row_unit(output.symbol)), output.row_elements));
  }
  // Block b's part of cu_seqlens starts at sequence_begin + (blocks before it in batch order), and
  // as every block adds one entry, sequence_begin * 2 is always room enough.
  rebased_cu_seqlens_.resize(2 * static_cast<size_t>(batch.sequences()));
  rebased_selected_.resize(batch.selected_tokens.size());
  for (const Block& block : schedule_.blocks) {
    int32_t* cu_seqlens = rebased_cu_seqlens_.data() + 2 * block.sequence_begin;
    for (int64_t s = 0; s <= block.sequences(); ++s) {
      cu_seqlens[s] = batch.cu_seqlens[static_cast<size_t>(block.sequence_begin + s)] -
                      static_cast<int32_t>(block.token_begin);
    }
    if (batch.selected_tokens.empty()) continue;
    for (int64_t i = block.selected_begin; i < block.selected_end; ++i) {
      rebased_selected_[static_cast<size_t>(i)] =
          batch.selected_tokens[static_cast<size_t>(i)] - static_cast<int32_t>(block.token_begin);
    }
  }
}

// A batch may say more than its sequences have.
int64_t Session::longest(const PackedBatch& batch) const {
  return std::min<int64_t>(batch.max_seqlen, plan_->limits().max_seqlen);
}

void Session::prepare_places(const PackedBatch& batch) {
  int64_t places = longest(batch);
  for (const int32_t place : batch.position_ids) places = std::max<int64_t>(places, place + 1);
  if (places <= prepared_places_) return;
  plan_->prepare(places);
  prepared_places_ = places;
}

void Session::bind_inputs(const Run& run, const Block& block, WorkerState& state) {
  for (const PlanInput& input : plan_->inputs()) {
    std::byte*& place = state.values[static_cast<size_t>(input.value)];
    switch (input.kind) {
      case PlanInput::Kind::kInputIds:
        place = bytes_of(run.batch.input_ids, block.token_begin);
        break;
      case PlanInput::Kind::kTokenTypeIds:
        place = bytes_of(run.batch.token_type_ids, block.token_begin);
        break;
      case PlanInput::Kind::kFloatRows: {
        const float* rows = find_float_input(run.batch, input.name)->rows;
        const int64_t first =
            block.first_unit(input.shape.symbol()) * input.shape.elements_per_unit();
        place = reinterpret_cast<std::byte*>(const_cast<float*>(rows + first));
        break;
      }
    }
  }
}

void Session::bind(const Run& run, const Block& block, WorkerState& state) {
  const ValueTable& table = plan_->table();
  (void)table.offsets(block, state.offsets);
  state.values.assign(table.values.size(), nullptr);
  for (size_t i = 0; i < table.values.size(); ++i) {
    const int slot = table.values[i].slot;
    if (slot == ValueTable::kNoSlot) continue;
    state.values[i] = state.arena.data() + state.offsets[static_cast<size_t>(slot)];
  }
  bind_inputs(run, block, state);
  for (size_t i = 0; i < plan_->outputs().size(); ++i) {
    const PlanOutput& output = plan_->outputs()[i];
    const int64_t first = block.first_unit(output.symbol) * output.row_elements;
    state.values[static_cast<size_t>(output.value)] =
        output_data_[i] + static_cast<size_t>(first) * sizeof(float);
  }
  StepContext& context = state.context;
  context.block = &block;
  context.cu_seqlens = rebased_cu_seqlens_.data() + 2 * block.sequence_begin;
  context.selected_tokens =
      run.batch.selected_tokens.empty() ? nullptr : rebased_selected_.data() + block.selected_begin;
  context.position_ids =
      run.batch.position_ids.empty() ? nullptr : run.batch.position_ids.data() + block.token_begin;
  context.key_lengths =
      run.batch.key_lengths.empty() ? nullptr : run.batch.key_lengths.data() + block.sequence_begin;
  context.unpooled =
      run.batch.unpooled.empty() ? nullptr : run.batch.unpooled.data() + block.sequence_begin;
  context.max_seqlen = longest(run.batch);
  context.values = state.values.data();
  context.scratch = state.scratch.data();
}

void Session::run_block(Run& run, const Block& block, WorkerState& state) {
  bind(run, block, state);
  state.context.worker = 0;
  state.context.workers = 1;
  for (const auto& step : plan_->steps()) {
    if (const Ending ending = run.look(); ending != Ending::kNone) return run.end(ending);
    step->run(state.context);
  }
  run.report(block);
}

void Session::run_blocks(Run& run, WorkerState& state) {
  while (!run.ended()) {
    const size_t i = run.next_block.fetch_add(1, std::memory_order_relaxed);
    if (i >= schedule_.blocks.size()) return;
    run_block(run, schedule_.blocks[i], state);
  }
}

// All workers go through the same memory, worker 0's. Each worker decides to leave only on what
// worker 0 published before the barrier of that same step, so all leave together.
void Session::run_team(Run& run, int worker, int workers) {
  static_assert(std::atomic<int64_t>::is_always_lock_free);
  WorkerState& shared = *workers_[0];
  int64_t step_number = 0;
  for (const Block& block : schedule_.blocks) {
    if (worker == 0) bind(run, block, shared);
    team_barrier_.wait(workers);
    StepContext context = shared.context;
    context.scratch = workers_[static_cast<size_t>(worker)]->scratch.data();
    context.worker = worker;
    context.workers = workers;
    for (const auto& step : plan_->steps()) {
      step->run(context);
      ++step_number;
      if (worker == 0) {
        if (const Ending ending = run.look(); ending != Ending::kNone) {
          run.end(ending);
          run.team_stops_at.store(step_number, std::memory_order_release);
        }
      }
      team_barrier_.wait(workers);
      if (run.team_stops_at.load(std::memory_order_acquire) == step_number) return;
    }
    if (worker == 0) run.report(block);
  }
}

void Session::run(const PackedBatch& batch, Outputs& outputs, const RunControl& control) {
  check_batch(batch, plan_->limits());
  check_float_inputs(*plan_, batch);
  Run run(batch, control);
  if (const Ending ending = run.look(); ending != Ending::kNone) throw_ending(ending);
  ScheduleOptions options;
  options.workers = pool_->threads();
  make_schedule(batch, options, schedule_);
  prepare(batch, outputs);
  prepare_places(batch);
  int64_t rows = 0;
  for (const Block& block : schedule_.blocks) rows = std::max(rows, block.tokens());
  const size_t scratch = plan_->scratch_bytes(rows, longest(batch));
  ensure_workers(schedule_.team
                     ? pool_->threads()
                     : std::min<int>(pool_->threads(), static_cast<int>(schedule_.blocks.size())),
                 scratch);
  const auto at_most = static_cast<int>(workers_.size());
  if (schedule_.team) {
    pool_->run(at_most, [&](int worker, int workers) { run_team(run, worker, workers); });
  } else {
    pool_->run(at_most,
               [&](int worker, int) { run_blocks(run, *workers_[static_cast<size_t>(worker)]); });
  }
  if (run.ended()) throw_ending(static_cast<Ending>(run.ending.load()));
}

}  // namespace tamis::engines::cpu
