// What a folder says of its tokens' vectors, in the ids of its tokenizer.
//
// Is: markers, fillers and skipped tokens looked up, and which folders have such vectors. Is not:
// the reading of files (formats). May use: formats, tokenizer, tasks.
#pragma once

#include <filesystem>

#include "formats/sentence_transformers.h"
#include "model/manifest.h"
#include "models/models.h"
#include "tasks/task.h"
#include "tokenizer/tokenizer.h"

namespace tamis::api {

/// Whether the head gives vectors of tokens.
[[nodiscard]] constexpr bool has_token_vectors(models::HeadKind head) {
  return head == models::HeadKind::kMultiVector || head == models::HeadKind::kAllEmbeddings;
}

/// Where a head for vectors of tokens was built from.
struct LateSource {
  const models::BuildOptions& build;
  const std::filesystem::path& weights;
  const std::filesystem::path& folder;  ///< the model's, for messages
  bool lengths_as_named = true;  ///< the manifest's max_length follows those of both sides ...
  int64_t max_positions = 0;     ///< ... up to this; 0: no limit
};

/// Sets the manifest's late_interaction, behind its max_length. Throws Error{kUnsupported} naming a
/// marker or filler that is no token, or a prompt beside markers.
void set_late_interaction(const LateSource& source, const tokenizer::Tokenizer& tokenizer,
                          Manifest& manifest);

/// Whether the folder of weights is colbert-ai's.
[[nodiscard]] bool is_colbert(const std::filesystem::path& weights);

}  // namespace tamis::api
