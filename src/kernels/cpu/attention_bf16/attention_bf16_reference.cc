#include "kernels/cpu/attention_bf16/attention_bf16.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

namespace {

size_t scratch_bytes(int64_t /*max_seqlen*/, int64_t /*head_size*/,
                     const AttentionTerms& /*terms*/) {
  return 0;
}

void run(const AttentionBf16Args& args, const AttentionWork& work, void* /*scratch*/) {
  reference::attention_bf16_rows(args, work);
}

}  // namespace

extern const AttentionBf16Kernel attention_bf16_reference;
const AttentionBf16Kernel attention_bf16_reference = {"attention_bf16_reference", scratch_bytes,
                                                      run};

}  // namespace tamis::kernels
