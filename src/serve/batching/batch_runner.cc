#include "serve/batching/batch_runner.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "serve/batching/current_error.h"

namespace tamis::serve {

namespace {

engine::SequenceView view_of(const RowRef& row) {
  engine::SequenceView view = row.sequence->view();
  view.position_ids = row.positions;
  return view;
}

uint64_t hash_of(std::span<const int32_t> numbers, uint64_t hash) {
  for (const int32_t number : numbers) {
    hash = (hash ^ static_cast<uint32_t>(number)) * 0x9E3779B97F4A7C15ULL;
    hash ^= hash >> 32;
  }
  return (hash ^ numbers.size()) * 0x9E3779B97F4A7C15ULL;
}

bool same(std::span<const int32_t> a, std::span<const int32_t> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
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
      result.rows_of_input.push_back(engine::rows_of(view_of(row), infos[i].unit));
      rows += result.rows_of_input.back();
    }
    result.values.resize(static_cast<size_t>(rows * result.row_elements));
  }
  job.results = std::move(results);
  job.first_row = std::move(first_row);
}

}  // namespace

size_t SameRun::operator()(const RowRef& row) const {
  const engine::SequenceView view = view_of(row);
  uint64_t hash = hash_of(view.ids, 0);
  hash = hash_of(view.type_ids, hash);
  hash = hash_of(view.position_ids, hash);
  hash = hash_of(view.selected, hash);
  hash = hash_of(std::span(&view.unpooled, 1), hash);
  return hash_of(std::span(&view.keys, 1), hash);
}

bool SameRun::operator()(const RowRef& a, const RowRef& b) const {
  const engine::SequenceView x = view_of(a);
  const engine::SequenceView y = view_of(b);
  return x.keys == y.keys && x.unpooled == y.unpooled && same(x.ids, y.ids) &&
         same(x.type_ids, y.type_ids) && same(x.position_ids, y.position_ids) &&
         same(x.selected, y.selected);
}

void BatchRunner::scatter_one(const Piece& piece, size_t row, size_t output,
                              engine::RowRange range) {
  Job& job = *piece.job;
  RawOutput& result = job.results[output];
  const auto width = static_cast<size_t>(result.row_elements);
  const auto bytes = static_cast<size_t>(range.count) * width * sizeof(float);
  const auto to = static_cast<size_t>(job.first_row[output][row]) * width;
  const std::byte* from =
      outputs_.view(output).data() + static_cast<size_t>(range.begin) * width * sizeof(float);
  if (bytes != 0) std::memcpy(result.values.data() + to, from, bytes);
}

void BatchRunner::scatter(const std::vector<Piece>& pieces, OutputSet set) {
  const std::vector<OutputInfo> infos = model_.outputs(set);
  const engine::RowMap rows(builder_.batch());
  // Whatever may throw comes before the first row counts as done: a batch that fails runs again.
  for (const Piece& piece : pieces) prepare_results(*piece.job, infos);
  const int64_t* place = place_.data();
  for (const Piece& piece : pieces) {
    for (size_t r = piece.begin; r < piece.end; ++r, ++place) {
      for (size_t i = 0; i < infos.size(); ++i) {
        scatter_one(piece, r, i, rows.rows(infos[i].unit, *place, *place + 1));
      }
    }
    piece.job->rows_done += piece.end - piece.begin;
  }
}

// Packs the rows, each sequence the first time that it comes.
void BatchRunner::append_once(const std::vector<Piece>& pieces) {
  builder_.clear();
  place_.clear();
  first_of_.clear();
  for (const Piece& piece : pieces) {
    for (size_t r = piece.begin; r < piece.end; ++r) {
      const RowRef& row = piece.job->rows[r];
      const auto [at, fresh] = first_of_.try_emplace(row, builder_.sequences());
      if (fresh) builder_.append(view_of(row));
      place_.push_back(at->second);
    }
  }
}

void BatchRunner::run_pieces(const std::vector<Piece>& pieces, OutputSet set) {
  append_once(pieces);
  engine::RunControl control;
  control.clock = &clock_;
  if (pieces.size() == 1) {
    const Job& job = *pieces.front().job;
    control.deadline_ns = job.deadline_ns;
    control.stop = job.cancelled.get();
  }
  model_.run(builder_.batch(), set, outputs_, control);
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
