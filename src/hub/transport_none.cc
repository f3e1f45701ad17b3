// For a build without an HTTP client.
#include "base/error.h"
#include "hub/transport.h"

namespace tamis::hub {

std::unique_ptr<Transport> make_transport(int64_t) {
  fail(ErrorCode::kUnsupported,
       "this build has no HTTP client: it does not download and sends no traces; accepted are "
       "models "
       "that lie here or in the Hugging Face cache");
}

}  // namespace tamis::hub
