#include "base/cpu.h"

#include <cpuid.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>
#include <utility>

#include "base/error.h"

namespace tamis {

namespace {

struct IsaRow {
  Isa isa;
  std::string_view name;
  Isa contains;  // the level it builds on
};

constexpr std::array<IsaRow, 6> kIsaRows = {{
    {Isa::kReference, "reference", Isa::kReference},
    {Isa::kAvx2, "avx2", Isa::kReference},
    {Isa::kAvxVnni, "avx_vnni", Isa::kAvx2},
    {Isa::kAvx512, "avx512", Isa::kAvx2},
    {Isa::kAvx512Vnni, "avx512_vnni", Isa::kAvx512},
    {Isa::kAvx512Bf16, "avx512_bf16", Isa::kAvx512Vnni},
}};

constexpr std::array<Isa, 6> kAllIsas = {Isa::kReference, Isa::kAvx2,       Isa::kAvxVnni,
                                         Isa::kAvx512,    Isa::kAvx512Vnni, Isa::kAvx512Bf16};

struct CpuidLeaf {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

CpuidLeaf cpuid(uint32_t leaf, uint32_t subleaf) {
  CpuidLeaf r;
  if (__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx) == 0) return {};
  return r;
}

constexpr bool bit(uint32_t word, int position) { return ((word >> position) & 1) != 0; }

// Which register files the operating system saves (XCR0).
uint64_t saved_state() {
  uint32_t low = 0;
  uint32_t high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
}

IsaSet detect() {
  IsaSet set;
  const CpuidLeaf leaf1 = cpuid(1, 0);
  const bool osxsave = bit(leaf1.ecx, 27);
  if (!osxsave) return set;
  const uint64_t state = saved_state();
  const bool ymm = (state & 0x6) == 0x6;
  const bool zmm = (state & 0xe6) == 0xe6;
  const CpuidLeaf leaf7 = cpuid(7, 0);
  const CpuidLeaf leaf7_1 = cpuid(7, 1);
  const bool avx2 = ymm && bit(leaf7.ebx, 5) && bit(leaf1.ecx, 12) && bit(leaf1.ecx, 29) &&
                    bit(leaf7.ebx, 8);  // AVX2, FMA, F16C, BMI2
  if (!avx2) return set;
  set.add(Isa::kAvx2);
  if (bit(leaf7_1.eax, 4)) set.add(Isa::kAvxVnni);
  // F, DQ, CD, BW, VL
  const bool avx512 = zmm && bit(leaf7.ebx, 16) && bit(leaf7.ebx, 17) && bit(leaf7.ebx, 28) &&
                      bit(leaf7.ebx, 30) && bit(leaf7.ebx, 31);
  if (!avx512) return set;
  set.add(Isa::kAvx512);
  if (!bit(leaf7.ecx, 11)) return set;
  set.add(Isa::kAvx512Vnni);
  if (bit(leaf7_1.eax, 5)) set.add(Isa::kAvx512Bf16);
  return set;
}

// cgroup v2 "max 100000" or "200000 100000"; v1 in two files. 0 = no quota.
double cgroup_cpu_quota() {
  std::ifstream v2("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (v2 >> quota >> period && period > 0) {
    return quota == "max" ? 0 : std::strtod(quota.c_str(), nullptr) / period;
  }
  std::ifstream v1_quota("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  std::ifstream v1_period("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  double v1 = 0;
  if (v1_quota >> v1 && v1_period >> period && v1 > 0 && period > 0) return v1 / period;
  return 0;
}

// Distinct (package, core) pairs among the CPUs this process may run on.
int physical_cores_allowed() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
    return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  }
  std::set<std::pair<int, int>> cores;
  int logical = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    ++logical;
    const std::string folder = cat("/sys/devices/system/cpu/cpu", cpu, "/topology/");
    int package = -1;
    int core = -1;
    if (std::ifstream(folder + "physical_package_id") >> package &&
        std::ifstream(folder + "core_id") >> core) {
      cores.emplace(package, core);
    } else {
      cores.emplace(-1, cpu);
    }
  }
  return std::max(1, std::min(logical, static_cast<int>(cores.size())));
}

}  // namespace

std::string_view isa_name(Isa isa) { return kIsaRows[static_cast<size_t>(isa)].name; }

std::span<const Isa> all_isas() { return kAllIsas; }

IsaSet detected_isas() {
  static const IsaSet set = detect();
  return set;
}

IsaSet isas_up_to(std::string_view name) {
  std::string known;
  for (const IsaRow& row : kIsaRows) {
    known += known.empty() ? "" : ", ";
    known += row.name;
    if (row.name != name) continue;
    if (!detected_isas().has(row.isa)) {
      fail(ErrorCode::kUnsupported, "--isa ", name, ": this CPU (", cpu_model(), ") lacks it");
    }
    IsaSet set;
    for (Isa isa = row.isa; isa != Isa::kReference;
         isa = kIsaRows[static_cast<size_t>(isa)].contains) {
      set.add(isa);
    }
    return set;
  }
  fail(ErrorCode::kInvalidArgument, "--isa ", name, ": unknown; known are ", known);
}

std::string cpu_model() {
  if (cpuid(0x80000000u, 0).eax < 0x80000004u) return "unknown";
  char brand[49] = {};
  for (uint32_t i = 0; i < 3; ++i) {
    const CpuidLeaf part = cpuid(0x80000002u + i, 0);
    std::memcpy(brand + 16 * i, &part, 16);
  }
  std::string name(brand);
  name.erase(0, name.find_first_not_of(' '));
  name.erase(name.find_last_not_of(' ') + 1);
  return name.empty() ? "unknown" : name;
}

int64_t l2_cache_bytes() {
  const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  return bytes > 0 ? bytes : int64_t{1} << 20;
}

int default_thread_count() {
  int threads = physical_cores_allowed();
  const double quota = cgroup_cpu_quota();
  if (quota > 0) threads = std::min(threads, static_cast<int>(std::ceil(quota)));
  return std::max(1, threads);
}

}  // namespace tamis
