#include "base/bf16.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels::reference {

namespace {

float element(const EmbeddingTable& table, int64_t row, int64_t width, int64_t j) {
  const int64_t at = row * width + j;
  if (table.f16 != nullptr) return f16_to_float(table.f16[at]);
  if (table.bf16 != nullptr) return bf16_to_float(table.bf16[at]);
  if (table.s8 != nullptr) return table.scale[row] * static_cast<float>(table.s8[at]);
  return table.rows[at];
}

}  // namespace

void embedding(const EmbeddingArgs& args) {
  for (int64_t t = 0; t < args.tokens; ++t) {
    for (int64_t j = 0; j < args.width; ++j) {
      float sum = 0;
      for (const EmbeddingTable& table : args.tables) {
        if (!table.is_there()) continue;
        const int64_t row = table.ids == nullptr ? 0 : table.ids[t];
        sum += element(table, row, args.width, j);
      }
      args.y[t * args.ldy + j] = sum;
    }
  }
  if (args.gamma == nullptr) return;
  LayerNormArgs norm;
  norm.rows = args.tokens;
  norm.width = args.width;
  norm.x = args.y;
  norm.ldx = args.ldy;
  norm.gamma = args.gamma;
  norm.beta = args.beta;
  norm.eps = args.eps;
  norm.y = args.y;
  norm.ldy = args.ldy;
  layer_norm(norm);
}

}  // namespace tamis::kernels::reference
