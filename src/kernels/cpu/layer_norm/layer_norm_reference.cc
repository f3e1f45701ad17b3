#include "kernels/cpu/layer_norm/layer_norm.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

extern const LayerNormKernel layer_norm_reference;
const LayerNormKernel layer_norm_reference = {"layer_norm_reference", reference::layer_norm};

}  // namespace tamis::kernels
