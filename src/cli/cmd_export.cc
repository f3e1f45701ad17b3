#include <cstdint>
#include <cstdio>

#include "base/error.h"
#include "base/json.h"
#include "base/plain_text.h"
#include "cli/choice.h"
#include "cli/command.h"
#include "cli/export_triton.h"
#include "cli/stage_signals.h"
#include "optimize/export_model.h"

namespace tamis::cli {

namespace {

enum class Format : uint8_t { kOnnx, kOnnxQdq, kTriton };
constexpr Named<Format> kFormats[] = {
    {"onnx", Format::kOnnx}, {"onnx-qdq", Format::kOnnxQdq}, {"triton", Format::kTriton}};
// Whether everything is to be integers.
constexpr Named<bool> kPrecisions[] = {{"auto", false}, {"int8", true}};

/// The flags as they were given, before they are read.
struct ExportFlags {
  std::string model;
  std::string format = "onnx";
  std::string folder;
  std::optional<std::string> task;
  std::optional<std::string> flavor;
  std::optional<std::string> floats;
  std::optional<std::string> calibration;
  std::optional<std::string> budget;
  std::optional<std::string> precision;
  bool force = false;

  void add_to(Options& options, api::OptimizeOptions& optimize) {
    options.positional("MODEL", model, true,
                       "a Hugging Face folder, a hub id (org/name), an .onnx file, or a bundle");
    options.option("--format", format, "onnx (default), onnx-qdq: quantized, or triton");
    options.option("-o,--output", folder, "the folder to write");
    options.option("--task", task, "the head to write (default: the model's own)");
    options.option("--float", floats,
                   "what is not integers: fp32, fp16 or bf16 (default: fp16 for trt, else fp32)");
    options.option("--flavor", flavor,
                   "of onnx-qdq: portable (default), ort-cpu or trt, whose rules the file keeps");
    options.option("--calibration", calibration,
                   "texts for onnx-qdq, and for the range of fp16: .txt, .tsv or .jsonl (default: "
                   "built-in ones)");
    options.option("--budget", budget,
                   "what onnx-qdq may lose: flips=0.5%, kl=1e-4, cosine=0.999, ...");
    options.option("--precision", precision,
                   "of onnx-qdq: auto (default), within the budget; int8: everything, the budget "
                   "only reported");
    options.option("--enable", optimize.model.enable, "quantizers to turn on, a glob (repeatable)");
    options.option("--disable", optimize.model.disable,
                   "quantizers to turn off, a glob (repeatable)");
    options.flag("--force", force, "replace an exported folder");
  }
};

// Options that would be passed over in silence.
void check_flags(const ExportFlags& flags, Format format, const api::ExportModelOptions& options,
                 const api::ModelPath& path) {
  const bool bundle = path.kind == api::ModelKind::kBundle;
  const auto& model = options.optimize.model;
  const bool quantizes =
      flags.budget || flags.precision || !model.enable.empty() || !model.disable.empty();
  if (!options.quantized && (flags.flavor || quantizes)) {
    fail(ErrorCode::kInvalidArgument, flags.flavor ? "--flavor " + *flags.flavor : "quantization",
         ": --format ", flags.format, " writes no quantizers; --format onnx-qdq does");
  }
  if (format == Format::kTriton && flags.floats) {
    fail(ErrorCode::kInvalidArgument, "--float ", *flags.floats,
         ": a repository has the model's own types; it goes with --format onnx and onnx-qdq");
  }
  if (bundle && (quantizes || flags.task)) {
    fail(ErrorCode::kInvalidArgument, path.folder.string(),
         ": a bundle's task and quantizers are what they are; --task, --budget, --precision, "
         "--enable and --disable go with a checkpoint");
  }
  const bool halves = api::float_type_of(options) == onnx::FloatType::kFp16;
  if (flags.calibration && !halves && (bundle || !options.quantized)) {
    fail(
        ErrorCode::kInvalidArgument, "--calibration ", *flags.calibration,
        ": nothing is calibrated; it goes with --format onnx-qdq of a checkpoint, or --float fp16");
  }
}

api::ExportModelOptions read_flags(const ExportFlags& flags, Format format,
                                   api::OptimizeOptions optimize) {
  if (flags.folder.empty()) {
    fail(ErrorCode::kInvalidArgument, "give the folder to write: -o FOLDER");
  }
  api::ExportModelOptions options;
  options.quantized = format == Format::kOnnxQdq;
  if (flags.flavor) options.flavor = choice("--flavor", *flags.flavor, onnx::kFlavors);
  if (flags.floats) options.float_type = choice("--float", *flags.floats, onnx::kFloatTypes);
  if (flags.task) options.task = task_flag(*flags.task);
  options.force = flags.force;
  options.optimize = std::move(optimize);
  const bool all = flags.precision && choice("--precision", *flags.precision, kPrecisions);
  if (all) options.optimize.model.precision = engine::Precision::kInt8;
  if (flags.budget) options.optimize.budget = api::parse_budget(*flags.budget);
  if (flags.calibration) {
    options.optimize.calibration_file = *flags.calibration;
    options.optimize.calibration = read_rows(flags.calibration, {});
  }
  return options;
}

void print(const api::ExportReport& report, bool quantized, bool as_json) {
  if (as_json) {
    JsonWriter json;
    json.begin_object().member("file", report.file.string()).member("nodes", report.nodes);
    json.member("parameters", report.parameters).member("bytes", report.bytes);
    if (quantized) {
      json.member("quantizers", report.quantizers).member("float_work", report.float_work);
    }
    if (!report.plan.empty()) json.member("plan", report.plan).member("loss", report.loss);
    std::puts(json.end_object().str().c_str());
    return;
  }
  std::printf("%s: %lld nodes, %.1f million parameters, %.1f MB\n",
              plain_text(report.file.string()).c_str(), static_cast<long long>(report.nodes),
              1e-6 * static_cast<double>(report.parameters),
              1e-6 * static_cast<double>(report.bytes));
  if (quantized) {
    std::printf("%lld quantizers on; %.1f %% of the products' work in float\n",
                static_cast<long long>(report.quantizers), 100 * report.float_work);
  }
  if (!report.plan.empty()) {
    std::printf("plan: %s; on texts held out: %s\n", report.plan.c_str(), report.loss.c_str());
  }
}

}  // namespace

int cmd_export(const std::vector<std::string>& arguments) {
  Options options(
      "export",
      "Writes a model as ONNX: model.onnx with config and tokenizer beside it, which "
      "ONNX Runtime, Optimum and this program load; with --format onnx-qdq quantized, "
      "for TensorRT too; or a model repository of NVIDIA Triton, of a checkpoint, an "
      ".onnx file or a bundle.",
      "tamis export build/models/minilm --format onnx -o minilm-onnx\n"
      "  tamis export build/models/minilm --format onnx-qdq --flavor trt -o minilm-trt\n"
      "  tamis export minilm.tamis --format triton -o repository");
  CommonFlags common;
  ExportFlags flags;
  TritonFlags triton;
  api::OptimizeOptions optimize;
  flags.add_to(options, optimize);
  triton.add_to(options);
  common.add_to(options);
  if (!options.parse(arguments)) return 0;

  common.apply(optimize.model);
  optimize.model.pool = common.make_pool();
  const Format format = choice("--format", flags.format, kFormats);
  const api::ExportModelOptions export_options = read_flags(flags, format, std::move(optimize));
  const bool repository = format == Format::kTriton;
  if (!repository) triton.refuse_for(flags.format);
  const api::ModelPath path = find_model(flags.model, common);
  check_flags(flags, format, export_options, path);
  const StageSignals signals;
  if (repository) {
    const api::TritonOptions written = triton.options(flags.model, export_options);
    print_triton(export_triton(path, flags.folder, written), common.json);
    return 0;
  }
  Progress progress("exporting", common.quiet || !export_options.quantized);
  const api::ExportReport report = api::export_model(
      path, flags.folder, export_options,
      [&progress](std::string_view stage, double fraction) { progress.update(fraction, stage); });
  print(report, export_options.quantized, common.json);
  return 0;
}

}  // namespace tamis::cli
