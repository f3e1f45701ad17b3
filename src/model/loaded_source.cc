// Where a loaded model's graph comes from, and what of it ONNX Runtime runs instead.
#include <exception>

#include "base/error.h"
#include "base/log.h"
#include "formats/chat_template.h"
#include "model/loaded_model.h"
#include "model/opaque_model.h"

namespace tamis::api {

namespace {

// The table of a StaticEmbedding is all that its folder has.
models::BuiltModel read_static(const std::filesystem::path& folder,
                               const models::BuildOptions& build, const ModelOptions& options) {
  const std::string flag = override_flag(options);
  const bool vectors = build.sentence_transformer->is_static();
  if (!flag.empty()) {
    fail(ErrorCode::kInvalidArgument, flag,
         ": --family and --adapter are for transformers; modules.json names a ",
         vectors ? "StaticEmbedding" : "SparseStaticEmbedding");
  }
  return vectors ? models::build_static_embedding(folder, build)
                 : models::build_token_weights(folder, build);
}

// SetFit's head, unless the embedding in front of it is asked for, and by a task that it can do.
const SetFitHead* setfit_head(const models::BuildOptions& build) {
  const bool has = build.sentence_transformer && build.sentence_transformer->setfit;
  const bool wanted = !build.head || *build.head == models::HeadKind::kSequenceClassification;
  return has && wanted ? &*build.sentence_transformer->setfit : nullptr;
}

SourceModel read_model(const std::filesystem::path& folder, const std::filesystem::path& base,
                       const models::BuildOptions& build, const ModelOptions& options) {
  const auto& modules = build.sentence_transformer;
  if (modules && (modules->is_static() || modules->is_token_weights())) {
    return {read_static(folder, build, options), std::nullopt};
  }
  const auto checkpoint = Checkpoint::open(folder, {options.family, options.adapter, base});
  return {models::build_model(*checkpoint, build), checkpoint->config().cross_encoder_activation};
}

[[noreturn]] void refuse_whole(const std::string& not_understood, const Error& error) {
  fail(ErrorCode::kUnsupported, not_understood,
       "; ONNX Runtime, where it might run whole: ", error.what());
}

SourceModel read_checkpoint(const std::filesystem::path& folder, const std::filesystem::path& base,
                            const models::BuildOptions& build, const ModelOptions& options) {
  const SetFitHead* const head = setfit_head(build);
  if (head == nullptr) return read_model(folder, base, build, options);
  models::BuildOptions body = build;
  body.head = models::HeadKind::kEmbedding;
  SourceModel source = read_model(folder, base, body, options);
  source.built = models::with_setfit_head(std::move(source.built), *head);
  return source;
}

}  // namespace

std::string override_flag(const ModelOptions& options) {
  if (!options.family.empty()) return "--family " + options.family;
  return options.adapter.empty() ? "" : "--adapter " + options.adapter;
}

void check_overrides(const ModelPath& path, const ModelOptions& options) {
  const std::string flag = override_flag(options);
  if (path.kind == ModelKind::kCheckpoint || flag.empty()) return;
  fail(ErrorCode::kInvalidArgument, flag, ": --family and --adapter are for checkpoints; ",
       path.folder.string(),
       path.kind == ModelKind::kOnnx ? " holds an .onnx file, which is read as what it is"
                                     : " is a bundle, which keeps what it was made with");
}

void LoadedModel::load_tokenizer(const std::filesystem::path& folder,
                                 const SentenceTransformerConfig& sentence, bool required) {
  try {
    tokenizer_ = std::make_unique<tokenizer::Tokenizer>(
        tokenizer::Tokenizer::load(folder, {.overrides = sentence.tokenizer_overrides,
                                            .lowercase_first = sentence.do_lower_case,
                                            .bare = sentence.is_static()}));
  } catch (const Error& error) {
    if (required || error.code() != ErrorCode::kNotFound) throw;
    log(LogLevel::kWarning, cat(error.what(), "; the model takes token ids alone"));
  }
  if (tokenizer_ == nullptr || sentence.has_modules || !has_chat_template(folder)) return;
  log(LogLevel::kWarning,
      cat(folder.string(),
          ": texts are read as they are, as transformers reads them; sentence-transformers puts "
          "them into the tokenizer's chat template where a folder has no modules.json"));
}

void LoadedModel::read(const ModelPath& path, const ModelOptions& options) {
  folder_ = path.folder;
  is_bundle_ = path.kind == ModelKind::kBundle;
  pool_ = options.pool;
  if (pool_ == nullptr) pool_ = std::make_shared<ThreadPool>(default_thread_count());
  if (is_bundle_) {
    load_bundle(path.folder, options);
  } else {
    load_checkpoint(path, options);
  }
}

// The same graph: all but the graph is left out, and a file that changed would make another.
graph::Graph LoadedModel::read_graph_again() const {
  TAMIS_CHECK(source_.has_value());
  ModelOptions options = source_->options;
  options.pool = pool_;
  options.tokenizer = false;
  options.warn_of_ranges = false;
  const auto check_files = [this] {
    const auto changed = source_->files.changed();
    if (!changed) return;
    fail(ErrorCode::kUnavailable, changed->string(),
         ": changed since the model was loaded; load it again for outputs beside its task's");
  };
  // Whoever asks again after that waits for no more than this.
  check_files();
  LoadedModel again;
  std::exception_ptr failure;
  try {
    again.read(source_->path, options);
  } catch (const Error&) {
    failure = std::current_exception();
  }
  check_files();
  if (failure) std::rethrow_exception(failure);
  return std::move(again.graph_);
}

SourceModel LoadedModel::read_source(const ModelPath& path, const std::filesystem::path& weights,
                                     const models::BuildOptions& build,
                                     const ModelOptions& options) {
  const bool asked = options.engine == kOnnxRuntime;
  if (path.kind != ModelKind::kOnnx) {
    SourceModel source = read_checkpoint(weights, path.base, build, options);
    if (asked && source.built.family.ends_with("static_embedding")) {
      fail(ErrorCode::kUnsupported, "--engine ", options.engine, ": ", path.folder.string(),
           ": a StaticEmbedding runs on this program's own kernels alone");
    }
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
