// Memory that fails at any place of this program's code in a gRPC call: the call ends with
// RESOURCE_EXHAUSTED, and the server lives on. gRPC's and protobuf's own allocations are left
// alone: where those fail, the process ends (docs/operating.md).
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <thread>

#include "health.grpc.pb.h"
#include "kserve.grpc.pb.h"
#include "serve/server.h"
#include "tei.grpc.pb.h"
#include "tests/server/failing_new.h"

namespace tamis::serve {
namespace {

using grpc::StatusCode;
using inference::GRPCInferenceService;

constexpr std::chrono::seconds kPatience{15};

class GrpcAllocationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    failing_new::exempt_this_thread();
    const std::string folder = TAMIS_TESTDATA "/models/";
    ServerOptions options;
    options.port = 0;
    options.grpc_port = 0;
    options.tokenizer_threads = 1;
    options.models = {{"emb", folder + "bert-base"},
                      {"cls", folder + "bert-sequence-classification"},
                      {"rank", folder + "bert-rerank"}};
    server_ = std::make_unique<Server>(options);
    server_->load();
    channel_ = grpc::CreateChannel(cat("127.0.0.1:", int{server_->grpc_port()}),
                                   grpc::InsecureChannelCredentials());
    kserve_ = GRPCInferenceService::NewStub(channel_);
    failed_ = 0;
  }
  void TearDown() override { EXPECT_GT(failed_, 0); }

  using Ask = std::function<StatusCode(grpc::ClientContext&)>;

  static StatusCode ask(const Ask& call) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    return call(context);
  }

  // Every allocation of the call, then a call of its like and the usual answer.
  static void fail_each(const char* name, const Ask& call) {
    SCOPED_TRACE(name);
    ASSERT_EQ(ask(call), StatusCode::OK);
    constexpr int64_t kMost = 3000;
    int64_t failed = 0;
    // One without a failure may be luck of the threads' order.
    int quiet = 0;
    for (int64_t n = 0; quiet < 3 && n < kMost && !HasFailure(); ++n) {
      failing_new::arm(n, failing_new::Of::kOwnCode);
      const StatusCode status = ask(call);
      failing_new::disarm();
      const bool fails = failing_new::failed() > 0;
      quiet = fails ? 0 : quiet + 1;
      failed += fails ? 1 : 0;
      EXPECT_TRUE(status == StatusCode::OK || status == StatusCode::RESOURCE_EXHAUSTED)
          << "status " << status << " at allocation " << n;
      EXPECT_EQ(ask(call), StatusCode::OK) << "after allocation " << n;
    }
    failed_ += failed;  // a call of short names may allocate nothing itself
    EXPECT_EQ(quiet, 3);
  }

  static inference::ModelInferRequest text_request() {
    inference::ModelInferRequest message;
    message.set_model_name("emb");
    auto* input = message.add_inputs();
    input->set_name("text");
    input->set_datatype("BYTES");
    input->add_shape(1);
    input->mutable_contents()->add_bytes_contents("a cat");
    return message;
  }

  // One message in, all that come back read.
  template <typename Stream, typename Message, typename Answer>
  static StatusCode talk(Stream stream, const Message& message, Answer answer) {
    stream->Write(message);
    stream->WritesDone();
    bool fine = true;
    while (stream->Read(&answer)) {
      if constexpr (requires { answer.error_message(); }) {
        fine =
            fine && (answer.error_message().empty() || answer.error_message() == "out of memory");
      }
    }
    const StatusCode code = stream->Finish().error_code();
    return fine ? code : StatusCode::INTERNAL;
  }

  // Of all calls of a test.
  static inline int64_t failed_ = 0;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<GRPCInferenceService::Stub> kserve_;
};

