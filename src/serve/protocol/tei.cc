#include "serve/protocol/tei.h"

namespace tamis::serve {

namespace {

void add_ids(JsonView list, std::string_view key, Request& request) {
  Row row;
  row.sequence.ids = ids_of(list, key);
  request.rows.push_back(std::move(row));
}

}  // namespace

void read_inputs(JsonView inputs, std::string_view key, Request& request) {
  if (inputs.is_null()) fail(ErrorCode::kInvalidArgument, "`", key, "` is missing");
  if (inputs.is_string()) {
    request.inputs.push_back({std::string(inputs.as_string(key))});
    return;
  }
  if (!inputs.is_array()) {
    fail(ErrorCode::kInvalidArgument, "`", key,
         "` must be a string, a list of strings, or token ids");
  }
  if (inputs.size() == 0) throw EmptyInput(key);
  if (inputs.at(0).is_int()) {
    add_ids(inputs, key, request);
    return;
  }
  request.budget->check_items(key, inputs.size());
  if (inputs.at(0).is_array()) {
    for (size_t i = 0; i < inputs.size(); ++i) add_ids(inputs.at(i), key, request);
    return;
  }
  for (std::string& text : strings_of(inputs, key)) request.inputs.push_back({std::move(text)});
}

void add_texts(const Fields& fields, std::string_view key, Request& request) {
  std::vector<std::string> texts = fields.texts(key, *request.budget);
  if (texts.empty()) throw EmptyInput(key);
  for (std::string& text : texts) request.inputs.push_back({std::move(text)});
}

std::optional<Side> side_of(const Fields& fields) {
  const auto side = fields.word("truncation_direction");
  if (!side) return std::nullopt;
  return *side == "left" ? Side::kLeft : Side::kRight;
}

Truncation read_truncation(const Fields& fields, const Call& call) {
  Truncation truncation;
  truncation.enabled = fields.flag("truncate").value_or(call.options().auto_truncate);
  truncation.side = side_of(fields);
  return truncation;
}

HttpResponse tei_response(const Call& call, const Reply& reply, std::string body) {
  HttpResponse response;
  response.body = std::move(body);
  const auto ms = [](int64_t us) { return cat((us + 500) / 1000); };
  const int64_t total_us = (Clock::steady().now_ns() - call.request().arrived_ns) / 1000;
  const Timings& timings = reply.timings;
  response.headers = {
      {"x-compute-type", "cpu"},
      {"x-compute-time", ms(total_us)},
      {"x-compute-characters", cat(reply.characters)},
      {"x-compute-tokens", cat(reply.tokens)},
      {"x-total-time", ms(total_us)},
      {"x-tokenization-time", ms(timings.tokenize_us)},
      {"x-queue-time", ms(timings.queue_us)},
      {"x-inference-time", ms(timings.run_us)},
  };
  return response;
}

}  // namespace tamis::serve
