#include "tests/triton/triton_double.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstring>

struct TRITONSERVER_Error {
  TRITONSERVER_Error_Code code;
  std::string message;
};
struct TRITONSERVER_Message {
  std::string json;
};
struct TRITONBACKEND_Response {
  TRITONBACKEND_Request* request;
  std::map<std::string, TRITONBACKEND_Output> outputs;
};

namespace {

uint32_t api_major = 1;
uint32_t api_minor = 19;

TRITONSERVER_Error* failure(TRITONSERVER_Error_Code code, const std::string& message) {
  return new TRITONSERVER_Error{code, message};
}

}  // namespace

extern "C" {

TRITONSERVER_Error* TRITONSERVER_ErrorNew(TRITONSERVER_Error_Code code, const char* message) {
  return failure(code, message);
}
void TRITONSERVER_ErrorDelete(TRITONSERVER_Error* error) { delete error; }
TRITONSERVER_Error_Code TRITONSERVER_ErrorCode(TRITONSERVER_Error* error) { return error->code; }
const char* TRITONSERVER_ErrorMessage(TRITONSERVER_Error* error) { return error->message.c_str(); }

TRITONSERVER_Error* TRITONSERVER_MessageNewFromSerializedJson(TRITONSERVER_Message** message,
                                                              const char* json, size_t bytes) {
  *message = new TRITONSERVER_Message{{json, bytes}};
  return nullptr;
}
TRITONSERVER_Error* TRITONSERVER_MessageSerializeToJson(TRITONSERVER_Message* message,
                                                        const char** json, size_t* bytes) {
  *json = message->json.data();
  *bytes = message->json.size();
  return nullptr;
}
TRITONSERVER_Error* TRITONSERVER_MessageDelete(TRITONSERVER_Message* message) {
  delete message;
  return nullptr;
}
TRITONSERVER_Error* TRITONSERVER_LogMessage(TRITONSERVER_LogLevel, const char*, int, const char*) {
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ApiVersion(uint32_t* major, uint32_t* minor) {
  *major = api_major;
  *minor = api_minor;
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_BackendAttributeAddPreferredInstanceGroup(
    TRITONBACKEND_BackendAttribute*, TRITONSERVER_InstanceGroupKind, uint64_t, const uint64_t*,
    uint64_t) {
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelVersion(TRITONBACKEND_Model*, uint64_t* version) {
  *version = 1;
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_ModelRepository(TRITONBACKEND_Model* model,
                                                  TRITONBACKEND_ArtifactType* type,
                                                  const char** folder) {
  *type = TRITONBACKEND_ARTIFACT_FILESYSTEM;
  *folder = model->repository.c_str();
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_ModelConfig(TRITONBACKEND_Model* model, uint32_t,
                                              TRITONSERVER_Message** config) {
  *config = new TRITONSERVER_Message{model->config};
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_ModelAutoCompleteConfig(TRITONBACKEND_Model* model,
                                                          bool* complete) {
  *complete = model->may_complete;
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_ModelSetConfig(TRITONBACKEND_Model* model, uint32_t,
                                                 TRITONSERVER_Message* config) {
  model->config = config->json;
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_ModelState(TRITONBACKEND_Model* model, void** state) {
  *state = model->state;
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_ModelSetState(TRITONBACKEND_Model* model, void* state) {
  model->state = state;
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceKind(TRITONBACKEND_ModelInstance* instance,
                                                    TRITONSERVER_InstanceGroupKind* kind) {
  *kind = instance->kind;
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_ModelInstanceDeviceId(TRITONBACKEND_ModelInstance*,
                                                        int32_t* device) {
  *device = 0;
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_ModelInstanceModel(TRITONBACKEND_ModelInstance* instance,
                                                     TRITONBACKEND_Model** model) {
  *model = instance->model;
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_ModelInstanceState(TRITONBACKEND_ModelInstance* instance,
                                                     void** state) {
  *state = instance->state;
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_ModelInstanceSetState(TRITONBACKEND_ModelInstance* instance,
                                                        void* state) {
  instance->state = state;
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_ModelInstanceReportStatistics(
    TRITONBACKEND_ModelInstance*, TRITONBACKEND_Request* request, bool success,
    uint64_t exec_start_ns, uint64_t compute_start_ns, uint64_t compute_end_ns,
    uint64_t exec_end_ns) {
  ++request->reported;
  request->success = success;
  request->times = {exec_start_ns, compute_start_ns, compute_end_ns, exec_end_ns};
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_ModelInstanceReportBatchStatistics(
    TRITONBACKEND_ModelInstance* instance, uint64_t batch_size, uint64_t, uint64_t, uint64_t,
    uint64_t) {
  instance->batch_sizes.push_back(batch_size);
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_RequestInputCount(TRITONBACKEND_Request* request,
                                                    uint32_t* count) {
  *count = static_cast<uint32_t>(request->inputs.size());
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_RequestInputByIndex(TRITONBACKEND_Request* request,
                                                      uint32_t index, TRITONBACKEND_Input** input) {
  *input = &request->inputs.at(index);
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_RequestOutputCount(TRITONBACKEND_Request* request,
                                                     uint32_t* count) {
  *count = static_cast<uint32_t>(request->outputs.size());
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_RequestOutputName(TRITONBACKEND_Request* request, uint32_t index,
                                                    const char** name) {
  *name = request->outputs.at(index).c_str();
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_RequestIsCancelled(TRITONBACKEND_Request* request,
                                                     bool* cancelled) {
  *cancelled = request->cancelled;
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_RequestRelease(TRITONBACKEND_Request* request, uint32_t) {
  ++request->released;
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_InputProperties(TRITONBACKEND_Input* input, const char** name,
                                                  TRITONSERVER_DataType* type,
                                                  const int64_t** shape, uint32_t* rank,
                                                  uint64_t* bytes, uint32_t* buffers) {
  *name = input->name.c_str();
  *type = input->type;
  *shape = input->shape.data();
  *rank = static_cast<uint32_t>(input->shape.size());
  *bytes = 0;
  for (const std::string& buffer : input->buffers) *bytes += buffer.size();
  *buffers = static_cast<uint32_t>(input->buffers.size());
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_InputBuffer(TRITONBACKEND_Input* input, uint32_t index,
                                              const void** data, uint64_t* bytes,
                                              TRITONSERVER_MemoryType* memory, int64_t* memory_id) {
  *data = input->buffers.at(index).data();
  *bytes = input->buffers.at(index).size();
  *memory = input->memory;
  *memory_id = 0;
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ResponseNew(TRITONBACKEND_Response** response,
                                              TRITONBACKEND_Request* request) {
  *response = new TRITONBACKEND_Response{request, {}};
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_ResponseDelete(TRITONBACKEND_Response* response) {
  delete response;
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_ResponseOutput(TRITONBACKEND_Response* response,
                                                 TRITONBACKEND_Output** output, const char* name,
                                                 TRITONSERVER_DataType type, const int64_t* shape,
                                                 uint32_t rank) {
  // The server has them in a list, where one of the same name is another.
  *output = &(response->outputs[name] = {});
  (*output)->type = type;
  (*output)->memory = response->request->output_memory;
  (*output)->shape.assign(shape, shape + rank);
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_ResponseSend(TRITONBACKEND_Response* response, uint32_t,
                                               TRITONSERVER_Error* error) {
  Answer& answer = response->request->answer;
  ++answer.sent;
  answer.kept = true;
  for (const auto& output : response->outputs) answer.kept &= output.second.has_buffer;
  if (error == nullptr) {
    answer.outputs = std::move(response->outputs);
  } else {
    answer.error_code = error->code;
    answer.error = error->message;
  }
  delete response;
  return nullptr;
}
TRITONSERVER_Error* TRITONBACKEND_OutputBuffer(TRITONBACKEND_Output* output, void** data,
                                               uint64_t bytes, TRITONSERVER_MemoryType* memory,
                                               int64_t* memory_id) {
  output->bytes.resize(bytes);
  output->has_buffer = true;
  *data = output->bytes.data();
  *memory = output->memory;
  *memory_id = 0;
  return nullptr;
}

}  // extern "C"

namespace tamis::triton_test {

namespace {

template <typename Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function == nullptr) ADD_FAILURE() << name << " is missing";
}

template <typename T>
std::vector<T> values_of(const TRITONBACKEND_Output& output) {
  std::vector<T> values(output.bytes.size() / sizeof(T));
  std::memcpy(values.data(), output.bytes.data(), output.bytes.size());
  return values;
}

}  // namespace

void set_api_version(uint32_t major, uint32_t minor) {
  api_major = major;
  api_minor = minor;
}

Backend::Backend(const std::string& path) {
  void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    ADD_FAILURE() << ::dlerror();
    return;
  }
  find(library, "TRITONBACKEND_Initialize", initialize);
  find(library, "TRITONBACKEND_Finalize", finalize);
  find(library, "TRITONBACKEND_ModelInitialize", model_initialize);
  find(library, "TRITONBACKEND_ModelFinalize", model_finalize);
  find(library, "TRITONBACKEND_ModelInstanceInitialize", instance_initialize);
  find(library, "TRITONBACKEND_ModelInstanceFinalize", instance_finalize);
  find(library, "TRITONBACKEND_ModelInstanceExecute", execute);
}

std::string message_of(TRITONSERVER_Error* error) {
  if (error == nullptr) return "";
  std::string message = error->message;
  delete error;
  return message;
}

LoadedModel::LoadedModel(const Backend& backend, const std::string& repository,
                         const std::string& config, bool may_complete)
    : backend_(backend) {
  model_.repository = repository;
  model_.config = config;
  model_.may_complete = may_complete;
  error_ = message_of(backend_.model_initialize(&model_));
  if (!error_.empty()) return;
  instance_.model = &model_;
  error_ = message_of(backend_.instance_initialize(&instance_));
}

LoadedModel::~LoadedModel() {
  if (instance_.state != nullptr) {
    EXPECT_EQ(message_of(backend_.instance_finalize(&instance_)), "");
  }
  if (model_.state != nullptr) {
    EXPECT_EQ(message_of(backend_.model_finalize(&model_)), "");
  }
}

void LoadedModel::execute(std::vector<TRITONBACKEND_Request>& requests) {
  std::vector<TRITONBACKEND_Request*> pointers;
  for (TRITONBACKEND_Request& request : requests) pointers.push_back(&request);
  EXPECT_EQ(message_of(backend_.execute(&instance_, pointers.data(),
                                        static_cast<uint32_t>(pointers.size()))),
            "");
}

TRITONBACKEND_Input texts(const std::string& name, const std::vector<std::string>& values) {
  TRITONBACKEND_Input input;
  input.name = name;
  input.shape = {static_cast<int64_t>(values.size()), 1};
  input.buffers = {""};
  for (const std::string& value : values) {
    const auto size = static_cast<uint32_t>(value.size());
    input.buffers[0].append(reinterpret_cast<const char*>(&size), sizeof(size));
    input.buffers[0] += value;
  }
  return input;
}

TRITONBACKEND_Input integers(const std::string& name, std::vector<int64_t> shape,
                             const std::vector<int64_t>& values) {
  TRITONBACKEND_Input input;
  input.name = name;
  input.type = TRITONSERVER_TYPE_INT64;
  input.shape = std::move(shape);
  input.buffers = {{reinterpret_cast<const char*>(values.data()), values.size() * sizeof(int64_t)}};
  return input;
}

std::vector<float> floats_of(const TRITONBACKEND_Output& output) {
  EXPECT_EQ(output.type, TRITONSERVER_TYPE_FP32);
  return values_of<float>(output);
}

std::vector<int64_t> integers_of(const TRITONBACKEND_Output& output) {
  EXPECT_EQ(output.type, TRITONSERVER_TYPE_INT64);
  return values_of<int64_t>(output);
}

std::vector<std::string> texts_of(const TRITONBACKEND_Output& output) {
  EXPECT_EQ(output.type, TRITONSERVER_TYPE_BYTES);
  std::vector<std::string> values;
  for (size_t at = 0; at < output.bytes.size();) {
    uint32_t size = 0;
    std::memcpy(&size, output.bytes.data() + at, sizeof(size));
    values.push_back(output.bytes.substr(at + sizeof(size), size));
    at += sizeof(size) + size;
  }
  return values;
}

}  // namespace tamis::triton_test
