// An inference of the KServe protocol: tensors in by name, tensors out by name.
//
// Is: what REST and gRPC both call. Is not: JSON, HTTP or gRPC. May use: core, kserve_model.
#pragma once

#include <functional>
#include <optional>

#include "serve/core/core.h"
#include "serve/dialects/kserve/kserve_model.h"
#include "serve/dialects/kserve/kserve_tensor.h"

namespace tamis::serve {

/// Who asks.
struct KserveCaller {
  uint64_t client = 0;
  CancelFlag cancelled;
  Executor* reply_on = nullptr;
  std::string log_id;
  std::string traceparent;
  /// Told of the model's reply before it is printed; may be empty.
  std::function<void(const Reply& reply)> note;
  bool auto_truncate = true;  ///< for requests that do not say
  int64_t float_bytes = kPrintedFloatBytes;
};

/// Called once: with the answer, or with an error and, for kOverloaded, when to come back.
using KserveDone = std::function<void(KserveResponse&& response, const std::optional<Error>& error,
                                      int64_t retry_after_ms)>;

/// Never throws.
void kserve_infer(Core& core, KserveRequest request, const KserveCaller& caller, KserveDone done);

}  // namespace tamis::serve
