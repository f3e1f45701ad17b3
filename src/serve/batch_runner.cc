#include "serve/batch_runner.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "serve/current_error.h"

namespace tamis::serve {

namespace {

int64_t rows_of(const RowRef& row, graph::Symbol symbol) {
  const tasks::Sequence& sequence = *row.sequence;
  if (symbol == graph::Symbol::kSequences) return 1;
  const bool chosen = symbol == graph::Symbol::kSelected && !sequence.selected.empty();
  return chosen ? static_cast<int64_t>(sequence.selected.size()) : sequence.size();
}

// Lays out a job's results the first time one of its rows has run. Changes nothing if it throws.
void prepare_results(Job& job, const std::vector<OutputInfo>& infos) {
  if (!job.results.empty()) return;
  std::vector<RawOutput> results(infos.size());
  std::vector<std::vector<int64_t>> first_row(infos.size());
  for (size_t i = 0; i < infos.size(); ++i) {
    RawOutput& result = results[i];
    result.name = infos[i].name;
    result.row_elements = infos[i].row_elements;
    int64_t rows = 0;
    for (const RowRef& row : job.rows) {
      first_row[i].push_back(rows);
      result.rows_of_input.push_back(rows_of(row, infos[i].symbol));
      rows += result.rows_of_input.back();
    }
    result.values.resize(static_cast<size_t>(rows * result.row_elements));
  }
  job.results = std::move(results);
  job.first_row = std::move(first_row);
}

}  // namespace

void BatchRunner::clear() {
  input_ids_.clear();
  token_type_ids_.clear();
  positions_.clear();
  cu_seqlens_.assign(1, 0);
  selected_.clear();
  max_seqlen_ = 0;
}

void BatchRunner::append(const RowRef& row, bool positions) {
  const tasks::Sequence& sequence = *row.sequence;
  const auto first = static_cast<int32_t>(input_ids_.size());
  input_ids_.insert(input_ids_.end(), sequence.ids.begin(), sequence.ids.end());
  if (sequence.type_ids.empty()) {
    token_type_ids_.resize(input_ids_.size(), 0);
  } else {
    token_type_ids_.insert(token_type_ids_.end(), sequence.type_ids.begin(),
                           sequence.type_ids.end());
  }
  if (positions && row.positions.empty()) {
    positions_.resize(input_ids_.size());
    std::iota(positions_.begin() + first, positions_.end(), model_.first_position());
  } else {
    positions_.insert(positions_.end(), row.positions.begin(), row.positions.end());
  }
  for (const int32_t token : sequence.selected) selected_.push_back(first + token);
  cu_seqlens_.push_back(static_cast<int32_t>(input_ids_.size()));
  max_seqlen_ = std::max(max_seqlen_, static_cast<int32_t>(sequence.ids.size()));
}

runtime::PackedBatch BatchRunner::packed() const {
  return {input_ids_, token_type_ids_, positions_, cu_seqlens_, selected_, max_seqlen_};
}

void BatchRunner::scatter(const std::vector<Piece>& pieces, OutputSet set) {
  const std::vector<OutputInfo> infos = model_.outputs(set);
  std::vector<int64_t> next(infos.size(), 0);
  // Whatever may throw comes before the first row counts as done: a batch that fails runs again.
  for (const Piece& piece : pieces) prepare_results(*piece.job, infos);
  for (const Piece& piece : pieces) {
    Job& job = *piece.job;
    for (size_t i = 0; i < infos.size(); ++i) {
      RawOutput& result = job.results[i];
      int64_t count = 0;
      for (size_t r = piece.begin; r < piece.end; ++r) count += result.rows_of_input[r];
      const auto width = static_cast<size_t>(result.row_elements);
      const auto bytes = static_cast<size_t>(count) * width * sizeof(float);
      const auto to = static_cast<size_t>(job.first_row[i][piece.begin]) * width;
      const std::byte* from =
          outputs_.view(i).data() + static_cast<size_t>(next[i]) * width * sizeof(float);
      if (bytes != 0) std::memcpy(result.values.data() + to, from, bytes);
      next[i] += count;
    }
    job.rows_done += piece.end - piece.begin;
  }
}

void BatchRunner::run_pieces(const std::vector<Piece>& pieces, OutputSet set) {
  clear();
  // Filled for all rows once one has its own.
  bool positions = false;
  for (const Piece& piece : pieces) {
    for (size_t r = piece.begin; r < piece.end; ++r) {
      positions = positions || !piece.job->rows[r].positions.empty();
    }
  }
  for (const Piece& piece : pieces) {
    for (size_t r = piece.begin; r < piece.end; ++r) append(piece.job->rows[r], positions);
  }
  runtime::RunControl control;
  control.clock = &clock_;
  if (pieces.size() == 1) {
    const Job& job = *pieces.front().job;
    control.deadline_ns = job.deadline_ns;
    control.stop = job.cancelled.get();
  }
  model_.run(packed(), set, outputs_, control);
  scatter(pieces, set);
}

void BatchRunner::run_alone(const Piece& piece, OutputSet set) {
  for (size_t r = piece.begin; r < piece.end && !piece.job->error; ++r) {
    try {
      run_pieces({{piece.job, r, r + 1}}, set);
    } catch (...) {
      piece.job->error = current_error();
    }
  }
}

bool BatchRunner::run(Batch& batch) {
  const int64_t started = clock_.now_ns();
  bool all_ran = true;
  try {
    run_pieces(batch.pieces, batch.outputs);
  } catch (...) {
    all_ran = false;
    if (batch.pieces.size() == 1) {
      batch.pieces.front().job->error = current_error();
    } else {
      for (const Piece& piece : batch.pieces) run_alone(piece, batch.outputs);
    }
  }
  const int64_t ended = clock_.now_ns();
  for (const Piece& piece : batch.pieces) {
    if (piece.job->started_ns == 0) piece.job->started_ns = started;
    piece.job->ended_ns = ended;
  }
  return all_ran;
}

}  // namespace tamis::serve
