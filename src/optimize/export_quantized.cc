#include "optimize/export_quantized.h"

#include "base/error.h"
#include "model/calibration_rows.h"
#include "onnx/check_tensorrt.h"
#include "optimize/calibrate.h"
#include "quant/half_range.h"

namespace tamis::api {

namespace {

// What every runtime takes is what TensorRT takes.
std::string_view scheme_of(onnx::Flavor flavor) {
  return flavor == onnx::Flavor::kOrtCpu ? "ort" : "trt";
}

QuantizedSource of_bundle(const ModelPath& path, const ExportModelOptions& options) {
  ModelOptions load;
  load.pool = options.optimize.model.pool;
  load.self_test = false;
  QuantizedSource source;
  source.model = LoadedModel::load(path, load);
  source.graph = source.model->graph();
  source.manifest = source.model->manifest();
  if (source.manifest.precision != engine::Precision::kInt8) {
    fail(ErrorCode::kUnsupported, path.folder.string(), ": is a bundle in ",
         engine::precision_name(source.manifest.precision),
         "; a quantized file is made of one in int8, or of the checkpoint");
  }
  return source;
}

QuantizedSource of_checkpoint(const ModelPath& path, const ExportModelOptions& options,
                              const OptimizeProgress& progress) {
  OptimizeOptions optimize = options.optimize;
  optimize.model.task = options.task;
  set_scheme(optimize, scheme_of(options.flavor));
  PlannedModel planned = plan_model(path, optimize, progress);
  const PlanRow& row = planned.report.choice->row();
  const Budget& budget = planned.report.choice->budget;
  if (row.precision != engine::Precision::kInt8) {
    fail(ErrorCode::kUnsupported, path.folder.string(), ": no quantized plan of flavor ",
         name_of(onnx::kFlavors, options.flavor), " keeps the budget ", budget_text(budget),
         "; give a wider --budget, or --precision int8 to write it whatever it loses");
  }
  QuantizedSource source;
  source.plan = row.name;
  source.loss = cat(metric_name(budget.metric), " ", loss_text(row.loss.estimate, budget.metric));
  source.model = std::move(planned.checkpoint);
  source.graph = std::move(planned.graph);
  source.manifest = std::move(planned.report.manifest);
  return source;
}

}  // namespace

QuantizedSource quantized_source(const ModelPath& path, const ExportModelOptions& options,
                                 const OptimizeProgress& progress) {
  return path.kind == ModelKind::kBundle ? of_bundle(path, options)
                                         : of_checkpoint(path, options, progress);
}

void check_half_range(const LoadedModel& model, const graph::Graph& graph,
                      const OptimizeOptions& texts) {
  const CalibrationRows rows = split_rows(model, {texts.calibration, texts.calibration_file});
  const engine::BatchBuilder batch = encode_rows(model, rows.used);
  const auto overflow = quant::find_half_overflow(graph, batch.batch(), model.runner().pool());
  if (!overflow) return;
  fail(ErrorCode::kUnsupported, "ONNX: \"", overflow->scope, "\" gives ", overflow->value, " on ",
       rows.source, ", beyond half precision's 65504; write it with --float fp32 or bf16");
}

void check_tensorrt_file(const onnx::ModelProto& model, const std::filesystem::path& file) {
  for (const onnx::Finding& finding : onnx::check_tensorrt(model)) {
    if (finding.severity != onnx::Severity::kError) continue;
    fail(ErrorCode::kUnsupported, file.string(), ": ", finding.where, ": ", finding.what, "; ",
         finding.fix);
  }
}

}  // namespace tamis::api
