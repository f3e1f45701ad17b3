// What every protocol makes of a call and gets back: no HTTP, no gRPC.
//
// Is: plain data. Is not: parsing, queueing (batcher), routing (core). May use: tasks.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "serve/batching/budget.h"
#include "tasks/task.h"

namespace tamis::serve {

/// Set once the caller has gone: queued work leaves the queue. Null: nobody can go.
using CancelFlag = std::shared_ptr<const std::atomic<bool>>;

/// Which outputs a run computes. Rows of different sets never share a batch.
enum class OutputSet : uint8_t {
  kTask,    ///< what the model's task reads: "sentence_embedding" or "logits"
  kTokens,  ///< "token_embeddings" too
};

/// One sequence for the engine.
struct Row {
  tasks::Sequence sequence;
  /// The position of each token; empty: the family's rule. For masks with holes or padding on the
  /// left.
  std::vector<int32_t> positions = {};
  bool truncated = false;  ///< tokens were cut off
};

/// Where time went, each stage's own.
struct Timings {
  int64_t tokenize_us = 0;
  int64_t queue_us = 0;  ///< until the first of its rows ran
  int64_t run_us = 0;    ///< from then until the last row's end
};

/// Takes work to do on another thread. Thread-safe.
class Executor {
 public:
  virtual ~Executor() = default;
  /// Runs `task` once, soon; in any order.
  virtual void post(std::function<void()> task) = 0;
};

/// Texts, or rows of token ids; exactly one of `inputs` and `rows` is used.
struct Request {
  std::string model;    ///< a name that the repository knows
  std::string version;  ///< empty: the newest that is ready
  std::vector<tasks::TaskInput> inputs;
  std::vector<Row> rows;
  /// How texts are encoded and answers decoded; for rows, only embedding options can decode.
  std::optional<tasks::TaskOptions> options;
  /// True: the reply holds the outputs' rows as they are, and no results.
  bool raw = false;
  OutputSet outputs = OutputSet::kTask;
  /// What it may take; null: the server's limits, of which nothing is taken yet.
  BudgetPtr budget;
  int64_t float_bytes = kPrintedFloatBytes;  ///< of a number in the answer

  uint32_t priority = 0;   ///< 1 is the highest; 0 the default
  int64_t timeout_us = 0;  ///< from submit() to the reply; 0: the server's default
  uint64_t client = 0;     ///< whom to be fair to: a connection or a key
  CancelFlag cancelled;
  bool is_ours = false;     ///< the server's own, and in no figure of requests
  std::string id;           ///< for the logs
  std::string traceparent;  ///< as the client sent it; empty: it did not
  /// Where small replies are decoded and handed over; null: on the server's worker threads, or on
  /// the batcher's when it has nothing else to do.
  Executor* reply_on = nullptr;
};

/// An output's rows of a whole request.
struct RawOutput {
  std::string name;
  int64_t row_elements = 0;
  std::vector<float> values;           ///< [rows, row_elements]
  std::vector<int64_t> rows_of_input;  ///< how many rows each sequence has
};

/// The answer, or an error.
struct Reply {
  std::optional<Error> error;
  /// For kOverloaded: when to come back.
  int64_t retry_after_ms = 0;

  std::string model;                       ///< the name that answered
  std::string version;                     ///< and its version
  std::vector<tasks::TaskResult> results;  ///< one an input, unless raw was asked for
  std::vector<RawOutput> raw;
  std::vector<bool> truncated;  ///< one an input
  std::vector<int64_t> tokens_of_input;
  int64_t tokens = 0;
  int64_t text_bytes = 0;
  int64_t characters = 0;  ///< code points of the texts, a query's with each text, and ids
  Timings timings;
};

using ReplyCallback = std::function<void(Reply&&)>;

}  // namespace tamis::serve
