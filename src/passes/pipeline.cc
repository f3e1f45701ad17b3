#include "passes/pipeline.h"

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"

namespace tamis::passes {

#define X(stage, name) bool name(graph::Graph& graph);
#include "passes/pipeline.inc"
#undef X

namespace {

constexpr Pass kPasses[] = {
#define X(stage, name) {#name, Stage::stage, name},
#include "passes/pipeline.inc"
#undef X
};

void refuse_unknown(std::span<const std::string> names) {
  for (const std::string& name : names) {
    if (find_pass(name) != nullptr) continue;
    std::string known;
    for (const Pass& pass : all_passes()) known += cat(known.empty() ? "" : ", ", pass.name);
    fail(ErrorCode::kInvalidArgument, "there is no pass \"", name, "\"; known are ", known);
  }
}

}  // namespace

std::span<const Pass> all_passes() { return kPasses; }

const Pass* find_pass(std::string_view name) {
  for (const Pass& pass : all_passes()) {
    if (pass.name == name) return &pass;
  }
  return nullptr;
}

std::vector<PassReport> run_pipeline(graph::Graph& graph, std::span<const std::string> skip,
                                     Stage stage) {
  refuse_unknown(skip);
  std::vector<PassReport> reports;
  for (const Pass& pass : all_passes()) {
    if (pass.stage != stage) continue;
    if (std::find(skip.begin(), skip.end(), pass.name) != skip.end()) continue;
    const int64_t start = Clock::steady().now_ns();
    const bool changed = pass.run(graph);
    if (changed) {
      try {
        graph::verify(graph);
      } catch (const Error& error) {
        fail(ErrorCode::kInternal, "pass ", pass.name,
             " broke the graph: ", std::string_view(error.what()));
      }
    }
    const int64_t end = Clock::steady().now_ns();
    reports.push_back({pass.name, changed, static_cast<double>(end - start) * 1e-6});
  }
  return reports;
}

}  // namespace tamis::passes
