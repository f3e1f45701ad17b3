#include "serve/protocol/call.h"

#include "base/log.h"
#include "serve/batching/current_error.h"
#include "serve/core/model_route.h"

namespace tamis::serve {

Call::Call(const CallHost& host, HttpExchangePtr exchange, Dialect dialect)
    : host_(host), exchange_(std::move(exchange)), dialect_(dialect) {}

Call::~Call() {
  if (responded_) return;
  try {
    exchange_->respond(error_response(dialect_, out_of_memory()));
  } catch (...) {
    exchange_->abandon();
  }
}

JsonView Call::json() {
  if (!document_) {
    JsonLimits limits;
    limits.max_depth = 32;
    document_ = JsonDocument::parse(request().body, "request", limits);
  }
  return document_->root();
}

void Call::respond(HttpResponse response) {
  finish_response(request(), dialect_, id, options(), response);
  // What went wrong here is always logged.
  if (options().log_requests || response.status == 500) {
    log_.id = id;
    log_.key = key.name;
    const int64_t total_us = (core().clock().now_ns() - request().arrived_ns) / 1000;
    log(LogLevel::kInfo, log_line(request(), log_, response.status, total_us));
  }
  core().note_work(static_cast<int64_t>(response.body.size()));
  exchange_->respond(std::move(response));
  responded_ = true;
}

void Call::respond_json(JsonWriter& json) {
  HttpResponse response;
  response.body = json.take();
  respond(std::move(response));
}

void Call::respond_error(const Error& error, int64_t retry_after_ms) noexcept {
  try {
    log_.error = error.what();
    respond(error_response(dialect_, error, retry_after_ms));
  } catch (...) {
    // The destructor sees to it.
  }
}

ModelLease Call::route(std::optional<std::string_view> field,
                       std::initializer_list<tasks::TaskKind> tasks) {
  return route_model(core().models(), model_name(field), path_version, tasks);
}

ModelLease Call::route_by_turns(std::optional<std::string_view> field,
                                std::initializer_list<tasks::TaskKind> tasks) {
  return route_model_by_turns(core().models(), model_name(field), path_version, tasks);
}

std::string_view Call::model_name(std::optional<std::string_view> field) const {
  const bool named = field && !field->empty() && !path_decides;
  return named ? *field : std::string_view(path_model);
}

bool Call::packs_answers() const {
  const bool asked = options().compress || dialect_ == Dialect::kKserve;
  return asked && request().has_header("Accept-Encoding");
}

Request Call::new_request(const ModelLease& model) {
  Request made;
  made.model = model->name();
  made.version = model->version();
  made.client = request().connection;
  made.cancelled = cancelled();
  made.id = id;
  made.traceparent = request().header("traceparent");
  made.budget = budget();
  made.reply_on = &reply_on();
  return made;
}

const BudgetPtr& Call::budget() const {
  if (budget_ == nullptr) budget_ = std::make_shared<Budget>(core().limits());
  return budget_;
}

Executor& Call::reply_on() {
  return packs_answers() ? static_cast<Executor&>(core().workers()) : exchange_->executor();
}

void Call::note(const Reply& reply) {
  log_.model = reply.model;
  log_.tokens = reply.tokens;
  log_.tokenize_us = reply.timings.tokenize_us;
  log_.queue_us = reply.timings.queue_us;
  log_.run_us = reply.timings.run_us;
}

void Call::submit(Request request, std::function<HttpResponse(Call&, Reply&)> print) {
  core().submit(std::move(request),
                [self = shared_from_this(), print = std::move(print)](Reply&& reply) {
                  self->note(reply);
                  if (reply.error) {
                    self->respond_error(*reply.error, reply.retry_after_ms);
                    return;
                  }
                  try {
                    self->respond(print(*self, reply));
                  } catch (...) {
                    self->respond_error(current_error());
                  }
                });
}

}  // namespace tamis::serve
