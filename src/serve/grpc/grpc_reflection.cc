// grpc.reflection.v1 and v1alpha: what grpcurl and its like ask to speak to a server whose .proto
// files they lack.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <algorithm>
#include <set>

#include "reflection_v1.grpc.pb.h"
#include "reflection_v1alpha.grpc.pb.h"
#include "serve/grpc/grpc_services.h"
#include "serve/grpc/grpc_stream.h"

namespace tamis::serve {

namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;

constexpr const char* kServices[] = {
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "inference.GRPCInferenceService",
    "tei.v1.Embed",
    "tei.v1.Info",
    "tei.v1.Predict",
    "tei.v1.Rerank",
    "tei.v1.Tokenize",
};

// The file and all that it imports, each once.
template <typename Response>
void add_files(const FileDescriptor* file, std::set<const FileDescriptor*>& seen,
               Response& response) {
  if (!seen.insert(file).second) return;
  google::protobuf::FileDescriptorProto proto;
  file->CopyTo(&proto);
  response.add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file->dependency_count(); ++i) add_files(file->dependency(i), seen, response);
}

template <typename Response>
void write_files(const FileDescriptor* file, const std::string& name, Response& response) {
  if (file == nullptr) {
    response.mutable_error_response()->set_error_code(grpc::StatusCode::NOT_FOUND);
    response.mutable_error_response()->set_error_message(cat("not found: ", name));
    return;
  }
  std::set<const FileDescriptor*> seen;
  add_files(file, seen, *response.mutable_file_descriptor_response());
}

// No message here has extensions.
template <typename Response>
void refuse_extensions(const std::string& type, Response& response) {
  response.mutable_error_response()->set_error_code(grpc::StatusCode::NOT_FOUND);
  response.mutable_error_response()->set_error_message(cat("no extensions of ", type));
}

template <typename Request, typename Response>
Response respond(Request&& request) {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  Response response;
  response.set_valid_host(request.host());
  switch (request.message_request_case()) {
    case Request::kFileByFilename:
      write_files(pool.FindFileByName(request.file_by_filename()), request.file_by_filename(),
                  response);
      break;
    case Request::kFileContainingSymbol:
      write_files(pool.FindFileContainingSymbol(request.file_containing_symbol()),
                  request.file_containing_symbol(), response);
      break;
    case Request::kFileContainingExtension:
      refuse_extensions(request.file_containing_extension().containing_type(), response);
      break;
    case Request::kAllExtensionNumbersOfType:
      refuse_extensions(request.all_extension_numbers_of_type(), response);
      break;
    case Request::kListServices:
      for (const char* const name : kServices) {
        response.mutable_list_services_response()->add_service()->set_name(name);
      }
      break;
    case Request::MESSAGE_REQUEST_NOT_SET:
      fail(ErrorCode::kInvalidArgument, "the request asks for nothing");
  }
  *response.mutable_original_request() = std::move(request);
  return response;
}

class ReflectionService final : public GrpcService {
 public:
  explicit ReflectionService(const GrpcHost& host) : GrpcService(host) {}

  template <typename Request, typename Response>
  void answer(const char* path) {
    using Stream = GrpcStream<Request, Response>;
    add_stream<Request, Response>(path, [this](grpc::CallbackServerContext& context) {
      return Stream::start(
          host(), GrpcDialect::kTei, context,
          [](const typename Stream::Ptr& stream, Received<Request>&& message, size_t number) {
            Request& request = stream->caller().message(message);
            stream->answer(number, respond<Request, Response>(std::move(request)));
          });
    });
  }
};

namespace v1 = grpc::reflection::v1;
namespace v1alpha = grpc::reflection::v1alpha;

}  // namespace

bool is_service(const std::string& name) {
  return std::any_of(std::begin(kServices), std::end(kServices),
                     [&](const char* service) { return name == service; });
}

void add_reflection_services(const GrpcHost& host, GrpcServices& services) {
  auto first = std::make_unique<ReflectionService>(host);
  first->answer<v1::ServerReflectionRequest, v1::ServerReflectionResponse>(
      "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
  services.push_back(std::move(first));
  auto alpha = std::make_unique<ReflectionService>(host);
  alpha->answer<v1alpha::ServerReflectionRequest, v1alpha::ServerReflectionResponse>(
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo");
  services.push_back(std::move(alpha));
}

}  // namespace tamis::serve
