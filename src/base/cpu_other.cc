// What base/cpu.h asks of the CPU itself, on architectures without kernels of their own: the
// reference kernels run.
#include "base/cpu.h"

namespace tamis {

IsaSet detected_isas() { return {}; }

std::string cpu_model() { return "unknown"; }

CpuId cpu_id() { return {}; }

}  // namespace tamis
