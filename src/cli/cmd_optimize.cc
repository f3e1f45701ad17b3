#include <algorithm>
#include <cstdio>
#include <iterator>
#include <utility>

#include "base/error.h"
#include "cli/command.h"
#include "cli/stage_signals.h"
#include "optimize/optimize.h"
#include "optimize/report.h"

namespace tamis::cli {

namespace {

/// The flags as they were given, before they are read.
struct OptimizeFlags {
  std::string model;
  std::string bundle;
  std::optional<std::string> task;
  std::optional<std::string> precision;
  std::optional<std::string> calibration;
  std::optional<std::string> certify_on;
  std::optional<std::string> budget;
  std::optional<std::string> scheme;
  std::optional<std::string> embeddings;
  std::vector<std::string> without;
  bool certify = false;

  void add_to(Options& options, api::OptimizeOptions& optimize) {
    options.positional("MODEL", model, true, "a Hugging Face folder or a hub id (org/name)");
    options.option("-o,--output", bundle, "the bundle to make, a folder");
    options.option("--task", task, "the task it is for (default: the model's own)");
    options.option("--precision", precision,
                   "auto (default): INT8 within the budget, else what keeps it; int8: every linear "
                   "layer, the budget only reported; bf16; fp32");
    options.option("--budget", budget,
                   "what may be lost: flips=0.5%, kl=1e-4, cosine=0.999, spearman=0.999 or "
                   "accuracy=0.1 (points; default: by the task)");
    options.flag("--certify", certify, "the 95 % bound must keep the budget, not the estimate");
    options.option(
        "--certify-on", certify_on,
        "texts to measure and to certify on, as of --calibration, in place of those held "
        "out; sets --certify");
    options.option("--calibration", calibration,
                   "texts for int8: .txt, .tsv or .jsonl (default: built-in ones); every second "
                   "one is held out to measure on");
    options.option("--scheme", scheme,
                   "of activations: native (default; runs in integers here), static, ort or trt "
                   "(simulated exactly in float; export --format onnx-qdq writes them)");
    options.option("--embeddings", embeddings,
                   "how embedding tables are stored: fp16 (default), int8 (also by itself where "
                   "--budget is given and they lose at most a tenth of it) or fp32, as the "
                   "checkpoint has them (default of --precision fp32, and where the "
                   "checkpoint has trained ranges)");
    options.option("--enable", optimize.model.enable, "quantizers to turn on, a glob (repeatable)");
    options.option("--disable", optimize.model.disable,
                   "quantizers to turn off, a glob (repeatable)");
    options.option("--without", without,
                   "a treatment to leave out: columns, scale, optimizer, gptq, bias (repeatable)");
    options.option("--seconds", optimize.seconds,
                   "time to spend on a shape of the report, before and after (default: 1)");
    options.flag("--measure", optimize.measure, "decide by the clock, not by the cost table");
    options.option("--max-length", optimize.model.max_length, "longest input in tokens");
    options.option("--skip-pass", optimize.model.skip_passes, "a pass to leave out (repeatable)");
    options.flag("--force", optimize.force, "replace a bundle that is there");
  }
};

void leave_out(const std::string& name, quant::Treatments& treatments) {
  const std::pair<std::string_view, bool*> known[] = {
      {"columns", &treatments.outlier_columns},  {"scale", &treatments.scale_and_shift},
      {"optimizer", &treatments.optimize_scale}, {"gptq", &treatments.gptq},
      {"bias", &treatments.bias_correction},
  };
  for (const auto& treatment : known) {
    if (treatment.first != name) continue;
    *treatment.second = false;
    return;
  }
  fail(ErrorCode::kInvalidArgument, "--without ", name,
       ": unknown; accepted are columns, scale, optimizer, gptq and bias");
}

void read_flags(const OptimizeFlags& flags, api::OptimizeOptions& optimize) {
  if (flags.bundle.empty()) fail(ErrorCode::kInvalidArgument, "give the bundle to make: -o FOLDER");
  if (flags.task) optimize.model.task = task_flag(*flags.task);
  const std::string precision = flags.precision.value_or("auto");
  constexpr std::string_view kPrecisions[] = {"auto", "int8", "bf16", "fp32"};
  if (std::find(std::begin(kPrecisions), std::end(kPrecisions), precision) ==
      std::end(kPrecisions)) {
    fail(ErrorCode::kInvalidArgument, "--precision ", precision,
         ": must be auto, int8, bf16 or fp32");
  }
  if (precision != "auto") optimize.model.precision = api::precision_option(precision);
  if (flags.scheme) api::set_scheme(optimize, *flags.scheme);
  if (flags.embeddings) optimize.embeddings = api::embeddings_option(*flags.embeddings);
  if (!(optimize.seconds >= 0 && optimize.seconds <= 3600)) {
    fail(ErrorCode::kInvalidArgument, "--seconds ", optimize.seconds,
         ": must lie between 0 and 3600");
  }
  for (const std::string& name : flags.without) leave_out(name, optimize.quantize.treatments);
  if (flags.budget) optimize.budget = api::parse_budget(*flags.budget);
  optimize.certify = flags.certify;
  if (flags.certify_on) {
    optimize.certify_on_file = *flags.certify_on;
    optimize.certify_on = read_rows(flags.certify_on, {});
  }
  if (!flags.calibration) return;
  optimize.calibration_file = *flags.calibration;
  optimize.calibration = read_rows(flags.calibration, {});
}

}  // namespace

int cmd_optimize(const std::vector<std::string>& arguments) {
  Options options("optimize", "Makes a bundle: fused, quantized within a budget, self-tested.",
                  "tamis optimize build/models/minilm -o minilm.tamis");
  CommonFlags common;
  OptimizeFlags flags;
  api::OptimizeOptions optimize;
  flags.add_to(options, optimize);
  common.add_to(options);
  if (!options.parse(arguments)) return 0;

  read_flags(flags, optimize);
  common.apply(optimize.model);
  optimize.model.pool = common.make_pool();
  const api::ModelPath path = find_model(flags.model, common);
  Progress progress("optimizing", common.quiet);
  const StageSignals signals;
  const api::OptimizeReport report = api::optimize(
      path, flags.bundle, optimize,
      [&progress](std::string_view stage, double fraction) { progress.update(fraction, stage); });
  print_lines(common.json ? api::report_json(report) : api::report_text(report));
  if (report.succeeded()) return 0;
  std::fprintf(stderr, "tamis: no plan faster than fp32 keeps the budget %s; the bundle is %s\n",
               api::budget_text(report.choice->budget).c_str(),
               std::string(engine::precision_name(report.manifest.precision)).c_str());
  return 1;
}

}  // namespace tamis::cli
