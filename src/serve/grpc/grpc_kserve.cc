// inference.GRPCInferenceService: KServe v2 as Triton's clients speak it.
#include "base/version.h"
#include "kserve.grpc.pb.h"
#include "serve/dialects/kserve/kserve_infer.h"
#include "serve/grpc/grpc_kserve_messages.h"
#include "serve/grpc/grpc_services.h"
#include "serve/grpc/grpc_stream.h"

namespace tamis::serve {

namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

constexpr GrpcDialect kDialect = GrpcDialect::kKserve;

using InferStream = GrpcStream<inference::ModelInferRequest, inference::ModelStreamInferResponse>;

// The shorter of the call's deadline and the request's own.
int64_t shorter(int64_t a, int64_t b) { return a == 0 || b == 0 ? a + b : std::min(a, b); }

bool wants_final_mark(const inference::ModelInferRequest& message) {
  const auto at = message.parameters().find(std::string(kFinalResponseKey));
  return at != message.parameters().end() && at->second.bool_param();
}

void infer(GrpcCaller& caller, const inference::ModelInferRequest& message, KserveDone done) {
  KserveRequest request = read_infer_request(message);
  const Request call = caller.new_request();
  request.timeout_us = shorter(request.timeout_us, call.timeout_us);
  KserveCaller who;
  who.client = call.client;
  who.cancelled = call.cancelled;
  who.log_id = call.id;
  who.traceparent = call.traceparent;
  who.auto_truncate = caller.options().auto_truncate;
  who.float_bytes = kRawFloatBytes;
  kserve_infer(caller.core(), std::move(request), who, std::move(done));
}

void answer_in_stream(const InferStream::Ptr& stream, const inference::ModelInferRequest& message,
                      size_t number) {
  const auto refuse = [stream, number, id = message.id()](const Error& error) {
    inference::ModelStreamInferResponse response;
    response.set_error_message(error.what());
    response.mutable_infer_response()->set_id(id);
    stream->answer(number, std::move(response));
  };
  try {
    infer(stream->caller(), message,
          [stream, number, refuse, mark = wants_final_mark(message)](
              KserveResponse&& answer, const std::optional<Error>& error, int64_t) {
            if (error) {
              refuse(*error);
              return;
            }
            inference::ModelStreamInferResponse response;
            try {
              auto& inner = *response.mutable_infer_response();
              write_infer_response(std::move(answer), inner);
              if (mark) (*inner.mutable_parameters())["triton_final_response"].set_bool_param(true);
            } catch (...) {
              return refuse(current_error());
            }
            stream->answer(number, std::move(response));
          });
  } catch (...) {
    refuse(current_error());
  }
}

void stream_infer(const InferStream::Ptr& stream, Received<inference::ModelInferRequest>&& message,
                  size_t number) {
  const auto kept = std::make_shared<Received<inference::ModelInferRequest>>(std::move(message));
  stream->caller().read(kept->bytes(), [stream, kept, number] {
    stream->guard([&] { answer_in_stream(stream, stream->caller().message(*kept), number); });
  });
}

void answer_infer(const UnaryCallPtr& call, const inference::ModelInferRequest& request,
                  inference::ModelInferResponse& response) {
  infer(call->caller(), request,
        [call, &response](KserveResponse&& answer, const std::optional<Error>& error,
                          int64_t retry_after_ms) {
          if (error) {
            call->end(call->caller().refusal(*error, retry_after_ms));
            return;
          }
          call->guard([&] {
            write_infer_response(std::move(answer), response);
            call->finish(response);
          });
        });
}

template <typename Message>
void check_repository(const Message& message) {
  if (message.repository_name().empty()) return;
  fail(ErrorCode::kUnsupported, "there is one repository, and it has no name");
}

class KserveService final : public GrpcService {
 public:
  explicit KserveService(const GrpcHost& host) : GrpcService(host) {
    add("/inference.GRPCInferenceService/ServerLive", &KserveService::server_live);
    add("/inference.GRPCInferenceService/ServerReady", &KserveService::server_ready);
    add("/inference.GRPCInferenceService/ModelReady", &KserveService::model_ready);
    add("/inference.GRPCInferenceService/ServerMetadata", &KserveService::server_metadata);
    add("/inference.GRPCInferenceService/ModelMetadata", &KserveService::model_metadata);
    add("/inference.GRPCInferenceService/ModelConfig", &KserveService::model_config);
    add("/inference.GRPCInferenceService/ModelStatistics", &KserveService::model_statistics);
    add("/inference.GRPCInferenceService/ModelInfer", &KserveService::model_infer);
    add("/inference.GRPCInferenceService/RepositoryIndex", &KserveService::repository_index);
    add("/inference.GRPCInferenceService/RepositoryModelLoad",
        &KserveService::repository_model_load);
    add("/inference.GRPCInferenceService/RepositoryModelUnload",
        &KserveService::repository_model_unload);
    add_stream<inference::ModelInferRequest, inference::ModelStreamInferResponse>(
        "/inference.GRPCInferenceService/ModelStreamInfer", [this](CallbackServerContext& context) {
          return InferStream::start(this->host(), kDialect, context, stream_infer);
        });
  }

