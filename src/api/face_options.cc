#include "api/face_options.h"

#include "base/error.h"
#include "base/thread_limit.h"
#include "device/device_option.h"

namespace tamis::api {

ModelOptions model_options(const LoadOptions& options) {
  ModelOptions out;
  if (!options.task.empty()) {
    out.task = tasks::task_from_name(options.task);
    if (!out.task) {
      fail(ErrorCode::kInvalidArgument, "task \"", options.task, "\" is unknown; known are ",
           tasks::known_tasks());
    }
  }
  if (options.threads < 0 || options.threads > kMostThreads) {
    fail(ErrorCode::kInvalidArgument, options.threads, " threads: must lie in 0..", kMostThreads);
  }
  if (options.threads > 0) out.pool = std::make_shared<ThreadPool>(options.threads);
  if (!options.isa.empty()) out.isas = isas_up_to(options.isa);
  if (!options.device.empty()) out.device = device::device_from_name(options.device);
  if (!options.precision.empty()) out.precision = precision_option(options.precision);
  out.max_length = options.max_length;
  out.keep_graph = false;
  return out;
}

}  // namespace tamis::api
