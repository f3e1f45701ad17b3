// POST /predict: labels of a text, a pair, or a batch of either.
#include "serve/core/model_route.h"
#include "serve/protocol/call.h"
#include "serve/protocol/dialect_options.h"
#include "serve/protocol/tasks_json.h"
#include "serve/protocol/tei.h"

namespace tamis::serve {

namespace {

tasks::TaskInput text_or_pair(JsonView item) {
  if (item.is_string()) return {std::string(item.as_string("inputs"))};
  if (item.is_array() && (item.size() == 0 || item.size() > 2)) {
    fail(ErrorCode::kInvalidArgument, "`inputs`: an input is a text or a pair, not ", item.size(),
         " texts");
  }
  std::vector<std::string> texts = strings_of(item, "inputs");
  tasks::TaskInput input{std::move(texts[0])};
  if (texts.size() == 2) input.pair = std::move(texts[1]);
  return input;
}

// "a" and ["a"] are one text, ["a","b"] a pair, [["a"],["a","b"]] a batch. True for a batch.
bool read_predict_inputs(JsonView inputs, Request& request) {
  const bool batch = inputs.is_array() && inputs.size() > 0 && inputs.at(0).is_array();
  if (!batch) {
    request.inputs.push_back(text_or_pair(inputs));
    return false;
  }
  request.budget->check_items("inputs", inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) request.inputs.push_back(text_or_pair(inputs.at(i)));
  return true;
}

}  // namespace

void endpoint_tei_predict(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  const Fields fields("PredictRequest", body);
  const ModelLease model = call->route_by_turns(fields.text("model"), kClassifyTasks);
  Request request = call->new_request(model);
  const bool batch = read_predict_inputs(fields.json("inputs"), request);
  tasks::ClassifyOptions options;
  options.function = score_function(fields.flag("raw_scores").value_or(false), model);
  options.truncation = read_truncation(fields, *call);
  request.options = options;
  call->submit(std::move(request), [batch](Call& self, Reply& reply) {
    JsonWriter json;
    if (batch) json.begin_array();
    for (const tasks::TaskResult& result : reply.results) {
      write_labels(std::get<tasks::ClassifyResult>(result).scores, json);
    }
    if (batch) json.end_array();
    return tei_response(self, reply, json.take());
  });
}

}  // namespace tamis::serve
