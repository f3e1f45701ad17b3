#include "engines/onnxruntime/ort_model.h"

#include <algorithm>

#include "base/error.h"

namespace tamis::engines::onnxruntime {

namespace {

struct ProviderRow {
  std::string_view option;
  std::string_view name;  ///< ONNX Runtime's
};
constexpr ProviderRow kProviders[] = {{"cpu", "CPUExecutionProvider"},
                                      {"cuda", "CUDAExecutionProvider"},
                                      {"tensorrt", "TensorrtExecutionProvider"},
                                      {"openvino", "OpenVINOExecutionProvider"}};

std::string_view provider_name(std::string_view option) {
  std::string known;
  for (const ProviderRow& row : kProviders) {
    if (row.option == option) return row.name;
    known += cat(known.empty() ? "" : ", ", row.option);
  }
  fail(ErrorCode::kInvalidArgument, "--ort-provider ", option, ": unknown; known are ", known);
}

size_t element_bytes(int type) { return type == kOrtInt64 ? 8 : 4; }

}  // namespace

OrtModel::OrtModel(std::shared_ptr<const OrtLibrary> library, const engine::OpaqueModel& model,
                   int threads, std::string_view provider)
    : library_(std::move(library)),
      name_(model.path.string()),
      session_(nullptr, library_->api().release_session),
      memory_(make_handle(
          *library_, library_->api().release_memory_info, "memory", [this](OrtMemoryInfo** made) {
            return library_->api().create_cpu_memory_info(kDeviceAllocator, kDefaultMemory, made);
          })) {
  load(model, make_options(threads, provider).get());
  inputs_ = read_ports(true);
  outputs_ = read_ports(false);
}

OrtHandle<OrtSessionOptions> OrtModel::make_options(int threads, std::string_view provider) const {
  const OrtApi& api = library_->api();
  auto options =
      make_handle(*library_, api.release_session_options, "options", api.create_session_options);
  library_->check(api.set_log_severity(options.get(), kLogErrors), "options");
  library_->check(api.set_optimization_level(options.get(), kOptimizeAll), "options");
  library_->check(api.set_intra_op_threads(options.get(), threads), "options");
  library_->check(api.set_inter_op_threads(options.get(), 1), "options");
  add_provider(options.get(), provider);
  return options;
}

void OrtModel::add_provider(OrtSessionOptions* options, std::string_view provider) const {
  const std::string_view name = provider_name(provider);
  const std::vector<std::string> there = library_->providers();
  if (std::ranges::find(there, name) == there.end()) {
    std::string names;
    for (const std::string& other : there) names += cat(names.empty() ? "" : ", ", other);
    fail(ErrorCode::kUnsupported, "--ort-provider ", provider, ": this ONNX Runtime ",
         library_->version(), " has no ", name, "; it has ", names);
  }
  const OrtApi& api = library_->api();
  const std::string what = cat("--ort-provider ", provider);
  if (provider == "cuda") {
    const auto cuda =
        make_handle(*library_, api.release_cuda_options, what, api.create_cuda_options);
    library_->check(api.append_cuda(options, cuda.get()), what);
  } else if (provider == "tensorrt") {
    const auto tensorrt =
        make_handle(*library_, api.release_tensorrt_options, what, api.create_tensorrt_options);
    library_->check(api.append_tensorrt(options, tensorrt.get()), what);
  } else if (provider == "openvino") {
    library_->check(api.append_provider(options, "OpenVINO", nullptr, nullptr, 0), what);
  }
}

void OrtModel::load(const engine::OpaqueModel& model, const OrtSessionOptions* options) {
  const OrtApi& api = library_->api();
  session_ = make_handle(*library_, api.release_session, name_, [&](OrtSession** made) {
    if (model.bytes == nullptr) {
      return api.create_session(library_->env(), name_.c_str(), options, made);
    }
    return api.create_session_from_array(library_->env(), model.bytes->data(), model.bytes->size(),
                                         options, made);
  });
}

std::vector<OrtPort> OrtModel::read_ports(bool inputs) const {
  const OrtApi& api = library_->api();
  const OrtSession* const session = session_.get();
  OrtAllocator* allocator = nullptr;
  library_->check(api.get_default_allocator(&allocator), name_);
  size_t count = 0;
  library_->check((inputs ? api.get_input_count : api.get_output_count)(session, &count), name_);
  std::vector<OrtPort> ports(count);
  for (size_t i = 0; i < count; ++i) {
    char* name = nullptr;
    library_->check(
        (inputs ? api.get_input_name : api.get_output_name)(session, i, allocator, &name), name_);
    ports[i].name = name;
    library_->check(api.allocator_free(allocator, name), name_);
    const auto type = make_handle(*library_, api.release_type_info, name_, [&](OrtTypeInfo** made) {
      return (inputs ? api.get_input_type : api.get_output_type)(session, i, made);
    });
    const OrtTensorInfo* info = nullptr;
    library_->check(api.as_tensor_info(type.get(), &info), name_);
    if (info == nullptr) continue;
    size_t rank = 0;
    library_->check(api.get_element_type(info, &ports[i].type), name_);
    library_->check(api.get_rank(info, &rank), name_);
    ports[i].dims.resize(rank);
    library_->check(api.get_dims(info, ports[i].dims.data(), rank), name_);
  }
  return ports;
}

OrtOutput OrtModel::describe(OrtHandle<OrtValue> value) const {
  const OrtApi& api = library_->api();
  OrtOutput output{std::move(value), 0, {}, nullptr};
  const auto info = make_handle(
      *library_, api.release_tensor_info, name_,
      [&](OrtTensorInfo** made) { return api.get_tensor_info(output.value.get(), made); });
  size_t rank = 0;
  library_->check(api.get_element_type(info.get(), &output.type), name_);
  library_->check(api.get_rank(info.get(), &rank), name_);
  output.dims.resize(rank);
  library_->check(api.get_dims(info.get(), output.dims.data(), rank), name_);
  void* data = nullptr;
  library_->check(api.get_data(output.value.get(), &data), name_);
  output.data = data;
  return output;
}

std::vector<OrtOutput> OrtModel::run(std::span<const OrtInput> inputs, int64_t batch,
                                     int64_t tokens, std::span<const std::string> outputs) const {
  const OrtApi& api = library_->api();
  const int64_t dims[] = {batch, tokens};
  std::vector<OrtHandle<OrtValue>> values;
  std::vector<const OrtValue*> borrowed;
  std::vector<const char*> names;
  for (const OrtInput& input : inputs) {
    const size_t bytes = static_cast<size_t>(batch * tokens) * element_bytes(input.port->type);
    TAMIS_CHECK(input.bytes.size() == bytes);
    values.push_back(make_handle(*library_, api.release_value, name_, [&](OrtValue** made) {
      return api.create_tensor(memory_.get(), input.bytes.data(), bytes, dims, 2, input.port->type,
                               made);
    }));
    borrowed.push_back(values.back().get());
    names.push_back(input.port->name.c_str());
  }
  std::vector<const char*> wanted;
  for (const std::string& output : outputs) wanted.push_back(output.c_str());
  std::vector<OrtValue*> made(wanted.size(), nullptr);
  library_->check(api.run(session_.get(), nullptr, names.data(), borrowed.data(), names.size(),
                          wanted.data(), wanted.size(), made.data()),
                  name_);
  std::vector<OrtHandle<OrtValue>> owned;
  for (OrtValue* value : made) owned.emplace_back(value, api.release_value);
  std::vector<OrtOutput> results;
  for (OrtHandle<OrtValue>& value : owned) results.push_back(describe(std::move(value)));
  return results;
}

}  // namespace tamis::engines::onnxruntime
