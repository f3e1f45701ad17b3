// modules.json and the folders that it names.
//
// Is: the order that is built, and each module's own reader. Is not: what lies beside the modules
// (sentence_transformers.h). May use: base, tensor.
#pragma once

#include <filesystem>

#include "formats/sentence_transformers.h"

namespace tamis {

/// Fills what the modules say: has_modules, transformer_folder, output of an MLMTransformer,
/// pooling, sparse, late_interaction, pooled, normalize, logit_score. With `by_token`, modules that
/// do not say work on the tokens' vectors. Throws as read_sentence_transformer().
void read_module_list(const std::filesystem::path& folder, bool by_token,
                      SentenceTransformerConfig& config);

}  // namespace tamis
