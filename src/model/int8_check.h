// How far INT8 made while loading is from the float model it was made of.
//
// Is: eight built-in texts through both, and the warning. Is not: a choice of what stays in float;
// that is what optimize does (choose_plan.h). May use: measure, quant.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "graph/graph.h"
#include "model/measure.h"

namespace tamis::api {

/// What plain rounding has cost, over a few texts. What the task does not have is empty.
struct Int8Agreement {
  int64_t texts = 0;
  std::optional<double> cosine;      ///< of embeddings the least, of scores that of all together
  std::optional<double> flip_share;  ///< of decisions: texts, tokens for ner, masks for fill-mask

  /// False below a cosine of 0.99, or above 1 % flips.
  [[nodiscard]] bool good() const;
  /// "cosine 0.8213", "flips 25 %", or both.
  [[nodiscard]] std::string figures() const;
};

/// Made before the integers are, as the float weights may go when they are packed.
class Int8Check {
 public:
  /// Encodes the texts and runs the float graph, a layer at a time. `model` outlives this, has its
  /// tokenizer and needs no engine yet; `graph` is what its integers are made of.
  Int8Check(const LoadedModel& model, const graph::Graph& graph, ThreadPool& pool);

  /// The integers on the same texts; nothing if the model takes none of them (its longest input is
  /// a few tokens).
  [[nodiscard]] std::optional<Int8Agreement> compare(Runner& runner) const;

 private:
  const LoadedModel& model_;
  std::vector<TextRow> rows_;
  std::unique_ptr<Measure> measure_;
  Chunk chunk_;
  std::vector<tasks::Encoded> encoded_;
  std::vector<Run> reference_;
};

}  // namespace tamis::api
