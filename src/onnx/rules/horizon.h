// Up to how many tokens a value goes on as the probes show it.
//
// Is: numbers of a file that only longer sequences reach: a window's, a block's, the end of what is
// clipped. Is not: what a value means (the other rules). May use: onnx/importer.
#pragma once

#include <span>

#include "onnx/importer.h"

namespace tamis::onnx {

/// Tokens up to which the step's inputs are as the probes show and no number that the step
/// compares, adds or divides by, and no end that it cuts at, makes more of its inputs than in the
/// probes; kAnyTokens: there is no such number. A table of pairs of places holds for as many as
/// it has or, where it does not go on as it begins, for the longest probe.
[[nodiscard]] int64_t horizon_of(const Step& step, std::span<const Probe> probes);

/// The same of a Slice's constant ends alone; `dims` are its input's in each probe.
[[nodiscard]] int64_t horizon_of_cuts(const Step& step, std::span<const Dims> dims,
                                      std::span<const Probe> probes);

}  // namespace tamis::onnx
