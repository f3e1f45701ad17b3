// A backend "onnxruntime" for tests: what lets a real server load repositories that name it.
//
// Is: model.onnx of a version's folder, in ONNX Runtime's shared library ($TAMIS_ORT), all requests
// of a call as one batch. Is not: NVIDIA's backend of that name, which a deployment has. May use:
// engines/onnxruntime, exchange.
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "engines/onnxruntime/ort_model.h"
#include "integrations/triton/exchange.h"

namespace tamis::triton_test {
namespace {

using engines::onnxruntime::OrtElement;
using engines::onnxruntime::OrtInput;
using engines::onnxruntime::OrtLibrary;
using engines::onnxruntime::OrtModel;
using engines::onnxruntime::OrtOutput;
using engines::onnxruntime::OrtPort;
using triton::check;
using triton::Exchange;
using triton::guarded;
using triton::InputTensor;

using Tensors = std::vector<InputTensor>;

std::unique_ptr<OrtModel> load(TRITONBACKEND_Model* model) {
  TRITONBACKEND_ArtifactType type = TRITONBACKEND_ARTIFACT_FILESYSTEM;
  const char* folder = nullptr;
  uint64_t version = 0;
  check(TRITONBACKEND_ModelRepository(model, &type, &folder));
  check(TRITONBACKEND_ModelVersion(model, &version));
  engine::OpaqueModel opaque;
  opaque.path = cat(std::string_view(folder), "/", version, "/model.onnx");
  return std::make_unique<OrtModel>(OrtLibrary::open({}), opaque, 1, "cpu");
}

OrtModel* model_of(TRITONBACKEND_ModelInstance* instance) {
  TRITONBACKEND_Model* model = nullptr;
  void* state = nullptr;
  check(TRITONBACKEND_ModelInstanceModel(instance, &model));
  check(TRITONBACKEND_ModelState(model, &state));
  return static_cast<OrtModel*>(state);
}

const InputTensor& tensor_of(const Tensors& tensors, const OrtPort& port) {
  const InputTensor* const found = triton::find_input(tensors, port.name);
  if (found == nullptr) fail(ErrorCode::kInvalidArgument, "input ", port.name, " is missing");
  if (found->shape.size() != 2) fail(ErrorCode::kInvalidArgument, port.name, " is no matrix");
  return *found;
}

/// Requests of one call that run together.
struct Batch {
  std::vector<std::string> bytes;  ///< one an input of the model
  int64_t rows = 0;
  int64_t tokens = 0;
};

Batch join(const OrtModel& model, const std::vector<Tensors>& requests) {
  Batch batch;
  batch.bytes.resize(model.inputs().size());
  for (const Tensors& tensors : requests) {
    for (size_t i = 0; i < model.inputs().size(); ++i) {
      const InputTensor& tensor = tensor_of(tensors, model.inputs()[i]);
      batch.bytes[i] += tensor.bytes;
      batch.tokens = tensor.shape[1];
      if (i == 0) batch.rows += tensor.shape[0];
    }
  }
  return batch;
}

std::vector<OrtOutput> run(const OrtModel& model, Batch& batch,
                           const std::vector<std::string>& names) {
  std::vector<OrtInput> inputs;
  for (size_t i = 0; i < model.inputs().size(); ++i) {
    inputs.push_back(
        {&model.inputs()[i],
         {reinterpret_cast<std::byte*>(batch.bytes[i].data()), batch.bytes[i].size()}});
  }
  return model.run(inputs, batch.rows, batch.tokens, names);
}

// Rows [first, first + count) of each output that the request wants.
void answer(Exchange& exchange, const std::vector<std::string>& names,
            const std::vector<OrtOutput>& outputs, int64_t first, int64_t count) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!exchange.wants(names[i])) continue;
    std::vector<int64_t> shape = outputs[i].dims;
    int64_t row = sizeof(float);
    for (size_t d = 1; d < shape.size(); ++d) row *= shape[d];
    shape[0] = count;
    const auto* const data = static_cast<const char*>(outputs[i].data) + first * row;
    exchange.add_output(names[i].c_str(), TRITONSERVER_TYPE_FP32, shape,
                        {data, static_cast<size_t>(count * row)});
  }
}

void execute(TRITONBACKEND_ModelInstance* instance, std::vector<Exchange> exchanges) {
  const uint64_t start = triton::now_ns();
  const OrtModel& model = *model_of(instance);
  uint64_t total = 0;
  try {
    std::vector<Tensors> requests;
    for (const Exchange& exchange : exchanges) {
      requests.push_back(triton::read_inputs(exchange.request()));
    }
    Batch batch = join(model, requests);
    std::vector<std::string> names;
    for (const OrtPort& port : model.outputs()) names.push_back(port.name);
    const std::vector<OrtOutput> outputs = run(model, batch, names);
    for (size_t i = 0; i < exchanges.size(); ++i) {
      const int64_t rows = tensor_of(requests[i], model.inputs()[0]).shape[0];
      answer(exchanges[i], names, outputs, static_cast<int64_t>(total), rows);
      total += static_cast<uint64_t>(rows);
    }
  } catch (const Error& error) {
    for (Exchange& exchange : exchanges) exchange.fail(error);
  }
  const uint64_t end = triton::now_ns();
  for (Exchange& exchange : exchanges) {
    exchange.send();
    check(TRITONBACKEND_ModelInstanceReportStatistics(instance, exchange.request(),
                                                      !exchange.failed(), start, start, end, end));
    check(TRITONBACKEND_RequestRelease(exchange.request(), TRITONSERVER_REQUEST_RELEASE_ALL));
  }
  check(TRITONBACKEND_ModelInstanceReportBatchStatistics(instance, total, start, start, end, end));
}

}  // namespace
}  // namespace tamis::triton_test

using tamis::triton::guarded;

extern "C" {

TRITONSERVER_Error* TRITONBACKEND_ModelInitialize(TRITONBACKEND_Model* model) {
  return guarded([&] {
    auto loaded = tamis::triton_test::load(model);
    tamis::triton::check(TRITONBACKEND_ModelSetState(model, loaded.get()));
    static_cast<void>(loaded.release());
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelFinalize(TRITONBACKEND_Model* model) {
  return guarded([&] {
    void* state = nullptr;
    tamis::triton::check(TRITONBACKEND_ModelState(model, &state));
    delete static_cast<tamis::engines::onnxruntime::OrtModel*>(state);
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance* instance,
                                                       TRITONBACKEND_Request** requests,
                                                       uint32_t count) {
  return guarded([&] {
    std::vector<tamis::triton::Exchange> exchanges;
    for (uint32_t i = 0; i < count; ++i) exchanges.emplace_back(requests[i]);
    tamis::triton_test::execute(instance, std::move(exchanges));
  });
}

}  // extern "C"
