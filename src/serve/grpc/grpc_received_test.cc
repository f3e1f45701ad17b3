#include "serve/grpc/grpc_received.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "base/error.h"
#include "kserve.pb.h"
#include "serve/test_server.h"
#include "tei.pb.h"

namespace tamis::serve {
namespace {

using inference::ModelInferRequest;

constexpr int64_t kItems = 16;
constexpr MessageLimits kLimits = {kItems, 1 << 20};
constexpr size_t kMost = 8 * kItems + 1024;

grpc::ByteBuffer buffer_of(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return {&slice, 1};
}

// What refuses the bytes; empty: nothing.
std::string refusal_of(const std::string& bytes) {
  grpc::ByteBuffer buffer = buffer_of(bytes);
  Received<ModelInferRequest> received;
  received.take(buffer);
  try {
    (void)received.read(kLimits);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "";
}

std::string repeated(const std::string& piece, size_t count) {
  std::string bytes;
  for (size_t i = 0; i < count; ++i) bytes += piece;
  return bytes;
}

TEST(Received, IsReadWhenAsked) {
  ModelInferRequest sent;
  sent.set_model_name("m");
  sent.add_inputs()->mutable_contents()->add_bytes_contents("text");
  sent.mutable_inputs(0)->add_shape(1);
  (*sent.mutable_parameters())["timeout"].set_int64_param(5);
  grpc::ByteBuffer buffer = buffer_of(sent.SerializeAsString());
  Received<ModelInferRequest> received;
  received.take(buffer);
  EXPECT_EQ(received.bytes(), sent.ByteSizeLong());
  Received<ModelInferRequest> moved = std::move(received);
  EXPECT_EQ(moved.read(kLimits).SerializeAsString(), sent.SerializeAsString());
  EXPECT_EQ(Received<ModelInferRequest>().read(kLimits).ByteSizeLong(), 0U);
}

// Two bytes each, and a hundred and more in memory.
TEST(Received, PartsAreCountedBeforeTheyAreRead) {
  const std::vector<std::string> parts = {
      std::string("\x2a\x00", 2),  // an input
      std::string("\x3a\x00", 2),  // raw contents
      std::string("\x0a\x00", 2),  // a name, again and again
      std::string("\x78\x00", 2),  // a field that is none
      std::string("\x7b\x7c", 2),  // a group that is none
  };
  for (const std::string& part : parts) {
    EXPECT_EQ(refusal_of(repeated(part, kMost)), "");
    EXPECT_NE(refusal_of(repeated(part, kMost + 1)).find("more than 1152 strings, messages"),
              std::string::npos);
  }
  // Of the inputs' contents, too.
  ModelInferRequest deep;
  for (size_t i = 0; i + 1 < kMost; ++i) {
    if (i % 100 == 0) deep.add_inputs();
    deep.mutable_inputs()->rbegin()->mutable_contents()->add_bytes_contents("");
  }
  EXPECT_NE(refusal_of(deep.SerializeAsString()), "");
  // Numbers are no parts.
  ModelInferRequest numbers;
  auto& contents = *numbers.add_inputs()->mutable_contents();
  for (size_t i = 0; i < 10 * kMost; ++i) contents.add_int64_contents(7);
  EXPECT_EQ(refusal_of(numbers.SerializeAsString()), "");
  // A shape that is not packed, one tag a number, in an input of 23,040 bytes.
  const std::string shape = repeated(std::string("\x18\x01", 2), 10 * kMost);
  ASSERT_EQ(shape.size(), 0x5a00U);
  EXPECT_EQ(refusal_of("\x2a\x80\xb4\x01" + shape), "");
}

TEST(Received, WhatIsNoMessageIsRefused) {
  ModelInferRequest sent;
  sent.set_model_name("name");
  sent.add_inputs()->set_name("text");
  const std::string whole = sent.SerializeAsString();
  for (size_t size = 1; size < whole.size(); ++size) {
    const bool boundary = size == 6;  // behind the first field
    EXPECT_EQ(refusal_of(whole.substr(0, size)).empty(), boundary) << size;
  }
  for (const std::string& bytes :
       {std::string("\x00", 1), std::string("\x7f"), std::string("\x7c"),
        std::string("\x0a\x01\xff"), std::string("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
        repeated("\x7b", 500)}) {
    EXPECT_NE(refusal_of(bytes).find("the message is no inference.ModelInferRequest"),
              std::string::npos);
  }
}

class GenericCalls : public testing::Test {
 protected:
  void start(const std::string& key, int64_t max_body_bytes = 16 << 20) {
    ServerOptions options = identity_options();
    options.max_body_bytes = max_body_bytes;
    options.grpc_port = 0;
    options.api_key = key;
    server_ = serve::start(options);
    channel_ = grpc::CreateChannel(cat("127.0.0.1:", int{server_->grpc_port()}),
                                   grpc::InsecureChannelCredentials());
  }

  // One message, and how the call ends.
  grpc::Status call(const std::string& path, const std::string& message,
                    grpc_compression_algorithm compression = GRPC_COMPRESS_NONE) {
    grpc::GenericStub stub(channel_);
    grpc::ClientContext context;
    context.set_compression_algorithm(compression);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(500));
    grpc::CompletionQueue queue;
    const auto stream = stub.PrepareCall(&context, path, &queue);
    void* tag = nullptr;
    bool ok = false;
    stream->StartCall(nullptr);
    queue.Next(&tag, &ok);
    if (ok) {
      stream->WriteLast(buffer_of(message), {}, nullptr);
      queue.Next(&tag, &ok);
    }
    for (ok = true; ok;) {
      grpc::ByteBuffer answer;
      stream->Read(&answer, nullptr);
      queue.Next(&tag, &ok);
    }
    grpc::Status status;
    stream->Finish(&status, nullptr);
    queue.Next(&tag, &ok);
    return status;
  }

  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(GenericCalls, AKeyIsAskedForBeforeTheMessageIsRead) {
  const std::string rubbish = "\xff\xff\xff";
  const std::string infer = "/inference.GRPCInferenceService/ModelInfer";
  start("secret");
  EXPECT_EQ(call(infer, rubbish).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  start("");
  const grpc::Status status = call(infer, rubbish);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "the message is no inference.ModelInferRequest");
}

// A few kilobytes that become millions are read no further than a message may be.
TEST_F(GenericCalls, CompressedMessagesAreReadWithinTheirLimit) {
  const std::string embed = "/tei.v1.Embed/Embed";
  start("", 1 << 20);
  for (const auto compression : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    tei::v1::EmbedRequest request;
    request.set_inputs(std::string(5000, 'a'));
    request.set_truncate(true);
    EXPECT_EQ(call(embed, request.SerializeAsString(), compression).error_message(), "");
    request.set_inputs(std::string(4 << 20, 'a'));
    const grpc::Status status = call(embed, request.SerializeAsString(), compression);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(status.error_message(),
              "the body is larger than --max-body 1048576 when decompressed");
  }
}

struct Method {
  std::string path;
  std::string message;  ///< empty, but for a model that nobody has
  bool names_model = false;
};

std::vector<Method> all_methods() {
  std::vector<Method> all;
  for (const char* const name :
       {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection", "inference.GRPCInferenceService", "tei.v1.Info",
        "tei.v1.Embed", "tei.v1.Predict", "tei.v1.Rerank", "tei.v1.Tokenize"}) {
    const auto* const service =
        google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
    EXPECT_NE(service, nullptr) << name;
    for (int i = 0; service != nullptr && i < service->method_count(); ++i) {
      const google::protobuf::Descriptor& type = *service->method(i)->input_type();
      const std::unique_ptr<google::protobuf::Message> message(
          google::protobuf::MessageFactory::generated_factory()->GetPrototype(&type)->New());
      const auto* field = type.FindFieldByName("model_name");
      if (field == nullptr && type.name().starts_with("Model"))
        field = type.FindFieldByName("name");
      if (field != nullptr) message->GetReflection()->SetString(message.get(), field, "nobody");
      all.push_back({cat("/", name, "/", service->method(i)->name()), message->SerializeAsString(),
                     field != nullptr});
    }
  }
  return all;
}

// gRPC itself says of a method that is not there: UNIMPLEMENTED, and no word.
TEST_F(GenericCalls, EveryMethodOfTheProtocolIsThere) {
  start("");
  const std::vector<Method> methods = all_methods();
  EXPECT_EQ(methods.size(), 33U);
  for (const Method& method : methods) {
    const grpc::Status status = call(method.path, "");
    EXPECT_FALSE(status.error_code() == grpc::StatusCode::UNIMPLEMENTED &&
                 status.error_message().empty())
        << method.path;
  }
  EXPECT_EQ(call("/tei.v1.Embed/Embedded", "").error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

// What a method throws is what the client is told, whoever lets go of the call first.
TEST_F(GenericCalls, EveryMethodTellsItsOwnError) {
  start("");
  std::string unknown;
  for (const Method& method : all_methods()) {
    const grpc::Status status = call(method.path, method.message);
    EXPECT_EQ(status.error_message().find("out of memory"), std::string::npos) << method.path;
    if (method.names_model && status.error_code() == grpc::StatusCode::NOT_FOUND) {
      EXPECT_NE(status.error_message().find("nobody"), std::string::npos) << method.path;
      unknown += method.path.substr(method.path.rfind('/'));
    }
  }
  EXPECT_EQ(unknown, "/ModelMetadata/ModelInfer/ModelConfig/ModelStatistics");
}

}  // namespace
}  // namespace tamis::serve
