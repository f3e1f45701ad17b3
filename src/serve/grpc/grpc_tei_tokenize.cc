// tei.v1: Tokenize and Info, which need no engine.
#include "base/version.h"
#include "serve/grpc/grpc_tei.h"
#include "tasks/code_points.h"

namespace tamis::serve {

namespace {

const tasks::TaskModel& model_with_tokenizer(const ModelLease& model) {
  const tasks::TaskModel* const task = model->model().task_model();
  if (task == nullptr) fail(ErrorCode::kUnsupported, model->name(), " has no tokenizer");
  return *task;
}

ModelLease any_model(const GrpcCaller& caller) {
  return tei_model(caller, {TaskKind::kEmbed, TaskKind::kClassify, TaskKind::kRerank,
                            TaskKind::kNer, TaskKind::kQa, TaskKind::kFillMask, TaskKind::kZeroShot,
                            TaskKind::kEmbedSparse, TaskKind::kEmbedMulti, TaskKind::kEmbedAll});
}

// These need no engine: `run` answers.
struct Encode {
  using In = pb::EncodeRequest;
  using Out = pb::EncodeResponse;
  static void run(const GrpcCaller& caller, const In& in, Out& out) {
    const ModelLease model = any_model(caller);
    const tasks::TaskModel& task = model_with_tokenizer(model);
    std::string text;
    if (in.has_prompt_name()) {
      const auto at = task.prompts.find(in.prompt_name());
      if (at == task.prompts.end()) {
        fail(ErrorCode::kInvalidArgument, "the model has no prompt named \"", in.prompt_name(),
             "\"");
      }
      text = at->second;
    }
    text += in.inputs();
    tokenizer::EncodeOptions options;
    options.add_special_tokens = in.add_special_tokens();
    const tokenizer::Encoding encoding = task.tokenizer->encode(text, options);
    Budget(caller.core().limits()).take("tokens", encoding.size(), kListedTokenBytes);
    const tasks::CodePoints points(text);
    for (size_t i = 0; i < encoding.ids.size(); ++i) {
      pb::SimpleToken& token = *out.add_tokens();
      const bool added = encoding.special_mask[i] != 0;
      token.set_id(static_cast<uint32_t>(encoding.ids[i]));
      token.set_special(added);
      if (added) {
        token.set_text(std::string(task.tokenizer->id_to_token(encoding.ids[i])));
        continue;
      }
      const tokenizer::Span span = encoding.offsets[i];
      const std::string_view piece = points.slice(span.start, span.end);
      const auto start = static_cast<uint32_t>(points.slice(0, span.start).size());
      token.set_text(std::string(piece));
      token.set_start(start);
      token.set_stop(start + static_cast<uint32_t>(piece.size()));
    }
  }
  // An object for each token, with a string of its own.
  static size_t more_bytes(const Out& out) {
    constexpr size_t kTokenBytes = sizeof(pb::SimpleToken) + sizeof(std::string) + sizeof(void*);
    return static_cast<size_t>(out.tokens_size()) * kTokenBytes;
  }
};

struct Decode {
  using In = pb::DecodeRequest;
  using Out = pb::DecodeResponse;
  static void run(const GrpcCaller& caller, const In& in, Out& out) {
    const ModelLease model = any_model(caller);
    std::vector<int32_t> ids;
    Budget(caller.core().limits()).take("token ids", in.ids_size(), kListedTokenBytes);
    for (const uint32_t id : in.ids()) {
      if (id > static_cast<uint32_t>(INT32_MAX)) {
        fail(ErrorCode::kInvalidArgument, "`ids`: ", id, " is more than 2147483647");
      }
      ids.push_back(static_cast<int32_t>(id));
    }
    out.set_text(model_with_tokenizer(model).tokenizer->decode(ids, in.skip_special_tokens()));
  }
  static size_t more_bytes(const Out&) { return 0; }
};

// Answers on a worker: a text may be long.
template <typename Method>
ServerUnaryReactor* unary_run(const GrpcHost& host, CallbackServerContext& context,
                              Received<typename Method::In>& in, typename Method::Out& out) {
  return UnaryCall::start(host, kTeiDialect, context, [&](const UnaryCallPtr& call) {
    host.core.workers_for(in.bytes()).post([call, &in, &out] {
      call->guard([&] {
        if (call->caller().cancelled()) return call->end(grpc::Status::CANCELLED);
        Method::run(call->caller(), call->caller().message(in), out);
        call->finish(out, Method::more_bytes(out));
      });
    });
  });
}

template <typename Method>
typename StreamOf<Method>::Reactor* stream_run(const GrpcHost& host,
                                               CallbackServerContext& context) {
  using Stream = StreamOf<Method>;
  using In = Received<typename Method::In>;
  return Stream::start(
      host, kTeiDialect, context, [](const typename Stream::Ptr& self, In&& in, size_t number) {
        const auto kept = std::make_shared<In>(std::move(in));
        self->caller().core().workers_for(kept->bytes()).post([self, number, kept] {
          self->guard([&] {
            if (!self->wanted()) return;
            typename Method::Out out;
            Method::run(self->caller(), self->caller().message(*kept), out);
            const size_t more = Method::more_bytes(out);
            self->answer(number, std::move(out), more);
          });
        });
      });
}

class TokenizeService final : public GrpcService {
 public:
  explicit TokenizeService(const GrpcHost& host) : GrpcService(host) {
    run<Encode>("/tei.v1.Tokenize/Tokenize", "/tei.v1.Tokenize/TokenizeStream");
    run<Decode>("/tei.v1.Tokenize/Decode", "/tei.v1.Tokenize/DecodeStream");
  }

