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

void stream_infer(const InferStream::Ptr& stream, inference::ModelInferRequest&& message,
                  size_t number) {
  const auto kept = std::make_shared<inference::ModelInferRequest>(std::move(message));
  stream->caller().read(kept->ByteSizeLong(), [stream, kept, number] {
    stream->guard([&] { answer_in_stream(stream, *kept, number); });
  });
}

void answer_infer(const UnaryCallPtr& call, const inference::ModelInferRequest& request,
                  inference::ModelInferResponse* response) {
  infer(call->caller(), request,
        [call, response](KserveResponse&& answer, const std::optional<Error>& error,
                         int64_t retry_after_ms) {
          if (error) {
            call->end(call->caller().refusal(*error, retry_after_ms));
            return;
          }
          call->guard([&] {
            write_infer_response(std::move(answer), *response);
            call->finish();
          });
        });
}

template <typename Message>
void check_repository(const Message& message) {
  if (message.repository_name().empty()) return;
  fail(ErrorCode::kUnsupported, "there is one repository, and it has no name");
}

class KserveService final : public inference::GRPCInferenceService::CallbackService {
 public:
  explicit KserveService(const GrpcHost& host) : host_(host) {}

  ServerUnaryReactor* ServerLive(CallbackServerContext* context,
                                 const inference::ServerLiveRequest*,
                                 inference::ServerLiveResponse* response) override {
    return answer_anyone(context, [&] { response->set_live(true); });
  }

  ServerUnaryReactor* ServerReady(CallbackServerContext* context,
                                  const inference::ServerReadyRequest*,
                                  inference::ServerReadyResponse* response) override {
    return answer_anyone(context, [&] { response->set_ready(host_.core.why_not_ready().empty()); });
  }

  ServerUnaryReactor* ModelReady(CallbackServerContext* context,
                                 const inference::ModelReadyRequest* request,
                                 inference::ModelReadyResponse* response) override {
    return answer_anyone(context, [&] {
      bool ready = true;
      try {
        (void)kserve_target(models(), request->name(), request->version());
      } catch (const Error&) {
        ready = false;
      }
      response->set_ready(ready);
    });
  }

  ServerUnaryReactor* ServerMetadata(CallbackServerContext* context,
                                     const inference::ServerMetadataRequest*,
                                     inference::ServerMetadataResponse* response) override {
    return answer(context, [&](UnaryCall&) {
      response->set_name("tamis");
      response->set_version(std::string(tamis::version()));
      for (const std::string& name : kserve_extensions()) response->add_extensions(name);
    });
  }

  ServerUnaryReactor* ModelMetadata(CallbackServerContext* context,
                                    const inference::ModelMetadataRequest* request,
                                    inference::ModelMetadataResponse* response) override {
    return answer(context, [&](UnaryCall&) {
      const KserveTarget target = kserve_target(models(), request->name(), request->version());
      write_metadata(kserve_metadata(models(), target), *response);
    });
  }

  ServerUnaryReactor* ModelConfig(CallbackServerContext* context,
                                  const inference::ModelConfigRequest* request,
                                  inference::ModelConfigResponse* response) override {
    return answer(context, [&](UnaryCall&) {
      const KserveTarget target = kserve_target(models(), request->name(), request->version());
      write_config(kserve_metadata(models(), target), *response->mutable_config());
    });
  }

  ServerUnaryReactor* ModelStatistics(CallbackServerContext* context,
                                      const inference::ModelStatisticsRequest* request,
                                      inference::ModelStatisticsResponse* response) override {
    return answer(context, [&](UnaryCall&) {
      for (const KserveTarget& target :
           kserve_targets(models(), request->name(), request->version())) {
        write_statistics(target, *response->add_model_stats());
      }
    });
  }

  ServerUnaryReactor* ModelInfer(CallbackServerContext* context,
                                 const inference::ModelInferRequest* request,
                                 inference::ModelInferResponse* response) override {
    return UnaryCall::start(host_, kDialect, *context, [&](const UnaryCallPtr& call) {
      call->caller().read(request->ByteSizeLong(), [call, request, response] {
        call->guard([&] { answer_infer(call, *request, response); });
      });
    });
  }

  grpc::ServerBidiReactor<inference::ModelInferRequest, inference::ModelStreamInferResponse>*
  ModelStreamInfer(CallbackServerContext* context) override {
    return InferStream::start(host_, kDialect, *context, stream_infer);
  }

  ServerUnaryReactor* RepositoryIndex(CallbackServerContext* context,
                                      const inference::RepositoryIndexRequest* request,
                                      inference::RepositoryIndexResponse* response) override {
    return answer(context, [&](UnaryCall&) {
      check_repository(*request);
      for (const IndexEntry& entry : models().index()) {
        if (request->ready() && entry.state != ModelState::kReady) continue;
        auto* model = response->add_models();
        model->set_name(entry.name);
        model->set_version(entry.version);
        model->set_state(std::string(model_state_name(entry.state)));
        model->set_reason(entry.reason);
      }
    });
  }

  ServerUnaryReactor* RepositoryModelLoad(CallbackServerContext* context,
                                          const inference::RepositoryModelLoadRequest* request,
                                          inference::RepositoryModelLoadResponse*) override {
    return manage(context, *request, [request](ModelRepository& models) {
      if (!request->parameters().empty()) {
        fail(ErrorCode::kUnsupported, "parameter \"", request->parameters().begin()->first,
             "\": a model is loaded as it lies in the repository");
      }
      models.load(request->model_name());
    });
  }

  ServerUnaryReactor* RepositoryModelUnload(CallbackServerContext* context,
                                            const inference::RepositoryModelUnloadRequest* request,
                                            inference::RepositoryModelUnloadResponse*) override {
    return manage(context, *request,
                  [request](ModelRepository& models) { models.unload(request->model_name()); });
  }

 private:
  [[nodiscard]] ModelRepository& models() { return host_.core.models(); }

  // Probes carry no key.
  template <typename Method>
  static ServerUnaryReactor* answer_anyone(CallbackServerContext* context, const Method& method) {
    ServerUnaryReactor* const reactor = context->DefaultReactor();
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
  ServerUnaryReactor* answer(CallbackServerContext* context, const Method& method) {
    return UnaryCall::answer(host_, kDialect, *context, method);
  }

  // Runs `change` on the loader: loading takes long.
  template <typename Message, typename Change>
  ServerUnaryReactor* manage(CallbackServerContext* context, const Message& message,
                             Change change) {
    return UnaryCall::start(host_, kDialect, *context, [&](const UnaryCallPtr& call) {
      const std::string refusal =
          admin_refusal(call->caller().admin_caller(), call->caller().options());
      if (!refusal.empty()) {
        call->end({grpc::StatusCode::PERMISSION_DENIED, refusal});
        return;
      }
      check_repository(message);
      host_.core.loader().post([this, call, change] {
        call->guard([&] {
          change(models());
          call->finish();
        });
      });
    });
  }

  GrpcHost host_;
};

}  // namespace

void add_kserve_service(const GrpcHost& host, GrpcServices& services) {
  services.push_back(std::make_unique<KserveService>(host));
}

}  // namespace tamis::serve
