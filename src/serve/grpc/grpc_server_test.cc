#include "serve/grpc/grpc_server.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <future>

#include "health.grpc.pb.h"
#include "kserve.grpc.pb.h"
#include "reflection_v1alpha.grpc.pb.h"
#include "serve/grpc/grpc_kserve_messages.h"
#include "serve/test_server.h"
#include "tei.grpc.pb.h"

namespace tamis::serve {
namespace {

using inference::GRPCInferenceService;
using inference::ModelInferRequest;
using inference::ModelInferResponse;

constexpr const char* kModel = "echo";

class GrpcServerTest : public testing::Test {
 protected:
  static ServerOptions grpc_options() {
    ServerOptions options = identity_options();
    options.grpc_port = 0;
    options.identity_model = kModel;
    return options;
  }

  void start(const ServerOptions& options = grpc_options()) {
    server_ = serve::start(options);
    channel_ = grpc::CreateChannel(cat("127.0.0.1:", int{server_->grpc_port()}),
                                   grpc::InsecureChannelCredentials());
    stub_ = GRPCInferenceService::NewStub(channel_);
  }

  static ModelInferRequest request(const std::string& text, const std::string& id = "") {
    ModelInferRequest message;
    message.set_model_name(kModel);
    message.set_id(id);
    auto* input = message.add_inputs();
    input->set_name("text");
    input->set_datatype("BYTES");
    input->add_shape(1);
    input->mutable_contents()->add_bytes_contents(text);
    return message;
  }

  grpc::Status infer(const ModelInferRequest& message, ModelInferResponse& response,
                     int64_t deadline_ms = 60'000) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(deadline_ms));
    return stub_->ModelInfer(&context, message, &response);
  }

