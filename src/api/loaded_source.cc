// Where a loaded model's graph comes from, and what of it ONNX Runtime runs instead.
#include "api/loaded_model.h"
#include "api/opaque_model.h"
#include "base/error.h"
#include "base/log.h"

namespace tamis::api {

namespace {

SourceModel read_checkpoint(const std::filesystem::path& folder, const models::BuildOptions& build,
                            const ModelOptions& options) {
  const auto checkpoint = Checkpoint::open(folder, {options.family, options.adapter});
  return {models::build_model(*checkpoint, build), checkpoint->config().cross_encoder_activation};
}

[[noreturn]] void refuse_whole(const std::string& not_understood, const Error& error) {
  fail(ErrorCode::kUnsupported, not_understood,
       "; ONNX Runtime, where it might run whole: ", error.what());
}

}  // namespace

SourceModel LoadedModel::read_source(const ModelPath& path, const std::filesystem::path& weights,
                                     const models::BuildOptions& build,
                                     const ModelOptions& options) {
  const bool asked = options.engine == kOnnxRuntime;
  if (path.kind != ModelKind::kOnnx) {
    SourceModel source = read_checkpoint(weights, build, options);
    if (asked) source.opaque = export_opaque_model(source.built, path.folder);
    return source;
  }
  if (asked) return read_opaque_model(path.file, weights, build);
  try {
    return read_onnx_model(path.file, weights, build);
  } catch (const Error& error) {
    const bool may = options.run_whole && options.engine.empty();
    if (!may || error.code() != ErrorCode::kUnsupported) throw;
    not_understood_ = error.what();
  }
  try {
    return read_opaque_model(path.file, weights, build);
  } catch (const Error& error) {
    refuse_whole(not_understood_, error);
  }
}

void LoadedModel::start_opaque() {
  try {
    runner_ = make_runner({std::string(tasks::task_output(task_))});
  } catch (const Error& error) {
    if (not_understood_.empty()) throw;
    refuse_whole(not_understood_, error);
  }
  if (not_understood_.empty()) return;
  log(LogLevel::kWarning,
      cat(not_understood_, "; it runs whole on ONNX Runtime, padded and as its file says"));
}

}  // namespace tamis::api
