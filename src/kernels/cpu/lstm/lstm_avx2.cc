#include "kernels/cpu/simd/vec_avx2-inl.h"
// The vector comes first.
#include "kernels/cpu/lstm/lstm-inl.h"

namespace tamis::kernels {

extern const LstmKernel lstm_avx2;
const LstmKernel lstm_avx2 = {"lstm_avx2", lstm_cell};

}  // namespace tamis::kernels
