#include "api/report.h"

#include <cstdio>

#include "base/cpu.h"
#include "base/error.h"
#include "base/json.h"
#include "base/version.h"
#include "quant/marks.h"

namespace tamis::api {

namespace {

void write_stats(JsonWriter& json, std::string_view key, const runtime::TimingStats& stats) {
  json.key(key).begin_object().member("runs", stats.runs).member("mean_ms", stats.mean_ms);
  json.member("sd_ms", stats.sd_ms).member("min_ms", stats.min_ms).member("max_ms", stats.max_ms);
  json.member("median_ms", stats.median_ms).member("p95_ms", stats.p95_ms);
  json.member("p99_ms", stats.p99_ms).end_object();
}

template <typename... Arguments>
std::string format(const char* pattern, Arguments... arguments) {
  char buffer[512];
  std::snprintf(buffer, sizeof(buffer), pattern, arguments...);
  return buffer;
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += c;
    }
  }
  return out;
}

constexpr std::string_view kStyle =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:48em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #bbb;padding:.3em .7em;"
    "text-align:right}th:first-child,td:first-child{text-align:left}"
    ".bar{display:inline-block;height:.8em;background:#36c}.was{background:#bbb}";

double mebibytes(int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

std::string latency_table_html(const OptimizeReport& report) {
  double longest = 1e-9;
  for (const LatencyRow& row : report.latency) {
    longest = std::max({longest, row.before.median_ms, row.after.median_ms});
  }
  std::string html =
      "<table><tr><th>batch x length</th><th>before, ms</th><th>after, ms</th><th>speed-up</th>"
      "<th></th></tr>\n";
  for (const LatencyRow& row : report.latency) {
    html += format(
        "<tr><td>%lld x %lld</td><td>%.3f</td><td>%.3f</td><td>%.2f</td>"
        "<td style='text-align:left'><span class='bar was' style='width:%.1fem'></span><br>"
        "<span class='bar' style='width:%.1fem'></span></td></tr>\n",
        static_cast<long long>(row.batch), static_cast<long long>(row.seq), row.before.median_ms,
        row.after.median_ms, row.before.median_ms / row.after.median_ms,
        12 * row.before.median_ms / longest, 12 * row.after.median_ms / longest);
  }
  return html + "</table>\n";
}

void write_optional(JsonWriter& json, std::string_view key, const std::optional<double>& value) {
  if (value) json.member(key, *value);
}

void write_quantization(JsonWriter& json, const OptimizeReport& report) {
  json.key("quantization").begin_object().member("calibration", report.calibration_source);
  json.member("sequences", report.quantization->sequences);
  json.member("tokens", report.quantization->tokens).key("linears").begin_array();
  for (const quant::LinearReport& linear : report.quantization->linears) {
    json.begin_object().member("name", linear.names.empty() ? std::string() : linear.names[0]);
    json.member("plain_error", linear.plain_error).member("error", linear.error);
    json.member("outliers", linear.outliers).member("scaled", linear.scaled);
    json.member("gptq", linear.gptq).member("bias_corrected", linear.bias_corrected).end_object();
  }
  json.end_array();
  if (report.agreement) {
    json.key("agreement").begin_object().member("compared", report.agreement->compared);
    write_optional(json, "flips", report.agreement->flip_share());
    write_optional(json, "flips_upper_95", report.agreement->flips_upper_95());
    write_optional(json, "kl", report.agreement->kl);
    write_optional(json, "cosine_median", report.agreement->cosine_median);
    write_optional(json, "cosine_p01", report.agreement->cosine_p01);
    write_optional(json, "spearman", report.agreement->spearman);
    json.end_object();
  }
  json.end_object();
}

std::string agreement_text(const OptimizeReport& report) {
  if (!report.agreement) return "agreement with fp32 was not measured on these texts";
  const Agreement& agreement = *report.agreement;
  std::string text = cat("against fp32 on ", agreement.compared, " held-out decisions (",
                         report.calibration_source, "):");
  if (const auto flips = agreement.flip_share()) {
    text += format(" flips %.2f %% (95 %% bound %.2f %%)", 100 * *flips,
                   100 * agreement.flips_upper_95().value_or(1));
  }
  if (agreement.kl) text += format(" KL %.2g", *agreement.kl);
  if (agreement.cosine_median) {
    text += format(" cosine %.5f, 1 %% quantile %.5f", *agreement.cosine_median,
                   agreement.cosine_p01.value_or(0));
  }
  return text;
}

std::string linear_table_html(const quant::QuantizeReport& quantization) {
  std::string html =
      "<table><tr><th>linear layer</th><th>error, rounded to nearest</th><th>error, as kept</th>"
      "<th>columns in float</th><th>scaled</th><th>GPTQ</th></tr>\n";
  for (const quant::LinearReport& linear : quantization.linears) {
    html += cat("<tr><td>", linear.names.empty() ? std::string() : escape_html(linear.names[0]),
                "</td>");
    html += format("<td>%.2e</td><td>%.2e</td><td>%lld</td><td>%s</td><td>%s</td></tr>\n",
                   linear.plain_error, linear.error, static_cast<long long>(linear.outliers),
                   linear.scaled ? "yes" : "no", linear.gptq ? "yes" : "no");
  }
  return html + "</table>\n";
}

}  // namespace

