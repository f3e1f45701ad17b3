#include <tamis/model.h>

#include "api/loaded_model.h"
#include "api/optimize.h"
#include "api/report.h"
#include "base/error.h"

namespace tamis {

namespace {

// Tokens of one run; results do not depend on it.
constexpr int64_t kMaxBatchTokens = 16384;

api::ModelOptions model_options(const LoadOptions& options) {
  api::ModelOptions out;
  if (!options.task.empty()) {
    out.task = tasks::task_from_name(options.task);
    if (!out.task) {
      fail(ErrorCode::kInvalidArgument, "task \"", options.task, "\" is unknown; known are ",
           tasks::known_tasks());
    }
  }
  if (options.threads < 0 || options.threads > 1024) {
    fail(ErrorCode::kInvalidArgument, options.threads, " threads: must lie in 0..1024");
  }
  if (options.threads > 0) out.pool = std::make_shared<ThreadPool>(options.threads);
  if (!options.isa.empty()) out.isas = isas_up_to(options.isa);
  if (!options.precision.empty()) out.precision = api::precision_option(options.precision);
  out.max_length = options.max_length;
  out.keep_graph = false;
  return out;
}

std::vector<TaskInput> inputs_of(const std::vector<std::string>& texts) {
  std::vector<TaskInput> inputs;
  for (const std::string& text : texts) inputs.push_back({text});
  return inputs;
}

template <typename Result>
std::vector<Result> run(const api::LoadedModel& model, std::vector<TaskInput> inputs,
                        const tasks::TaskOptions& options) {
  std::vector<Result> results;
  for (TaskResult& result : model.run(std::move(inputs), options, kMaxBatchTokens)) {
    results.push_back(std::get<Result>(std::move(result)));
  }
  return results;
}

}  // namespace

struct Model::Impl {
  std::shared_ptr<const api::LoadedModel> model;
};

Model::Model(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

Model Model::load(const std::string& model, const LoadOptions& options) {
  auto impl = std::make_shared<Impl>();
  impl->model = api::LoadedModel::load(api::resolve_model(model), model_options(options));
  return Model(std::move(impl));
}

ModelInfo Model::info() const {
  const api::Manifest& manifest = impl_->model->manifest();
  ModelInfo info;
  info.family = manifest.family;
  info.task = tasks::task_name(impl_->model->task());
  info.precision = engine::precision_name(manifest.precision);
  info.parameters = manifest.parameters;
  info.max_length = manifest.max_length;
  info.hidden_size = manifest.hidden_size;
  info.output_size = manifest.output_size;
  info.labels = manifest.labels;
  for (const auto& prompt : manifest.prompts) info.prompt_names.push_back(prompt.first);
  return info;
}

std::vector<EmbedResult> Model::embed(const std::vector<std::string>& texts,
                                      const EmbedOptions& options) const {
  return run<EmbedResult>(*impl_->model, inputs_of(texts), options);
}

std::vector<ClassifyResult> Model::classify(const std::vector<TaskInput>& inputs,
                                            const ClassifyOptions& options) const {
  return run<ClassifyResult>(*impl_->model, inputs, options);
}

RerankResult Model::rerank(const std::string& query, const std::vector<std::string>& texts,
                           const RerankOptions& options) const {
  TaskInput input;
  input.text = query;
  input.texts = texts;
  return run<RerankResult>(*impl_->model, {input}, options).front();
}

std::vector<NerResult> Model::ner(const std::vector<std::string>& texts,
                                  const NerOptions& options) const {
  return run<NerResult>(*impl_->model, inputs_of(texts), options);
}

QaResult Model::answer(const std::string& question, const std::string& context,
                       const QaOptions& options) const {
  return run<QaResult>(*impl_->model, {{question, context}}, options).front();
}

std::vector<FillMaskResult> Model::fill_mask(const std::vector<std::string>& texts,
                                             const FillMaskOptions& options) const {
  return run<FillMaskResult>(*impl_->model, inputs_of(texts), options);
}

Tokens Model::tokenize(const std::string& text) const {
  const tokenizer::Tokenizer& tokenizer = impl_->model->tokenizer();
  tokenizer::Encoding encoding = tokenizer.encode(text);
  Tokens tokens;
  for (const int32_t id : encoding.ids) tokens.tokens.emplace_back(tokenizer.id_to_token(id));
  for (const tokenizer::Span& span : encoding.offsets) {
    tokens.offsets.emplace_back(span.start, span.end);
  }
  tokens.ids = std::move(encoding.ids);
  return tokens;
}

std::string optimize(const std::string& model, const std::string& bundle,
                     const BundleOptions& options) {
  api::OptimizeOptions internal;
  internal.model = model_options(options.load);
  internal.model.keep_graph = true;
  internal.force = options.force;
  return api::report_json(
      api::optimize(api::resolve_model(model), bundle, internal, options.progress));
}

}  // namespace tamis
