// POST / and POST /models/{id}: what Hugging Face's InferenceClient sends. The model's task says
// how `inputs` is read, and the answer is the pipeline's.
#include "base/error.h"
#include "serve/dialects/huggingface/endpoints.h"
#include "serve/protocol/call.h"
#include "serve/protocol/pipeline_options.h"
#include "serve/protocol/tasks_json.h"
#include "serve/protocol/tei.h"

namespace tamis::serve {

namespace {

using tasks::TaskKind;

// The pipelines' names, the models that can do them, and what each makes of such a model.
struct Pipeline {
  std::string_view name;
  TaskKind task;
  bool zero_shot = false;
  bool similarity = false;
};

constexpr Pipeline kPipelines[] = {
    {"feature-extraction", TaskKind::kEmbed},
    {"sentence-similarity", TaskKind::kEmbed, false, true},
    {"text-classification", TaskKind::kClassify},
    {"sentiment-analysis", TaskKind::kClassify},
    {"zero-shot-classification", TaskKind::kClassify, true},
    {"token-classification", TaskKind::kNer},
    {"ner", TaskKind::kNer},
    {"question-answering", TaskKind::kQa},
    {"fill-mask", TaskKind::kFillMask},
};

// The pipeline that the path names; null: it names none. Throws kNotFound for another name.
const Pipeline* pipeline_of(const Call& call) {
  if (call.path_task.empty()) return nullptr;
  std::string names;
  for (const Pipeline& row : kPipelines) {
    if (row.name == call.path_task) return &row;
    names += cat(names.empty() ? "" : ", ", row.name);
  }
  fail(ErrorCode::kNotFound, "no pipeline \"", call.path_task, "\"; there are ", names);
}

// A cross-encoder classifies texts; else the model's task is the pipeline's.
void check_pipeline(const Pipeline& pipeline, const ModelLease& model) {
  const TaskKind task = model->info().task;
  const bool cross = task == TaskKind::kRerank && pipeline.task == TaskKind::kClassify;
  if (task == pipeline.task || (cross && !pipeline.zero_shot)) return;
  fail(ErrorCode::kUnsupported, "model ", model->name(), " is for ", tasks::task_name(task),
       " and cannot do ", pipeline.name);
}

// The only members that tell the task before a model is known.
std::optional<TaskKind> task_of(const Pipeline* pipeline, JsonView body) {
  if (pipeline != nullptr) return pipeline->task;
  const JsonView inputs = body.get("inputs");
  if (inputs.get("source_sentence").exists()) return TaskKind::kEmbed;
  if (inputs.get("question").exists()) return TaskKind::kQa;
  if (body.get("parameters").get("candidate_labels").exists()) return TaskKind::kClassify;
  return std::nullopt;
}

// Options of embeddings stand at the top level, or under `parameters`: some clients' way each.
tasks::EmbedOptions embed_options_of(const Call& call, JsonView body) {
  const Fields above("EmbedParameters", body);
  const Fields below("EmbedParameters", body.get("parameters"));
  for (const std::string_view name : {"normalize", "dimensions", "prompt_name", "truncation",
                                      "truncate", "truncation_direction", "max_length"}) {
    if (!above.has(name) || !below.has(name)) continue;
    fail(ErrorCode::kInvalidArgument, "`", name,
         "` stands at the top level and under `parameters`; it is read from either");
  }
  tasks::EmbedOptions options = read_embed_options(below, call);
  const tasks::EmbedOptions others = read_embed_options(above, call);
  if (!options.normalize) options.normalize = others.normalize;
  if (!options.dimensions) options.dimensions = others.dimensions;
  if (!options.prompt_name) options.prompt_name = others.prompt_name;
  if (!below.has("truncation") && !below.has("truncate")) {
    options.truncation.enabled = others.truncation.enabled;
  }
  if (!options.truncation.side) options.truncation.side = others.truncation.side;
  if (options.truncation.max_length == 0) {
    options.truncation.max_length = others.truncation.max_length;
  }
  return options;
}

tasks::TaskOptions options_of(const Call& call, TaskKind task, JsonView body) {
  if (task == TaskKind::kEmbed) return embed_options_of(call, body);
  return read_task_options(task, body.get("parameters"), call);
}

/// How the answers of one call are put together.
struct Shape {
  bool list = false;    ///< one answer an input, in a list
  bool nested = false;  ///< a list around a single answer too: what clients of these tasks expect
};

HttpResponse print(Call& call, Reply& reply, Shape shape) {
  JsonWriter json;
  const bool outer = shape.list || shape.nested;
  if (outer) json.begin_array();
  for (const tasks::TaskResult& result : reply.results) write_pipeline(result, json);
  if (outer) json.end_array();
  return tei_response(call, reply, json.take());
}

}  // namespace

void answer_pipeline(const CallPtr& call, const ModelLease& model) {
  const JsonView body = call->json();
  check_object(body);
  const Fields fields("PipelineRequest", body);
  const JsonView inputs = fields.json("inputs");
  const JsonView parameters = fields.json("parameters");
  const Pipeline* const pipeline = pipeline_of(*call);
  if (pipeline != nullptr) check_pipeline(*pipeline, model);
  TaskKind task = model->info().task;
  const bool similar = pipeline != nullptr
                           ? pipeline->similarity
                           : task == TaskKind::kEmbed && inputs.get("source_sentence").exists();
  if (similar) {
    answer_similarity(call, model, inputs, parameters);
    return;
  }
  const bool zero_shot =
      pipeline != nullptr ? pipeline->zero_shot : !parameters.get("candidate_labels").is_null();
  if (zero_shot) task = TaskKind::kZeroShot;
  Request request = call->new_request(model);
  request.options = options_of(*call, task, body);
  const bool list = read_items(inputs, "inputs", reader_of(task), request);
  if (zero_shot) add_labels(parameters, request);
  Shape shape;
  // InferenceClient sends one text of zero-shot as a list from JavaScript, and reads a flat answer.
  shape.list = list && !(zero_shot && request.inputs.size() == 1);
  shape.nested =
      task == TaskKind::kEmbed || task == TaskKind::kClassify || task == TaskKind::kRerank;
  call->submit(std::move(request),
               [shape](Call& self, Reply& reply) { return print(self, reply, shape); });
}

void endpoint_pipeline(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  const auto name = string_field(body, "model");
  const Pipeline* const pipeline = pipeline_of(*call);
  // No pipeline's inputs: text-embeddings-inference ranks at its root.
  if (pipeline == nullptr && body.get("texts").exists()) return endpoint_rerank(call);
  const std::optional<TaskKind> task = task_of(pipeline, body);
  if (task == TaskKind::kClassify) {
    answer_pipeline(call, call->route(name, {TaskKind::kClassify, TaskKind::kRerank}));
  } else if (task) {
    answer_pipeline(call, call->route(name, {*task}));
  } else {
    const ModelLease model =
        call->route(name, {TaskKind::kEmbed, TaskKind::kClassify, TaskKind::kRerank, TaskKind::kNer,
                           TaskKind::kQa, TaskKind::kFillMask, TaskKind::kEmbedSparse});
    if (model->info().task == TaskKind::kEmbedSparse) return endpoint_tei_embed_sparse(call);
    answer_pipeline(call, model);
  }
}

}  // namespace tamis::serve
