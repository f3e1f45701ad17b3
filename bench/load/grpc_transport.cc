#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "load/transport.h"

namespace tamis::load {

namespace {

// Messages go out and come in as bytes: nothing is coded while the clock runs.
class GrpcTransport final : public Transport {
 public:
  GrpcTransport(const Target& target, std::string method, const std::string& api_key,
                const std::vector<std::string>& payloads)
      : method_(std::move(method)), slots_(target.slots) {
    if (!api_key.empty()) authorization_ = cat("Bearer ", api_key);
    for (const std::string& payload : payloads) {
      const grpc::Slice slice(payload);
      payloads_.emplace_back(&slice, 1);
    }
    grpc::ChannelArguments arguments;
    // Otherwise channels to one address share a connection.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetMaxReceiveMessageSize(-1);
    const std::string address = cat(target.host, ":", int{target.port});
    for (Slot& slot : slots_) {
      slot.channel =
          grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
      slot.stub = std::make_unique<grpc::GenericStub>(slot.channel);
    }
    const auto patience = std::chrono::system_clock::now() + std::chrono::seconds(5);
    for (const Slot& slot : slots_) {
      if (slot.channel->WaitForConnected(patience)) continue;
      fail(ErrorCode::kUnavailable, address, ": nobody answers gRPC there");
    }
  }

  ~GrpcTransport() override {
    for (Slot& slot : slots_) {
      if (slot.context) slot.context->TryCancel();
    }
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  void send(size_t number, size_t payload) override {
    Slot& slot = slots_[number];
    slot.context = std::make_unique<grpc::ClientContext>();
    if (!authorization_.empty()) slot.context->AddMetadata("authorization", authorization_);
    slot.response.Clear();
    slot.call =
        slot.stub->PrepareUnaryCall(slot.context.get(), method_, payloads_[payload], &queue_);
    slot.call->StartCall();
    slot.call->Finish(&slot.response, &slot.status, &slot);
  }

  void poll(int64_t until_ns, std::vector<Completion>& completions) override {
    auto until = std::chrono::system_clock::now() +
                 std::chrono::nanoseconds(std::max<int64_t>(0, until_ns - now_ns()));
    void* tag = nullptr;
    bool ok = false;
    // Waits for one, then takes what else is there.
    while (queue_.AsyncNext(&tag, &ok, until) == grpc::CompletionQueue::GOT_EVENT) {
      auto* const slot = static_cast<Slot*>(tag);
      slot->context.reset();
      slot->call.reset();
      completions.push_back({static_cast<size_t>(slot - slots_.data()),
                             static_cast<int>(slot->status.error_code()), slot->response.Length()});
      // gRPC rounds a wait up to a millisecond; what has long passed is not waited for.
      until = {};
    }
  }

  bool is_success(int status) const override { return status == grpc::StatusCode::OK; }
  bool is_refusal(int status) const override {
    return status == grpc::StatusCode::UNAVAILABLE ||
           status == grpc::StatusCode::RESOURCE_EXHAUSTED;
  }

 private:
  struct Slot {
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<grpc::GenericStub> stub;
    std::unique_ptr<grpc::ClientContext> context;
    std::unique_ptr<grpc::GenericClientAsyncResponseReader> call;
    grpc::ByteBuffer response;
    grpc::Status status;
  };

  std::string method_;
  std::string authorization_;
  std::vector<grpc::ByteBuffer> payloads_;
  std::vector<Slot> slots_;
  grpc::CompletionQueue queue_;
};

}  // namespace

std::unique_ptr<Transport> make_grpc_transport(const Target& target, const std::string& method,
                                               const std::string& api_key,
                                               const std::vector<std::string>& payloads) {
  return std::make_unique<GrpcTransport>(target, method, api_key, payloads);
}

}  // namespace tamis::load
