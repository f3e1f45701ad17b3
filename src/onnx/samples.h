// Numbers in place of hidden states, where a file takes them apart by places.
//
// Is: what a chunked attention is followed by until it ends as rows again, in files that pad their
// inputs to a multiple of a window. Is not: what they make together (rules/attention_rule.h). May
// use: graph.
#pragma once

#include <memory>
#include <vector>

#include "graph/graph.h"
#include "onnx/known.h"

namespace tamis::onnx {

struct Hidden;
struct Step;
struct ImportValue;
class Importer;

/// Rows that numbers stand for.
struct SampleSource {
  graph::ValueId rows = graph::kNoValue;
  int64_t columns = 0;
  int64_t head_size = 0;  ///< columns that lie together in the file
  double factor = 1;      ///< on the way
  std::shared_ptr<const Step> from;
};

/// What is computed of sources and of what is known, in every probe.
struct Samples {
  ProbeArrays values;
  /// Each once, in the order that they came in: queries before keys before values.
  std::vector<SampleSource> sources;
  IdsUse use = IdsUse::kNone;
};

/// The numbers that stand for the rows [sequences * tokens, columns] of a value in a probe; the
/// same each time.
[[nodiscard]] std::vector<double> sampled_rows(const SampleSource& source, const Probe& probe);

/// Whether the step takes hidden states apart by places, or goes on with numbers.
[[nodiscard]] bool needs_samples(const Importer& importer, const Step& step);

/// What it makes: numbers or, of an attention in pieces that a linear layer reads, rows.
[[nodiscard]] std::vector<ImportValue> import_samples(Importer& importer, const Step& step);

}  // namespace tamis::onnx
