// An imported graph with Hugging Face's names.
//
// Is: a copy whose scopes and constants are called after the modules of transformers, as far as the
// file tells, and whose masked-word head reads selected tokens alone. Is not: a fusion (passes/).
// May use: graph.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"

namespace tamis::onnx {

struct TidyOptions {
  std::string prefix;  ///< ImportOptions'
  /// The logits [T, vocab] of a masked-word head: what computes them from the last hidden states
  /// reads the selected tokens.
  graph::ValueId vocabulary_logits = graph::kNoValue;
};

/// Outputs are those of `graph`; what none of them needs is left out.
[[nodiscard]] graph::Graph tidy(const graph::Graph& graph, const TidyOptions& options);

/// "bert.encoder" of "m.bert.encoder.layer.0.output.dense": the modules of a file that wraps its
/// model in others, renamed. Exposed for its test.
class ModuleNames {
 public:
  /// `words` is the module of the word embeddings, "m.bert.embeddings.word_embeddings".
  ModuleNames(std::string_view words, std::string_view prefix);
  [[nodiscard]] std::string renamed(std::string_view module) const;

 private:
  // `before`: where the words lie; `prefix` as prefix_.
  void take_if_last(std::string_view before, const std::string& prefix);

  std::string wrapper_;  // "m."
  std::string encoder_;  // "m.bert."
  std::string prefix_;   // "bert."
};

}  // namespace tamis::onnx
