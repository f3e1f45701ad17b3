#include "kernels/cpu/simd/vec_avx512-inl.h"
// On the vector.
#include "kernels/cpu/simd/load_s8_avx512-inl.h"
// On both.
#include "kernels/cpu/quantize_rows/quantize_rows-inl.h"

namespace tamis::kernels {

extern const QuantizeRowsKernel quantize_rows_avx512;
const QuantizeRowsKernel quantize_rows_avx512 = {
    "quantize_rows_avx512", quantize_rows, norm_and_quantize<LayerNormArgs>,
    norm_and_quantize<EmbeddingArgs>, glu_and_quantize};

}  // namespace tamis::kernels
