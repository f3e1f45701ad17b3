// A request on its way through the queue: rows in, rows of outputs out.
//
// Is: what the queue and the batcher share. Is not: text or protocol. May use: request, admission.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "serve/batching/admission.h"
#include "serve/batching/request.h"

namespace tamis::serve {

/// Borrows a sequence, and its positions if it has its own.
struct RowRef {
  const tasks::Sequence* sequence = nullptr;
  std::span<const int32_t> positions = {};
};

/// Owned by the submitter until pushed, by the batcher's thread until `done` is called, then by
/// whoever `done` hands it to. Not thread-safe.
struct Job {
  // What to run.
  std::vector<RowRef> rows;  ///< borrowed from whoever `done` keeps alive
  OutputSet outputs = OutputSet::kTask;
  int64_t tokens = 0;  ///< of all rows

  // How it queues.
  uint32_t priority = 0;
  uint64_t client = 0;
  int64_t arrival_ns = 0;
  int64_t deadline_ns = 0;  ///< 0: none
  CancelFlag cancelled;
  Admission::Ticket ticket;  ///< held until it is done

  // What came of it.
  std::optional<Error> error;
  std::vector<RawOutput> results;  ///< one an output of the set
  int64_t started_ns = 0;
  int64_t ended_ns = 0;

  /// Called once, on the batcher's thread; must not block. What it throws is dropped.
  std::function<void(std::shared_ptr<Job>)> done;

  // The queue's own marks.
  size_t next_row = 0;   ///< rows before it have been taken
  size_t rows_done = 0;  ///< rows whose outputs are here
  bool finished = false;
  std::vector<std::vector<int64_t>> first_row;  ///< by output, then by row: where its outputs go
};

using JobPtr = std::shared_ptr<Job>;

}  // namespace tamis::serve
