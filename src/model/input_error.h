// The public InputError under this module's name too: what LoadedModel::run() throws for an input
// that cannot be run or answered.
#pragma once

#include <tamis/input_error.h>

#include "base/error.h"

namespace tamis::api {

using tamis::InputError;

}  // namespace tamis::api
