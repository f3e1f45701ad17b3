// A folder with a model's tokenizer and what its task does to texts, without weights.
//
// Is: what Tokenizer of <tamis/tokenizer.h> reads, written. Is not: a bundle, though its files have
// a bundle's names. May use: loaded_model.
#pragma once

#include <filesystem>

#include "model/loaded_model.h"

namespace tamis::api {

/// The task whose options encode its requests: a cross-encoder's pair is encoded as a classifier's,
/// the others as their own task does.
[[nodiscard]] tasks::TaskKind encoded_as(tasks::TaskKind task);

/// Writes tokenizer.json, tokenizer_config.json and tamis.json into `folder`. Throws
/// Error{kUnsupported} if the model has no tokenizer.
void write_tokenizer_folder(const std::filesystem::path& folder, const LoadedModel& model);

}  // namespace tamis::api
