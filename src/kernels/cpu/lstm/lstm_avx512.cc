#include "kernels/cpu/simd/vec_avx512-inl.h"
// The vector comes first.
#include "kernels/cpu/lstm/lstm-inl.h"

namespace tamis::kernels {

extern const LstmKernel lstm_avx512;
const LstmKernel lstm_avx512 = {"lstm_avx512", lstm_cell};

}  // namespace tamis::kernels
