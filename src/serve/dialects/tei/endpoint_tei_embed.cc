// POST /embed: [[float]], a vector a text. POST /embed_all: [[[float]]], a vector a token. POST
// /embed_sparse: [[{index, value}]], the tokens of the vocabulary that a text has weights for.
#include <algorithm>

#include "serve/protocol/call.h"
#include "serve/protocol/tei.h"

namespace tamis::serve {

namespace {

// The request, with the options that /embed and /embed_all share.
Request read_request(const CallPtr& call, const Fields& fields, tasks::EmbedOptions& options) {
  const ModelLease model = call->route(fields.text("model"), {tasks::TaskKind::kEmbed});
  Request request = call->new_request(model);
  read_inputs(fields.json("inputs"), "inputs", request);
  options.prompt_name = fields.string("prompt_name");
  options.truncation = read_truncation(fields, *call);
  return request;
}

Fields read_fields(const CallPtr& call, std::string_view form) {
  const JsonView body = call->json();
  check_object(body);
  return {form, body};
}

// By rising index, as the original prints them.
void write_sparse(const tasks::EmbedSparseResult& result, JsonWriter& json) {
  std::vector<tasks::SparseWeight> weights = result.weights;
  std::sort(weights.begin(), weights.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  json.begin_array();
  for (const tasks::SparseWeight& item : weights) {
    json.begin_object().member("index", int64_t{item.id}).member("value", item.weight).end_object();
  }
  json.end_array();
}

}  // namespace

void endpoint_tei_embed_sparse(const CallPtr& call) {
  const Fields fields = read_fields(call, "EmbedSparseRequest");
  const ModelLease model = call->route(fields.text("model"), {tasks::TaskKind::kEmbedSparse});
  Request request = call->new_request(model);
  read_inputs(fields.json("inputs"), "inputs", request);
  tasks::EmbedSparseOptions options;
  options.query = fields.flag("query").value_or(false);
  options.prompt_name = fields.string("prompt_name");
  options.truncation = read_truncation(fields, *call);
  request.options = std::move(options);
  call->submit(std::move(request), [](Call& self, Reply& reply) {
    JsonWriter json;
    json.begin_array();
    for (const tasks::TaskResult& result : reply.results) {
      write_sparse(std::get<tasks::EmbedSparseResult>(result), json);
    }
    json.end_array();
    return tei_response(self, reply, json.take());
  });
}

void endpoint_tei_embed(const CallPtr& call) {
  tasks::EmbedOptions options;
  const Fields fields = read_fields(call, "EmbedRequest");
  Request request = read_request(call, fields, options);
  options.normalize = fields.flag("normalize").value_or(true);
  options.dimensions = fields.integer("dimensions");
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
  Request request = read_request(call, read_fields(call, "EmbedAllRequest"), options);
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
