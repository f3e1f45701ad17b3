#include <cstdio>

#include "base/error.h"
#include "base/json.h"
#include "base/plain_text.h"
#include "cli/command.h"
#include "cli/export_triton.h"
#include "cli/stage_signals.h"
#include "model/export_model.h"

namespace tamis::cli {

namespace {

void print(const api::ExportReport& report, bool as_json) {
  if (as_json) {
    JsonWriter json;
    json.begin_object().member("file", report.file.string()).member("nodes", report.nodes);
    json.member("parameters", report.parameters).member("bytes", report.bytes);
    std::puts(json.end_object().str().c_str());
    return;
  }
  std::printf("%s: %lld nodes, %.1f million parameters, %.1f MB\n",
              plain_text(report.file.string()).c_str(), static_cast<long long>(report.nodes),
              1e-6 * static_cast<double>(report.parameters),
              1e-6 * static_cast<double>(report.bytes));
}

}  // namespace

int cmd_export(const std::vector<std::string>& arguments) {
  Options options("export",
                  "Writes a checkpoint as ONNX: model.onnx with config and tokenizer beside it, "
                  "which ONNX Runtime, Optimum and this program load; or a model repository of "
                  "NVIDIA Triton, of a checkpoint, an .onnx file or a bundle.",
                  "tamis export build/models/minilm --format onnx -o minilm-onnx\n"
                  "  tamis export minilm.tamis --format triton -o repository");
  CommonFlags common;
  std::string model;
  std::string format = "onnx";
  std::string folder;
  std::optional<std::string> task;
  bool force = false;
  options.positional("MODEL", model, true, "a Hugging Face folder, a hub id (org/name), or .onnx");
  TritonFlags triton;
  options.option("--format", format, "onnx or triton");
  options.option("-o,--output", folder, "the folder to write");
  options.option("--task", task, "the head to write (default: the model's own)");
  options.flag("--force", force, "replace an exported folder");
  triton.add_to(options);
  common.add_to(options);
  if (!options.parse(arguments)) return 0;

  if (folder.empty()) fail(ErrorCode::kInvalidArgument, "give the folder to write: -o FOLDER");
  if (format != "onnx" && format != "triton") {
    fail(ErrorCode::kInvalidArgument, "--format ", format, ": must be onnx or triton");
  }
  api::ExportModelOptions export_options;
  if (task) export_options.task = task_flag(*task);
  export_options.force = force;
  const api::ModelPath path = find_model(model, common);
  const StageSignals signals;
  if (format == "triton") {
    print_triton(export_triton(path, folder, triton.options(export_options)), common.json);
    return 0;
  }
  triton.refuse_for(format);
  print(api::export_model(path, folder, export_options), common.json);
  return 0;
}

}  // namespace tamis::cli
