// tei.v1: Embed, Predict and Rerank, which run the model.
#include "serve/grpc/grpc_tei.h"

#include <algorithm>

#include "serve/grpc/grpc_services.h"
#include "serve/protocol/dialect_options.h"
#include "serve/protocol/fields.h"

namespace tamis::serve {

namespace {

template <typename Message>
Truncation truncation_of(const Message& message) {
  Truncation truncation;
  truncation.enabled = message.truncate();
  truncation.side =
      message.truncation_direction() == pb::TRUNCATION_DIRECTION_LEFT ? Side::kLeft : Side::kRight;
  return truncation;
}

Request request_to(const GrpcCaller& caller, const ModelLease& model) {
  Request request = caller.new_request();
  request.model = model->name();
  request.version = model->version();
  return request;
}

uint64_t ns(int64_t us) { return static_cast<uint64_t>(std::max<int64_t>(0, us)) * 1000; }

void write_metadata(const Reply& reply, pb::Metadata& metadata) {
  const Timings& timings = reply.timings;
  metadata.set_compute_chars(static_cast<uint32_t>(reply.characters));
  metadata.set_compute_tokens(static_cast<uint32_t>(reply.tokens));
  metadata.set_total_time_ns(ns(timings.tokenize_us + timings.queue_us + timings.run_us));
  metadata.set_tokenization_time_ns(ns(timings.tokenize_us));
  metadata.set_queue_time_ns(ns(timings.queue_us));
  metadata.set_inference_time_ns(ns(timings.run_us));
}

// Each method: the request it makes of a message, and what it writes of the reply.
struct Embed {
  using In = pb::EmbedRequest;
  using Out = pb::EmbedResponse;
  static Request request(const GrpcCaller& caller, const In& in) {
    Request request = request_to(caller, tei_model(caller, {TaskKind::kEmbed}));
    request.inputs.push_back({in.inputs()});
    tasks::EmbedOptions options;
    options.normalize = in.normalize();
    if (in.has_dimensions()) {
      options.dimensions = checked_integer("EmbedRequest", "dimensions", in.dimensions());
    }
    if (in.has_prompt_name()) options.prompt_name = in.prompt_name();
    options.truncation = truncation_of(in);
    request.options = std::move(options);
    return request;
  }
  static void print(const In&, const Reply& reply, Out& out) {
    const auto& embedding = std::get<tasks::EmbedResult>(reply.results.at(0)).embedding;
    out.mutable_embeddings()->Add(embedding.begin(), embedding.end());
    write_metadata(reply, *out.mutable_metadata());
  }
};

struct EmbedAll {
  using In = pb::EmbedAllRequest;
  using Out = pb::EmbedAllResponse;
  static Request request(const GrpcCaller& caller, const In& in) {
    Request request = request_to(caller, tei_model(caller, {TaskKind::kEmbed}));
    request.inputs.push_back({in.inputs()});
    tasks::EmbedOptions options;
    if (in.has_prompt_name()) options.prompt_name = in.prompt_name();
    options.truncation = truncation_of(in);
    request.options = std::move(options);
    request.raw = true;
    request.outputs = OutputSet::kTokens;
    return request;
  }
  static void print(const In&, const Reply& reply, Out& out) {
    for (const RawOutput& output : reply.raw) {
      if (output.name != "token_embeddings") continue;
      for (auto at = output.values.begin(); at != output.values.end(); at += output.row_elements) {
        out.add_token_embeddings()->mutable_embeddings()->Add(at, at + output.row_elements);
      }
    }
    write_metadata(reply, *out.mutable_metadata());
  }
};

struct EmbedSparse {
  using In = pb::EmbedSparseRequest;
  using Out = pb::EmbedSparseResponse;
  static Request request(const GrpcCaller& caller, const In& in) {
    Request request = request_to(caller, tei_model(caller, {TaskKind::kEmbedSparse}));
    request.inputs.push_back({in.inputs()});
    tasks::EmbedSparseOptions options;
    if (in.has_prompt_name()) options.prompt_name = in.prompt_name();
    options.truncation = truncation_of(in);
    request.options = std::move(options);
    return request;
  }
  static void print(const In&, const Reply& reply, Out& out) {
    auto weights = std::get<tasks::EmbedSparseResult>(reply.results.at(0)).weights;
    std::sort(weights.begin(), weights.end(),
              [](const auto& a, const auto& b) { return a.id < b.id; });
    for (const tasks::SparseWeight& item : weights) {
      pb::SparseValue* value = out.add_sparse_embeddings();
      value->set_index(static_cast<uint32_t>(item.id));
      value->set_value(item.weight);
    }
    write_metadata(reply, *out.mutable_metadata());
  }
};

template <typename Message>
Request predict_request(const GrpcCaller& caller, const Message& in, tasks::TaskInput input) {
  const ModelLease model =
      route_model_by_turns(caller.core().models(), caller.metadata("model"), "", kClassifyTasks);
  Request request = request_to(caller, model);
  request.inputs.push_back(std::move(input));
  tasks::ClassifyOptions options;
  options.function = score_function(in.raw_scores(), model);
  options.truncation = truncation_of(in);
  request.options = options;
  return request;
}

void print_predictions(const Reply& reply, pb::PredictResponse& out) {
  for (const auto& score : std::get<tasks::ClassifyResult>(reply.results.at(0)).scores) {
    pb::Prediction* prediction = out.add_predictions();
    prediction->set_label(score.label);
    prediction->set_score(score.score);
  }
  write_metadata(reply, *out.mutable_metadata());
}

struct Predict {
  using In = pb::PredictRequest;
  using Out = pb::PredictResponse;
  static Request request(const GrpcCaller& caller, const In& in) {
    return predict_request(caller, in, {in.inputs()});
  }
  static void print(const In&, const Reply& reply, Out& out) { print_predictions(reply, out); }
};

struct PredictPair {
  using In = pb::PredictPairRequest;
  using Out = pb::PredictResponse;
  static Request request(const GrpcCaller& caller, const In& in) {
    if (in.inputs_size() < 1 || in.inputs_size() > 2) {
      fail(ErrorCode::kInvalidArgument, "`inputs` has ", in.inputs_size(),
           " texts, must be a pair");
    }
    tasks::TaskInput input{in.inputs(0)};
    if (in.inputs_size() == 2) input.pair = in.inputs(1);
    return predict_request(caller, in, std::move(input));
  }
  static void print(const In&, const Reply& reply, Out& out) { print_predictions(reply, out); }
};

struct Rerank {
  using In = pb::RerankRequest;
  using Out = pb::RerankResponse;
  static Request request(const GrpcCaller& caller, const In& in) {
    const ModelLease model = tei_model(caller, {TaskKind::kRerank});
    if (in.texts_size() == 0) fail(ErrorCode::kInvalidArgument, "`texts` cannot be empty");
    Request request = request_to(caller, model);
    request.budget->check_items("texts", static_cast<size_t>(in.texts_size()));
    tasks::TaskInput input{in.query()};
    input.texts.assign(in.texts().begin(), in.texts().end());
    request.inputs.push_back(std::move(input));
    tasks::RerankOptions options;
    options.raw_scores = in.raw_scores();
    options.truncation = truncation_of(in);
    request.options = options;
    return request;
  }
  static void print(const In& in, const Reply& reply, Out& out) {
    for (const auto& result : std::get<tasks::RerankResult>(reply.results.at(0)).results) {
      pb::Rank* rank = out.add_ranks();
      rank->set_index(static_cast<uint32_t>(result.index));
      rank->set_score(result.score);
      if (in.return_text()) rank->set_text(result.text);
    }
    write_metadata(reply, *out.mutable_metadata());
  }
};

template <typename Method>
ServerUnaryReactor* unary(const GrpcHost& host, CallbackServerContext& context,
                          Received<typename Method::In>& in, typename Method::Out& out) {
  return UnaryCall::start(host, kTeiDialect, context, [&](const UnaryCallPtr& call) {
    call->caller().read(in.bytes(), [call, &in, &out] {
      call->guard([&] {
        const typename Method::In& message = call->caller().message(in);
        const auto print = [&message, &out](const Reply& reply) -> typename Method::Out& {
          Method::print(message, reply, out);
          return out;
        };
        UnaryCall::submit(call, Method::request(call->caller(), message), print);
      });
    });
  });
}

template <typename Method>
typename StreamOf<Method>::Reactor* stream(const GrpcHost& host, CallbackServerContext& context) {
  using Stream = StreamOf<Method>;
  using In = Received<typename Method::In>;
  return Stream::start(
      host, kTeiDialect, context, [](const typename Stream::Ptr& self, In&& in, size_t number) {
        const auto kept = std::make_shared<In>(std::move(in));
        const auto submit = [self, number, kept] {
          const typename Method::In& message = self->caller().message(*kept);
          const auto done = [self, number, kept, &message](Reply&& reply) {
            if (reply.error) {
              self->fail(self->caller().refusal(*reply.error, reply.retry_after_ms));
              return;
            }
            self->guard([&] {
              typename Method::Out out;
              Method::print(message, reply, out);
              self->answer(number, std::move(out));
            });
          };
          self->caller().core().submit(Method::request(self->caller(), message), done);
        };
        self->caller().read(kept->bytes(), [self, submit] { self->guard(submit); });
      });
}

// RerankStream: texts one after the other, ranks once they have all come.
class RerankReader final : public grpc::ServerReadReactor<Received<pb::RerankStreamRequest>> {
 public:
  using Reactor = grpc::ServerReadReactor<Received<pb::RerankStreamRequest>>;

