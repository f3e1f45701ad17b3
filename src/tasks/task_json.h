// A result as the JSON object that scripts rely on.
//
// Is: the one writer of results, for the command line and the server. Is not: reading, lines,
// files. May use: result, base.
#pragma once

#include <tamis/results.h>

#include <string>

#include "base/json.h"

namespace tamis::tasks {

/// Writes one object. Floats print so that float32 round-trips.
///
///   embed      {"embedding":[..]}
///   classify   {"label":"..","score":..,"scores":{"label":score,..},"logits":[..]}
///   rerank     {"results":[{"index":..,"score":..,"text":".."},..]}
///   ner        {"entities":[{"entity_group":"..","score":..,"word":"..","start":..,"end":..},..]},
///              without aggregation "entity" and "index" in place of "entity_group"
///   qa         {"answer":"..","score":..,"start":..,"end":..}; a list of them under "answers" if
///              top_k was asked for
///   fill-mask  {"masks":[[{"score":..,"token":..,"token_str":"..","sequence":".."},..],..]}
///   zero-shot  {"sequence":"..","labels":[".."],"scores":[..]}
///   embed-sparse  {"sparse":{"token":weight,..}}
///   embed-multi   {"token_ids":[..],"vectors":[[..],..]}
///   embed-all     {"embedding":[..],"sparse":{..},"token_ids":[..],"vectors":[[..],..]}
///
/// "truncated":true is the last member where tokens were cut off.
void write_json(const TaskResult& result, JsonWriter& json);

/// The object as one line.
[[nodiscard]] std::string to_json(const TaskResult& result);

}  // namespace tamis::tasks
