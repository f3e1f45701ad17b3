#include "optimize/report.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/json.h"
#include "optimize/format.h"
#include "quant/marks.h"

namespace tamis::api {

namespace {

double mebibytes(int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

std::string latency_lines(const OptimizeReport& report) {
  std::string text = "  batch x length   before, ms    after, ms   speed-up\n";
  for (const LatencyRow& row : report.latency) {
    text += format("  %5lld x %-6lld %12.3f %12.3f %9.2fx\n", static_cast<long long>(row.batch),
                   static_cast<long long>(row.seq), row.before.median_ms, row.after.median_ms,
                   row.before.median_ms / row.after.median_ms);
  }
  return text;
}

// The plans that no other beats, fastest first.
std::string front_lines(const PlanChoice& choice) {
  std::vector<const PlanRow*> front;
  for (const PlanRow& row : choice.rows) {
    if (row.on_front || &row == &choice.row()) front.push_back(&row);
  }
  std::stable_sort(front.begin(), front.end(),
                   [](const PlanRow* a, const PlanRow* b) { return price_us(*a) < price_us(*b); });
  std::string text = cat("  plans that no other beats (us a token ", price_text(choice), "):\n");
  for (const PlanRow* row : front) {
    text += format("  %s %-28s %8.2f us%s  %s%s\n", row == &choice.row() ? "*" : " ",
                   row->name.c_str(), price_us(*row), row->simulated ? " estimated" : "",
                   agreement_text(row->evaluation).c_str(), row->met ? "" : "  (over the budget)");
  }
  return text;
}

std::string choice_lines(const OptimizeReport& report) {
  const PlanChoice& choice = *report.choice;
  std::string text = cat("  calibrated on ", report.calibrated_on, " of ",
                         report.calibration_source, "; measured on ", choice.held_out,
                         choice.own_texts ? " of the " + choice.measured_on : " others", "\n");
  text += cat("  against fp32: ", agreement_text(choice.row().evaluation), "\n  budget ",
              budget_text(choice.budget), ": ", choice.met ? "kept" : "NOT kept", ", ",
              certificate_text(choice), "\n");
  if (report.simulated) {
    text +=
        cat("  the ", report.scheme, " form is simulated exactly in float: no speed-up here; ",
            format("%.1f", 100 * report.float_work), " % of the products' work stays in float\n");
  }
  if (!report.quantization->dead.empty()) {
    text += cat(
        "  ", report.quantization->dead.size(),
        " quantizers saw nothing, or zeros alone, and got [-1, 1]: ", report.quantization->dead[0],
        report.quantization->dead.size() > 1 ? ", ..." : "", "\n");
  }
  return text + front_lines(choice);
}

}  // namespace

double price_us(const PlanRow& row) { return row.clock_us.value_or(row.table_us); }

std::string price_text(const PlanChoice& choice) {
  if (choice.row().clock_us) return "by the clock, 8 x 128 tokens";
  return cat("by the cost table ", choice.cost_table, ", one thread, 128 tokens",
             choice.simulated ? "; of integers that are simulated here an estimate, products of "
                                "integers at half the time"
                              : "");
}

std::string agreement_text(const Evaluation& evaluation) {
  if (!evaluation.against || evaluation.against->compared == 0) return "nothing compared";
  const Agreement& agreement = *evaluation.against;
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (const auto flips = agreement.flip_share()) {
    add(format("flips %.3g %% (%lld of %lld)", 100 * *flips,
               static_cast<long long>(*agreement.flips),
               static_cast<long long>(agreement.compared)));
    if (agreement.expected_flips) {
      text += format(", %.2g %% expected", 100 * *agreement.expected_flips);
    }
  }
  if (agreement.kl) add(format("KL %.2g", *agreement.kl));
  if (agreement.cosine_median) {
    add(format("cosine %.5f, 1 %% quantile %.5f", *agreement.cosine_median,
               agreement.cosine_p01.value_or(0)));
  }
  if (agreement.spearman) add(format("Spearman %.5f", *agreement.spearman));
  if (evaluation.paired) {
    add(format("accuracy %+.2f points (%lld broken, %lld fixed, McNemar p %.2g)",
               -100 * evaluation.paired->drop(), static_cast<long long>(evaluation.paired->broken),
               static_cast<long long>(evaluation.paired->fixed), evaluation.paired->p_value()));
  }
  return text;
}

std::string certificate_text(const PlanChoice& choice) {
  const PlanRow& row = choice.row();
  const Agreement against = row.evaluation.against.value_or(Agreement{});
  const bool ranks = choice.budget.metric == BudgetMetric::kSpearman;
  const int64_t compared = ranks ? against.scores : against.compared;
  const std::string text = cat(choice.certified() ? "" : "not ", "certified at n=", compared, ": ");
  if (choice.gave_up) return text + "no faster plan keeps it, so this is the checkpoint";
  if (std::isinf(row.loss.upper_95)) return text + "too few for a bound";
  return cat(text, loss_text(row.loss.upper_95, choice.budget.metric), " with 95 % confidence");
}

std::string embeddings_text(const EmbeddingChoice& embeddings) {
  std::string text =
      format("%s, %.1f MiB before, %.1f MiB after",
             std::string(quant::embedding_storage_name(embeddings.storage)).c_str(),
             mebibytes(embeddings.report.bytes_before), mebibytes(embeddings.report.bytes_after));
  for (const quant::KeptTable& table : embeddings.report.kept) {
    text += cat("; ", table.name, " stays as it is: ", table.reason);
  }
  if (embeddings.evaluation) text += cat("; they alone: ", agreement_text(*embeddings.evaluation));
  return text;
}

std::string report_text(const OptimizeReport& report) {
  std::string text = format("%s for %s, %s, made in %.1f s\n", report.manifest.family.c_str(),
                            std::string(tasks::task_name(report.manifest.task)).c_str(),
                            std::string(engine::precision_name(report.manifest.precision)).c_str(),
                            report.seconds);
  text += latency_lines(report);
  text += format(
      "  weights %.1f MiB before, bundle %.1f MiB; packed in memory %.1f MiB before, "
      "%.1f MiB after\n",
      mebibytes(report.checkpoint_bytes), mebibytes(report.bundle_bytes),
      mebibytes(report.checkpoint_packed_bytes), mebibytes(report.packed_bytes));
  text += cat("  embedding tables ", embeddings_text(report.embeddings), "\n");
  if (report.choice) text += choice_lines(report);
  text += format("  largest difference from the checkpoint over the self-test: %.3g\n",
                 report.largest_difference);
  return text;
}

std::map<std::string, double> quantizer_errors(const OptimizeReport& report) {
  std::map<std::string, double> errors;
  if (!report.quantization) return errors;
  for (const quant::LinearReport& linear : report.quantization->linears) {
    const auto add = [&errors](const std::vector<std::string>& names,
                               const std::optional<double>& error) {
      for (const std::string& name : names) {
        if (error) errors[name] = *error;
      }
    };
    add(linear.names, linear.activation_error);
    add(linear.weight_names, linear.weight_error);
  }
  for (const quant::OperandReport& operand : report.quantization->operands) {
    for (const std::string& name : operand.names) errors[name] = operand.error;
  }
  for (const quant::QuantizerInfo& quantizer : report.quantizers) {
    if (!quantizer.enabled) errors.erase(quantizer.name);
  }
  return errors;
}

std::string quantization_record(const OptimizeReport& report) {
  const std::map<std::string, double> errors = quantizer_errors(report);
  JsonWriter json(1);
  json.begin_object().member("precision", engine::precision_name(report.manifest.precision));
  json.member("simulated", report.simulated).key("quantizers").begin_array();
  for (const quant::QuantizerInfo& quantizer : report.quantizers) {
    json.begin_object().member("name", quantizer.name).member("enabled", quantizer.enabled);
    json.member("scheme", graph::scheme_name(quantizer.scheme));
    if (quantizer.low) json.member("low", *quantizer.low);
    if (quantizer.high) json.member("high", *quantizer.high);
    const auto error = errors.find(quantizer.name);
    if (error != errors.end()) json.member("error", error->second);
    json.end_object();
  }
  return json.end_array().end_object().take() + "\n";
}

}  // namespace tamis::api
