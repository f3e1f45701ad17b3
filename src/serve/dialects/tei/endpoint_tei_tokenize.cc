// POST /tokenize with `inputs`: ids, texts and byte offsets. POST /decode: texts of ids.
#include "serve/dialects/huggingface/endpoints.h"
#include "serve/protocol/call.h"
#include "serve/protocol/json_fields.h"
#include "serve/protocol/tokenizer_calls.h"
#include "tasks/code_points.h"

namespace tamis::serve {

namespace {

void write_tokens(const ModelLease& model, std::string_view text, bool special, Budget& budget,
                  JsonWriter& json) {
  const tokenizer::Tokenizer& tokenizer = *model->model().task_model()->tokenizer;
  const tokenizer::Encoding encoding = tokens_of(model, text, special, budget);
  const tasks::CodePoints points(text);
  json.begin_array();
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    const bool added = encoding.special_mask[i] != 0;
    const tokenizer::Span span = encoding.offsets[i];
    const std::string_view piece = points.slice(span.start, span.end);
    json.begin_object().member("id", int64_t{encoding.ids[i]});
    // A token of the text is shown as it stands there, as text-embeddings-inference does.
    json.member("text", added ? tokenizer.id_to_token(encoding.ids[i]) : piece);
    json.member("special", added);
    if (added) {
      json.key("start").null().key("stop").null();
    } else {
      const auto start = static_cast<int64_t>(points.slice(0, span.start).size());
      json.member("start", start);
      json.member("stop", start + static_cast<int64_t>(piece.size()));
    }
    json.end_object();
  }
  json.end_array();
}

std::vector<std::vector<int32_t>> read_id_lists(JsonView ids, const Budget& budget) {
  if (!ids.is_array()) fail(ErrorCode::kInvalidArgument, "`ids` must be a list of token ids");
  std::vector<std::vector<int32_t>> lists;
  if (ids.size() > 0 && ids.at(0).is_array()) {
    budget.check_items("ids", ids.size());
    for (size_t i = 0; i < ids.size(); ++i) lists.push_back(ids_of(ids.at(i), "ids"));
  } else {
    lists.push_back(ids_of(ids, "ids"));
  }
  return lists;
}

}  // namespace

void answer_tokens(const CallPtr& call) {
  const Fields fields("TokenizeRequest", call->json());
  const ModelLease model = model_with_tokenizer(call, fields);
  const bool special = fields.flag("add_special_tokens").value_or(true);
  std::string prompt;
  if (const auto name = fields.string("prompt_name")) {
    const auto& prompts = model->model().task_model()->prompts;
    const auto at = prompts.find(*name);
    if (at == prompts.end()) {
      fail(ErrorCode::kInvalidArgument, "the model has no prompt named \"", *name, "\"");
    }
    prompt = at->second;
  }
  std::vector<std::string> texts = fields.texts("inputs", *call->budget());
  if (texts.empty()) throw EmptyInput("inputs");
  answer_on_worker(call,
                   [call, model, special, prompt, texts = std::move(texts)](JsonWriter& json) {
                     json.begin_array();
                     for (const std::string& text : texts) {
                       write_tokens(model, prompt + text, special, *call->budget(), json);
                     }
                     json.end_array();
                   });
}

void endpoint_tei_decode(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  const Fields fields("DecodeRequest", body);
  const ModelLease model = model_with_tokenizer(call, fields);
  const bool skip = fields.flag("skip_special_tokens").value_or(true);
  const auto lists = read_id_lists(fields.json("ids"), *call->budget());
  answer_on_worker(call, [call, model, skip, lists](JsonWriter& json) {
    json.begin_array();
    for (const std::vector<int32_t>& ids : lists) {
      call->budget()->take("token ids", static_cast<int64_t>(ids.size()), kListedTokenBytes);
      json.value(model->model().task_model()->tokenizer->decode(ids, skip));
    }
    json.end_array();
  });
}

}  // namespace tamis::serve
