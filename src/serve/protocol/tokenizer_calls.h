// Routes that need a tokenizer and no engine.
//
// Is: finding the model, and answering from a worker. Is not: a dialect. May use: call, fields.
#pragma once

#include <functional>

#include "serve/protocol/call.h"
#include "serve/protocol/fields.h"

namespace tamis::serve {

/// The model that `model` names, or the only one: any has a tokenizer. Throws kUnsupported for one
/// that has none.
[[nodiscard]] ModelLease model_with_tokenizer(const CallPtr& call, const Fields& fields);

/// Tokens of a text, with special ones if `special`.
[[nodiscard]] tokenizer::Encoding tokens_of(const ModelLease& model, std::string_view text,
                                            bool special, Budget& budget);

/// Runs `print` on a worker, as texts may be long, and answers with what it writes.
void answer_on_worker(const CallPtr& call, std::function<void(JsonWriter&)> print);

}  // namespace tamis::serve
