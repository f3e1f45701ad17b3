#include <cstdio>

#include "api/optimize.h"
#include "api/report.h"
#include "base/error.h"
#include "cli/command.h"

namespace tamis::cli {

int cmd_optimize(const std::vector<std::string>& arguments) {
  Options options("optimize", "Makes a bundle: fused, self-tested, ready to run on any x86-64 CPU.",
                  "tamis optimize build/models/minilm -o minilm.tamis");
  CommonFlags common;
  std::string model;
  std::string bundle;
  std::optional<std::string> task;
  std::optional<std::string> calibration;
  api::OptimizeOptions optimize;
  options.positional("MODEL", model, true, "a Hugging Face folder or a cached hub id");
  options.option("-o,--output", bundle, "the bundle to make, a folder");
  options.option("--task", task, "the task it is for (default: the model's own)");
  options.option("--precision", optimize.model.precision, "fp32 (default), bf16 or int8");
  options.option("--calibration", calibration,
                 "texts for int8: .txt, .tsv or .jsonl (default: built-in ones)");
  options.option("--enable", optimize.model.enable, "quantizers to turn on, a glob (repeatable)");
  options.option("--disable", optimize.model.disable,
                 "quantizers to turn off, a glob (repeatable)");
  options.option("--max-length", optimize.model.max_length, "longest input in tokens");
  options.option("--skip-pass", optimize.model.skip_passes, "a pass to leave out (repeatable)");
  options.flag("--force", optimize.force, "replace a bundle that is there");
  common.add_to(options);
  if (!options.parse(arguments)) return 0;

  if (bundle.empty()) fail(ErrorCode::kInvalidArgument, "give the bundle to make: -o FOLDER");
  if (task) optimize.model.task = task_flag(*task);
  optimize.model.isas = common.isas();
  optimize.model.pool = common.make_pool();
  if (calibration) {
    optimize.calibration = read_rows(calibration, {});
    if (optimize.calibration.empty()) {
      fail(ErrorCode::kInvalidArgument, *calibration, ": no texts; at least one is needed");
    }
  }
  Progress progress("optimizing", common.quiet);
  const api::OptimizeReport report =
      api::optimize(api::resolve_model(model), bundle, optimize,
                    [&progress](std::string_view, double fraction) { progress.update(fraction); });
  std::fputs(common.json ? api::report_json(report).c_str() : api::report_text(report).c_str(),
             stdout);
  return 0;
}

}  // namespace tamis::cli
