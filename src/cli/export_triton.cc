#include "cli/export_triton.h"

#include <cstdio>

#include "base/error.h"
#include "base/json.h"
#include "base/plain_text.h"
#include "cli/choice.h"

namespace tamis::cli {

namespace {

// Whether it is a card's.
constexpr Named<bool> kDevices[] = {{"cpu", false}, {"cuda", true}};
constexpr Named<bool> kAccelerators[] = {{"tensorrt", true}, {"openvino", false}};

[[noreturn]] void bad_flag(std::string_view flag, std::string_view value, std::string_view wanted) {
  fail(ErrorCode::kInvalidArgument, flag, " ", value, ": must be ", wanted);
}

}  // namespace

void TritonFlags::add_to(Options& options) {
  options.option("--backend", backend,
                 "of --format triton: tamis, onnxruntime or tensorrt (default: tamis)");
  options.option("--name", name,
                 "of --format triton: the models' names begin with it (default: the folder's)");
  options.option("--device", device,
                 "of --format triton: where instances run, cpu or cuda (default: cpu; tensorrt: "
                 "cuda)");
  options.option("--accelerator", accelerator,
                 "of --backend onnxruntime: tensorrt or openvino, as execution accelerator");
  options.flag("--response-cache", response_cache,
               "of --format triton: let the server's response cache answer; it keeps the answers "
               "of a model that is replaced in place");
}

api::TritonOptions TritonFlags::options(const std::string& model,
                                        const api::ExportModelOptions& common) const {
  api::TritonOptions made;
  if (backend) made.backend = choice("--backend", *backend, api::kTritonBackends);
  if (name) {
    made.name = *name;
    if (name->empty()) bad_flag("--name", *name, "a name, or left out");
  }
  made.argument = model;
  made.task = common.task;
  made.model = common.optimize.model;
  made.force = common.force;
  made.response_cache = response_cache;
  const bool plan = made.backend == api::TritonBackend::kTensorRt;
  made.on_cards = device ? choice("--device", *device, kDevices) : plan;
  if (plan && !made.on_cards) bad_flag("--device", *device, "cuda for tensorrt");
  if (!accelerator) return made;
  if (made.backend != api::TritonBackend::kOnnxRuntime) {
    bad_flag("--accelerator", *accelerator, "left out but for --backend onnxruntime");
  }
  const bool for_cards = choice("--accelerator", *accelerator, kAccelerators);
  made.accelerator = *accelerator;
  if (made.on_cards != for_cards) {
    bad_flag("--accelerator", *accelerator,
             made.on_cards ? "tensorrt with --device cuda" : "openvino without --device cuda");
  }
  return made;
}

void TritonFlags::refuse_for(std::string_view format) const {
  if (!backend && !name && !device && !accelerator && !response_cache) return;
  fail(ErrorCode::kInvalidArgument,
       "--backend, --name, --device, --accelerator and --response-cache are of --format triton, "
       "not of ",
       format);
}

void print_triton(const api::TritonReport& report, bool as_json) {
  if (as_json) {
    JsonWriter json;
    json.begin_object().member("repository", report.repository.string()).key("models");
    json.begin_array();
    for (const std::string& model : report.models) json.value(model);
    json.end_array().member("bytes", report.bytes);
    if (!report.note.empty()) json.member("note", report.note);
    std::puts(json.end_object().str().c_str());
    return;
  }
  std::string models;
  for (const std::string& model : report.models) models += cat(models.empty() ? "" : ", ", model);
  std::printf("%s: %s, %.1f MB\n", plain_text(report.repository.string()).c_str(), models.c_str(),
              1e-6 * static_cast<double>(report.bytes));
  if (!report.note.empty()) std::printf("%s\n", report.note.c_str());
}

}  // namespace tamis::cli
