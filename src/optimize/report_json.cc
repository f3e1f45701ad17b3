// report.json.
#include "base/cpu.h"
#include "base/json.h"
#include "base/version.h"
#include "optimize/report.h"

namespace tamis::api {

namespace {

void write_stats(JsonWriter& json, std::string_view key, const engine::TimingStats& stats) {
  json.key(key).begin_object().member("runs", stats.runs).member("mean_ms", stats.mean_ms);
  json.member("sd_ms", stats.sd_ms).member("min_ms", stats.min_ms).member("max_ms", stats.max_ms);
  json.member("median_ms", stats.median_ms).member("p95_ms", stats.p95_ms);
  json.member("p99_ms", stats.p99_ms).end_object();
}

void write_optional(JsonWriter& json, std::string_view key, const std::optional<double>& value) {
  if (value) json.member(key, *value);
}

void write_agreement(JsonWriter& json, const Evaluation& evaluation) {
  if (!evaluation.against) return;
  json.key("agreement").begin_object();
  write_figures(json, *evaluation.against);
  if (evaluation.paired) {
    json.member("accuracy_drop", evaluation.paired->drop());
    json.member("accuracy_drop_upper_95", evaluation.paired->drop_upper_95());
    json.member("broken", evaluation.paired->broken).member("fixed", evaluation.paired->fixed);
    json.member("mcnemar_p", evaluation.paired->p_value());
  }
  json.end_object();
}

void write_plan(JsonWriter& json, const PlanRow& row) {
  json.begin_object()
      .member("name", row.name)
      .member("precision", engine::precision_name(row.precision));
  json.member(row.simulated ? "estimated_us_per_token" : "table_us_per_token", row.table_us);
  write_optional(json, "clock_us_per_token", row.clock_us);
  json.member("loss", row.loss.estimate).member("loss_upper_95", row.loss.upper_95);
  json.member("within_budget", row.met).member("on_front", row.on_front);
  json.key("in_float").begin_array();
  for (const std::string& name : row.in_float) json.value(name);
  json.end_array();
  write_agreement(json, row.evaluation);
  json.end_object();
}

void write_choice(JsonWriter& json, const PlanChoice& choice) {
  json.key("budget").begin_object().member("asked", budget_flag(choice.budget));
  json.member("metric_limit", choice.budget.limit).member("certify", choice.budget.certify);
  json.member("decides", choice.decides).member("kept", choice.met);
  json.member("certified", choice.certified());
  json.member("held_out", choice.held_out);
  json.member("measured_on", choice.measured_on).end_object();
  json.member("cost_table", choice.cost_table);
  json.member("chosen", static_cast<int64_t>(choice.chosen)).key("plans").begin_array();
  for (const PlanRow& row : choice.rows) write_plan(json, row);
  json.end_array().key("sensitivities").begin_array();
  for (const SensitivityRow& row : choice.sensitivities) {
    json.begin_object().member("group", row.group).member("name", row.name);
    json.member("divergence_gain", row.gain);
    json.member(choice.simulated ? "price_multiplications_per_token" : "price_us_per_token",
                row.price);
    json.end_object();
  }
  json.end_array();
}

void write_quantization(JsonWriter& json, const OptimizeReport& report) {
  json.key("quantization").begin_object().member("calibration", report.calibration_source);
  json.member("calibrated_on", report.calibrated_on);
  json.member("scheme", report.scheme).member("simulated", report.simulated);
  json.member("float_work", report.float_work);
  json.member("sequences", report.quantization->sequences);
  json.member("tokens", report.quantization->tokens).key("linears").begin_array();
  for (const quant::LinearReport& linear : report.quantization->linears) {
    json.begin_object().member("name", linear.names.empty() ? std::string() : linear.names[0]);
    json.member("plain_error", linear.plain_error).member("error", linear.error);
    write_optional(json, "activation_error", linear.activation_error);
    write_optional(json, "weight_error", linear.weight_error);
    json.member("outliers", linear.outliers).member("scaled", linear.scaled);
    json.member("gptq", linear.gptq).member("bias_corrected", linear.bias_corrected).end_object();
  }
  json.end_array().key("quantizers").begin_array();
  const std::map<std::string, double> errors = quantizer_errors(report);
  for (const quant::QuantizerInfo& quantizer : report.quantizers) {
    json.begin_object().member("name", quantizer.name).member("enabled", quantizer.enabled);
    json.member("scheme", graph::scheme_name(quantizer.scheme));
    if (quantizer.low) json.member("low", *quantizer.low);
    if (quantizer.high) json.member("high", *quantizer.high);
    const auto error = errors.find(quantizer.name);
    if (error != errors.end()) json.member("error", error->second);
    json.end_object();
  }
  json.end_array().key("dead").begin_array();
  for (const std::string& name : report.quantization->dead) json.value(name);
  json.end_array();
  if (report.choice) write_choice(json, *report.choice);
  json.end_object();
}

void write_embeddings(JsonWriter& json, const EmbeddingChoice& embeddings) {
  json.key("embeddings").begin_object();
  json.member("storage", quant::embedding_storage_name(embeddings.storage));
  json.member("tables", embeddings.report.tables);
  json.member("bytes_before", embeddings.report.bytes_before);
  json.member("bytes_after", embeddings.report.bytes_after).key("kept").begin_array();
  for (const quant::KeptTable& table : embeddings.report.kept) {
    json.begin_object().member("name", table.name).member("reason", table.reason).end_object();
  }
  json.end_array();
  if (embeddings.evaluation) write_agreement(json, *embeddings.evaluation);
  json.end_object();
}

}  // namespace

std::string report_json(const OptimizeReport& report) {
  JsonWriter json(1);
  json.begin_object().member("tamis_version", version()).member("commit", commit());
  json.member("cpu", cpu_model()).member("family", report.manifest.family);
  json.member("task", tasks::task_name(report.manifest.task));
  json.member("precision", engine::precision_name(report.manifest.precision));
  json.member("parameters", report.manifest.parameters);
  json.member("seconds", report.seconds).member("succeeded", report.succeeded());
  json.member("checkpoint_bytes", report.checkpoint_bytes);
  json.member("bundle_bytes", report.bundle_bytes);
  json.member("checkpoint_packed_bytes", report.checkpoint_packed_bytes);
  json.member("packed_bytes", report.packed_bytes);
  json.member("largest_difference", report.largest_difference);
  json.member("self_test_tolerance", report.self_test_tolerance);
  write_embeddings(json, report.embeddings);
  if (report.quantization) write_quantization(json, report);
  json.key("unchecked").begin_array();
  for (const std::string& sentence : report.unchecked) json.value(sentence);
  json.end_array().key("passes").begin_array();
  for (const passes::PassReport& pass : report.passes) {
    json.begin_object().member("name", pass.name).member("changed", pass.changed);
    json.member("ms", pass.milliseconds).end_object();
  }
  json.end_array().key("latency").begin_array();
  for (const LatencyRow& row : report.latency) {
    json.begin_object().member("batch", row.batch).member("seq", row.seq);
    write_stats(json, "before", row.before);
    write_stats(json, "after", row.after);
    json.end_object();
  }
  return json.end_array().end_object().take() + "\n";
}

}  // namespace tamis::api
