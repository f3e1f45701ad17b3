#include "optimize/evaluate.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/json.h"
#include "math/agreement.h"
#include "model/measure.h"
#include "optimize/format.h"
#include "tasks/finite.h"

namespace tamis::api {

namespace {

// Rows whose results are held at once: enough to fill batches, and for a masked-word head of
// 250,000 words still only half a megabyte a mask.
constexpr size_t kChunkRows = 256;

std::vector<Run> run_chunk(const LoadedModel& model, const Chunk& chunk,
                           const tasks::TaskOptions& options, int64_t max_batch_tokens) {
  std::vector<tasks::Encoded> encoded = encode_chunk(model, chunk, options);
  std::vector<Run> runs(encoded.size());
  model.runner().run(encoded, max_batch_tokens,
                     [&](size_t i, std::span<const tasks::OutputView> outputs) {
                       const std::string_view where = chunk.wheres[chunk.row_of[i]];
                       for (const tasks::OutputView& output : outputs) {
                         tasks::require_finite(output, cat(model.folder().string(), ": ", where));
                       }
                       runs[i] = make_run(encoded[i], outputs, model);
                     });
  for (size_t i = 0; i < runs.size(); ++i) runs[i].encoded = std::move(encoded[i]);
  return runs;
}

void check_pair(const LoadedModel& model, const LoadedModel& other) {
  if (model.task() != other.task()) {
    fail(ErrorCode::kInvalidArgument, "the model is for ", tasks::task_name(model.task()),
         ", the one to compare with for ", tasks::task_name(other.task()),
         "; both must do the same task");
  }
  const int64_t mine = model.manifest().output_size;
  const int64_t theirs = other.manifest().output_size;
  if (mine != theirs) {
    fail(ErrorCode::kInvalidArgument, "the model gives ", mine,
         " numbers, the one to compare with ", theirs, "; both must give as many");
  }
}

void set_finite(std::optional<double>& value) {
  if (value && !std::isfinite(*value)) value.reset();
}

void write_optional(JsonWriter& json, std::string_view key, const std::optional<double>& value) {
  if (value) json.member(key, *value);
}

void print_percent(std::string& text, const char* name, const std::optional<double>& value) {
  if (value) text += format("%-22s %.2f %%\n", name, 100 * *value);
}

void print_number(std::string& text, const char* name, const std::optional<double>& value) {
  if (value) text += format("%-22s %.6g\n", name, *value);
}

void write_paired(JsonWriter& json, const PairedTruth& paired) {
  json.key("paired").begin_object().member("rows", paired.rows);
  json.member("broken", paired.broken).member("fixed", paired.fixed);
  json.member("accuracy_drop", paired.drop()).member("upper_95", paired.drop_upper_95());
  json.member("mcnemar_p", paired.p_value()).end_object();
}

}  // namespace

Evaluation evaluate(const LoadedModel& model, const LoadedModel* other,
                    std::span<const TextRow> rows, const EvaluateOptions& options) {
  Evaluation result;
  const std::unique_ptr<Measure> measure = make_measure(model, rows);
  // Of the other model; only its verdicts are wanted.
  const std::unique_ptr<Measure> others = make_measure(model, rows);
  if (other != nullptr) check_pair(model, *other);
  if (!rows.empty() && !measure->has_truth() && other == nullptr) {
    fail(ErrorCode::kInvalidArgument, options.source, ": no row says what ",
         tasks::task_name(model.task()),
         " should give; accepted are label (classify), score (pairs), tags or entities (ner) and "
         "answers (qa), or a model to compare with: --against OTHER");
  }
  const tasks::TaskOptions task = measure->options();
  for (size_t begin = 0; begin < rows.size(); begin += kChunkRows) {
    const auto part = rows.subspan(begin, std::min(kChunkRows, rows.size() - begin));
    const Chunk chunk = make_chunk(*measure, part, options.source);
    const std::vector<Run> runs = run_chunk(model, chunk, task, options.max_batch_tokens);
    std::vector<Run> theirs;
    if (other != nullptr) theirs = run_chunk(*other, chunk, task, options.max_batch_tokens);
    for (size_t r = 0; r < part.size(); ++r) {
      const size_t first = chunk.begin[r];
      const size_t count = chunk.begin[r + 1] - first;
      const auto own = std::span(runs).subspan(first, count);
      if (measure->has_truth()) measure->score(part[r], own, chunk.wheres[r]);
      if (other != nullptr) {
        const auto reference = std::span<const Run>(theirs).subspan(first, count);
        measure->compare(reference, own, chunk.wheres[r]);
        if (measure->has_truth()) others->score(part[r], reference, chunk.wheres[r]);
      }
      const bool cut =
          std::any_of(own.begin(), own.end(), [](const Run& run) { return run.encoded.truncated; });
      result.truncated += cut ? 1 : 0;
    }
    result.rows += static_cast<int64_t>(part.size());
    if (options.progress) {
      options.progress(static_cast<double>(result.rows) / static_cast<double>(rows.size()));
    }
  }
  if (other != nullptr) result.against.emplace();
  if (!rows.empty()) measure->finish(result);
  if (other != nullptr && !measure->verdicts().empty()) {
    result.paired = pair_verdicts(others->verdicts(), measure->verdicts());
  }
  set_finite(result.spearman);
  if (result.against) {
    set_finite(result.against->spearman);
    set_finite(result.against->spearman_lower_95);
  }
  return result;
}

void write_figures(JsonWriter& json, const Agreement& agreement) {
  json.member("compared", agreement.compared);
  write_optional(json, "flips", agreement.flip_share());
  write_optional(json, "flips_upper_95", agreement.flips_upper_95());
  write_optional(json, "flips_expected", agreement.expected_flips);
  write_optional(json, "kl", agreement.kl);
  write_optional(json, "kl_upper_95", agreement.kl_upper_95);
  write_optional(json, "cosine_median", agreement.cosine_median);
  write_optional(json, "cosine_lower_95", agreement.cosine_lower_95);
  write_optional(json, "cosine_p01", agreement.cosine_p01);
  write_optional(json, "spearman", agreement.spearman);
  write_optional(json, "spearman_lower_95", agreement.spearman_lower_95);
  json.member("divergence", agreement.divergence);
}

std::string evaluation_json(const Evaluation& evaluation) {
  JsonWriter json;
  json.begin_object().member("n", evaluation.rows);
  if (evaluation.truncated > 0) json.member("truncated", evaluation.truncated);
  write_optional(json, "accuracy", evaluation.accuracy);
  write_optional(json, "macro_f1", evaluation.macro_f1);
  write_optional(json, "entity_f1", evaluation.entity_f1);
  write_optional(json, "em", evaluation.exact_match);
  write_optional(json, "f1", evaluation.answer_f1);
  write_optional(json, "spearman", evaluation.spearman);
  if (evaluation.against) {
    json.key("against").begin_object();
    write_figures(json, *evaluation.against);
    json.end_object();
  }
  if (evaluation.paired) write_paired(json, *evaluation.paired);
  return json.end_object().take();
}

std::string evaluation_text(const Evaluation& evaluation) {
  std::string text = format("%-22s %lld\n", "rows", static_cast<long long>(evaluation.rows));
  if (evaluation.truncated > 0) {
    text += format("%-22s %lld rows\n", "truncated", static_cast<long long>(evaluation.truncated));
  }
  print_percent(text, "accuracy", evaluation.accuracy);
  print_percent(text, "macro F1", evaluation.macro_f1);
  print_percent(text, "entity F1", evaluation.entity_f1);
  print_percent(text, "exact match", evaluation.exact_match);
  print_percent(text, "F1", evaluation.answer_f1);
  print_number(text, "Spearman", evaluation.spearman);
  if (!evaluation.against) return text;
  const Agreement& against = *evaluation.against;
  if (const auto share = against.flip_share()) {
    text += format("%-22s %lld of %lld (%.3f %%), at most %.3f %% with 95 %% confidence\n", "flips",
                   static_cast<long long>(*against.flips), static_cast<long long>(against.compared),
                   100 * *share, 100 * *against.flips_upper_95());
  }
  print_percent(text, "flips expected", against.expected_flips);
  print_number(text, "logit KL", against.kl);
  print_number(text, "cosine, median", against.cosine_median);
  print_number(text, "cosine, 1 % quantile", against.cosine_p01);
  print_number(text, "Spearman of the two", against.spearman);
  if (evaluation.paired) {
    const PairedTruth& paired = *evaluation.paired;
    text += format(
        "%-22s %lld broken, %lld fixed; McNemar p %.3g; at most %.2f points with 95 %% "
        "confidence\n",
        "accuracy lost", static_cast<long long>(paired.broken),
        static_cast<long long>(paired.fixed), paired.p_value(), 100 * paired.drop_upper_95());
  }
  return text;
}

}  // namespace tamis::api
