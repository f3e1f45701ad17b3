#include "kernels/cpu/attention_f32/attention_f32.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

namespace {

size_t scratch_bytes(int64_t /*max_seqlen*/, int64_t /*head_size*/,
                     const AttentionTerms& /*terms*/) {
  return 0;
}

void run(const AttentionArgs& args, const AttentionWork& work, void* /*scratch*/) {
  reference::attention_rows(args, work);
}

}  // namespace

extern const AttentionF32Kernel attention_f32_reference;
const AttentionF32Kernel attention_f32_reference = {"attention_f32_reference", scratch_bytes, run};

}  // namespace tamis::kernels
