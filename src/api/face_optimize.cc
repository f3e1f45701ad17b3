#include <tamis/optimize.h>

#include <map>

#include "api/face_options.h"
#include "base/error.h"
#include "formats/text_data.h"
#include "optimize/optimize.h"
#include "optimize/report.h"

namespace tamis {

namespace {

std::vector<TextRow> calibration_rows(const std::vector<TaskInput>& inputs) {
  std::vector<TextRow> rows;
  for (const TaskInput& input : inputs) {
    TextRow row;
    row.line = static_cast<int64_t>(rows.size()) + 1;
    if (input.texts.empty()) {
      row.text = input.text;
      row.text_pair = input.pair;
    } else {
      row.query = input.text;
      row.texts = input.texts;
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

void take_texts(const char* what, const std::vector<TaskInput>& texts, const std::string& file,
                std::vector<TextRow>& rows, std::string& source) {
  if (!texts.empty() && !file.empty()) {
    fail(ErrorCode::kInvalidArgument, what, ": texts and a file; give one of them");
  }
  if (!texts.empty()) {
    source = "the caller's texts";
    rows = calibration_rows(texts);
  } else if (!file.empty()) {
    source = file;
    rows = read_text_data(file);
  }
}

api::OptimizeOptions optimize_options(const OptimizeOptions& options) {
  api::OptimizeOptions out;
  LoadOptions load = options.load;
  if (load.precision == "auto") load.precision.clear();
  out.model = api::model_options(load);
  out.model.keep_graph = true;
  out.model.enable = options.enable;
  out.model.disable = options.disable;
  if (!options.embeddings.empty()) out.embeddings = api::embeddings_option(options.embeddings);
  if (!options.scheme.empty()) api::set_scheme(out, options.scheme);
  out.force = options.force;
  if (!options.budget.empty()) out.budget = api::parse_budget(options.budget);
  out.certify = options.certify;
  out.measure = options.measure;
  if (options.seconds != 0) out.seconds = options.seconds;
  take_texts("calibration", options.calibration, options.calibration_file, out.calibration,
             out.calibration_file);
  take_texts("certify_on", options.certify_on, options.certify_on_file, out.certify_on,
             out.certify_on_file);
  return out;
}

void take_plans(const api::PlanChoice& choice, OptimizeReport& out) {
  out.budget = api::budget_text(choice.budget);
  out.certified = choice.certified();
  out.held_out = choice.held_out;
  out.measured_on = choice.measured_on;
  out.chosen = choice.chosen;
  for (const api::PlanRow& row : choice.rows) {
    PlanReport plan;
    plan.name = row.name;
    plan.precision = engine::precision_name(row.precision);
    plan.us_per_token = api::price_us(row);
    plan.estimated = row.simulated;
    plan.loss = row.loss.estimate;
    plan.loss_upper_95 = row.loss.upper_95;
    plan.within_budget = row.met;
    plan.on_front = row.on_front;
    plan.in_float = row.in_float;
    out.plans.push_back(std::move(plan));
  }
}

void take_quantizers(const api::OptimizeReport& report, OptimizeReport& out) {
  const std::map<std::string, double> errors = api::quantizer_errors(report);
  for (const quant::QuantizerInfo& info : report.quantizers) {
    QuantizerReport quantizer;
    quantizer.name = info.name;
    quantizer.enabled = info.enabled;
    quantizer.scheme = graph::scheme_name(info.scheme);
    quantizer.low = info.low;
    quantizer.high = info.high;
    const auto error = errors.find(info.name);
    if (error != errors.end()) quantizer.error = error->second;
    out.quantizers.push_back(std::move(quantizer));
  }
}

OptimizeReport public_report(const api::OptimizeReport& report) {
  OptimizeReport out;
  out.family = report.manifest.family;
  out.task = tasks::task_name(report.manifest.task);
  out.precision = engine::precision_name(report.manifest.precision);
  out.embeddings = quant::embedding_storage_name(report.embeddings.storage);
  out.succeeded = report.succeeded();
  if (report.choice) take_plans(*report.choice, out);
  if (report.quantization) take_quantizers(report, out);
  for (const api::LatencyRow& row : report.latency) {
    out.shapes.push_back({row.batch, row.seq, row.before.median_ms, row.after.median_ms});
  }
  out.checkpoint_bytes = report.checkpoint_bytes;
  out.bundle_bytes = report.bundle_bytes;
  out.packed_bytes = static_cast<int64_t>(report.packed_bytes);
  out.seconds = report.seconds;
  out.unchecked = report.unchecked;
  out.text = api::report_text(report);
  out.json = api::report_json(report);
  return out;
}

}  // namespace

OptimizeReport optimize(const std::string& model, const std::string& bundle,
                        const OptimizeOptions& options) {
  api::OptimizeProgress progress;
  if (options.progress) {
    progress = [&options](std::string_view stage, double fraction) {
      if (!options.progress(stage, fraction)) fail(ErrorCode::kCancelled, "optimize: cancelled");
    };
  }
  return public_report(
      api::optimize(api::resolve_model(model), bundle, optimize_options(options), progress));
}

}  // namespace tamis