 private:
  template <typename In, typename Out>
  void add(const char* path, ServerUnaryReactor* (KserveService::*method)(CallbackServerContext&,
                                                                          Received<In>&, Out&)) {
    add_unary<In, Out>(path,
                       [this, method](CallbackServerContext& context, Received<In>& in, Out& out) {
                         return (this->*method)(context, in, out);
                       });
  }

  ServerUnaryReactor* server_live(CallbackServerContext& context,
                                  Received<inference::ServerLiveRequest>&,
                                  inference::ServerLiveResponse& response) {
    return answer_anyone(context, [&] { response.set_live(true); });
  }

  ServerUnaryReactor* server_ready(CallbackServerContext& context,
                                   Received<inference::ServerReadyRequest>&,
                                   inference::ServerReadyResponse& response) {
    return answer_anyone(context, [&] { response.set_ready(host().core.why_not_ready().empty()); });
  }

  ServerUnaryReactor* model_ready(CallbackServerContext& context,
                                  Received<inference::ModelReadyRequest>& in,
                                  inference::ModelReadyResponse& response) {
    return answer_anyone(context, [&] {
      const auto& request = in.read(message_limits(host().options));
      bool ready = true;
      try {
        (void)kserve_target(models(), request.name(), request.version());
      } catch (const Error&) {
        ready = false;
      }
      response.set_ready(ready);
    });
  }

  ServerUnaryReactor* server_metadata(CallbackServerContext& context,
                                      Received<inference::ServerMetadataRequest>&,
                                      inference::ServerMetadataResponse& response) {
    return answer(context, [&](UnaryCall&) {
      response.set_name("tamis");
      response.set_version(std::string(tamis::version()));
      for (const std::string& name : kserve_extensions()) response.add_extensions(name);
    });
  }

  ServerUnaryReactor* model_metadata(CallbackServerContext& context,
                                     Received<inference::ModelMetadataRequest>& in,
                                     inference::ModelMetadataResponse& response) {
    return answer(context, [&](UnaryCall& call) {
      const auto& request = call.caller().message(in);
      const KserveTarget target = kserve_target(models(), request.name(), request.version());
      write_metadata(kserve_metadata(models(), target), response);
    });
  }

  ServerUnaryReactor* model_config(CallbackServerContext& context,
                                   Received<inference::ModelConfigRequest>& in,
                                   inference::ModelConfigResponse& response) {
    return answer(context, [&](UnaryCall& call) {
      const auto& request = call.caller().message(in);
      const KserveTarget target = kserve_target(models(), request.name(), request.version());
      write_config(kserve_metadata(models(), target), *response.mutable_config());
    });
  }

