#include "model/loaded_model.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/files/file_states.h"
#include "base/json.h"
#include "base/length_limit.h"
#include "base/log.h"
#include "formats/sentence_transformers.h"
#include "graph/mark_switches.h"
#include "model/bundle.h"
#include "model/input_error.h"
#include "model/int8_check.h"
#include "model/late_interaction.h"
#include "model/opaque_model.h"
#include "model/self_test.h"
#include "model/span_labels.h"
#include "model/task_heads.h"
#include "models/models.h"
#include "quant/marks.h"
#include "quant/trained_ranges.h"
#include "tensor/widened.h"

namespace tamis::api {

namespace {

using models::HeadKind;
using tasks::TaskKind;

// The weights of queries that no model reads, which an output of the graph holds.
std::shared_ptr<const std::vector<float>> query_weights(const graph::Graph& graph) {
  for (const graph::GraphOutput& output : graph.outputs()) {
    if (output.name != models::kQueryWeights) continue;
    const int producer = graph.producer(output.value);
    TAMIS_CHECK(producer >= 0);
    const graph::Node& node = graph.nodes()[static_cast<size_t>(producer)];
    if (node.op != graph::OpKind::kGather) break;
    const auto table = widened(graph.value(node.operand(graph::Operand::kTable)).constant);
    const auto values = table->as<float>();
    return std::make_shared<const std::vector<float>>(values.begin(), values.end());
  }
  return nullptr;
}

// Whether documents have the same weights and no model either.
bool weighs_documents(const graph::Graph& graph) {
  graph::ValueId of_queries = graph::kNoValue;
  graph::ValueId of_documents = graph::kNoValue;
  for (const graph::GraphOutput& output : graph.outputs()) {
    if (output.name == models::kQueryWeights) of_queries = output.value;
    if (output.name == models::kSparseEmbedding) of_documents = output.value;
  }
  return of_queries != graph::kNoValue && of_queries == of_documents;
}

GraphFacts facts_of(const graph::Graph& graph) {
  GraphFacts facts;
  facts.constant_bytes = count_constant_bytes(graph);
  for (const graph::GraphOutput& output : graph.outputs()) facts.outputs.push_back(output.name);
  for (const graph::Node& node : graph.nodes()) {
    const auto* const pool = std::get_if<graph::PoolAttributes>(&node.attributes);
    if (pool != nullptr && !pool->modes.empty()) {
      facts.pooling = graph::pool_mode_name(pool->modes.front());
    }
  }
  return facts;
}

tasks::Problem problem_of(const std::optional<ProblemType>& type) {
  if (!type) return tasks::Problem::kUnknown;
  switch (*type) {
    case ProblemType::kRegression:
      return tasks::Problem::kRegression;
    case ProblemType::kSingleLabel:
      return tasks::Problem::kSingleLabel;
    case ProblemType::kMultiLabel:
      return tasks::Problem::kMultiLabel;
  }
  return tasks::Problem::kUnknown;
}

template <typename Measure>
int64_t sum_constants(const graph::Graph& graph, Measure measure) {
  std::set<const Tensor*> seen;
  int64_t total = 0;
  for (size_t i = 0; i < graph.value_count(); ++i) {
    const Tensor* tensor = graph.value(static_cast<graph::ValueId>(i)).constant.get();
    if (tensor != nullptr && seen.insert(tensor).second) total += measure(*tensor);
  }
  return total;
}

// The longest input: what was asked for, else sentence_bert_config, else tokenizer_config, else the
// table; never above the table.
int64_t longest_input(int64_t asked, std::optional<int64_t> sentence_bert,
                      std::optional<int64_t> tokenizer, int64_t positions) {
  const int64_t wanted = asked > 0 ? asked : sentence_bert.value_or(tokenizer.value_or(positions));
  return tighter_limit(wanted, positions);
}

// What the tasks must know of the checkpoint and of its folder.
void describe(const SourceModel& source, const SentenceTransformerConfig& sentence,
              Manifest& manifest) {
  const models::BuiltModel& built = source.built;
  manifest.max_tokens = built.max_tokens;
  manifest.hidden_size = built.hidden_size;
  manifest.output_size = built.output_size;
  manifest.labels = built.labels;
  manifest.entailment_id = built.entailment_id;
  manifest.problem = problem_of(built.problem_type);
  manifest.cross_encoder_activation = sentence.cross_encoder_activation
                                          ? sentence.cross_encoder_activation
                                          : source.cross_encoder_activation;
  manifest.empty_text_id = built.empty_text_id;
  manifest.normalize = built.normalize;
  if (built.truncate_dim && *built.truncate_dim < manifest.output_size) {
    manifest.truncate_dim = built.truncate_dim;
    manifest.output_size = *built.truncate_dim;
  }
  manifest.include_prompt = !sentence.pooling || sentence.pooling->include_prompt;
  manifest.prompts = sentence.prompts;
  manifest.default_prompt_name = sentence.default_prompt_name;
  manifest.similarity = sentence.similarity_fn_name;
  manifest.pair_template = sentence.pair_template;
  manifest.sparse_log_twice = sentence.sparse && sentence.sparse->log_twice;
}

// Every token has a row in the embedding table: else a text with that token could not be answered.
void check_token_ids(const tokenizer::Tokenizer& tokenizer, int64_t vocab_size,
                     const std::filesystem::path& folder) {
  const int64_t tokens = tokenizer.vocab_size();
  for (int64_t id = vocab_size; id < vocab_size + tokens; ++id) {
    const std::string_view token = tokenizer.spelled_token(static_cast<int32_t>(id));
    if (token.empty()) continue;
    fail(ErrorCode::kCorruptData, folder.string(), ": the tokenizer has ", tokens,
         " tokens, but the model a vocab_size of ", vocab_size, ": ", json_quote(token), " is ", id,
         "; resize the embedding table or take the token out");
  }
}

// Bundles made before the tokenizer was written resolved hold the checkpoint's own files. Their ids
// stay those that were measured; whoever reads the same files as a checkpoint gets others.
void warn_of_other_ids(const std::filesystem::path& folder) {
  std::string why;
  try {
    for (const std::string& key : tokenizer::Tokenizer::keys_that_change(folder)) {
      why += cat(why.empty() ? "" : ", ", key);
    }
    if (why.empty()) return;
    why += " would give other token ids";
  } catch (const Error& error) {
    why = error.what();
  }
  log(LogLevel::kWarning,
      cat(folder.string(), ": beside its tokenizer.json: ", why,
          "; the bundle keeps the ids it was measured with. `tamis optimize CHECKPOINT -o ",
          folder.string(), " --force` makes it anew"));
}

std::vector<std::string> names_of_outputs(TaskKind task) {
  const auto names = tasks::task_outputs(task);
  return {names.begin(), names.end()};
}

}  // namespace

engine::Precision precision_option(std::string_view name) {
  const std::optional<engine::Precision> precision = engine::precision_from_name(name);
  if (!precision) {
    fail(ErrorCode::kInvalidArgument, "--precision ", name, ": must be fp32, bf16 or int8");
  }
  return *precision;
}

int64_t count_parameters(const graph::Graph& graph) {
  return sum_constants(graph, [](const Tensor& tensor) { return tensor.elements(); });
}

int64_t count_constant_bytes(const graph::Graph& graph) {
  return sum_constants(
      graph, [](const Tensor& tensor) { return static_cast<int64_t>(tensor.size_bytes()); });
}

std::shared_ptr<const LoadedModel> LoadedModel::load(const ModelPath& path,
                                                     const ModelOptions& options) {
  if (options.max_length < 0) {
    fail(ErrorCode::kInvalidArgument, "--max-length ", options.max_length, " must not be negative");
  }
  check_overrides(path, options);
  // Files of two states of a folder must not make one model: a bundle that is replaced meanwhile is
  // read again, whole.
  for (int left = 3;; --left) {
    FileStates files(path.folder);
    if (!path.base.empty()) files.add_all(path.base);
    std::exception_ptr failure;
    std::shared_ptr<const LoadedModel> model;
    try {
      model = load_once(path, options, files);
    } catch (const Error&) {
      failure = std::current_exception();
    }
    const auto changed = files.changed();
    if (!changed && failure) std::rethrow_exception(failure);
    if (!changed) return model;
    if (left == 1) {
      fail(ErrorCode::kUnavailable, changed->string(),
           ": changes while the model is loaded; load it again when it is written");
    }
  }
}

std::shared_ptr<const LoadedModel> LoadedModel::load_once(const ModelPath& path,
                                                          const ModelOptions& options,
                                                          const FileStates& files) {
  std::shared_ptr<LoadedModel> model(new LoadedModel());
  model->read(path, options);
  if (!options.keep_graph) {
    model->source_ = {path, options, files};
    model->source_->options.see_built = nullptr;
  }
  model->finish(options);
  // What was recorded is what the bundle was made for.
  const bool recorded =
      tasks::task_output(model->task_) == tasks::task_output(model->manifest_.task);
  if (model->is_bundle_ && options.self_test && recorded) {
    const std::string source = (path.folder / "selftest.json").string();
    check_self_test(parse_self_test(read_file(source), source), *model);
  }
  return model;
}

void LoadedModel::load_modules(const ModelPath& path, const SentenceTransformerConfig& sentence,
                               const ModelOptions& options) {
  const std::filesystem::path& folder = path.folder;
  const std::filesystem::path weights =
      sentence.transformer_folder.empty() ? folder : sentence.transformer_folder;
  const models::BuildOptions build = build_options(options.task, sentence, weights, pool_);
  const bool is_onnx = path.kind == ModelKind::kOnnx;
  SourceModel source = read_source(path, weights, build, options);
  models::BuiltModel& built = source.built;
  if (options.see_built) options.see_built(built);
  if (options.tokenizer) load_tokenizer(tokenizer_folder(path, weights), sentence, !is_onnx);
  if (tokenizer_ != nullptr && built.vocab_size > 0) {
    check_token_ids(*tokenizer_, built.vocab_size, weights);
  }

  manifest_.family = built.family;
  manifest_.task = options.task.value_or(task_of(built, sentence.is_cross_encoder));
  if (built.head == HeadKind::kMultiVector) manifest_.task = TaskKind::kEmbedMulti;
  const auto tokenizer_length =
      tokenizer_ == nullptr ? std::optional<int64_t>() : tokenizer_->model_max_length();
  manifest_.max_length = longest_input(options.max_length, sentence.max_seq_length,
                                       tokenizer_length, built.max_positions);
  if (options.max_length == 0 && built.max_positions > 0 &&
      sentence.max_seq_length.value_or(0) > built.max_positions) {
    log(LogLevel::kWarning,
        cat(folder_.string(), ": max_seq_length ", *sentence.max_seq_length, " is above the ",
            built.max_positions, " positions of the model, where texts end"));
  }
  // model_input_names of tokenizer_config.json may leave segments out: then they are 0 everywhere.
  manifest_.uses_type_ids =
      built.type_vocab_size > 1 && (tokenizer_ == nullptr || tokenizer_->uses_type_ids());
  describe(source, sentence, manifest_);
  set_query_length(sentence, options);
  // How texts are made and scored; token ids need none of it.
  if (tokenizer_ != nullptr && has_token_vectors(built.head)) {
    const bool as_named = options.max_length == 0;
    set_late_interaction({build, weights, folder_, as_named, built.max_positions}, tokenizer(),
                         manifest_);
  }
  if (built.gliner) {
    manifest_.span_labels = span_labels(*built.gliner, tokenizer_.get(), folder_);
  }
  manifest_.parameters = count_parameters(built.graph);
  trained_ranges_ = std::move(built.ranges);
  opaque_ = std::move(source.opaque);
  manifest_.precision = options.precision.value_or(engine::Precision::kFp32);
  if (!opaque_) prepare_graph(std::move(built.graph), options);
}

void LoadedModel::prepare_graph(graph::Graph graph, const ModelOptions& options) {
  const bool trained = !trained_ranges_.empty();
  graph_ = std::move(graph);
  // The quantizers have their names from the start. INT8 made on the fly is plain: the marks' own
  // defaults, ranges found at run time, weights rounded to nearest. In fp32 all are off.
  quant::add_marks(graph_, options.scheme);
  quant::apply_ranges(graph_, trained_ranges_, options.scheme);
  if (options.whole_attention) quant::enable_whole_attention(graph_);
  quant::apply_globs(graph_, options.enable, options.disable);
  std::vector<std::string> skipped = options.skip_passes;
  if (trained) skipped.emplace_back("fold_attention_scale");  // weights stay on their grid
  reports_ = passes::run_pipeline(graph_, skipped);
  graph::Graph marked = graph_;
  quant::round_lone_weights(marked, trained_ranges_);
  if (manifest_.precision == engine::Precision::kInt8) {
    graph_ = marked;
    if (trained) quant::make_trained_plan(graph_, trained_ranges_);
  } else {
    if (trained && options.warn_of_ranges) warn_of_ranges();
    graph_ = graph::without_marks(std::move(graph_));
  }
  if (options.keep_graph) marked_graph_ = std::move(marked);
  if (manifest_.precision != engine::Precision::kFp32) {
    graph::set_attention_arithmetic(graph_, graph::FloatArithmetic::kBf16);
  }
}

void LoadedModel::warn_of_ranges() const {
  log(LogLevel::kWarning,
      cat(folder_.string(), ": the ranges of ", trained_ranges_.amax.size(),
          " quantizers beside the weights are not used in ",
          engine::precision_name(manifest_.precision), "; `tamis optimize ", folder_.string(),
          " -o BUNDLE --precision int8 --scheme static` takes them"));
}

void LoadedModel::load_bundle(const std::filesystem::path& folder, const ModelOptions& options) {
  if (options.engine == kOnnxRuntime) {
    fail(ErrorCode::kUnsupported, "--engine ", options.engine, ": ", folder.string(),
         " is a bundle, fused for this program's own kernels; give the checkpoint or .onnx file "
         "that it was made of");
  }
  Bundle bundle = read_bundle(folder);
  manifest_ = std::move(bundle.manifest);
  graph_ = std::move(bundle.graph);
  if (options.precision && *options.precision != manifest_.precision) {
    fail(ErrorCode::kUnsupported, "--precision ", engine::precision_name(*options.precision), ": ",
         folder.string(), " was made ", engine::precision_name(manifest_.precision),
         "; a bundle runs as it was made");
  }
  if (options.task && !tasks::can_answer(manifest_.task, *options.task)) {
    fail(ErrorCode::kUnsupported, folder.string(), ": a bundle made for ",
         tasks::task_name(manifest_.task), " cannot ", tasks::task_name(*options.task),
         "; make one from the checkpoint with tamis optimize --task ",
         tasks::task_name(*options.task));
  }
  limit_length(options.max_length);
  if (options.tokenizer) {
    // As it was certified, whatever the files beside it say.
    tokenizer_ = std::make_unique<tokenizer::Tokenizer>(
        tokenizer::Tokenizer::load(folder, {.as_written = true}));
    warn_of_other_ids(folder);
  }
}

void LoadedModel::finish(const ModelOptions& options) {
  task_ = options.task.value_or(manifest_.task);
  // Rerank by MaxSim reads what embed-multi gives.
  const bool late = manifest_.late_interaction || manifest_.task == TaskKind::kEmbedMulti;
  if (task_ == TaskKind::kRerank && late) task_ = TaskKind::kEmbedMulti;
  task_model_ = api::task_model(manifest_);
  task_model_.tokenizer = tokenizer_.get();
  task_model_.query_weights = query_weights(graph_);
  task_model_.weighs_documents = weighs_documents(graph_);
  set_query_route();
  if (!opaque_) facts_ = facts_of(graph_);
  isas_ = options.isas;
  device_ = options.device;
  skip_passes_ = options.skip_passes;
  engine_ = options.engine;
  onnx_runtime_ = options.onnx_runtime;
  if (opaque_) {
    start_opaque();
  } else {
    make_engine_of(options.keep_graph ? graph_ : std::exchange(graph_, {}), options);
  }
  // A bundle's manifest and graph are two files, and may have come from two bundles.
  const engine::EngineOutput& output = runner_->info().outputs[0];
  const bool of_labels = output.unit == engine::RowUnit::kSelectedToken && task_ == TaskKind::kNer;
  if (!is_output_unit(task_, output.unit) || of_labels != manifest_.span_labels.has_value()) {
    fail(ErrorCode::kCorruptData, folder_.string(), ": the graph's ", output.name,
         " are not those of a model for ", tasks::task_name(task_));
  }
  if (tasks::task_output(task_) != tasks::task_output(manifest_.task)) {
    manifest_.output_size = output.width;
  }
}

void LoadedModel::make_engine_of(graph::Graph graph, const ModelOptions& options) {
  // Of a trained grid the checkpoint's float weights are no measure.
  const bool checked = !is_bundle_ && manifest_.precision == engine::Precision::kInt8 &&
                       tokenizer_ != nullptr && options.check_int8 && trained_ranges_.empty();
  std::optional<Int8Check> check;
  // A text that the model has no finite answer to is no reason to refuse the model.
  const auto try_to = [this](auto&& step) {
    try {
      step();
    } catch (const Error& error) {
      log(LogLevel::kWarning, cat(folder_.string(), ": int8 could not be held against float on ",
                                  "built-in texts: ", error.what()));
    }
  };
  if (checked) try_to([&] { check.emplace(*this, graph, *pool_); });
  runner_ =
      start(load_graph(std::move(graph), &reports_), manifest_.precision, names_of_outputs(task_));
  std::optional<Int8Agreement> agreement;
  if (check) try_to([&] { agreement = check->compare(*runner_); });
  if (!agreement) return;
  int8_agreement_ = std::make_shared<const Int8Agreement>(*agreement);
  if (agreement->good()) return;
  log(LogLevel::kWarning,
      cat(folder_.string(), ": int8 rounded to nearest is far from float on ", agreement->texts,
          " built-in texts: ", agreement->figures(), "; `tamis optimize ", folder_.string(),
          " -o BUNDLE` finds what must stay in float"));
}

graph::Graph LoadedModel::load_graph(graph::Graph graph,
                                     std::vector<passes::PassReport>* reports) const {
  graph.keep_outputs(names_of_outputs(task_));
  for (const passes::PassReport& report :
       passes::run_pipeline(graph, skip_passes_, passes::Stage::kLoad)) {
    if (reports != nullptr) reports->push_back(report);
  }
  return graph;
}

std::unique_ptr<Runner> LoadedModel::start(engine::EngineSource source, engine::Precision precision,
                                           std::vector<std::string> outputs) const {
  engine::EngineOptions options;
  options.precision = precision;
  options.isas = isas_;
  options.device = device_;
  options.pool = pool_;
  options.outputs = std::move(outputs);
  options.engine = engine_;
  options.onnx_runtime = onnx_runtime_;
  return std::make_unique<Runner>(engine::make_engine(std::move(source), options), pool_,
                                  manifest_.max_tokens);
}

std::unique_ptr<Runner> LoadedModel::make_runner(graph::Graph graph,
                                                 engine::Precision precision) const {
  return start(load_graph(std::move(graph)), precision, names_of_outputs(task_));
}

std::unique_ptr<Runner> LoadedModel::make_runner(std::vector<std::string> outputs) const {
  if (opaque_) return start(*opaque_, manifest_.precision, std::move(outputs));
  return start(source_ ? read_graph_again() : graph_, manifest_.precision, std::move(outputs));
}

const tokenizer::Tokenizer& LoadedModel::tokenizer() const {
  if (tokenizer_ == nullptr) {
    fail(ErrorCode::kUnsupported, folder_.string(),
         ": there is no tokenizer; token ids alone are accepted");
  }
  return *tokenizer_;
}

void LoadedModel::check_task(TaskKind asked) const {
  if (tasks::can_answer(task_, asked)) return;
  fail(ErrorCode::kUnsupported, "a model loaded for ", tasks::task_name(task_), " cannot ",
       tasks::task_name(asked));
}

tasks::Encoded LoadedModel::encode(tasks::TaskInput input, tasks::TaskOptions options,
                                   int64_t most_tokens) const {
  (void)tokenizer();
  check_task(tasks::kind_of(options));
  return tasks::encode(std::move(input), std::move(options), task_model_, most_tokens);
}

std::vector<tasks::TaskResult> LoadedModel::run(std::vector<tasks::TaskInput> inputs,
                                                const tasks::TaskOptions& options,
                                                int64_t max_batch_tokens,
                                                const engine::RunControl& control) const {
  const size_t count = inputs.size();
  std::vector<tasks::Encoded> encoded(count);
  std::vector<std::optional<Error>> refused(count);
  runner_->pool().parallel_for(static_cast<int64_t>(count), [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    try {
      encoded[at] = encode(std::move(inputs[at]), options);
    } catch (const Error& error) {
      refused[at] = error;
    }
  });
  for (size_t i = 0; i < count; ++i) {
    if (refused[i]) throw InputError(i, count, *refused[i]);
  }
  std::vector<tasks::TaskResult> results(count);
  runner_->run(
      encoded, max_batch_tokens,
      [&](size_t request, std::span<const tasks::OutputView> outputs) {
        try {
          results[request] = tasks::decode(encoded[request], outputs, task_model_);
        } catch (const Error& error) {
          throw InputError(request, count, error);
        }
      },
      control);
  return results;
}

}  // namespace tamis::api
