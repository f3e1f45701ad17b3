#include "kernels/cpu/lstm/lstm.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

extern const LstmKernel lstm_reference;
const LstmKernel lstm_reference = {"lstm_reference", reference::lstm_cell};

}  // namespace tamis::kernels
