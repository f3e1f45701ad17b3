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

void run_glu(const GluArgs& glu, const QuantizeRowsArgs& quantize) {
  float row[kMostGluColumns];
  GluArgs one = glu;
  one.rows = 1;
  one.y = row;
  one.y_bf16 = one.y_f16 = nullptr;
  one.ldy = glu.width;
  QuantizeRowsArgs args = quantize;
  args.rows = 1;
  for (int64_t i = 0; i < quantize.rows; ++i) {
    reference::glu(one);
    quantize_rows_of(row, glu.width, args);
    if (one.x != nullptr) one.x += glu.ldx;
    if (one.x_f16 != nullptr) one.x_f16 += glu.ldx;
    if (one.x_bf16 != nullptr) one.x_bf16 += glu.ldx;
    args.q += args.ldq;
    ++args.scale;
    ++args.low;
    args.outlier_values += 8;
  }
}

}  // namespace

extern const QuantizeRowsKernel quantize_rows_reference;
const QuantizeRowsKernel quantize_rows_reference = {
    "quantize_rows_reference", reference::quantize_rows, run_layer_norm, run_embedding, run_glu};

}  // namespace tamis::kernels
