// POST /embed: [[float]], a vector a text. POST /embed_all: [[[float]]], a vector a token.
#include "serve/router.h"
#include "serve/tei.h"

namespace tamis::serve {

namespace {

// The request and its options, less those that only pooled vectors have.
Request read_request(const CallPtr& call, tasks::EmbedOptions& options) {
  const JsonView body = call->json();
  check_object(body);
  const ModelLease model = call->route(string_field(body, "model"), {tasks::TaskKind::kEmbed});
  Request request = call->new_request(model);
  read_inputs(body.get("inputs"), "inputs", *call, request);
  if (const auto name = string_field(body, "prompt_name")) options.prompt_name = std::string(*name);
  options.truncation = read_truncation(body, *call);
  return request;
}

}  // namespace

void endpoint_tei_embed(const CallPtr& call) {
  tasks::EmbedOptions options;
  Request request = read_request(call, options);
  options.normalize = bool_field(call->json(), "normalize").value_or(true);
  options.dimensions = int_field(call->json(), "dimensions", 1);
  request.options = std::move(options);
  call->submit(std::move(request), [](Call& self, Reply& reply) {
    JsonWriter json;
    json.begin_array();
    for (const tasks::TaskResult& result : reply.results) {
      json.array(std::get<tasks::EmbedResult>(result).embedding);
    }
    json.end_array();
    return tei_response(self, reply, json.take());
  });
}

void endpoint_tei_embed_all(const CallPtr& call) {
  tasks::EmbedOptions options;
  Request request = read_request(call, options);
  request.options = std::move(options);
  request.raw = true;
  request.outputs = OutputSet::kTokens;
  call->submit(std::move(request), [](Call& self, Reply& reply) {
    JsonWriter json;
    for (const RawOutput& output : reply.raw) {
      if (output.name != "token_embeddings") continue;
      const auto width = static_cast<size_t>(output.row_elements);
      const float* row = output.values.data();
      json.begin_array();
      for (const int64_t rows : output.rows_of_input) {
        json.begin_array();
        for (int64_t r = 0; r < rows; ++r, row += width) json.array(std::span(row, width));
        json.end_array();
      }
      json.end_array();
    }
    return tei_response(self, reply, json.take());
  });
}

}  // namespace tamis::serve