  static Reactor* start(const GrpcHost& host, CallbackServerContext& context,
                        pb::RerankResponse& response) {
    std::shared_ptr<RerankReader> reader;
    try {
      reader = std::make_shared<RerankReader>(host, context, response);
    } catch (...) {
      return refused_call<Reactor>(grpc_status(kTeiDialect, current_error()));
    }
    reader->self_ = reader;
    reader->guard([&] {
      grpc::Status refused = reader->caller_.admit();
      if (!refused.ok()) return reader->end(std::move(refused));
      reader->StartRead(&reader->message_);
    });
    return reader.get();
  }

  RerankReader(const GrpcHost& host, CallbackServerContext& context, pb::RerankResponse& response)
      : caller_(host, kTeiDialect, context), response_(response) {}

  void OnReadDone(bool ok) override {
    guard([&] { ok ? take_message() : submit(); });
  }

  void OnCancel() override { caller_.cancel(); }
  void OnDone() override { self_.reset(); }
  void lost() { end(caller_.status(out_of_memory())); }

 private:
  // Ends the call; the first counts.
  void end(grpc::Status status) {
    if (ended_.exchange(true)) return;
    caller_.add_trailers(status);
    Finish(std::move(status));
  }

  template <typename Body>
  void guard(const Body& body) {
    try {
      body();
    } catch (...) {
      end(caller_.status(current_error()));
    }
  }

