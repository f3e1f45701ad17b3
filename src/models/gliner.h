// GLiNER: entities over labels that come with the text.
//
// Is: what stands behind an encoder that has read labels and words, up to the scores of all short
// spans. Is not: the choice among them (tasks). May use: graph, formats.
// Source: gliner/modeling/{base,layers,span_rep}.py of https://github.com/urchade/GLiNER
#pragma once

#include "models/models.h"

namespace tamis::models {

/// The graph of a checkpoint that has a gliner(): logits [S, max_width * labels] of the tokens that
/// mark labels and the first tokens of words, which the batch selects. Throws as build_model().
[[nodiscard]] BuiltModel build_gliner(const Checkpoint& checkpoint, const BuildOptions& options);

}  // namespace tamis::models
