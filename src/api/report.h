// What optimize did, for people and for scripts.
#pragma once

#include <string>

#include "api/optimize.h"

namespace tamis::api {

/// report.json: one object; times in milliseconds, sizes in bytes.
[[nodiscard]] std::string report_json(const OptimizeReport& report);
/// report.html: one page without outside resources.
[[nodiscard]] std::string report_html(const OptimizeReport& report);
/// The few lines for a terminal.
[[nodiscard]] std::string report_text(const OptimizeReport& report);

/// quantization.json: every quantizer of the graph, for inspect and export.
[[nodiscard]] std::string quantization_record(const graph::Graph& graph,
                                              std::string_view precision);

}  // namespace tamis::api
