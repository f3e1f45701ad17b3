#include "kernels/cpu/rotary/rotary.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

extern const RotaryKernel rotary_reference;
const RotaryKernel rotary_reference = {"rotary_reference", reference::rotary};

}  // namespace tamis::kernels