 private:
  template <typename Method>
  void run(const char* one, const char* many) {
    using In = typename Method::In;
    using Out = typename Method::Out;
    add_unary<In, Out>(one, [this](CallbackServerContext& context, Received<In>& in, Out& out) {
      return unary_run<Method>(host(), context, in, out);
    });
    add_stream<In, Out>(many, [this](CallbackServerContext& context) {
      return stream_run<Method>(host(), context);
    });
  }
};

class InfoService final : public GrpcService {
 public:
  explicit InfoService(const GrpcHost& host) : GrpcService(host) {
    add_unary<pb::InfoRequest, pb::InfoResponse>(
        "/tei.v1.Info/Info", [this](CallbackServerContext& context, Received<pb::InfoRequest>&,
                                    pb::InfoResponse& out) { return answer(context, out); });
  }

 private:
  ServerUnaryReactor* answer(CallbackServerContext& context, pb::InfoResponse& response) {
    return UnaryCall::answer(host(), kTeiDialect, context, [&](UnaryCall& call) {
      const ModelLease model = first_model(call.caller());
      const ServableInfo& info = model->info();
      response.set_version(std::string(version()));
      response.set_sha(std::string(commit()));
      response.set_model_id(info.source);
      response.set_model_dtype(info.precision == "fp32" ? "float32" : info.precision);
      response.set_model_type(model_type(info.task));
      response.set_max_concurrent_requests(static_cast<uint32_t>(host().options.max_connections));
      response.set_max_input_length(static_cast<uint32_t>(info.max_length));
      const BatchBudget& budget = model->batcher().budget();
      response.set_max_batch_tokens(static_cast<uint32_t>(budget.tokens));
      response.set_max_batch_requests(static_cast<uint32_t>(budget.rows));
      response.set_max_client_batch_size(static_cast<uint32_t>(host().options.max_items));
      response.set_tokenization_workers(static_cast<uint32_t>(host().core.workers().threads()));
    });
  }

  static ModelLease first_model(const GrpcCaller& caller) {
    ModelRepository& models = caller.core().models();
    const std::string_view name = caller.metadata("model");
    if (!name.empty()) return route_model(models, name, "", {});
    const std::vector<ModelLease> loaded = models.loaded();
    if (loaded.empty()) fail(ErrorCode::kUnavailable, "no model is loaded");
    return loaded.front();
  }

  static pb::ModelType model_type(TaskKind task) {
    if (models::is_embedding(api::head_of(task))) return pb::MODEL_TYPE_EMBEDDING;
    return task == TaskKind::kRerank ? pb::MODEL_TYPE_RERANKER : pb::MODEL_TYPE_CLASSIFIER;
  }
};

}  // namespace

void add_tei_tokenize_services(const GrpcHost& host, GrpcServices& services) {
  services.push_back(std::make_unique<InfoService>(host));
  services.push_back(std::make_unique<TokenizeService>(host));
}

}  // namespace tamis::serve
