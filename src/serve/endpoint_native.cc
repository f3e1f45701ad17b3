// POST /v1/classify, /v1/ner, /v1/qa: this program's own form, with token counts, truncation and
// the time each stage took.
#include "serve/router.h"
#include "serve/tei.h"
#include "tasks/task_json.h"

namespace tamis::serve {

namespace {

using tasks::TaskKind;

// `text`, or `texts`; with `text_pair` for one.
void read_texts(JsonView body, const Call& call, Request& request) {
  if (const auto text = string_field(body, "text")) {
    tasks::TaskInput input{std::string(*text)};
    if (const auto pair = string_field(body, "text_pair")) input.pair = std::string(*pair);
    request.inputs.push_back(std::move(input));
    return;
  }
  std::vector<std::string> texts = strings_of(array_field(body, "texts"), "texts");
  if (texts.empty() || texts.size() > static_cast<size_t>(call.options().max_items)) {
    fail(ErrorCode::kInvalidArgument, "`texts` has ", texts.size(), " items, must have 1..",
         call.options().max_items);
  }
  for (std::string& text : texts) request.inputs.push_back({std::move(text)});
}

HttpResponse print(Call& call, Reply& reply) {
  JsonWriter json;
  json.begin_object().member("model", reply.model).member("version", reply.version);
  json.key("results").begin_array();
  for (const tasks::TaskResult& result : reply.results) tasks::write_json(result, json);
  json.end_array();
  json.key("tokens").begin_array();
  for (const int64_t tokens : reply.tokens_of_input) json.value(tokens);
  json.end_array();
  json.key("truncated").begin_array();
  for (const bool cut : reply.truncated) json.value(cut);
  json.end_array();
  json.key("timings").begin_object();
  json.member("tokenize_us", reply.timings.tokenize_us);
  json.member("queue_us", reply.timings.queue_us);
  json.member("run_us", reply.timings.run_us).end_object();
  json.end_object();
  return tei_response(call, reply, json.take());
}

}  // namespace

void endpoint_native_classify(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  const ModelLease model = call->route(string_field(body, "model"), {TaskKind::kClassify});
  Request request = call->new_request(model);
  read_texts(body, *call, request);
  tasks::ClassifyOptions options;
  options.top_k = int_field(body, "top_k", 1);
  options.truncation = read_truncation(body, *call);
  if (bool_field(body, "raw_scores").value_or(false)) {
    options.function = tasks::ScoreFunction::kNone;
  }
  request.options = options;
  call->submit(std::move(request), print);
}

void endpoint_native_ner(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  const ModelLease model = call->route(string_field(body, "model"), {TaskKind::kNer});
  Request request = call->new_request(model);
  read_texts(body, *call, request);
  tasks::NerOptions options;
  if (const auto name = string_field(body, "aggregation")) {
    const auto aggregation = tasks::aggregation_from_name(*name);
    if (!aggregation) {
      fail(ErrorCode::kInvalidArgument,
           "`aggregation` must be none, simple, first, average or max");
    }
    options.aggregation = *aggregation;
  }
  if (!body.get("ignore_labels").is_null()) {
    options.ignore_labels = strings_of(body.get("ignore_labels"), "ignore_labels");
  }
  options.stride = int_field(body, "stride", 0);
  options.truncation = read_truncation(body, *call);
  request.options = std::move(options);
  call->submit(std::move(request), print);
}

void endpoint_native_qa(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  const ModelLease model = call->route(string_field(body, "model"), {TaskKind::kQa});
  Request request = call->new_request(model);
  tasks::TaskInput input{std::string(required_string(body, "question"))};
  input.pair = std::string(required_string(body, "context"));
  request.inputs.push_back(std::move(input));
  tasks::QaOptions options;
  options.top_k = int_field(body, "top_k", 1);
  if (const auto most = int_field(body, "max_answer_len", 1)) options.max_answer_len = *most;
  options.handle_impossible_answer = bool_field(body, "handle_impossible_answer").value_or(false);
  options.doc_stride = int_field(body, "doc_stride", 0);
  request.options = options;
  call->submit(std::move(request), print);
}

}  // namespace tamis::serve
