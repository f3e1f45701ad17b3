// POST /tokenize: ids, texts and byte offsets. POST /decode: texts of ids.
#include "serve/current_error.h"
#include "serve/router.h"
#include "serve/tei.h"
#include "tasks/code_points.h"

namespace tamis::serve {

namespace {

// Any model has a tokenizer, so any may be meant.
ModelLease model_with_tokenizer(const CallPtr& call, const Fields& fields) {
  ModelLease model =
      call->route(fields.text("model"),
                  {tasks::TaskKind::kEmbed, tasks::TaskKind::kClassify, tasks::TaskKind::kRerank,
                   tasks::TaskKind::kNer, tasks::TaskKind::kQa, tasks::TaskKind::kFillMask,
                   tasks::TaskKind::kZeroShot, tasks::TaskKind::kEmbedSparse,
                   tasks::TaskKind::kEmbedMulti, tasks::TaskKind::kEmbedAll});
  if (model->model().task_model() == nullptr) {
    fail(ErrorCode::kUnsupported, model->name(), " has no tokenizer");
  }
  return model;
}

void write_tokens(const tokenizer::Tokenizer& tokenizer, std::string_view text, bool special,
                  Budget& budget, JsonWriter& json) {
  tokenizer::EncodeOptions options;
  options.add_special_tokens = special;
  const tokenizer::Encoding encoding = tokenizer.encode(text, options);
  budget.take("tokens", encoding.size(), kListedTokenBytes);
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

// Runs `print` on a worker and answers with what it writes.
void answer_on_worker(const CallPtr& call, std::function<void(JsonWriter&)> print) {
  call->core().workers().post([call, print = std::move(print)] {
    try {
      JsonWriter json;
      print(json);
      call->respond_json(json);
    } catch (...) {
      call->respond_error(current_error());
    }
  });
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

void endpoint_tei_tokenize(const CallPtr& call) {
  const JsonView body = call->json();
  check_object(body);
  const Fields fields("TokenizeRequest", body);
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
  std::vector<std::string> texts = fields.texts("inputs");
  call->budget()->check_items("inputs", texts.size());
  answer_on_worker(call,
                   [call, model, special, prompt, texts = std::move(texts)](JsonWriter& json) {
                     json.begin_array();
                     for (const std::string& text : texts) {
                       write_tokens(*model->model().task_model()->tokenizer, prompt + text, special,
                                    *call->budget(), json);
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
