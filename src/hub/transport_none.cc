// For a build without an HTTP client.
#include "base/error.h"
#include "hub/transport.h"

namespace tamis::hub {

std::unique_ptr<Transport> make_transport(int64_t) {
  fail(ErrorCode::kUnsupported,
       "this build does not download; accepted are models that lie here or in the Hugging Face "
       "cache");
}

}  // namespace tamis::hub
