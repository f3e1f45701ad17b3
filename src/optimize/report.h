// What optimize did, for people and for scripts.
#pragma once

#include <map>
#include <string>

#include "optimize/optimize_report.h"

namespace tamis::api {

/// report.json: one object; times in milliseconds, sizes in bytes.
[[nodiscard]] std::string report_json(const OptimizeReport& report);
/// report.html: one page without outside resources.
[[nodiscard]] std::string report_html(const OptimizeReport& report);
/// The few lines for a terminal.
[[nodiscard]] std::string report_text(const OptimizeReport& report);

/// quantization.json: every quantizer of the bundle, for inspect and export. No timings.
[[nodiscard]] std::string quantization_record(const OptimizeReport& report);

/// A quantizer's error by its name: the share of its layer's output variance (of its operand's
/// energy, for operands of other ops) that its rounding alone makes noise. Nothing for quantizers
/// that are off.
[[nodiscard]] std::map<std::string, double> quantizer_errors(const OptimizeReport& report);

// For the reports' own files.

/// "certified at n=600: 0.498 % with 95 % confidence", or not.
[[nodiscard]] std::string certificate_text(const PlanChoice& choice);
/// "cosine 0.99984, 1 % quantile 0.99940" or "flips 0.1 % (1 of 1000), KL 1.6e-05".
[[nodiscard]] std::string agreement_text(const Evaluation& evaluation);
/// "fp16, 46.2 MiB before, 23.1 MiB after; they alone: cosine 1.00000, 1 % quantile 1.00000".
[[nodiscard]] std::string embeddings_text(const EmbeddingChoice& embeddings);
/// Microseconds a token: by the clock if the plan was timed, else by the table or an estimate.
[[nodiscard]] double price_us(const PlanRow& row);
/// What the plans' microseconds are: "by the cost table amd_zen4, one thread, 128 tokens".
[[nodiscard]] std::string price_text(const PlanChoice& choice);

}  // namespace tamis::api
