// A stand-in for the process of tritonserver: what a backend calls of it, over plain structs.
//
// Is: the functions of integrations/triton/triton_api.h, exported by the test's program, and a
// backend loaded into it. Is not: a batcher or protocols; a test says what comes together. May use:
// triton_api.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "integrations/triton/triton_api.h"

struct TRITONBACKEND_Input {
  std::string name;
  TRITONSERVER_DataType type = TRITONSERVER_TYPE_BYTES;
  std::vector<int64_t> shape;
  std::vector<std::string> buffers;
  TRITONSERVER_MemoryType memory = TRITONSERVER_MEMORY_CPU;
};

struct TRITONBACKEND_Output {
  TRITONSERVER_DataType type = TRITONSERVER_TYPE_INVALID;
  std::vector<int64_t> shape;
  std::string bytes;
  bool has_buffer = false;
  TRITONSERVER_MemoryType memory = TRITONSERVER_MEMORY_CPU;  ///< of the buffer
};

/// What a client gets.
struct Answer {
  int sent = 0;
  bool kept = false;    ///< by the response cache, which keeps failures too; not without buffers
  int error_code = -1;  ///< -1: none
  std::string error;
  std::map<std::string, TRITONBACKEND_Output> outputs;
};

struct TRITONBACKEND_Request {
  std::vector<TRITONBACKEND_Input> inputs;
  std::vector<std::string> outputs;
  bool cancelled = false;
  TRITONSERVER_MemoryType output_memory = TRITONSERVER_MEMORY_CPU;
  int released = 0;
  int reported = 0;
  bool success = false;
  std::vector<uint64_t> times;  ///< reported, in their order
  Answer answer;
};

struct TRITONBACKEND_Model {
  std::string repository;
  std::string config;
  bool may_complete = false;
  void* state = nullptr;
};

struct TRITONBACKEND_ModelInstance {
  TRITONBACKEND_Model* model = nullptr;
  TRITONSERVER_InstanceGroupKind kind = TRITONSERVER_INSTANCEGROUPKIND_CPU;
  std::vector<uint64_t> batch_sizes;  ///< reported
  void* state = nullptr;
};

namespace tamis::triton_test {

/// The version that the double says it has.
void set_api_version(uint32_t major, uint32_t minor);

/// A backend's shared library, open to the end of the process.
class Backend {
 public:
  /// Fails the test if the library does not load.
  explicit Backend(const std::string& path);

  // What it defines, by the names in triton_api.h.
  decltype(&TRITONBACKEND_Initialize) initialize = nullptr;
  decltype(&TRITONBACKEND_Finalize) finalize = nullptr;
  decltype(&TRITONBACKEND_ModelInitialize) model_initialize = nullptr;
  decltype(&TRITONBACKEND_ModelFinalize) model_finalize = nullptr;
  decltype(&TRITONBACKEND_ModelInstanceInitialize) instance_initialize = nullptr;
  decltype(&TRITONBACKEND_ModelInstanceFinalize) instance_finalize = nullptr;
  decltype(&TRITONBACKEND_ModelInstanceExecute) execute = nullptr;
};

/// The error's message, "" of none; released.
[[nodiscard]] std::string message_of(TRITONSERVER_Error* error);

/// A model of `repository` loaded with one instance, and unloaded at its end.
class LoadedModel {
 public:
  LoadedModel(const Backend& backend, const std::string& repository, const std::string& config,
              bool may_complete = false);
  ~LoadedModel();
  LoadedModel(const LoadedModel&) = delete;
  LoadedModel& operator=(const LoadedModel&) = delete;

  /// Why it did not load; "" if it did.
  [[nodiscard]] const std::string& error() const { return error_; }
  [[nodiscard]] const TRITONBACKEND_Model& model() const { return model_; }
  [[nodiscard]] const TRITONBACKEND_ModelInstance& instance() const { return instance_; }
  /// One call of the backend with all of them.
  void execute(std::vector<TRITONBACKEND_Request>& requests);

 private:
  const Backend& backend_;
  TRITONBACKEND_Model model_;
  TRITONBACKEND_ModelInstance instance_;
  std::string error_;
};

/// A tensor of texts as the wire has it: a length of four bytes before each.
[[nodiscard]] TRITONBACKEND_Input texts(const std::string& name,
                                        const std::vector<std::string>& values);
[[nodiscard]] TRITONBACKEND_Input integers(const std::string& name, std::vector<int64_t> shape,
                                           const std::vector<int64_t>& values);
[[nodiscard]] std::vector<float> floats_of(const TRITONBACKEND_Output& output);
[[nodiscard]] std::vector<int64_t> integers_of(const TRITONBACKEND_Output& output);
[[nodiscard]] std::vector<std::string> texts_of(const TRITONBACKEND_Output& output);

}  // namespace tamis::triton_test
