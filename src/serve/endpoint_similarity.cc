// POST /similarity: cosines of a sentence with others, [float] in their order.
#include "kernels/agreement.h"
#include "serve/endpoints.h"
#include "serve/router.h"
#include "serve/tei.h"

namespace tamis::serve {

void answer_similarity(const CallPtr& call, const ModelLease& model, JsonView inputs,
                       JsonView parameters) {
  if (!inputs.is_object()) {
    fail(ErrorCode::kInvalidArgument,
         "`inputs` must be an object with `source_sentence` and `sentences`");
  }
  Request request = call->new_request(model);
  request.inputs.push_back({std::string(required_string(inputs, "source_sentence"))});
  for (std::string& text : strings_of(array_field(inputs, "sentences"), "sentences")) {
    request.inputs.push_back({std::move(text)});
  }
  if (request.inputs.size() == 1) {
    fail(ErrorCode::kInvalidArgument, "`inputs.sentences` cannot be empty");
  }
  tasks::EmbedOptions options;
  options.truncation = read_truncation(parameters, *call);
  if (const auto name = string_field(parameters, "prompt_name")) {
    options.prompt_name = std::string(*name);
  }
  request.options = std::move(options);
  call->submit(std::move(request), [](Call& self, Reply& reply) {
    const auto vector_of = [&](size_t i) -> const std::vector<float>& {
      return std::get<tasks::EmbedResult>(reply.results[i]).embedding;
    };
    JsonWriter json;
    json.begin_array();
    for (size_t i = 1; i < reply.results.size(); ++i) {
      json.value(static_cast<float>(kernels::cosine(vector_of(0), vector_of(i))));
    }
    json.end_array();
    return tei_response(self, reply, json.take());
  });
}

void endpoint_tei_similarity(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  const ModelLease model = call->route(string_field(body, "model"), {tasks::TaskKind::kEmbed});
  answer_similarity(call, model, body.get("inputs"), body.get("parameters"));
}

}  // namespace tamis::serve
