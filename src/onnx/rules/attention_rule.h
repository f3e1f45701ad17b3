// Attention in whatever pieces, told by the numbers that it makes of sampled rows.
//
// Is: the window, the factor and the tokens that all see. Is not: the arithmetic in between. May
// use: onnx/probe.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "onnx/rules/rules.h"

namespace tamis::onnx {

/// Rows [sequences * tokens, columns] of one probe.
struct SampledHeads {
  std::vector<double> queries;
  std::vector<double> keys;
  std::vector<double> values;
};

struct SampledAttention {
  const Probe* probe = nullptr;
  SampledHeads local;
  SampledHeads global;          ///< of the tokens that all others see; empty: there are none
  std::vector<double> context;  ///< what came of them; rows of padding are not looked at
};

struct AttentionRule {
  double factor = 1;         ///< of queries times keys
  double global_factor = 1;  ///< the same of the tokens that all others see
  MaskRule mask;
};

struct AttentionCandidates {
  int64_t heads = 1;
  std::vector<double> factors;
  std::vector<GlobalTokenRule> rules;  ///< kNone alone where there is no SampledAttention::global
  double tolerance = 1e-5;
};

/// The rule by which every probe's context is that of its rows; nothing: there is none.
[[nodiscard]] std::optional<AttentionRule> attention_rule(std::span<const SampledAttention> probes,
                                                          const AttentionCandidates& candidates);

}  // namespace tamis::onnx
