#include "kernels/cpu/pooling/pooling.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

extern const PoolingKernel pooling_reference;
const PoolingKernel pooling_reference = {"pooling_reference", reference::pooling};

}  // namespace tamis::kernels
