// POST /similarity: cosines of a sentence with others, [float] in their order.
#include "math/agreement.h"
#include "serve/dialects/huggingface/endpoints.h"
#include "serve/protocol/call.h"
#include "serve/protocol/tei.h"

namespace tamis::serve {

void answer_similarity(const CallPtr& call, const ModelLease& model, JsonView inputs,
                       JsonView parameters) {
  const Fields fields("SimilarityInputs", inputs);
  const Fields others("SimilarityParameters", parameters);
  Request request = call->new_request(model);
  request.inputs.push_back({fields.string("source_sentence").value()});
  std::vector<std::string> sentences = fields.texts("sentences", *request.budget);
  if (sentences.empty()) {
    fail(ErrorCode::kInvalidArgument, "`inputs.sentences` cannot be empty");
  }
  for (std::string& text : sentences) request.inputs.push_back({std::move(text)});
  tasks::EmbedOptions options;
  options.truncation = read_truncation(others, *call);
  options.prompt_name = others.string("prompt_name");
  request.options = std::move(options);
  call->submit(std::move(request), [](Call& self, Reply& reply) {
    const auto vector_of = [&](size_t i) -> const std::vector<float>& {
      return std::get<tasks::EmbedResult>(reply.results[i]).embedding;
    };
    JsonWriter json;
    json.begin_array();
    for (size_t i = 1; i < reply.results.size(); ++i) {
      json.value(static_cast<float>(math::cosine(vector_of(0), vector_of(i))));
    }
    json.end_array();
    return tei_response(self, reply, json.take());
  });
}

void endpoint_tei_similarity(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  const Fields fields("SimilarityRequest", body);
  const ModelLease model = call->route(fields.text("model"), {tasks::TaskKind::kEmbed});
  answer_similarity(call, model, fields.json("inputs"), fields.json("parameters"));
}

}  // namespace tamis::serve