  ServerUnaryReactor* model_statistics(CallbackServerContext& context,
                                       Received<inference::ModelStatisticsRequest>& in,
                                       inference::ModelStatisticsResponse& response) {
    return answer(context, [&](UnaryCall& call) {
      const auto& request = call.caller().message(in);
      for (const KserveTarget& target :
           kserve_targets(models(), request.name(), request.version())) {
        write_statistics(target, *response.add_model_stats());
      }
    });
  }

  ServerUnaryReactor* model_infer(CallbackServerContext& context,
                                  Received<inference::ModelInferRequest>& in,
                                  inference::ModelInferResponse& response) {
    return UnaryCall::start(host(), kDialect, context, [&](const UnaryCallPtr& call) {
      call->caller().read(in.bytes(), [call, &in, &response] {
        call->guard([&] { answer_infer(call, call->caller().message(in), response); });
      });
    });
  }

  ServerUnaryReactor* repository_index(CallbackServerContext& context,
                                       Received<inference::RepositoryIndexRequest>& in,
                                       inference::RepositoryIndexResponse& response) {
    return answer(context, [&](UnaryCall& call) {
      const auto& request = call.caller().message(in);
      check_repository(request);
      for (const IndexEntry& entry : models().index()) {
        if (request.ready() && entry.state != ModelState::kReady) continue;
        auto* model = response.add_models();
        model->set_name(entry.name);
        model->set_version(entry.version);
        model->set_state(std::string(model_state_name(entry.state)));
        model->set_reason(entry.reason);
      }
    });
  }

  ServerUnaryReactor* repository_model_load(CallbackServerContext& context,
                                            Received<inference::RepositoryModelLoadRequest>& in,
                                            inference::RepositoryModelLoadResponse&) {
    return manage(context, in, [](ModelRepository& models, const auto& request) {
      if (!request.parameters().empty()) {
        fail(ErrorCode::kUnsupported, "parameter \"", request.parameters().begin()->first,
             "\": a model is loaded as it lies in the repository");
      }
      models.load(request.model_name());
    });
  }

  ServerUnaryReactor* repository_model_unload(CallbackServerContext& context,
                                              Received<inference::RepositoryModelUnloadRequest>& in,
                                              inference::RepositoryModelUnloadResponse&) {
    return manage(context, in, [](ModelRepository& models, const auto& request) {
      models.unload(request.model_name());
    });
  }

  [[nodiscard]] ModelRepository& models() { return host().core.models(); }

  // Probes carry no key.
  template <typename Method>
  static ServerUnaryReactor* answer_anyone(CallbackServerContext& context, const Method& method) {
    ServerUnaryReactor* const reactor = context.DefaultReactor();
    grpc::Status status;
    try {
      method();
    } catch (...) {
      status = grpc_status(kDialect, current_error());
    }
    reactor->Finish(std::move(status));
    return reactor;
  }

  template <typename Method>
  ServerUnaryReactor* answer(CallbackServerContext& context, const Method& method) {
    return UnaryCall::answer(host(), kDialect, context, method);
  }

  // Runs `change` on the loader: loading takes long.
  template <typename Message, typename Change>
  ServerUnaryReactor* manage(CallbackServerContext& context, Received<Message>& in, Change change) {
    return UnaryCall::start(host(), kDialect, context, [&](const UnaryCallPtr& call) {
      const std::string refusal =
          admin_refusal(call->caller().admin_caller(), call->caller().options());
      if (!refusal.empty()) {
        call->end({grpc::StatusCode::PERMISSION_DENIED, refusal});
        return;
      }
      const Message& request = call->caller().message(in);
      check_repository(request);
      host().core.loader().post([this, call, change, &request] {
        call->guard([&] {
          change(models(), request);
          call->finish();
        });
      });
    });
  }
};

}  // namespace

void add_kserve_service(const GrpcHost& host, GrpcServices& services) {
  services.push_back(std::make_unique<KserveService>(host));
}

}  // namespace tamis::serve
