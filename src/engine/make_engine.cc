// The factory, in an object of its own: what links an engine alone need not have engine_rows().
#include "base/error.h"
#include "engine/engine.h"

namespace tamis::engine {

namespace {

// The row that the options name; null: they name none.
const EngineRow* named_row(const EngineOptions& options) {
  if (options.engine.empty()) return nullptr;
  std::string known;
  for (const EngineRow& row : engine_rows()) {
    if (row.name == options.engine) return &row;
    known += cat(known.empty() ? "" : ", ", row.name);
  }
  fail(ErrorCode::kNotFound, "engine \"", options.engine, "\": this build has ", known);
}

}  // namespace

std::shared_ptr<const Engine> make_engine(EngineSource source, const EngineOptions& options) {
  if (const auto* graph = std::get_if<graph::Graph>(&source)) graph::verify(*graph);
  EngineOptions complete = options;
  if (complete.pool == nullptr) complete.pool = std::make_shared<ThreadPool>(1);
  const EngineRow* named = named_row(options);
  std::string reasons;
  for (const EngineRow& row : engine_rows()) {
    if (named != nullptr && named != &row) continue;
    const std::optional<std::string> why_not = row.why_not(source, complete);
    if (!why_not) return row.make(std::move(source), complete);
    reasons += cat(reasons.empty() ? "" : "; ", row.name, ": ", *why_not);
  }
  fail(ErrorCode::kUnsupported, "no engine runs this model: ", reasons);
}

}  // namespace tamis::engine
