// What is checked, counted and priced of a request before it waits, and before its model runs.
//
// Is: the steps that core takes for every protocol. Is not: prices (budget), protocols' fields. May
// use: servable, job.
#pragma once

#include <string>
#include <vector>

#include "serve/batching/budget.h"
#include "serve/batching/job.h"
#include "serve/batching/request.h"
#include "serve/batching/servable.h"

namespace tamis::serve {

/// Holds token ids to what texts are: the task, and the model's length, to which they are cut if
/// the options let them. Rows without options run as they are. Throws kInvalidArgument or
/// kUnsupported.
void check_rows(const Servable& model, Request& request);

/// Throws kInvalidArgument for more dimensions than the model's vectors have.
void check_dimensions(Servable& model, const Request& request);

/// Takes what is known before a text is read; gives the request a budget if it has none. Throws as
/// Budget::take.
void price_request(Request& request, const BudgetLimits& limits);

/// Takes what the answer to a text that was read will need. Throws as Budget::take; kUnsupported
/// where raw outputs are asked of a text that no graph reads (queries of a table).
void price_answer(const Request& request, const tasks::Encoded& encoded, const LabelSizes& labels);

/// Takes what is known before the model runs: the rows of its outputs. Throws as Budget::take.
void price_outputs(const Request& request, Servable& model, const Job& job);

/// Code points of the texts, those of a query with each of its texts, and ids: what
/// text-embeddings-inference counts for its callers' bills.
[[nodiscard]] int64_t characters_of(const Request& request);

[[nodiscard]] LabelSizes sizes_of(const std::vector<std::string>& labels);

}  // namespace tamis::serve
