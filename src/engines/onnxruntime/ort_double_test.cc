// A shared library that stands in for ONNX Runtime in tests.
//
// Is: the functions of ort_functions.inc, at their places, over one made-up model. The name of its
// file decides how that is spelled. Is not: a reader of files. May use: ort_api.h.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "engines/onnxruntime/ort_api.h"

namespace tamis::engines::onnxruntime {

struct OrtEnv {};
struct OrtAllocator {};
struct OrtMemoryInfo {};
struct OrtSessionOptions {
  int threads = 0;
};
struct OrtStatus {
  std::string message;
};
struct OrtTensorInfo {
  int type = 0;
  std::vector<int64_t> dims;
};
struct OrtTypeInfo {
  OrtTensorInfo tensor;
};
struct OrtValue {
  OrtTensorInfo info;
  std::vector<float> owned;
  void* data = nullptr;
};
struct OrtSession {
  std::string name;
  [[nodiscard]] bool is(const char* part) const { return name.find(part) != name.npos; }
};

namespace {

OrtStatus* failure(const char* message) { return new OrtStatus{message}; }

std::vector<std::string> input_names(const OrtSession& session) {
  std::vector<std::string> names = {"input_ids", "attention_mask"};
  if (session.is("segments")) names.emplace_back("token_type_ids");
  if (session.is("positions")) names.emplace_back("position_ids");
  return names;
}
const std::vector<std::string>& output_names() {
  static const std::vector<std::string> kNames = {"tokens", "sums", "start", "end", "odd"};
  return kNames;
}

const char* get_error_message(const OrtStatus* status) { return status->message.c_str(); }
OrtStatus* create_env(int, const char*, OrtEnv** env) {
  static OrtEnv own;
  *env = &own;
  return nullptr;
}
OrtStatus* create_session(const OrtEnv*, const char* path, const OrtSessionOptions*,
                          OrtSession** session) {
  if (std::strstr(path, "broken") != nullptr) return failure("no such operator\nand more");
  *session = new OrtSession{path};
  return nullptr;
}
OrtStatus* create_session_from_array(const OrtEnv*, const void* data, size_t bytes,
                                     const OrtSessionOptions*, OrtSession** session) {
  *session = new OrtSession{std::string(static_cast<const char*>(data), bytes)};
  return nullptr;
}
OrtStatus* create_session_options(OrtSessionOptions** options) {
  *options = new OrtSessionOptions;
  return nullptr;
}
OrtStatus* set_option(OrtSessionOptions*, int) { return nullptr; }
OrtStatus* get_input_count(const OrtSession* session, size_t* count) {
  *count = input_names(*session).size();
  return nullptr;
}
OrtStatus* get_output_count(const OrtSession*, size_t* count) {
  *count = output_names().size();
  return nullptr;
}
OrtStatus* get_input_type(const OrtSession* session, size_t, OrtTypeInfo** type) {
  const int element = session->is("int32") ? kOrtInt32 : session->is("floats") ? 1 : kOrtInt64;
  *type = new OrtTypeInfo{{element, {session->is("fixed") ? 1 : -1, -1}}};
  return nullptr;
}
OrtStatus* get_output_type(const OrtSession*, size_t, OrtTypeInfo** type) {
  *type = new OrtTypeInfo{{kOrtFloat, {-1, -1}}};
  return nullptr;
}
OrtStatus* get_name(const std::string& name, char** out) {
  *out = strdup(name.c_str());
  return nullptr;
}
OrtStatus* get_input_name(const OrtSession* session, size_t i, OrtAllocator*, char** name) {
  return get_name(input_names(*session)[i], name);
}
OrtStatus* get_output_name(const OrtSession*, size_t i, OrtAllocator*, char** name) {
  return get_name(output_names()[i], name);
}
OrtStatus* create_tensor(const OrtMemoryInfo*, void* data, size_t, const int64_t* dims, size_t rank,
                         int type, OrtValue** value) {
  *value = new OrtValue{{type, {dims, dims + rank}}, {}, data};
  return nullptr;
}
OrtStatus* get_data(OrtValue* value, void** data) {
  *data = value->data == nullptr ? value->owned.data() : value->data;
  return nullptr;
}
OrtStatus* as_tensor_info(const OrtTypeInfo* type, const OrtTensorInfo** info) {
  *info = &type->tensor;
  return nullptr;
}
OrtStatus* get_element_type(const OrtTensorInfo* info, int* type) {
  *type = info->type;
  return nullptr;
}
OrtStatus* get_rank(const OrtTensorInfo* info, size_t* rank) {
  *rank = info->dims.size();
  return nullptr;
}
OrtStatus* get_dims(const OrtTensorInfo* info, int64_t* dims, size_t rank) {
  std::copy_n(info->dims.begin(), rank, dims);
  return nullptr;
}
OrtStatus* get_tensor_info(const OrtValue* value, OrtTensorInfo** info) {
  *info = new OrtTensorInfo(value->info);
  return nullptr;
}
OrtStatus* create_cpu_memory_info(int, int, OrtMemoryInfo** info) {
  *info = new OrtMemoryInfo;
  return nullptr;
}
OrtStatus* allocator_free(OrtAllocator*, void* memory) {
  std::free(memory);
  return nullptr;
}
OrtStatus* get_default_allocator(OrtAllocator** allocator) {
  static OrtAllocator one;
  *allocator = &one;
  return nullptr;
}
OrtStatus* get_available_providers(char*** names, int* count) {
  static char name[] = "CPUExecutionProvider";
  *names = new char* [1] { name };
  *count = 1;
  return nullptr;
}
OrtStatus* release_available_providers(char** names, int) {
  delete[] names;
  return nullptr;
}
template <typename T>
void release(T* object) {
  delete object;
}

// What a run gives, from ids, mask and segments [batch, tokens].
struct Run {
  int64_t batch = 0;
  int64_t tokens = 0;
  std::array<const OrtValue*, 3> inputs = {};

