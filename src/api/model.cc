#include <tamis/json.h>
#include <tamis/model.h>

#include <algorithm>

#include "api/face_options.h"
#include "base/error.h"
#include "math/finite.h"
#include "model/input_error.h"
#include "model/loaded_model.h"
#include "tasks/task_json.h"

namespace tamis {

namespace {

// Tokens of one run; results do not depend on it.
constexpr int64_t kMaxBatchTokens = 16384;

std::vector<TaskInput> inputs_of(const std::vector<std::string>& texts) {
  std::vector<TaskInput> inputs;
  for (const std::string& text : texts) inputs.push_back({text});
  return inputs;
}

template <typename Result>
std::vector<Result> run_task(const api::LoadedModel& model, std::vector<TaskInput> inputs,
                             const tasks::TaskOptions& options) {
  std::vector<Result> results;
  for (TaskResult& result : model.run(std::move(inputs), options, kMaxBatchTokens)) {
    results.push_back(std::get<Result>(std::move(result)));
  }
  return results;
}

// The sequences, borrowed, one request each.
std::vector<tasks::Encoded> requests_of(const std::vector<TokenIds>& inputs) {
  std::vector<tasks::Encoded> requests(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    tasks::Sequence sequence;
    sequence.ids = inputs[i].ids;
    sequence.type_ids = inputs[i].type_ids;
    requests[i].sequences.push_back(std::move(sequence));
  }
  return requests;
}

void check_ids(const TokenIds& input, const api::LoadedModel& model) {
  const engine::BatchLimits& limits = model.runner().info().limits;
  const auto count = static_cast<int64_t>(input.ids.size());
  const int64_t longest = model.manifest().max_length;
  const int64_t most = longest == 0 ? limits.max_seqlen : std::min(limits.max_seqlen, longest);
  if (count == 0 || count > most) {
    fail(ErrorCode::kInvalidArgument, count, " ids: must be 1 to ", most);
  }
  if (!input.type_ids.empty() && input.type_ids.size() != input.ids.size()) {
    fail(ErrorCode::kInvalidArgument, input.type_ids.size(), " type ids for ", count, " ids");
  }
  for (const int32_t type : input.type_ids) {
    if (type >= 0 && type < std::max<int64_t>(1, limits.type_vocab_size)) continue;
    fail(ErrorCode::kInvalidArgument, "type id ", type, ": the model has ", limits.type_vocab_size);
  }
  for (const int32_t id : input.ids) {
    if (id >= 0 && id < limits.vocab_size) continue;
    fail(ErrorCode::kInvalidArgument, "id ", id, ": the vocabulary has ", limits.vocab_size);
  }
}

void check_finite(const tasks::OutputView& output, size_t request, size_t requests) {
  if (math::all_finite(output.tensor.as<float>())) return;
  throw api::InputError(
      request, requests,
      Error(ErrorCode::kUnsupported, cat(output.name, " holds NaN or infinity for these ids")));
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
  impl->model = api::LoadedModel::load(api::resolve_model(model), api::model_options(options));
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
  for (const auto& [name, text] : manifest.prompts) {
    info.prompt_names.push_back(name);
    info.prompts.push_back(text);
  }
  info.default_prompt_name = manifest.default_prompt_name.value_or("");
  if (const auto activation = manifest.cross_encoder_activation) {
    info.score_activation = activation_name(*activation);
  }
  info.truncate_dim = manifest.truncate_dim.value_or(0);
  info.similarity = manifest.similarity.value_or("");
  info.needs_pair = api::needs_pair(manifest, impl_->model->task());
  return info;
}

std::vector<EmbedResult> Model::embed(const std::vector<std::string>& texts,
                                      const EmbedOptions& options) const {
  return run_task<EmbedResult>(*impl_->model, inputs_of(texts), options);
}

std::vector<EmbedSparseResult> Model::embed_sparse(const std::vector<std::string>& texts,
                                                   const EmbedSparseOptions& options) const {
  return run_task<EmbedSparseResult>(*impl_->model, inputs_of(texts), options);
}

std::vector<EmbedMultiResult> Model::embed_multi(const std::vector<std::string>& texts,
                                                 const EmbedMultiOptions& options) const {
  return run_task<EmbedMultiResult>(*impl_->model, inputs_of(texts), options);
}

std::vector<EmbedAllResult> Model::embed_all(const std::vector<std::string>& texts,
                                             const EmbedAllOptions& options) const {
  return run_task<EmbedAllResult>(*impl_->model, inputs_of(texts), options);
}

float max_sim(const EmbedMultiResult& query, const EmbedMultiResult& document) {
  if (query.columns != document.columns) {
    fail(ErrorCode::kInvalidArgument, "max_sim: vectors of ", query.columns, " and of ",
         document.columns, " columns");
  }
  return tasks::max_sim(query, document);
}

int64_t Model::embedding_size(const EmbedOptions& options) const {
  if (options.dimensions.value_or(1) < 1) {
    fail(ErrorCode::kInvalidArgument, "dimensions must be at least 1, not ", *options.dimensions);
  }
  return options.dimensions.value_or(impl_->model->manifest().output_size);
}

void Model::embed_into(const std::vector<std::string>& texts, const EmbedOptions& options,
                       float* out, size_t size) const {
  const auto width = static_cast<size_t>(embedding_size(options));
  if (size != texts.size() * width) {
    fail(ErrorCode::kInvalidArgument, "room for ", size, " floats, but ", texts.size(),
         " embeddings of ", width, " are asked for");
  }
  for (const EmbedResult& result : embed(texts, options)) {
    TAMIS_CHECK(result.embedding.size() == width);
    out = std::copy(result.embedding.begin(), result.embedding.end(), out);
  }
}

Matrix Model::embed_matrix(const std::vector<std::string>& texts,
                           const EmbedOptions& options) const {
  Matrix matrix;
  matrix.columns = embedding_size(options);
  const std::vector<EmbedResult> results = embed(texts, options);
  matrix.rows = static_cast<int64_t>(results.size());
  for (const EmbedResult& result : results) {
    matrix.values.insert(matrix.values.end(), result.embedding.begin(), result.embedding.end());
  }
  return matrix;
}

std::vector<ZeroShotResult> Model::zero_shot(const std::vector<std::string>& texts,
                                             const std::vector<std::string>& labels,
                                             const ZeroShotOptions& options) const {
  std::vector<TaskInput> inputs = inputs_of(texts);
  for (TaskInput& input : inputs) input.texts = labels;
  return run_task<ZeroShotResult>(*impl_->model, std::move(inputs), options);
}

Matrix Model::run(const std::vector<TokenIds>& inputs) const {
  const api::LoadedModel& model = *impl_->model;
  for (size_t i = 0; i < inputs.size(); ++i) {
    try {
      check_ids(inputs[i], model);
    } catch (const Error& error) {
      throw api::InputError(i, inputs.size(), error);
    }
  }
  Matrix matrix;
  matrix.columns = model.manifest().output_size;
  const std::vector<tasks::Encoded> requests = requests_of(inputs);
  model.runner().run(requests, kMaxBatchTokens,
                     [&](size_t request, std::span<const tasks::OutputView> outputs) {
                       const tasks::OutputView& output = outputs.front();
                       check_finite(output, request, inputs.size());
                       const auto values = output.tensor.as<float>();
                       matrix.values.insert(matrix.values.end(), values.begin(), values.end());
                       matrix.rows += output.tensor.shape()[0];
                       matrix.columns = output.tensor.shape()[1];  // truncate_dim cuts later
                     });
  return matrix;
}

std::vector<ClassifyResult> Model::classify(const std::vector<TaskInput>& inputs,
                                            const ClassifyOptions& options) const {
  return run_task<ClassifyResult>(*impl_->model, inputs, options);
}

RerankResult Model::rerank(const std::string& query, const std::vector<std::string>& texts,
                           const RerankOptions& options) const {
  TaskInput input;
  input.text = query;
  input.texts = texts;
  return run_task<RerankResult>(*impl_->model, {input}, options).front();
}

std::vector<float> Model::score(const std::vector<TaskInput>& pairs,
                                const RerankOptions& options) const {
  if (options.top_k) {
    fail(ErrorCode::kInvalidArgument, "top_k: every pair has its score; leave it out");
  }
  std::vector<TaskInput> inputs;
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (!pairs[i].pair) {
      throw api::InputError(i, pairs.size(),
                            Error(ErrorCode::kInvalidArgument, "score takes pairs, not one text"));
    }
    TaskInput input;
    input.text = pairs[i].text;
    input.texts = {*pairs[i].pair};
    inputs.push_back(std::move(input));
  }
  std::vector<float> scores;
  for (const auto& result : run_task<RerankResult>(*impl_->model, std::move(inputs), options)) {
    scores.push_back(result.results.front().score);
  }
  return scores;
}

std::vector<NerResult> Model::ner(const std::vector<std::string>& texts,
                                  const NerOptions& options) const {
  return run_task<NerResult>(*impl_->model, inputs_of(texts), options);
}

QaResult Model::answer(const std::string& question, const std::string& context,
                       const QaOptions& options) const {
  return run_task<QaResult>(*impl_->model, {{question, context}}, options).front();
}

std::vector<QaResult> Model::answer(const std::vector<TaskInput>& inputs,
                                    const QaOptions& options) const {
  return run_task<QaResult>(*impl_->model, inputs, options);
}

std::vector<FillMaskResult> Model::fill_mask(const std::vector<std::string>& texts,
                                             const FillMaskOptions& options) const {
  return run_task<FillMaskResult>(*impl_->model, inputs_of(texts), options);
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

std::string to_json(const TaskResult& result) { return tasks::to_json(result); }

}  // namespace tamis
