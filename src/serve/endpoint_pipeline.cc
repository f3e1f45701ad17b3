// POST / and POST /models/{id}: what Hugging Face's InferenceClient sends. The model's task says
// how `inputs` is read, and the answer is the pipeline's.
#include <algorithm>

#include "serve/endpoints.h"
#include "serve/router.h"
#include "serve/tasks_json.h"
#include "serve/tei.h"

namespace tamis::serve {

namespace {

using tasks::TaskKind;

tasks::TaskInput read_text(JsonView item) {
  if (item.is_string()) return {std::string(item.as_string("inputs"))};
  if (!item.is_object()) {
    fail(ErrorCode::kInvalidArgument, "`inputs` must be a string, an object or a list of them");
  }
  // The pipeline's form of a pair.
  tasks::TaskInput input{std::string(required_string(item, "text"))};
  if (const auto pair = string_field(item, "text_pair")) input.pair = std::string(*pair);
  return input;
}

tasks::TaskInput read_question(JsonView item) {
  check_object(item);
  tasks::TaskInput input{std::string(required_string(item, "question"))};
  input.pair = std::string(required_string(item, "context"));
  return input;
}

tasks::ClassifyOptions classify_options(JsonView parameters) {
  tasks::ClassifyOptions options;
  options.top_k = int_field(parameters, "top_k", 1);
  if (const auto name = string_field(parameters, "function_to_apply")) {
    options.function = tasks::score_function_from_name(*name);
    if (!options.function) {
      fail(ErrorCode::kInvalidArgument, "`function_to_apply` must be softmax, sigmoid or none");
    }
  }
  return options;
}

tasks::NerOptions ner_options(JsonView parameters) {
  tasks::NerOptions options;
  if (const auto name = string_field(parameters, "aggregation_strategy")) {
    const auto aggregation = tasks::aggregation_from_name(*name);
    if (!aggregation) {
      fail(ErrorCode::kInvalidArgument,
           "`aggregation_strategy` must be none, simple, first, average or max");
    }
    options.aggregation = *aggregation;
  }
  if (!parameters.get("ignore_labels").is_null()) {
    options.ignore_labels = strings_of(parameters.get("ignore_labels"), "ignore_labels");
  }
  options.stride = int_field(parameters, "stride", 0);
  return options;
}

tasks::QaOptions qa_options(JsonView parameters) {
  tasks::QaOptions options;
  options.top_k = int_field(parameters, "top_k", 1);
  if (const auto most = int_field(parameters, "max_answer_len", 1)) options.max_answer_len = *most;
  options.handle_impossible_answer =
      bool_field(parameters, "handle_impossible_answer").value_or(false);
  options.align_to_words = bool_field(parameters, "align_to_words").value_or(true);
  options.max_seq_len = int_field(parameters, "max_seq_len", 1);
  options.doc_stride = int_field(parameters, "doc_stride", 0);
  options.max_question_len = int_field(parameters, "max_question_len", 1);
  return options;
}

tasks::FillMaskOptions fill_mask_options(JsonView parameters) {
  tasks::FillMaskOptions options;
  if (const auto most = int_field(parameters, "top_k", 1)) options.top_k = *most;
  const JsonView targets = parameters.get("targets");
  if (targets.is_string()) options.targets = {std::string(targets.as_string("targets"))};
  if (targets.is_array()) options.targets = strings_of(targets, "targets");
  return options;
}

// Labels as a list, or as one string with commas.
std::vector<std::string> candidate_labels(JsonView labels) {
  if (!labels.is_string()) return strings_of(labels, "candidate_labels");
  std::vector<std::string> list;
  std::string_view text = labels.as_string("candidate_labels");
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    std::string_view label = text.substr(0, comma);
    while (label.starts_with(' ')) label.remove_prefix(1);
    while (label.ends_with(' ')) label.remove_suffix(1);
    if (!label.empty()) list.emplace_back(label);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return list;
}

tasks::ZeroShotOptions zero_shot_options(JsonView parameters) {
  tasks::ZeroShotOptions options;
  if (const auto text = string_field(parameters, "hypothesis_template")) {
    options.hypothesis_template = *text;
  }
  options.multi_label = bool_field(parameters, "multi_label").value_or(false);
  return options;
}

tasks::EmbedOptions embed_options(const Call& call, JsonView body) {
  tasks::EmbedOptions options;
  options.normalize = bool_field(body, "normalize");
  options.dimensions = int_field(body, "dimensions", 1);
  if (const auto name = string_field(body, "prompt_name")) options.prompt_name = std::string(*name);
  options.truncation = read_truncation(body, call);
  return options;
}

tasks::TaskOptions options_of(const Call& call, TaskKind task, JsonView body) {
  const JsonView parameters = body.get("parameters");
  switch (task) {
    case TaskKind::kEmbed:
      // Its options stand at the top level; other clients put them under parameters.
      return embed_options(call,
                           parameters.is_object() && parameters.size() > 0 ? parameters : body);
    case TaskKind::kClassify:
    case TaskKind::kRerank:
      return classify_options(parameters);
    case TaskKind::kNer:
      return ner_options(parameters);
    case TaskKind::kQa:
      return qa_options(parameters);
    case TaskKind::kFillMask:
      return fill_mask_options(parameters);
    case TaskKind::kZeroShot:
      return zero_shot_options(parameters);
  }
  return tasks::default_options(task);
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
  const JsonView inputs = body.get("inputs");
  if (inputs.is_null()) fail(ErrorCode::kInvalidArgument, "`inputs` is missing");
  TaskKind task = model->info().task;
  if (task == TaskKind::kEmbed && inputs.get("source_sentence").exists()) {
    answer_similarity(call, model, inputs, body.get("parameters"));
    return;
  }
  const JsonView labels = body.get("parameters").get("candidate_labels");
  if (!labels.is_null()) task = TaskKind::kZeroShot;
  Request request = call->new_request(model);
  request.options = options_of(*call, task, body);
  const auto read = task == TaskKind::kQa ? read_question : read_text;
  if (inputs.is_array()) {
    if (inputs.size() == 0) fail(ErrorCode::kInvalidArgument, "`inputs` cannot be empty");
    if (inputs.size() > static_cast<size_t>(call->options().max_items)) {
      fail(ErrorCode::kInvalidArgument, "`inputs` has ", inputs.size(),
           " items; this server takes at most ", call->options().max_items, " a request");
    }
    for (size_t i = 0; i < inputs.size(); ++i) request.inputs.push_back(read(inputs.at(i)));
  } else {
    request.inputs.push_back(read(inputs));
  }
  if (task == TaskKind::kZeroShot) {
    for (tasks::TaskInput& input : request.inputs) input.texts = candidate_labels(labels);
  }
  Shape shape;
  // InferenceClient sends one text of zero-shot as a list from JavaScript, and reads a flat answer.
  shape.list = inputs.is_array() && !(task == TaskKind::kZeroShot && inputs.size() == 1);
  shape.nested =
      task == TaskKind::kEmbed || task == TaskKind::kClassify || task == TaskKind::kRerank;
  call->submit(std::move(request),
               [shape](Call& self, Reply& reply) { return print(self, reply, shape); });
}

void endpoint_pipeline(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  answer_pipeline(
      call, call->route(string_field(body, "model"),
                        {TaskKind::kEmbed, TaskKind::kClassify, TaskKind::kRerank, TaskKind::kNer,
                         TaskKind::kQa, TaskKind::kFillMask, TaskKind::kZeroShot}));
}

}  // namespace tamis::serve
