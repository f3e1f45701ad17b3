// Measures what operations cost on this machine.
//
// Is: the maker of the files in quant/costs. Is not: their reader (quant/cost). May use: quant,
// engine.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace tamis::api {

struct FitOptions {
  int64_t ms_a_row = 150;
  int64_t largest = 4096;  ///< sizes beyond are left out
};

/// Runs each op of quant::CostOp at the sizes of common models, on one thread, with every kernel
/// set that this CPU has, and hands `write` the text of a cost table as it grows, whole lines at a
/// time. Takes about half a minute; what else runs on the machine is measured as well. Throws what
/// engine::make_engine() throws.
void fit_costs(const FitOptions& options, const std::function<void(std::string_view)>& write);

}  // namespace tamis::api
