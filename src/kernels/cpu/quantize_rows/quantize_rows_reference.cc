#include "kernels/cpu/quantize_rows/quantize_rows.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

namespace {

void quantize_rows_of(const float* y, int64_t ldy, const QuantizeRowsArgs& quantize) {
  QuantizeRowsArgs args = quantize;
  args.x = y;
  args.x_f16 = args.x_bf16 = nullptr;
  args.ldx = ldy;
  reference::quantize_rows(args);
}

void run_layer_norm(const LayerNormArgs& norm, const QuantizeRowsArgs& quantize) {
  reference::layer_norm(norm);
  quantize_rows_of(norm.y, norm.ldy, quantize);
}

void run_embedding(const EmbeddingArgs& embedding, const QuantizeRowsArgs& quantize) {
  reference::embedding(embedding);
  quantize_rows_of(embedding.y, embedding.ldy, quantize);
}

}  // namespace

extern const QuantizeRowsKernel quantize_rows_reference;
const QuantizeRowsKernel quantize_rows_reference = {
    "quantize_rows_reference", reference::quantize_rows, run_layer_norm, run_embedding};

}  // namespace tamis::kernels
