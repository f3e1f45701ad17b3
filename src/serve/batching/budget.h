// What one request may take of this server's memory, priced before it is taken.
//
// Is: the one object that every route of every dialect asks, over HTTP and gRPC. Is not: bytes of
// bodies in flight (http_server), time in the queue (batcher). May use: request's tasks.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "tasks/task.h"

namespace tamis::serve {

struct BudgetLimits {
  int64_t max_items = 4096;                       ///< of each list of a request
  int64_t max_answer_bytes = int64_t{256} << 20;  ///< an answer and all that it is made of
};

/// Thread-safe: a request's texts are tokenized on several threads.
class Budget {
 public:
  explicit Budget(const BudgetLimits& limits) : limits_(limits) {}

  /// Throws kInvalidArgument if the list `key` has more items than --max-items.
  void check_items(std::string_view key, size_t count) const;
  /// Throws kInvalidArgument if `count` times `bytes_each` is more than is left. Takes nothing.
  void check(std::string_view what, int64_t count, int64_t bytes_each) const;
  /// Takes `count` times `bytes_each`. Throws as check(), and takes nothing then.
  void take(std::string_view what, int64_t count, int64_t bytes_each);
  [[nodiscard]] int64_t left_bytes() const { return limits_.max_answer_bytes - taken_.load(); }
  [[nodiscard]] int64_t taken_bytes() const { return taken_.load(); }

 private:
  [[noreturn]] void refuse(std::string_view what, int64_t count, int64_t bytes_each) const;

  BudgetLimits limits_;
  std::atomic<int64_t> taken_{0};
};

using BudgetPtr = std::shared_ptr<Budget>;

/// A float of an answer: its row in the outputs, its copy in a result, and the 16 characters that
/// the longest float32 prints as.
inline constexpr int64_t kPrintedFloatBytes = 24;
/// A float that goes out as its bytes: the row, its place in a tensor, and the message's copy.
inline constexpr int64_t kRawFloatBytes = 16;

/// What an encoded token costs until its answer is printed.
[[nodiscard]] int64_t token_bytes(const tasks::TaskOptions& options);

/// Takes what texts cost before they are tokenized: each sequence reads its text again.
void take_texts(Budget& budget, const tasks::TaskInput& input);
/// Throws as Budget::check if so many inputs of these texts would cost too much.
void check_texts(const Budget& budget, const tasks::TaskInput& input, int64_t inputs);
/// Takes what options cost that each input has a copy of.
void take_options(Budget& budget, const tasks::TaskOptions& options, int64_t inputs);
/// Takes what the hypotheses cost that the input's labels are put into, all of them at once.
void take_hypotheses(Budget& budget, const tasks::ZeroShotOptions& options,
                     const tasks::TaskInput& input);
/// Takes what sequences cost beside their tokens.
void take_sequences(Budget& budget, int64_t count);

/// A token of a list that is printed: its offsets, its text and the keys around them.
inline constexpr int64_t kListedTokenBytes = 192;

/// Takes what the decoded answer of one input costs. `labels`: how many the model has, and how many
/// bytes all their names.
struct LabelSizes {
  int64_t count = 0;
  int64_t bytes = 0;
};
void take_result(Budget& budget, const tasks::Encoded& encoded, const LabelSizes& labels);

/// Steps that decoding takes beyond reading the outputs, each of some nanoseconds.
[[nodiscard]] int64_t decode_steps(const tasks::Encoded& encoded);

}  // namespace tamis::serve
