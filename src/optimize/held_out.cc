#include "optimize/held_out.h"

#include <algorithm>

#include "base/error.h"
#include "quant/first_not_finite.h"
#include "tasks/finite.h"

namespace tamis::api {

namespace {

// As evaluate() packs them.
constexpr int64_t kMaxBatchTokens = 16384;

// The layer where the arithmetic of this request overflows, for the message of its error.
std::string overflow_of(const LoadedModel& model, const tasks::Encoded& request, ThreadPool& pool) {
  engine::BatchBuilder batch;
  for (const tasks::Sequence& sequence : request.sequences) batch.append(sequence.view());
  const std::string layer = quant::first_not_finite(model.graph(), batch.batch(), pool);
  return layer.empty() ? "" : cat("; the first layer whose values are not finite is ", layer);
}

}  // namespace

HeldOut::HeldOut(const LoadedModel& model, Runner& reference, std::span<const TextRow> rows,
                 std::string source)
    : model_(model),
      rows_(rows),
      source_(std::move(source)),
      first_(make_measure(model, rows)),
      chunk_(make_chunk(*first_, rows, source_)),
      encoded_(encode_chunk(model, chunk_, first_->options())),
      reference_(encoded_.size()) {
  for (size_t r = 0; r < rows_.size(); ++r) all_rows_.push_back(r);
  run_reference(reference);
}

void HeldOut::run_reference(Runner& reference) {
  size_t at = 0;
  const auto keep = [&](size_t i, std::span<const tasks::OutputView> outputs) {
    at = i;
    const std::string_view where = chunk_.wheres[chunk_.row_of[i]];
    for (const tasks::OutputView& output : outputs) tasks::require_finite(output, where);
    reference_[i] = make_run(encoded_[i], outputs, model_);
    reference_[i].encoded = encoded_[i];
  };
  try {
    reference.run(encoded_, kMaxBatchTokens, keep);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    fail(error.code(), error.what(), overflow_of(model_, encoded_[at], reference.pool()));
  }
}

Evaluation HeldOut::compare_reference() const { return evaluate_runs(reference_, all_rows_); }

Evaluation HeldOut::compare(Runner& runner) const {
  std::vector<Run> runs(encoded_.size());
  runner.run(encoded_, kMaxBatchTokens, [&](size_t i, std::span<const tasks::OutputView> outputs) {
    runs[i] = make_run(encoded_[i], outputs, model_);
    runs[i].encoded = encoded_[i];
  });
  return evaluate_runs(runs, all_rows_);
}

Evaluation HeldOut::evaluate_runs(std::span<const Run> runs, std::span<const size_t> rows) const {
  const std::unique_ptr<Measure> mine = make_measure(model_, rows_);
  const std::unique_ptr<Measure> theirs = make_measure(model_, rows_);
  Evaluation result;
  result.rows = static_cast<int64_t>(rows.size());
  size_t at = 0;
  for (const size_t r : rows) {
    const size_t first = chunk_.begin[r];
    const size_t count = chunk_.begin[r + 1] - first;
    const auto own = runs.subspan(at, count);
    const auto reference = std::span<const Run>(reference_).subspan(first, count);
    at += count;
    mine->compare(reference, own, chunk_.wheres[r]);
    if (!mine->has_truth()) continue;
    mine->score(rows_[r], own, chunk_.wheres[r]);
    theirs->score(rows_[r], reference, chunk_.wheres[r]);
  }
  result.against.emplace();
  mine->finish(result);
  if (!mine->verdicts().empty()) {
    result.paired = pair_verdicts(theirs->verdicts(), mine->verdicts());
  }
  return result;
}

engine::PackedBatch HeldOut::batch_of(int64_t max_tokens) {
  int64_t all = 0;
  for (const tasks::Encoded& request : encoded_) all += request.tokens();
  // Every stride-th row, so that files sorted by label give every label.
  const auto stride =
      static_cast<size_t>(std::max<int64_t>(1, (all + max_tokens - 1) / max_tokens));
  batch_.clear();
  batch_rows_.clear();
  batch_requests_.clear();
  for (size_t r = 0; r < rows_.size(); r += stride) {
    batch_rows_.push_back(r);
    for (size_t i = chunk_.begin[r]; i < chunk_.begin[r + 1]; ++i) {
      batch_requests_.push_back(encoded_[i]);
      for (const tasks::Sequence& sequence : encoded_[i].sequences) batch_.append(sequence.view());
    }
  }
  return batch_.batch();
}

double HeldOut::divergence(const TensorView& output) const {
  std::vector<Run> runs(batch_requests_.size());
  const tasks::OutputView view = {tasks::task_output(model_.task()), output};
  hand_out(batch_requests_, batch_.batch(), view, model_.runner().info().outputs[0].unit,
           [&](size_t i, std::span<const tasks::OutputView> outputs) {
             runs[i] = make_run(batch_requests_[i], outputs, model_);
             runs[i].encoded = batch_requests_[i];
           });
  return evaluate_runs(runs, batch_rows_).against->divergence;
}

}  // namespace tamis::api
