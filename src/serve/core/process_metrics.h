// What the system says of this process, under the names that Prometheus' own clients use.
//
// Is: numbers from /proc. Is not: a metric of the server's (metrics). May use: base.
#pragma once

#include <string_view>
#include <vector>

namespace tamis::serve {

struct ProcessMetric {
  std::string_view name;
  std::string_view type;  ///< "counter" or "gauge"
  double value = 0;
};

/// Those that can be read; none where there is no /proc.
[[nodiscard]] std::vector<ProcessMetric> process_metrics();

}  // namespace tamis::serve
