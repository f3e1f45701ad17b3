// Options that several dialects word alike.
//
// Is: readers of rows that forms share. Is not: a row (request_forms.cc). May use: call, fields.
#pragma once

#include <optional>
#include <string>

#include "serve/protocol/call.h"
#include "serve/protocol/fields.h"

namespace tamis::serve {

/// `truncate` as none, start or end, over what `truncation` says.
void read_truncated_end(const Fields& fields, Truncation& truncation);
/// vLLM's `truncate_prompt_tokens`, over what `truncation` says. Throws kInvalidArgument for 0.
void read_prompt_tokens(const Fields& fields, Truncation& truncation);

/// The prompt that `input_type` means, if the model has it: of this name, else for search_query
/// "query", for search_document "document" or "passage". Models without prompts need none.
[[nodiscard]] std::optional<std::string> prompt_of_type(const Fields& fields,
                                                        const ModelLease& model);

/// Cohere's `priority`, 0 (what goes without saying) to 999 (last): the queue's default level and
/// those behind.
[[nodiscard]] uint32_t read_priority(const Fields& fields);

/// What a classifier's scores are where a dialect speaks of raw scores: softmax over several
/// labels, sigmoid of one; a model of labels that do not exclude each other keeps its own way.
[[nodiscard]] tasks::ScoreFunction score_function(bool raw, const ModelLease& model);
/// The same for dialects that give a regression's numbers as they are.
[[nodiscard]] tasks::ScoreFunction score_or_number(bool raw, const ModelLease& model);

/// Seconds since 1970.
[[nodiscard]] int64_t unix_seconds();

}  // namespace tamis::serve
