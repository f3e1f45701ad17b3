#include "kernels/reference/reference.h"

namespace tamis::kernels::reference {

void embedding(const EmbeddingArgs& args) {
  for (int64_t t = 0; t < args.tokens; ++t) {
    for (int64_t j = 0; j < args.width; ++j) {
      float sum = 0;
      for (const EmbeddingTable& table : args.tables) {
        if (table.rows == nullptr) continue;
        const int64_t row = table.ids == nullptr ? 0 : table.ids[t];
        sum += table.rows[row * args.width + j];
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
