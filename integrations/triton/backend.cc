// What Triton calls: a backend "tamis".
//
// Is: the entry points. Is not: anything that can be said without the server. May use:
// served_model.
#include <tamis/log.h>

#include "base/error.h"
#include "integrations/triton/served_model.h"

namespace tamis::triton {
namespace {

constexpr uint32_t kApiMajor = 1;
constexpr uint32_t kLeastApiMinor = 10;

/// An instance of a model: on which device its requests run.
struct Instance {
  ServedModel* model = nullptr;
  const Runner* runner = nullptr;
};

void check_api() {
  uint32_t major = 0;
  uint32_t minor = 0;
  check(TRITONBACKEND_ApiVersion(&major, &minor));
  if (major == kApiMajor && minor >= kLeastApiMinor) return;
  fail(ErrorCode::kUnsupported, "this server's backend API is ", major, ".", minor,
       "; tamis needs ", kApiMajor, ".", kLeastApiMinor, " or a later ", kApiMajor, ".x");
}

ServedModel* state_of(TRITONBACKEND_Model* model) {
  void* state = nullptr;
  check(TRITONBACKEND_ModelState(model, &state));
  return static_cast<ServedModel*>(state);
}

Instance* state_of(TRITONBACKEND_ModelInstance* instance) {
  void* state = nullptr;
  check(TRITONBACKEND_ModelInstanceState(instance, &state));
  return static_cast<Instance*>(state);
}

std::string device_of(TRITONBACKEND_ModelInstance* instance) {
  TRITONSERVER_InstanceGroupKind kind = TRITONSERVER_INSTANCEGROUPKIND_CPU;
  check(TRITONBACKEND_ModelInstanceKind(instance, &kind));
  if (kind != TRITONSERVER_INSTANCEGROUPKIND_GPU) return "cpu";
  int32_t device = 0;
  check(TRITONBACKEND_ModelInstanceDeviceId(instance, &device));
  return cat("cuda:", device);
}

// Runs, answers, counts and releases. Once a response is sent the requests are ours: nothing throws
// from there on, as the server would answer and release them again.
void execute(TRITONBACKEND_ModelInstance* handle, const Instance& instance,
             std::vector<Exchange> exchanges, uint64_t start_ns) {
  std::vector<int64_t> counts;
  Times times;
  instance.runner->run(exchanges, counts, times);
  for (Exchange& exchange : exchanges) exchange.send();
  const uint64_t end_ns = now_ns();
  const bool batches = instance.model->config().max_batch_size > 0;
  uint64_t total = 0;
  for (size_t i = 0; i < exchanges.size(); ++i) {
    log_failure("statistics of a request",
                TRITONBACKEND_ModelInstanceReportStatistics(
                    handle, exchanges[i].request(), !exchanges[i].failed(), start_ns,
                    times.compute_start_ns, times.compute_end_ns, end_ns));
    log_failure(
        "a request was not released",
        TRITONBACKEND_RequestRelease(exchanges[i].request(), TRITONSERVER_REQUEST_RELEASE_ALL));
    total += batches ? static_cast<uint64_t>(counts[i]) : 1;
  }
  log_failure("statistics of a batch",
              TRITONBACKEND_ModelInstanceReportBatchStatistics(
                  handle, total, start_ns, times.compute_start_ns, times.compute_end_ns, end_ns));
}

}  // namespace
}  // namespace tamis::triton

using tamis::triton::guarded;
using tamis::triton::Instance;
using tamis::triton::ServedModel;
using tamis::triton::state_of;

extern "C" {

TRITONSERVER_Error* TRITONBACKEND_Initialize(TRITONBACKEND_Backend*) {
  return guarded([] {
    tamis::triton::check_api();
    tamis::set_log_sink(tamis::triton::log_line);
  });
}

TRITONSERVER_Error* TRITONBACKEND_Finalize(TRITONBACKEND_Backend*) {
  return guarded([] { tamis::set_log_sink({}); });
}

// Where a config names no instances: one on the CPU, whose pool of threads all share.
TRITONSERVER_Error* TRITONBACKEND_GetBackendAttribute(TRITONBACKEND_Backend*,
                                                      TRITONBACKEND_BackendAttribute* attributes) {
  return TRITONBACKEND_BackendAttributeAddPreferredInstanceGroup(
      attributes, TRITONSERVER_INSTANCEGROUPKIND_CPU, 1, nullptr, 0);
}

TRITONSERVER_Error* TRITONBACKEND_ModelInitialize(TRITONBACKEND_Model* model) {
  return guarded([&] {
    auto served = std::make_unique<ServedModel>(model);
    tamis::triton::check(TRITONBACKEND_ModelSetState(model, served.get()));
    static_cast<void>(served.release());
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelFinalize(TRITONBACKEND_Model* model) {
  return guarded([&] { delete state_of(model); });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceInitialize(TRITONBACKEND_ModelInstance* instance) {
  return guarded([&] {
    TRITONBACKEND_Model* model = nullptr;
    tamis::triton::check(TRITONBACKEND_ModelInstanceModel(instance, &model));
    auto made = std::make_unique<Instance>();
    made->model = state_of(model);
    made->runner = &made->model->on(tamis::triton::device_of(instance));
    tamis::triton::check(TRITONBACKEND_ModelInstanceSetState(instance, made.get()));
    static_cast<void>(made.release());
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceFinalize(TRITONBACKEND_ModelInstance* instance) {
  return guarded([&] { delete state_of(instance); });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance* instance,
                                                       TRITONBACKEND_Request** requests,
                                                       uint32_t count) {
  const uint64_t start_ns = tamis::triton::now_ns();
  return guarded([&] {
    std::vector<tamis::triton::Exchange> exchanges;
    exchanges.reserve(count);
    for (uint32_t i = 0; i < count; ++i) exchanges.emplace_back(requests[i]);
    tamis::triton::execute(instance, *state_of(instance), std::move(exchanges), start_ns);
  });
}

}  // extern "C"
