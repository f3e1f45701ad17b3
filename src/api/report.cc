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
  text += format("  largest difference from the checkpoint over the self-test: %.3g\n",
                 report.largest_difference);
  return text;
}

std::string quantization_record(const LoadedModel& model) {
  JsonWriter json(1);
  json.begin_object().member("precision", model.manifest().precision).key("quantizers");
  json.begin_array();
  for (const quant::QuantizerInfo& quantizer : quant::list_quantizers(model.graph())) {
    json.begin_object().member("name", quantizer.name).member("enabled", quantizer.enabled);
    json.member("scheme", graph::scheme_name(quantizer.scheme)).end_object();
  }
  return json.end_array().end_object().take() + "\n";
}

}  // namespace tamis::api
