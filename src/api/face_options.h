// The public options as api's own.
#pragma once

#include <tamis/model.h>

#include "model/loaded_model.h"

namespace tamis::api {

/// Throws Error{kInvalidArgument} naming an option that is unknown or out of range. The graph is
/// let go of once it is packed.
[[nodiscard]] ModelOptions model_options(const LoadOptions& options);

}  // namespace tamis::api
