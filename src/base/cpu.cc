#include "base/cpu.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
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

constexpr std::array<IsaRow, 7> kIsaRows = {{
    {Isa::kReference, "reference", Isa::kReference},
    {Isa::kAvx2, "avx2", Isa::kReference},
    {Isa::kAvxVnni, "avx_vnni", Isa::kAvx2},
    {Isa::kAvx512, "avx512", Isa::kAvx2},
    {Isa::kAvx512Vnni, "avx512_vnni", Isa::kAvx512},
    {Isa::kAvx512Bf16, "avx512_bf16", Isa::kAvx512Vnni},
    {Isa::kAmx, "amx", Isa::kAvx512Bf16},
}};

constexpr std::array<Isa, 7> kAllIsas = {Isa::kReference, Isa::kAvx2,       Isa::kAvxVnni,
                                         Isa::kAvx512,    Isa::kAvx512Vnni, Isa::kAvx512Bf16,
                                         Isa::kAmx};

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
