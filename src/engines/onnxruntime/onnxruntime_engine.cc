#include "engines/onnxruntime/onnxruntime_engine.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "engines/onnxruntime/padded_session.h"

namespace tamis::engines::onnxruntime {

namespace {

constexpr std::string_view kName = "onnxruntime";

class OnnxRuntimeEngine final : public engine::Engine {
 public:
  OnnxRuntimeEngine(engine::EngineInfo info, std::shared_ptr<const PaddedModel> model)
      : Engine(std::move(info)), model_(std::move(model)) {}

  [[nodiscard]] std::unique_ptr<engine::Session> make_session() const override {
    return std::make_unique<PaddedSession>(model_);
  }

 private:
  std::shared_ptr<const PaddedModel> model_;
};

std::optional<std::string> why_not(const engine::EngineSource& source,
                                   const engine::EngineOptions& options) {
  if (!std::holds_alternative<engine::OpaqueModel>(source)) {
    return "runs .onnx models, not graphs";
  }
  if (options.device.kind != device::DeviceKind::kCpu) return "--ort-provider names its devices";
  if (options.precision != engine::Precision::kFp32) {
    return "runs a model in the types that its file has; --precision is for other engines";
  }
  if (options.simulate || !options.taps.empty()) return "has no inner values";
  return std::nullopt;
}

bool has_input(const OrtModel& model, std::string_view name) {
  return std::ranges::any_of(model.inputs(),
                             [name](const OrtPort& port) { return port.name == name; });
}

void check_inputs(const OrtModel& model, const std::string& name) {
  if (!has_input(model, "input_ids")) {
    fail(ErrorCode::kUnsupported, name, ": no input \"input_ids\"");
  }
  for (const OrtPort& port : model.inputs()) {
    const bool known =
        port.name == "input_ids" || port.name == "attention_mask" || port.name == "token_type_ids";
    if (!known) {
      fail(ErrorCode::kUnsupported, name, ": input \"", port.name.substr(0, 100),
           "\"; accepted are input_ids, attention_mask and token_type_ids");
    }
    if (port.type != kOrtInt64 && port.type != kOrtInt32) {
      fail(ErrorCode::kUnsupported, name, ": input \"", port.name, "\" has element type ",
           port.type, "; INT64 and INT32 are accepted");
    }
    const bool any = port.dims.size() == 2 &&
                     std::ranges::all_of(port.dims, [](int64_t dim) { return dim < 0; });
    if (!any) {
      fail(ErrorCode::kUnsupported, name, ": input \"", port.name,
           "\" has fixed sizes; [batch_size, sequence_length] is expected");
    }
  }
}

// The outputs that are wanted, in the order of their wanting; all if none is named.
std::vector<engine::OpaqueOutput> wanted_outputs(const engine::OpaqueModel& model,
                                                 const engine::EngineOptions& options) {
  if (options.outputs.empty()) return model.outputs;
  std::vector<engine::OpaqueOutput> kept;
  for (const std::string& name : options.outputs) {
    const auto found = std::ranges::find_if(
        model.outputs, [&](const engine::OpaqueOutput& item) { return item.output.name == name; });
    if (found == model.outputs.end()) {
      fail(ErrorCode::kNotFound, model.path.string(), ": no output \"", name, "\"");
    }
    kept.push_back(*found);
  }
  return kept;
}

std::vector<std::string> parts_of(const std::vector<engine::OpaqueOutput>& outputs,
                                  const OrtModel& model, const std::string& name) {
  std::vector<std::string> parts;
  for (const engine::OpaqueOutput& output : outputs) {
    for (const std::string& part : output.parts) {
      const bool there = std::ranges::any_of(
          model.outputs(), [&](const OrtPort& port) { return port.name == part; });
      if (!there) fail(ErrorCode::kNotFound, name, ": no output \"", part, "\"");
      if (std::ranges::find(parts, part) == parts.end()) parts.push_back(part);
    }
  }
  return parts;
}

// Each output's width, which the declaration may leave open.
void measure(const std::shared_ptr<PaddedModel>& model) {
  PaddedSession session(model);
  for (engine::OpaqueOutput& output : model->outputs) {
    const int64_t width = session.probe_width(output);
    if (output.output.width != 0 && output.output.width != width) {
      fail(ErrorCode::kCorruptData, model->name, ": ", output.output.name, " has ", width,
           " columns; ", output.output.width, " are expected");
    }
    output.output.width = width;
  }
}

int64_t model_bytes(const engine::OpaqueModel& model) {
  if (model.bytes != nullptr) return static_cast<int64_t>(model.bytes->size());
  std::error_code ignored;
  return static_cast<int64_t>(std::filesystem::file_size(model.path, ignored));
}

engine::EngineInfo describe(const PaddedModel& model, int64_t bytes, std::string_view provider) {
  engine::EngineInfo info;
  info.name = kName;
  if (provider == "cuda" || provider == "tensorrt") info.device.kind = device::DeviceKind::kCuda;
  for (const engine::OpaqueOutput& output : model.outputs) info.outputs.push_back(output.output);
  info.limits = model.limits;
  info.memory_bytes = bytes;
  info.padded = true;
  info.batch_invariant = false;
  return info;
}

std::shared_ptr<const engine::Engine> make(engine::EngineSource source,
                                           const engine::EngineOptions& options) {
  const auto& opaque = std::get<engine::OpaqueModel>(source);
  const std::string& provider = options.onnx_runtime.provider;
  auto model = std::make_shared<PaddedModel>();
  model->name = opaque.path.string();
  model->model = std::make_shared<const OrtModel>(OrtLibrary::open(options.onnx_runtime.library),
                                                  opaque, options.pool->threads(), provider);
  check_inputs(*model->model, model->name);
  model->outputs = wanted_outputs(opaque, options);
  model->parts = parts_of(model->outputs, *model->model, model->name);
  model->limits = opaque.limits;
  model->limits.leaves_out_tokens = std::ranges::none_of(model->outputs, [](const auto& output) {
    return output.output.unit == engine::RowUnit::kSequence && output.pooling.empty();
  });
  model->limits.unseen_tokens = 0;  // the mask shows every token of a sequence
  model->masked = opaque.masks_padding && has_input(*model->model, "attention_mask");
  measure(model);
  engine::EngineInfo info = describe(*model, model_bytes(opaque), provider);
  return std::make_shared<OnnxRuntimeEngine>(std::move(info), std::move(model));
}

}  // namespace

engine::EngineRow row() { return {kName, why_not, make}; }

}  // namespace tamis::engines::onnxruntime
