// report.html: one page, its style, plot and sorting within it.
#include <algorithm>
#include <cmath>

#include "base/cpu.h"
#include "base/error.h"
#include "base/version.h"
#include "optimize/format.h"
#include "optimize/report.h"

namespace tamis::api {

namespace {

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
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
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;margin:1em 0;font-size:.9em}td,th{border:1px solid #bbb;"
    "padding:.2em .6em;text-align:right}th:first-child,td:first-child{text-align:left}"
    "table.sort th{cursor:pointer}.bar{display:inline-block;height:.8em;background:#36c}"
    ".was{background:#bbb}.chosen{font-weight:bold}svg text{font-size:12px}"
    ".kept{color:#070}.broken{color:#a00}";

// Sorts a table by the column that was clicked: numbers as numbers, a second click backwards.
constexpr std::string_view kScript =
    "document.querySelectorAll('table.sort th').forEach(function(h){h.onclick=function(){"
    "var t=h.closest('table'),i=h.cellIndex,b=t.tBodies[0],d=h.dir=-(h.dir||-1);"
    "Array.from(b.rows).sort(function(x,y){var p=x.cells[i].textContent,"
    "q=y.cells[i].textContent,m=parseFloat(p),n=parseFloat(q);"
    "return d*(isNaN(m)||isNaN(n)?p.localeCompare(q):m-n)}).forEach(function(r){"
    "b.appendChild(r)})}});";

double mebibytes(int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

std::string latency_table(const OptimizeReport& report) {
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

/// The plane of the plot: microseconds a token to the right, divergence from fp32 upwards by its
/// logarithm. fp32, which has none, stands on the floor.
class Plot {
 public:
  explicit Plot(const PlanChoice& choice) : choice_(choice) {
    for (const PlanRow& row : choice.rows) {
      widest_ = std::max(widest_, price_us(row));
      const double away = divergence(row);
      if (away <= 0) continue;
      least_ = std::min(least_, away);
      most_ = std::max(most_, away);
    }
    if (least_ > most_) least_ = most_ = 1e-6;
    least_ /= 3;
    most_ *= 3;
  }

  [[nodiscard]] std::string svg() const {
    std::string out = format(
        "<svg viewBox='0 0 %d %d' width='100%%' role='img' "
        "aria-label='latency against divergence'>\n",
        kWidth, kHeight);
    out += axes();
    for (const PlanRow& row : choice_.rows) out += point(row);
    return out + "</svg>\n";
  }

 private:
  static constexpr int kWidth = 720;
  static constexpr int kHeight = 360;
  static constexpr int kLeft = 70;
  static constexpr int kFloor = 310;
  static constexpr int kTop = 20;

  static double divergence(const PlanRow& row) {
    return row.evaluation.against ? row.evaluation.against->divergence : 0;
  }
  [[nodiscard]] double x(double us) const {
    return kLeft + (kWidth - kLeft - 130) * us / (1.05 * std::max(widest_, 1e-9));
  }
  [[nodiscard]] double y(double away) const {
    if (away <= 0) return kFloor;
    const double share = std::log(away / least_) / std::log(most_ / least_);
    return kFloor - 10 - (kFloor - 10 - kTop) * share;
  }

  [[nodiscard]] std::string axes() const {
    std::string out = format("<path d='M%d %dV%dH%d' fill='none' stroke='#888'/>\n", kLeft, kTop,
                             kFloor, kWidth - 20);
    for (double tick = std::pow(10, std::ceil(std::log10(least_))); tick <= most_; tick *= 10) {
      out += format(
          "<text x='%d' y='%.1f' text-anchor='end'>%.0e</text><path d='M%d %.1fH%d' "
          "stroke='#ddd'/>\n",
          kLeft - 6, y(tick) + 4, tick, kLeft, y(tick), kWidth - 20);
    }
    for (int i = 0; i <= 4; ++i) {
      const double us = widest_ * i / 4;
      out += format("<text x='%.1f' y='%d' text-anchor='middle'>%.3g</text>\n", x(us), kFloor + 16,
                    us);
    }
    return out + format(
                     "<text x='%d' y='%d' text-anchor='middle'>us a token</text><text x='14' "
                     "y='%d' transform='rotate(-90 14 %d)' text-anchor='middle'>divergence "
                     "from fp32</text>\n",
                     (kLeft + kWidth) / 2, kFloor + 34, kHeight / 2, kHeight / 2);
  }

  [[nodiscard]] std::string point(const PlanRow& row) const {
    const bool chosen = &row == &choice_.row();
    const double cx = x(price_us(row));
    const double cy = y(divergence(row));
    std::string out = format("<circle cx='%.1f' cy='%.1f' r='%d' fill='%s' stroke='%s'><title>", cx,
                             cy, chosen ? 7 : 4,
                             chosen         ? "#c30"
                             : row.on_front ? "#36c"
                                            : "#fff",
                             row.on_front ? "#36c" : "#999");
    out += cat(escape_html(row.name), ": ", escape_html(agreement_text(row.evaluation)),
               "</title></circle>\n");
    if (chosen || row.in_float.empty()) {
      out += format("<text x='%.1f' y='%.1f'%s>", cx + 9, cy - 6, chosen ? " class='chosen'" : "");
      out += cat(escape_html(row.name), "</text>\n");
    }
    return out;
  }

  const PlanChoice& choice_;
  double widest_ = 0;
  double least_ = 1e300;
  double most_ = 0;
};

std::string plan_table(const PlanChoice& choice) {
  std::string html =
      "<table class='sort'><thead><tr><th>plan</th><th>us a token</th><th>agreement with fp32</th>"
      "<th>95 % bound</th><th>budget</th><th>front</th></tr></thead><tbody>\n";
  for (const PlanRow& row : choice.rows) {
    html +=
        cat("<tr", &row == &choice.row() ? " class='chosen'" : "", "><td>", escape_html(row.name),
            format("</td><td>%.3f%s</td><td>", price_us(row), row.simulated ? " (estimated)" : ""),
            escape_html(agreement_text(row.evaluation)), "</td><td>",
            loss_text(row.loss.upper_95, choice.budget.metric), "</td><td>",
            row.met ? "kept" : "over", "</td><td>", row.on_front ? "yes" : "", "</td></tr>\n");
  }
  return html + "</tbody></table>\n";
}

std::string choice_section(const OptimizeReport& report) {
  const PlanChoice& choice = *report.choice;
  const PlanRow& row = choice.row();
  std::string html = cat("<h2>Accuracy</h2>\n<p>", escape_html(row.name), " on ", choice.held_out,
                         " held-out texts (", escape_html(choice.measured_on),
                         "): ", escape_html(agreement_text(row.evaluation)), ".<br>Budget ",
                         escape_html(budget_text(choice.budget)), ": <span class='",
                         choice.met ? "kept'>kept" : "broken'>not kept", "</span>, ",
                         certificate_text(choice), ".</p>\n");
  html +=
      cat("<h2>Speed against accuracy</h2>\n<p>Each point is a plan that was measured on the "
          "held-out texts; filled ones are beaten by no other, the large one is this bundle. "
          "Microseconds are ",
          price_text(choice), ".</p>\n", Plot(choice).svg(), plan_table(choice));
  html +=
      "<h2>What each part costs</h2>\n<p>What of the divergence from fp32 goes away if these "
      "layers alone go back to float, and what that costs.</p>\n<table class='sort'><thead><tr>"
      "<th>part</th><th>group</th><th>divergence less</th><th>";
  html += choice.simulated ? "multiplications a token more, of integers half"
                           : "us a token more, by the cost table";
  html += "</th></tr></thead><tbody>\n";
  for (const SensitivityRow& part : choice.sensitivities) {
    html += cat("<tr><td>", escape_html(part.name), "</td><td>", part.group,
                format("</td><td>%.3e</td><td>%.3f</td></tr>\n", part.gain, part.price));
  }
  return html + "</tbody></table>\n";
}

std::string linear_table(const quant::QuantizeReport& quantization) {
  std::string html =
      "<table class='sort'><thead><tr><th>linear layer</th><th>error, rounded to nearest</th>"
      "<th>error, as kept</th><th>of activations</th><th>of weights</th><th>columns in float</th>"
      "<th>scaled</th><th>GPTQ</th><th>bias</th></tr></thead><tbody>\n";
  for (const quant::LinearReport& linear : quantization.linears) {
    html += cat("<tr><td>", linear.names.empty() ? std::string() : escape_html(linear.names[0]),
                "</td>");
    html += format("<td>%.2e</td><td>%.2e</td>", linear.plain_error, linear.error);
    for (const auto& error : {linear.activation_error, linear.weight_error}) {
      html += error ? format("<td>%.2e</td>", *error) : std::string("<td></td>");
    }
    html += format("<td>%lld</td>", static_cast<long long>(linear.outliers));
    for (const bool used : {linear.scaled, linear.gptq, linear.bias_corrected}) {
      html += used ? "<td>yes</td>" : "<td>no</td>";
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table>\n";
}

std::string quantizer_table(const OptimizeReport& report) {
  const std::map<std::string, double> errors = quantizer_errors(report);
  std::string html =
      "<table class='sort'><thead><tr><th>quantizer</th><th>on</th><th>scheme</th><th>low</th>"
      "<th>high</th><th>error</th></tr></thead><tbody>\n";
  for (const quant::QuantizerInfo& quantizer : report.quantizers) {
    html +=
        cat("<tr><td>", escape_html(quantizer.name), "</td><td>", quantizer.enabled ? "on" : "off",
            "</td><td>", graph::scheme_name(quantizer.scheme), "</td>");
    html += quantizer.low ? format("<td>%.5g</td>", *quantizer.low) : "<td></td>";
    html += quantizer.high ? format("<td>%.5g</td>", *quantizer.high) : "<td></td>";
    const auto error = errors.find(quantizer.name);
    html += error != errors.end() ? format("<td>%.2e</td></tr>\n", error->second)
                                  : std::string("<td></td></tr>\n");
  }
  return html + "</tbody></table>\n";
}

std::string quantization_section(const OptimizeReport& report) {
  const quant::QuantizeReport& quantization = *report.quantization;
  std::string html =
      cat("<h2>Calibration</h2>\n<p>On ", report.calibrated_on, " of ",
          escape_html(report.calibration_source), "; ", quantization.sequences, " sequences, ",
          quantization.tokens, " tokens were looked at. ", "Scheme ", report.scheme,
          report.simulated ? ", simulated exactly in float: no speed-up here." : ".", "</p>\n");
  if (!quantization.dead.empty()) {
    html +=
        "<p class='broken'>These quantizers saw nothing, or zeros alone, and got the range [-1, "
        "1]: ";
    for (const std::string& name : quantization.dead) html += escape_html(name) + " ";
    html += "</p>\n";
  }
  html +=
      "<h2>Layers</h2>\n<p>Those of this bundle that are in integers: mean squared error of a "
      "layer's "
      "output as a share of its variance.</p>\n";
  return html + linear_table(quantization) + "<h2>Quantizers</h2>\n" + quantizer_table(report);
}

}  // namespace

std::string report_html(const OptimizeReport& report) {
  std::string html = cat("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">",
                         "<title>Tamis report</title><style>", kStyle, "</style>\n");
  html +=
      cat("<h1>", escape_html(report.manifest.family), ", ", tasks::task_name(report.manifest.task),
          ", ", engine::precision_name(report.manifest.precision), "</h1>\n");
  html +=
      cat("<p>", report.manifest.parameters, " parameters; ", escape_html(cpu_model()), "; tamis ",
          version(), ", commit ", commit(), format("; made in %.1f s.</p>\n", report.seconds));
  html +=
      "<h2>Time</h2>\n<p>Median of interleaved calls. Before: the checkpoint in fp32, as "
      "every command runs it. After: this bundle.</p>\n";
  html += latency_table(report);
  html += format(
      "<h2>Size</h2>\n<p>Weights %.1f MiB before, bundle %.1f MiB on disk; packed in memory %.1f "
      "MiB before, %.1f MiB after.</p>\n",
      mebibytes(report.checkpoint_bytes), mebibytes(report.bundle_bytes),
      mebibytes(report.checkpoint_packed_bytes), mebibytes(report.packed_bytes));
  html += cat("<p>Embedding tables: ", escape_html(embeddings_text(report.embeddings)), ".</p>\n");
  if (report.choice) html += choice_section(report);
  if (report.quantization) html += quantization_section(report);
  html += format(
      "<h2>Self-test</h2>\n<p>Largest difference between checkpoint and bundle: %.3g; a load that "
      "is off by more than %.3g is refused.</p>\n<h2>Not checked</h2>\n<ul>\n",
      report.largest_difference, report.self_test_tolerance);
  for (const std::string& sentence : report.unchecked) {
    html += cat("<li>", escape_html(sentence), "</li>\n");
  }
  html += "</ul>\n<h2>Passes</h2>\n<ul>\n";
  for (const passes::PassReport& pass : report.passes) {
    html += cat("<li>", pass.name, pass.changed ? "" : " (nothing to do)", "</li>\n");
  }
  return html + cat("</ul><script>", kScript, "</script></html>\n");
}

}  // namespace tamis::api
