// What evaluate() counts for each task.
//
// Is: for evaluate.cc. Is not: for other files. May use: tasks, kernels.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/evaluate.h"

namespace tamis::api {

/// One text through one model.
struct Run {
  tasks::Encoded encoded;
  tasks::TaskResult result;
  std::vector<float> raw;  ///< the rows of the task's output, one behind the other
  int64_t width = 0;       ///< of a row
};

/// Counts over the rows of a file. One owner.
class Measure {
 public:
  Measure() = default;
  Measure(const Measure&) = delete;
  Measure& operator=(const Measure&) = delete;
  virtual ~Measure() = default;

  /// True if the rows hold the truth that score() needs.
  [[nodiscard]] virtual bool has_truth() const = 0;
  [[nodiscard]] virtual tasks::TaskOptions options() const = 0;
  /// What to run for the row, at least one input; `where` names it in errors.
  [[nodiscard]] virtual std::vector<tasks::TaskInput> inputs(const TextRow& row,
                                                             std::string_view where) const = 0;
  /// The runs of the row's inputs against its truth; called only if has_truth().
  virtual void score(const TextRow& row, std::span<const Run> runs, std::string_view where) = 0;
  /// The same row by both models.
  virtual void compare(std::span<const Run> reference, std::span<const Run> runs,
                       std::string_view where) = 0;
  virtual void finish(Evaluation& evaluation) const = 0;
};

/// The measure of a task on these rows. Throws kUnsupported for a task that has none.
[[nodiscard]] std::unique_ptr<Measure> make_measure(const LoadedModel& model,
                                                    std::span<const TextRow> rows);

// Of measure_labels.cc.
[[nodiscard]] std::unique_ptr<Measure> measure_classify(const LoadedModel& model,
                                                        std::span<const TextRow> rows);
[[nodiscard]] std::unique_ptr<Measure> measure_ner(const LoadedModel& model,
                                                   std::span<const TextRow> rows);

/// Sums of what two models differ in.
struct Differences {
  int64_t compared = 0;
  int64_t flips = 0;
  double kl = 0;
  int64_t kl_count = 0;

  void add(bool flipped);
  void add_kl(double divergence);
  [[nodiscard]] Agreement agreement() const;
};

/// Throws kInvalidArgument unless both runs gave as many numbers.
void check_alike(const Run& reference, const Run& run, std::string_view where);

/// Row `i` of raw.
[[nodiscard]] std::span<const float> raw_row(const Run& run, int64_t i);

[[nodiscard]] size_t greatest(std::span<const float> values);

}  // namespace tamis::api
