// What is counted of a model's answers for each task.
//
// Is: what evaluation, calibration and the check of INT8 share. Is not: a run over a file
// (optimize/evaluate). May use: tasks, math.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/text_data.h"
#include "math/agreement.h"
#include "model/evaluation.h"
#include "model/loaded_model.h"

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
  /// Of each row that was scored, whether it was right; empty for tasks where a row has no such
  /// verdict.
  [[nodiscard]] virtual std::span<const uint8_t> verdicts() const { return {}; }
};

/// The measure of a task on these rows. Throws kUnsupported for a task that has none.
[[nodiscard]] std::unique_ptr<Measure> make_measure(const LoadedModel& model,
                                                    std::span<const TextRow> rows);

/// Of two models' rows for a text. 1 for equal rows: where both are 0 they have no direction.
[[nodiscard]] double agreement_cosine(std::span<const float> reference, std::span<const float> own);

/// Throws kInvalidArgument naming the first row whose label the model does not have.
void check_truth(const LoadedModel& model, std::span<const TextRow> rows, std::string_view source);

// Of measure_labels.cc.
[[nodiscard]] std::unique_ptr<Measure> measure_classify(const LoadedModel& model,
                                                        std::span<const TextRow> rows);
[[nodiscard]] std::unique_ptr<Measure> measure_ner(const LoadedModel& model,
                                                   std::span<const TextRow> rows);
// Of span_measure.cc: entities over labels that come with the text, those of the rows' truth or,
// without any, usual_labels().
[[nodiscard]] std::unique_ptr<Measure> measure_spans(const LoadedModel& model,
                                                     std::span<const TextRow> rows);

/// Some rows of a file, encoded for a task.
struct Chunk {
  std::vector<tasks::TaskInput> inputs;
  std::vector<size_t> begin;        ///< first input of each row, and one behind the last
  std::vector<std::string> wheres;  ///< of each row, "FILE:LINE"
  std::vector<size_t> row_of;       ///< of each input
};

[[nodiscard]] Chunk make_chunk(const Measure& measure, std::span<const TextRow> rows,
                               std::string_view source);

/// The chunk's inputs as tokens. Throws what encoding throws, naming the row.
[[nodiscard]] std::vector<tasks::Encoded> encode_chunk(const LoadedModel& model, const Chunk& chunk,
                                                       const tasks::TaskOptions& options);

/// One request through an engine and `model`'s decoding.
[[nodiscard]] Run make_run(const tasks::Encoded& encoded,
                           std::span<const tasks::OutputView> outputs, const LoadedModel& model);

/// McNemar's table of two models' verdicts on the same rows.
[[nodiscard]] PairedTruth pair_verdicts(std::span<const uint8_t> other,
                                        std::span<const uint8_t> mine);

/// Sums of what two models differ in.
struct Differences {
  int64_t compared = 0;
  int64_t flips = 0;
  std::vector<double> kls;
  std::vector<math::DecisionMargin> margins;  ///< where one of several labels is chosen

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
