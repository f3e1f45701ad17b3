#include "serve/protocol/tokenizer_calls.h"

#include "serve/batching/current_error.h"

namespace tamis::serve {

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

tokenizer::Encoding tokens_of(const ModelLease& model, std::string_view text, bool special,
                              Budget& budget) {
  tokenizer::EncodeOptions options;
  options.add_special_tokens = special;
  tokenizer::Encoding encoding = model->model().task_model()->tokenizer->encode(text, options);
  budget.take("tokens", encoding.size(), kListedTokenBytes);
  return encoding;
}

void answer_on_worker(const CallPtr& call, std::function<void(JsonWriter&)> print) {
  call->core().workers_for(call->request().body.size()).post([call, print = std::move(print)] {
    try {
      JsonWriter json;
      print(json);
      call->respond_json(json);
    } catch (...) {
      call->respond_error(current_error());
    }
  });
}

}  // namespace tamis::serve
