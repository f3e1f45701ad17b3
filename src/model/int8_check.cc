#include "model/int8_check.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/error.h"
#include "math/agreement.h"
#include "model/calibration_rows.h"
#include "quant/run_by_layers.h"

namespace tamis::api {

namespace {

constexpr double kLeastCosine = 0.99;
constexpr double kMostFlips = 0.01;
constexpr int64_t kMaxBatchTokens = 4096;

// Short, so that the check costs a fraction of the load; of several scripts, as the outliers that
// rounding suffers from are tokens' and not texts'.
constexpr std::string_view kTexts[] = {"Rain is likely.",    "I loved it!",   "Where is it?",
                                       "À 8 h 42.",          "Sehr gut.",     "Call 555-0199.",
                                       "The soup was cold.", "価格は1200円。"};

// Zero-shot asks of a classifier what a classifier is measured by.
std::unique_ptr<Measure> measure_of(const LoadedModel& model, std::span<const TextRow> rows) {
  return model.task() == tasks::TaskKind::kZeroShot ? measure_classify(model, rows)
                                                    : make_measure(model, rows);
}

bool is_embedding(tasks::TaskKind task) { return models::is_embedding(head_of(task)); }

engine::RowUnit unit_of(graph::Symbol symbol) {
  if (symbol == graph::Symbol::kTokens) return engine::RowUnit::kToken;
  return symbol == graph::Symbol::kSelected ? engine::RowUnit::kSelectedToken
                                            : engine::RowUnit::kSequence;
}

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3g %%", 100 * share);
  return text;
}

// NaN, of answers that are not finite, is worse than any.
double the_worse(double a, double b) { return std::isnan(a) || a <= b ? a : b; }

}  // namespace

bool Int8Agreement::good() const {
  // Not (cosine < least), so that NaN is bad.
  return (!cosine || *cosine >= kLeastCosine) && (!flip_share || *flip_share <= kMostFlips);
}

std::string Int8Agreement::figures() const {
  std::string text;
  if (cosine) {
    char number[32];
    std::snprintf(number, sizeof(number), "cosine %.4f", *cosine);
    text = number;
  }
  if (flip_share) text += cat(text.empty() ? "" : ", ", "flips ", percent(*flip_share));
  return text;
}

Int8Check::Int8Check(const LoadedModel& model, const graph::Graph& graph, ThreadPool& pool)
    : model_(model), rows_(shaped_rows(model, kTexts)), measure_(measure_of(model, rows_)) {
  chunk_ = make_chunk(*measure_, rows_, "built-in text");
  engine::BatchBuilder batch;
  for (const tasks::TaskInput& input : chunk_.inputs) {
    encoded_.push_back(model.encode(input, measure_->options()));
    for (const tasks::Sequence& sequence : encoded_.back().sequences) batch.append(sequence.view());
  }
  if (batch.tokens() == 0) return;
  const std::string name(tasks::task_output(model.task()));
  const auto& outputs = graph.outputs();
  const auto output = std::find_if(outputs.begin(), outputs.end(),
                                   [&](const auto& item) { return item.name == name; });
  TAMIS_CHECK(output != outputs.end());
  const graph::SymbolicShape& shape = graph.value(output->value).shape;
  const std::vector<float> values =
      quant::run_by_layers(graph, name, batch.batch(), pool, model.isas());
  const int64_t width = shape.elements_per_unit();
  const TensorView view(DType::kF32, {static_cast<int64_t>(values.size()) / width, width},
                        values.data());
  reference_.resize(encoded_.size());
  hand_out(encoded_, batch.batch(), {name, view}, unit_of(shape.symbol()),
           [&](size_t i, std::span<const tasks::OutputView> rows) {
             reference_[i] = make_run(encoded_[i], rows, model_);
             reference_[i].encoded = encoded_[i];
           });
}

std::optional<Int8Agreement> Int8Check::compare(Runner& runner) const {
  if (reference_.empty()) return std::nullopt;
  std::vector<Run> runs(encoded_.size());
  runner.run(encoded_, kMaxBatchTokens, [&](size_t i, std::span<const tasks::OutputView> rows) {
    runs[i] = make_run(encoded_[i], rows, model_);
    runs[i].encoded = encoded_[i];
  });
  Int8Agreement agreement;
  agreement.texts = static_cast<int64_t>(rows_.size());
  std::vector<float> theirs;
  std::vector<float> mine;
  for (size_t r = 0; r < rows_.size(); ++r) {
    const size_t first = chunk_.begin[r];
    const size_t count = chunk_.begin[r + 1] - first;
    const auto reference = std::span<const Run>(reference_).subspan(first, count);
    const auto own = std::span<const Run>(runs).subspan(first, count);
    measure_->compare(reference, own, chunk_.wheres[r]);
    for (size_t i = 0; i < count; ++i) {
      theirs.insert(theirs.end(), reference[i].raw.begin(), reference[i].raw.end());
      mine.insert(mine.end(), own[i].raw.begin(), own[i].raw.end());
      if (!is_embedding(model_.task())) continue;
      agreement.cosine =
          the_worse(agreement.cosine.value_or(1.0), agreement_cosine(reference[i].raw, own[i].raw));
    }
  }
  Evaluation evaluation;
  evaluation.against.emplace();
  measure_->finish(evaluation);
  agreement.flip_share = evaluation.against->flip_share();
  if (!agreement.cosine && !agreement.flip_share) agreement.cosine = math::cosine(theirs, mine);
  return agreement;
}

}  // namespace tamis::api