  [[nodiscard]] int64_t queued() {
    return server_->core().models().lease(kModel)->batcher().queued_jobs();
  }

  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<GRPCInferenceService::Stub> stub_;
};

// The identity model's row: tokens, the first, the last, their sum; a token is a byte.
std::vector<float> row_of(const ModelInferResponse& response) {
  const std::string& raw = response.raw_output_contents(0);
  std::vector<float> row(raw.size() / sizeof(float));
  std::memcpy(row.data(), raw.data(), raw.size());
  return row;
}

TEST_F(GrpcServerTest, InfersFromTypedAndRawContents) {
  start();
  ModelInferRequest message = request("ab", "r7");
  ModelInferResponse response;
  ASSERT_TRUE(infer(message, response).ok());
  EXPECT_EQ(response.id(), "r7");
  EXPECT_EQ(row_of(response), (std::vector<float>{2, 97, 98, 195}));

  message.mutable_inputs(0)->clear_contents();
  message.add_raw_input_contents(std::string("\2\0\0\0ab", 6));
  ModelInferResponse raw;
  ASSERT_TRUE(infer(message, raw).ok());
  EXPECT_EQ(row_of(raw), row_of(response));
}

TEST_F(GrpcServerTest, ErrorsHaveTheirCodes) {
  start();
  const auto code = [&](const std::function<void(ModelInferRequest&)>& change) {
    ModelInferRequest message = request("ab");
    change(message);
    ModelInferResponse response;
    return infer(message, response).error_code();
  };
  using Message = ModelInferRequest;
  EXPECT_EQ(code([](Message& m) { m.set_model_name("nobody"); }), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(code([](Message& m) { m.set_model_version("9"); }), grpc::StatusCode::NOT_FOUND);
  const std::function<void(Message&)> invalid[] = {
      [](Message& m) { m.mutable_inputs(0)->set_datatype("TEXT"); },
      [](Message& m) { m.mutable_inputs(0)->set_shape(0, -1); },
      [](Message& m) { m.mutable_inputs(0)->set_shape(0, int64_t{1} << 62); },
      [](Message& m) { m.mutable_inputs(0)->set_shape(0, 2); },
      [](Message& m) { m.add_raw_input_contents(std::string("\2\0\0\0ab", 6)); },
      [](Message& m) { m.add_inputs(); },
      [](Message& m) { m.clear_inputs(); },
      [](Message& m) {
        m.mutable_inputs(0)->clear_contents();
        m.add_raw_input_contents(std::string("\377\377\377\377ab", 6));
      },
      [](Message& m) {
        m.add_raw_input_contents("");
        m.add_raw_input_contents("");
      },
      [](Message& m) { (*m.mutable_parameters())["timeout"].set_int64_param(-1); },
      [](Message& m) { (*m.mutable_parameters())["timeout"].set_string_param("soon"); },
      [](Message& m) { (*m.mutable_parameters())["triton_x"].set_bool_param(true); }};
  for (size_t i = 0; i < std::size(invalid); ++i) {
    EXPECT_EQ(code(invalid[i]), grpc::StatusCode::INVALID_ARGUMENT) << i;
  }
}

// Over gRPC as over HTTP the table of fields says what a number may be.
TEST_F(GrpcServerTest, TeiReadsItsNumbersByTheTableOfFields) {
  start();
  const auto embed = tei::v1::Embed::NewStub(channel_);
  const auto dimensions = [&](uint32_t number) {
    tei::v1::EmbedRequest message;
    message.set_inputs("ab");
    message.set_dimensions(number);
    grpc::ClientContext context;
    tei::v1::EmbedResponse response;
    return embed->Embed(&context, message, &response);
  };
  for (const uint32_t number : {0U, (1U << 30) + 1, UINT32_MAX}) {
    const grpc::Status status = dimensions(number);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << number;
    EXPECT_EQ(status.error_message(), "`dimensions` must be a whole number in 1..1073741824");
  }
  EXPECT_EQ(dimensions(1U << 30).error_message(),
            "dimensions must be at most the model's 4, not 1073741824");
  EXPECT_TRUE(dimensions(2).ok());
}

TEST(GrpcMessages, TypedContentsMustFitTheirDatatype) {
  ModelInferRequest message;
  auto* input = message.add_inputs();
  input->set_name("x");
  input->set_datatype("INT8");
  input->add_shape(2);
  input->mutable_contents()->add_int_contents(-128);
  input->mutable_contents()->add_int_contents(127);
  EXPECT_EQ(read_infer_request(message).inputs[0].data, "\x80\x7f");
  input->mutable_contents()->set_int_contents(1, 128);
  EXPECT_THROW((void)read_infer_request(message), Error);
  input->set_datatype("FP16");
  EXPECT_THROW((void)read_infer_request(message), Error);
}

TEST_F(GrpcServerTest, ADeadlineEndsWhatWaitsInTheQueue) {
  ServerOptions options = grpc_options();
  options.hold_queue = 2;
  start(options);
  ModelInferResponse response;
  EXPECT_EQ(infer(request("ab"), response, 50).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  while (queued() != 0) std::this_thread::yield();

  // The request's own parameter, in us, where the call's deadline is far.
  ModelInferRequest message = request("ab");
  (*message.mutable_parameters())["timeout"].set_int64_param(20'000);
  EXPECT_EQ(infer(message, response).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(GrpcServerTest, ACancelledCallLeavesTheQueue) {
  ServerOptions options = grpc_options();
  options.hold_queue = 2;
  start(options);
  grpc::ClientContext context;
  auto waiting = std::async(std::launch::async, [&] {
    ModelInferResponse response;
    return stub_->ModelInfer(&context, request("ab"), &response).error_code();
  });
  while (queued() != 1) std::this_thread::yield();
  context.TryCancel();
  EXPECT_EQ(waiting.get(), grpc::StatusCode::CANCELLED);
  while (queued() != 0) std::this_thread::yield();
}

TEST_F(GrpcServerTest, DrainAnswersWhatWaitsAndEndsIdleStreams) {
  ServerOptions options = grpc_options();
  options.hold_queue = 100;
  start(options);
  grpc::ClientContext context;
  const auto stream = stub_->ModelStreamInfer(&context);
  ASSERT_TRUE(stream->Write(request("abc", "s")));
  auto waiting = std::async(std::launch::async, [&] {
    ModelInferResponse response;
    return infer(request("ab"), response).error_code();
  });
  while (queued() != 2) std::this_thread::yield();
  EXPECT_TRUE(server_->drain());
  EXPECT_EQ(waiting.get(), grpc::StatusCode::OK);
  inference::ModelStreamInferResponse answer;
  ASSERT_TRUE(stream->Read(&answer));
  EXPECT_EQ(answer.infer_response().id(), "s");
  EXPECT_FALSE(stream->Read(&answer));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

// gRPC's own end waits for every call; the server's end does not wait longer than it may.
TEST_F(GrpcServerTest, ALoadDoesNotHoldUpTheDrain) {
  ServerOptions options = grpc_options();
  options.model_control = ModelControl::kExplicit;
  options.drain_timeout_ms = 100;
  start(options);
  std::promise<void> go_on;
  server_->core().loader().post([&] { go_on.get_future().wait(); });
  auto load = std::async(std::launch::async, [&] {
    grpc::ClientContext context;
    inference::RepositoryModelLoadRequest message;
    message.set_model_name("nobody");
    inference::RepositoryModelLoadResponse response;
    return stub_->RepositoryModelLoad(&context, message, &response).error_code();
  });
  while (server_->core().loader().unfinished() != 2) std::this_thread::yield();
  EXPECT_FALSE(server_->drain());
  go_on.set_value();
  EXPECT_NE(load.get(), grpc::StatusCode::OK);
  EXPECT_TRUE(server_->drain());
}

TEST_F(GrpcServerTest, AStreamAnswersInOrder) {
  start();
  grpc::ClientContext context;
  const auto stream = stub_->ModelStreamInfer(&context);
  constexpr int kMessages = 300;
  auto writer = std::async(std::launch::async, [&] {
    for (int i = 0; i < kMessages; ++i) {
      ModelInferRequest message = request(std::string(static_cast<size_t>(i % 7 + 1), 'a'), cat(i));
      if (i == 5) message.set_model_name("nobody");
      stream->Write(message);
    }
    stream->WritesDone();
  });
  inference::ModelStreamInferResponse answer;
  int count = 0;
  for (; stream->Read(&answer); ++count) {
    EXPECT_EQ(answer.infer_response().id(), cat(count));
    EXPECT_EQ(answer.error_message().empty(), count != 5) << answer.error_message();
  }
  writer.get();
  EXPECT_EQ(count, kMessages);
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(GrpcServerTest, WhatAStreamHoldsHasALimit) {
  ServerOptions options = grpc_options();
  options.max_held_bytes = 100'000;
  options.hold_queue = 3;
  start(options);
  grpc::ClientContext context;
  const auto stream = stub_->ModelStreamInfer(&context);
  const ModelInferRequest message = request(std::string(60'000, 'a'));
  EXPECT_TRUE(stream->Write(message));
  while (queued() < 1) std::this_thread::yield();
  EXPECT_TRUE(stream->Write(message));
  inference::ModelStreamInferResponse answer;
  EXPECT_FALSE(stream->Read(&answer));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "the server holds as many bytes of messages as it may");
}

// Beyond 4 MiB of messages that wait, a stream reads no further, and goes on once some are gone.
TEST_F(GrpcServerTest, AStreamReadsSoFarAhead) {
  const ModelInferRequest message = request(std::string(1'500'000, 'a'));
  for (const int64_t held : {0, 4}) {
    ServerOptions options = grpc_options();
    options.hold_queue = held;
    options.tokenizer_threads = 1;
    start(options);
    // Their thread sees the server whole, which gRPC hands over with locks of its own, unseen by
    // ThreadSanitizer.
    server_->core().workers().post([] {});
    grpc::ClientContext context;
    const auto stream = stub_->ModelStreamInfer(&context);
    auto writer = std::async(std::launch::async, [&] {
      for (int i = 0; i < 6; ++i) stream->Write(message);
      stream->WritesDone();
    });
    int answers = 0;
    if (held == 0) {
      inference::ModelStreamInferResponse answer;
      while (stream->Read(&answer)) ++answers;
      EXPECT_EQ(answers, 6);
    } else {
      while (queued() < 3) std::this_thread::yield();
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      EXPECT_EQ(queued(), 3);
      context.TryCancel();
    }
    writer.get();
    (void)stream->Finish();
  }
}

// Of more than 4 KB they are read by workers, which the end of the stream does not wait for.
TEST_F(GrpcServerTest, MessagesAtWorkOutliveTheirStream) {
  ServerOptions options = grpc_options();
  options.tokenizer_threads = 1;
  start(options);
  const auto embed = tei::v1::Embed::NewStub(channel_);
  for (int round = 0; round < 20; ++round) {
    grpc::ClientContext context;
    context.AddMetadata("model", kModel);
    context.AddMetadata("x-request-id", std::string(100, 'r'));
    const auto stream = embed->EmbedStream(&context);
    tei::v1::EmbedRequest message;
    message.set_inputs(std::string(5000, 'a'));
    message.set_dimensions(0);
    stream->Write(message);
    message.clear_dimensions();
    for (int i = 0; i < 20 && stream->Write(message); ++i) continue;
    stream->WritesDone();
    tei::v1::EmbedResponse answer;
    EXPECT_FALSE(stream->Read(&answer));
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  ModelInferResponse response;
  EXPECT_TRUE(infer(request("ab"), response).ok());
}

TEST_F(GrpcServerTest, HealthAndKey) {
  ServerOptions options = grpc_options();
  options.api_key = "secret";
  start(options);
  ModelInferResponse response;
  EXPECT_EQ(infer(request("ab"), response).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  grpc::ClientContext keyed;
  keyed.AddMetadata("authorization", "Bearer secret");
  EXPECT_TRUE(stub_->ModelInfer(&keyed, request("ab"), &response).ok());

  const auto health = grpc::health::v1::Health::NewStub(channel_);
  grpc::ClientContext context;
  grpc::health::v1::HealthCheckResponse status;
  ASSERT_TRUE(health->Check(&context, {}, &status).ok());
  EXPECT_EQ(status.status(), grpc::health::v1::HealthCheckResponse::SERVING);
}

TEST_F(GrpcServerTest, HealthIsKnownOfEachServiceAndModel) {
  start();
  const auto health = grpc::health::v1::Health::NewStub(channel_);
  const auto code = [&](const std::string& service) {
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckResponse status;
    return health->Check(&context, request, &status).error_code();
  };
  for (const char* const name : {"", kModel, "inference.GRPCInferenceService", "tei.v1.Embed",
                                 "tei.v1.Tokenize", "grpc.health.v1.Health"}) {
    EXPECT_EQ(code(name), grpc::StatusCode::OK) << name;
  }
  EXPECT_EQ(code("tei.v1.Nothing"), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(code("nobody"), grpc::StatusCode::NOT_FOUND);
}

// All that a client needs to speak to each service: it is listed, and its files come whole.
TEST_F(GrpcServerTest, ReflectionTellsTheServicesAndTheirFiles) {
  start();
  using grpc::reflection::v1alpha::ServerReflectionRequest;
  using grpc::reflection::v1alpha::ServerReflectionResponse;
  const auto stub = grpc::reflection::v1alpha::ServerReflection::NewStub(channel_);
  grpc::ClientContext context;
  const auto stream = stub->ServerReflectionInfo(&context);
  const auto ask = [&](const ServerReflectionRequest& request) {
    ServerReflectionResponse response;
    EXPECT_TRUE(stream->Write(request));
    EXPECT_TRUE(stream->Read(&response));
    return response;
  };
  ServerReflectionRequest list;
  list.set_list_services("");
  const ServerReflectionResponse services = ask(list);
  EXPECT_EQ(services.list_services_response().service_size(), 9);
  for (const auto& service : services.list_services_response().service()) {
    ServerReflectionRequest symbol;
    symbol.set_file_containing_symbol(service.name());
    const ServerReflectionResponse files = ask(symbol);
    EXPECT_GT(files.file_descriptor_response().file_descriptor_proto_size(), 0) << service.name();
    // What came is a pool of its own, in which the service stands.
    google::protobuf::DescriptorPool pool;
    const auto& protos = files.file_descriptor_response().file_descriptor_proto();
    for (int i = protos.size() - 1; i >= 0; --i) {
      google::protobuf::FileDescriptorProto file;
      ASSERT_TRUE(file.ParseFromString(protos[i]));
      ASSERT_NE(pool.BuildFile(file), nullptr) << file.name();
    }
    EXPECT_NE(pool.FindServiceByName(service.name()), nullptr) << service.name();
  }
  ServerReflectionRequest unknown;
  unknown.set_file_by_filename("nothing.proto");
  EXPECT_EQ(ask(unknown).error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  // A request for nothing ends the stream.
  ServerReflectionResponse none;
  EXPECT_TRUE(stream->Write({}));
  EXPECT_FALSE(stream->Read(&none));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(GrpcServerTest, AWatchIsToldOfChanges) {
  start();
  using grpc::health::v1::HealthCheckResponse;
  const auto health = grpc::health::v1::Health::NewStub(channel_);
  HealthCheckResponse status;
  grpc::health::v1::HealthCheckRequest nobody;
  nobody.set_service("nobody");
  grpc::ClientContext unknown;
  const auto unknown_watch = health->Watch(&unknown, nobody);
  ASSERT_TRUE(unknown_watch->Read(&status));
  EXPECT_EQ(status.status(), HealthCheckResponse::SERVICE_UNKNOWN);
  unknown.TryCancel();
  EXPECT_EQ(unknown_watch->Finish().error_code(), grpc::StatusCode::CANCELLED);

  grpc::ClientContext context;
  const auto watch = health->Watch(&context, {});
  ASSERT_TRUE(watch->Read(&status));
  EXPECT_EQ(status.status(), HealthCheckResponse::SERVING);
  server_->core().start_drain();
  ASSERT_TRUE(watch->Read(&status));
  EXPECT_EQ(status.status(), HealthCheckResponse::NOT_SERVING);
  EXPECT_TRUE(server_->drain());
  EXPECT_FALSE(watch->Read(&status));
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(GrpcServerTest, APortInUse) {
  start();
  ServerOptions options = grpc_options();
  options.grpc_port = server_->grpc_port();
  try {
    Server second(options);
    FAIL() << "two servers listen on one port";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnavailable) << error.what();
  }
}

}  // namespace
}  // namespace tamis::serve