TEST_F(GrpcAllocationTest, KserveCallsEndAlone) {
  fail_each("ModelInfer, text", [&](grpc::ClientContext& context) {
    inference::ModelInferResponse response;
    return kserve_->ModelInfer(&context, text_request(), &response).error_code();
  });
  fail_each("ModelInfer, ids", [&](grpc::ClientContext& context) {
    inference::ModelInferRequest message;
    message.set_model_name("emb_model");
    auto* input = message.add_inputs();
    input->set_name("input_ids");
    input->set_datatype("INT32");
    input->add_shape(1);
    input->add_shape(2);
    message.add_raw_input_contents(std::string("\5\0\0\0\6\0\0\0", 8));
    inference::ModelInferResponse response;
    return kserve_->ModelInfer(&context, message, &response).error_code();
  });
  fail_each("ModelStreamInfer", [&](grpc::ClientContext& context) {
    return talk(kserve_->ModelStreamInfer(&context), text_request(),
                inference::ModelStreamInferResponse());
  });
  fail_each("ModelMetadata", [&](grpc::ClientContext& context) {
    inference::ModelMetadataRequest message;
    message.set_name("emb");
    inference::ModelMetadataResponse response;
    return kserve_->ModelMetadata(&context, message, &response).error_code();
  });
  fail_each("ModelConfig", [&](grpc::ClientContext& context) {
    inference::ModelConfigRequest message;
    message.set_name("cls");
    inference::ModelConfigResponse response;
    return kserve_->ModelConfig(&context, message, &response).error_code();
  });
  fail_each("ModelStatistics", [&](grpc::ClientContext& context) {
    inference::ModelStatisticsResponse response;
    return kserve_->ModelStatistics(&context, {}, &response).error_code();
  });
  fail_each("RepositoryIndex", [&](grpc::ClientContext& context) {
    inference::RepositoryIndexResponse response;
    return kserve_->RepositoryIndex(&context, {}, &response).error_code();
  });
  fail_each("ModelReady", [&](grpc::ClientContext& context) {
    inference::ModelReadyRequest message;
    message.set_name("emb");
    inference::ModelReadyResponse response;
    return kserve_->ModelReady(&context, message, &response).error_code();
  });
}

TEST_F(GrpcAllocationTest, TeiCallsEndAlone) {
  const auto embed = tei::v1::Embed::NewStub(channel_);
  const auto predict = tei::v1::Predict::NewStub(channel_);
  const auto rerank = tei::v1::Rerank::NewStub(channel_);
  const auto tokens = tei::v1::Tokenize::NewStub(channel_);
  tei::v1::EmbedRequest text;
  text.set_inputs("a cat");
  fail_each("Embed", [&](grpc::ClientContext& context) {
    tei::v1::EmbedResponse response;
    return embed->Embed(&context, text, &response).error_code();
  });
  fail_each("EmbedStream", [&](grpc::ClientContext& context) {
    return talk(embed->EmbedStream(&context), text, tei::v1::EmbedResponse());
  });
  fail_each("EmbedAll", [&](grpc::ClientContext& context) {
    tei::v1::EmbedAllRequest message;
    message.set_inputs("a cat");
    tei::v1::EmbedAllResponse response;
    return embed->EmbedAll(&context, message, &response).error_code();
  });
  fail_each("Predict", [&](grpc::ClientContext& context) {
    tei::v1::PredictRequest message;
    message.set_inputs("a cat");
    tei::v1::PredictResponse response;
    return predict->Predict(&context, message, &response).error_code();
  });
  fail_each("RerankStream", [&](grpc::ClientContext& context) {
    tei::v1::RerankResponse response;
    const auto writer = rerank->RerankStream(&context, &response);
    tei::v1::RerankStreamRequest message;
    message.set_query("a");
    message.set_text("a cat");
    writer->Write(message);
    writer->WritesDone();
    return writer->Finish().error_code();
  });
  fail_each("Tokenize", [&](grpc::ClientContext& context) {
    tei::v1::EncodeRequest message;
    message.set_inputs("a cat");
    context.AddMetadata("model", "emb");
    tei::v1::EncodeResponse response;
    return tokens->Tokenize(&context, message, &response).error_code();
  });
}

TEST_F(GrpcAllocationTest, HealthChecksEndAlone) {
  const auto health = grpc::health::v1::Health::NewStub(channel_);
  grpc::health::v1::HealthCheckRequest message;
  message.set_service("emb");
  fail_each("Check", [&](grpc::ClientContext& context) {
    grpc::health::v1::HealthCheckResponse response;
    return health->Check(&context, message, &response).error_code();
  });
  fail_each("Watch", [&](grpc::ClientContext& context) {
    const auto watch = health->Watch(&context, message);
    grpc::health::v1::HealthCheckResponse response;
    if (!watch->Read(&response)) return watch->Finish().error_code();
    context.TryCancel();
    const StatusCode code = watch->Finish().error_code();
    return code == StatusCode::CANCELLED ? StatusCode::OK : code;
  });
}

}  // namespace
}  // namespace tamis::serve