  void take_message() {
    pb::RerankStreamRequest& message = caller_.message(message_);
    if (request_.texts_size() == 0) {
      request_.set_query(message.query());
      request_.set_truncate(message.truncate());
      request_.set_truncation_direction(message.truncation_direction());
      request_.set_raw_scores(message.raw_scores());
      request_.set_return_text(message.return_text());
    }
    if (request_.texts_size() >= caller_.options().max_items) {
      end({grpc::StatusCode::INVALID_ARGUMENT,
           cat("this server takes at most ", caller_.options().max_items, " texts a request")});
      return;
    }
    // All messages of the stream are one request, which is as long as one over HTTP may be.
    text_bytes_ += static_cast<int64_t>(message.text().size());
    if (text_bytes_ > caller_.options().max_body_bytes) {
      end({grpc::StatusCode::INVALID_ARGUMENT,
           cat("the texts are longer than ", caller_.options().max_body_bytes,
               " bytes (--max-body)")});
      return;
    }
    request_.add_texts(std::move(*message.mutable_text()));
    StartRead(&message_);
  }

  void submit() {
    const std::shared_ptr<RerankReader> debt = owed(self_);
    const auto done = [self = debt](Reply&& reply) {
      if (reply.error) {
        self->end(self->caller_.refusal(*reply.error, reply.retry_after_ms));
        return;
      }
      self->guard([&] {
        Rerank::print(self->request_, reply, self->response_);
        self->end(grpc::Status::OK);
      });
    };
    guard([&] { caller_.core().submit(Rerank::request(caller_, request_), done); });
  }

  GrpcCaller caller_;
  pb::RerankResponse& response_;
  std::shared_ptr<RerankReader> self_;
  Received<pb::RerankStreamRequest> message_;
  pb::RerankRequest request_;
  int64_t text_bytes_ = 0;
  std::atomic<bool> ended_{false};
};

// Embed, Predict and Rerank: a message at a time, and streams of them.
class TaskService final : public GrpcService {
 public:
  explicit TaskService(const GrpcHost& host) : GrpcService(host) {}

  template <typename Method>
  TaskService& one(const char* path) {
    using In = typename Method::In;
    using Out = typename Method::Out;
    add_unary<In, Out>(path, [this](CallbackServerContext& context, Received<In>& in, Out& out) {
      return unary<Method>(host(), context, in, out);
    });
    return *this;
  }
  template <typename Method>
  TaskService& many(const char* path) {
    add_stream<typename Method::In, typename Method::Out>(
        path, [this](CallbackServerContext& context) { return stream<Method>(host(), context); });
    return *this;
  }
  void ranks(const char* path) {
    add_reader<pb::RerankStreamRequest, pb::RerankResponse>(
        path, [this](CallbackServerContext& context, pb::RerankResponse& out) {
          return RerankReader::start(host(), context, out);
        });
  }
};

}  // namespace

void add_tei_services(const GrpcHost& host, GrpcServices& services) {
  auto embed = std::make_unique<TaskService>(host);
  embed->one<Embed>("/tei.v1.Embed/Embed")
      .one<EmbedSparse>("/tei.v1.Embed/EmbedSparse")
      .one<EmbedAll>("/tei.v1.Embed/EmbedAll")
      .many<Embed>("/tei.v1.Embed/EmbedStream")
      .many<EmbedSparse>("/tei.v1.Embed/EmbedSparseStream")
      .many<EmbedAll>("/tei.v1.Embed/EmbedAllStream");
  services.push_back(std::move(embed));
  auto predict = std::make_unique<TaskService>(host);
  predict->one<Predict>("/tei.v1.Predict/Predict")
      .one<PredictPair>("/tei.v1.Predict/PredictPair")
      .many<Predict>("/tei.v1.Predict/PredictStream")
      .many<PredictPair>("/tei.v1.Predict/PredictPairStream");
  services.push_back(std::move(predict));
  auto rerank = std::make_unique<TaskService>(host);
  rerank->one<Rerank>("/tei.v1.Rerank/Rerank").ranks("/tei.v1.Rerank/RerankStream");
  services.push_back(std::move(rerank));
  add_tei_tokenize_services(host, services);
}

}  // namespace tamis::serve
