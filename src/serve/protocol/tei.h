// What the routes of text-embeddings-inference share: inputs, truncation, headers.
//
// Is: reading and printing of that dialect. Is not: a route. May use: call, fields, json_fields.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "serve/protocol/call.h"
#include "serve/protocol/fields.h"
#include "serve/protocol/json_fields.h"

namespace tamis::serve {

/// `inputs` as texts or token ids: a string, a list of strings, a list of ids, a list of such
/// lists. Throws kInvalidArgument for anything else, an empty list, or more items than the server
/// takes.
void read_inputs(JsonView inputs, std::string_view key, Request& request);

/// `key` as texts alone: a string or a list of strings. Throws as read_inputs().
void add_texts(const Fields& fields, std::string_view key, Request& request);

/// `truncate` (default: the server's) and `truncation_direction`.
[[nodiscard]] Truncation read_truncation(const Fields& fields, const Call& call);
/// `truncation_direction`.
[[nodiscard]] std::optional<Side> side_of(const Fields& fields);

/// A 200 with the x-* headers that its clients read.
[[nodiscard]] HttpResponse tei_response(const Call& call, const Reply& reply, std::string body);

}  // namespace tamis::serve