  [[nodiscard]] float at(size_t input, int64_t i) const {
    const OrtValue* const value = inputs[input];
    if (value == nullptr) return 0;
    if (value->info.type == kOrtInt32) {
      return static_cast<float>(static_cast<const int32_t*>(value->data)[i]);
    }
    return static_cast<float>(static_cast<const int64_t*>(value->data)[i]);
  }

  // tokens: id + 100 * segment, and the padded length. sums: of ids, and the batch. start, end: id
  // and -id.
  [[nodiscard]] OrtValue* output(const std::string& name) const {
    std::vector<float> values;
    for (int64_t i = 0; i < batch * tokens; ++i) {
      const float id = at(1, i) == 0 ? -1 : at(0, i) + 100 * at(2, i);
      if (name == "tokens") values.insert(values.end(), {id, static_cast<float>(tokens)});
      if (name == "start" || name == "odd") values.push_back(id);
      if (name == "end") values.push_back(-id);
    }
    for (int64_t b = 0; name == "sums" && b < batch; ++b) {
      float sum = 0;
      for (int64_t i = 0; i < tokens; ++i) sum += at(0, b * tokens + i) * at(1, b * tokens + i);
      values.insert(values.end(), {sum, static_cast<float>(batch)});
    }
    if (name == "sums") return new OrtValue{{kOrtFloat, {batch, 2}}, values, nullptr};
    if (name == "tokens") return new OrtValue{{kOrtFloat, {batch, tokens, 2}}, values, nullptr};
    return new OrtValue{{name == "odd" ? kOrtInt32 : kOrtFloat, {batch, tokens}}, values, nullptr};
  }
};

OrtStatus* run(OrtSession* session, const void*, const char* const* names,
               const OrtValue* const* inputs, size_t count, const char* const* output_names,
               size_t output_count, OrtValue** outputs) {
  Run run = {inputs[0]->info.dims[0], inputs[0]->info.dims[1], {}};
  const std::vector<std::string> known = input_names(*session);
  for (size_t i = 0; i < count; ++i) {
    for (size_t k = 0; k < known.size(); ++k) {
      if (known[k] == names[i]) run.inputs[k] = inputs[i];
    }
  }
  if (session->is("picky") && run.tokens > 2) return failure("too long for me");
  for (size_t i = 0; i < output_count; ++i) outputs[i] = run.output(output_names[i]);
  return nullptr;
}

std::array<void*, 260> make_table() {
  std::array<void*, 260> table = {};
  OrtApi api;
  api.get_error_message = get_error_message;
  api.create_env = create_env;
  api.create_session = create_session;
  api.create_session_from_array = create_session_from_array;
  api.run = run;
  api.create_session_options = create_session_options;
  api.set_log_severity = set_option;
  api.set_optimization_level = set_option;
  api.set_intra_op_threads = set_option;
  api.set_inter_op_threads = set_option;
  api.get_input_count = get_input_count;
  api.get_output_count = get_output_count;
  api.get_input_type = get_input_type;
  api.get_output_type = get_output_type;
  api.get_input_name = get_input_name;
  api.get_output_name = get_output_name;
  api.create_tensor = create_tensor;
  api.get_data = get_data;
  api.as_tensor_info = as_tensor_info;
  api.get_element_type = get_element_type;
  api.get_rank = get_rank;
  api.get_dims = get_dims;
  api.get_tensor_info = get_tensor_info;
  api.create_cpu_memory_info = create_cpu_memory_info;
  api.allocator_free = allocator_free;
  api.get_default_allocator = get_default_allocator;
  api.release_status = release<OrtStatus>;
  api.release_memory_info = release<OrtMemoryInfo>;
  api.release_session = release<OrtSession>;
  api.release_value = release<OrtValue>;
  api.release_type_info = release<OrtTypeInfo>;
  api.release_tensor_info = release<OrtTensorInfo>;
  api.release_session_options = release<OrtSessionOptions>;
  api.get_available_providers = get_available_providers;
  api.release_available_providers = release_available_providers;
#define X(place, name, result, parameters) table[place] = reinterpret_cast<void*>(api.name);
#include "engines/onnxruntime/ort_functions.inc"
#undef X
  return table;
}

const void* get_api(uint32_t version) {
  static const std::array<void*, 260> kTable = make_table();
  return version <= kOrtApiVersion ? kTable.data() : nullptr;
}

const char* get_version() { return TAMIS_DOUBLE_VERSION; }

}  // namespace
}  // namespace tamis::engines::onnxruntime

extern "C" __attribute__((visibility("default"))) const tamis::engines::onnxruntime::OrtApiBase*
OrtGetApiBase() {
  using namespace tamis::engines::onnxruntime;
  static const OrtApiBase kBase = {get_api, get_version};
  return &kBase;
}