std::string report_json(const OptimizeReport& report) {
  JsonWriter json(1);
  json.begin_object().member("tamis_version", version()).member("commit", commit());
  json.member("cpu", cpu_model()).member("family", report.manifest.family);
  json.member("task", tasks::task_name(report.manifest.task));
  json.member("precision", report.manifest.precision);
  json.member("parameters", report.manifest.parameters);
  json.member("checkpoint_bytes", report.checkpoint_bytes);
  json.member("bundle_bytes", report.bundle_bytes).member("packed_bytes", report.packed_bytes);
  json.member("largest_difference", report.largest_difference);
  if (report.quantization) write_quantization(json, report);
  json.key("passes").begin_array();
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

std::string report_html(const OptimizeReport& report) {
  std::string html = cat("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">",
                         "<title>Tamis report</title><style>", kStyle, "</style>\n");
  html += cat("<h1>", escape_html(report.manifest.family), ", ",
              tasks::task_name(report.manifest.task), ", ", report.manifest.precision, "</h1>\n");
  html += cat("<p>", report.manifest.parameters, " parameters; ", escape_html(cpu_model()),
              "; tamis ", version(), ", commit ", commit(), ".</p>\n");
  html +=
      "<h2>Time</h2>\n<p>Median of interleaved calls. Before: the checkpoint in fp32, as "
      "every command runs it. After: this bundle.</p>\n";
  html += latency_table_html(report);
  html += format(
      "<h2>Size</h2>\n<p>Weights %.1f MiB, bundle %.1f MiB on disk, %.1f MiB packed in "
      "memory.</p>\n",
      mebibytes(report.checkpoint_bytes), mebibytes(report.bundle_bytes),
      mebibytes(report.packed_bytes));
  if (report.quantization) {
    html += cat("<h2>Quantization</h2>\n<p>Calibrated on ", report.quantization->sequences,
                " texts (", report.calibration_source, "); ", agreement_text(report), ".</p>\n",
                linear_table_html(*report.quantization));
  }
  html += format(
      "<h2>Agreement</h2>\n<p>Largest difference between checkpoint and bundle over the "
      "self-test: %.3g.</p>\n<h2>Passes</h2>\n<ul>\n",
      report.largest_difference);
  for (const passes::PassReport& pass : report.passes) {
    html += cat("<li>", pass.name, pass.changed ? "" : " (nothing to do)", "</li>\n");
  }
  return html + "</ul></html>\n";
}

std::string report_text(const OptimizeReport& report) {
  std::string text =
      format("%s for %s, %s: weights %.1f MiB, bundle %.1f MiB\n", report.manifest.family.c_str(),
             std::string(tasks::task_name(report.manifest.task)).c_str(),
             report.manifest.precision.c_str(), mebibytes(report.checkpoint_bytes),
             mebibytes(report.bundle_bytes));
  text += "  batch x length   before, ms    after, ms   speed-up\n";
  for (const LatencyRow& row : report.latency) {
    text += format("  %5lld x %-6lld %12.3f %12.3f %9.2fx\n", static_cast<long long>(row.batch),
                   static_cast<long long>(row.seq), row.before.median_ms, row.after.median_ms,
                   row.before.median_ms / row.after.median_ms);
  }
  if (report.quantization) text += "  " + agreement_text(report) + "\n";
  text += format("  largest difference from the checkpoint over the self-test: %.3g\n",
                 report.largest_difference);
  return text;
}

std::string quantization_record(const graph::Graph& graph, std::string_view precision) {
  JsonWriter json(1);
  json.begin_object().member("precision", precision).key("quantizers");
  json.begin_array();
  for (const quant::QuantizerInfo& quantizer : quant::list_quantizers(graph)) {
    json.begin_object().member("name", quantizer.name).member("enabled", quantizer.enabled);
    json.member("scheme", graph::scheme_name(quantizer.scheme)).end_object();
  }
  return json.end_array().end_object().take() + "\n";
}

}  // namespace tamis::api
