#include "kernels/cpu/embedding/embedding.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

extern const EmbeddingKernel embedding_reference;
const EmbeddingKernel embedding_reference = {"embedding_reference", reference::embedding};

}  // namespace tamis::kernels
