#include "kernels/cpu/embedding/embedding.h"

#include "kernels/cpu/rows.h"

namespace tamis::kernels {

#define X(row, level) extern const EmbeddingKernel embedding_##row;
#include "kernels/cpu/embedding/kernels.inc"
#undef X

namespace {

constexpr KernelRow<EmbeddingKernel> kRows[] = {
#define X(row, level) {Isa::level, &embedding_##row},
#include "kernels/cpu/embedding/kernels.inc"
#undef X
};

}  // namespace

const EmbeddingKernel& select_embedding(IsaSet isas) { return first_row(kRows, isas); }

}  // namespace tamis::kernels
