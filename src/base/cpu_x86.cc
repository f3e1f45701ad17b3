// What base/cpu.h asks of the CPU itself, on x86-64.
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "base/cpu.h"

namespace tamis {

namespace {

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

// Linux gives the tile registers of AMX to a process that asks for them, from 5.16 on.
bool tile_registers_granted() {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM of asm/prctl.h
  constexpr long kTileData = 18;               // their number in XCR0
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
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
  if (!bit(leaf7_1.eax, 5)) return set;
  set.add(Isa::kAvx512Bf16);
  // TILE, INT8, BF16
  const bool amx = (state & 0x60000) == 0x60000 && bit(leaf7.edx, 24) && bit(leaf7.edx, 25) &&
                   bit(leaf7.edx, 22);
  if (amx && tile_registers_granted()) set.add(Isa::kAmx);
  return set;
}

}  // namespace

IsaSet detected_isas() {
  static const IsaSet set = detect();
  return set;
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

CpuId cpu_id() {
  CpuId id;
  const CpuidLeaf leaf0 = cpuid(0, 0);
  const uint32_t words[] = {leaf0.ebx, leaf0.edx, leaf0.ecx};
  char vendor[13] = {};
  std::memcpy(vendor, words, 12);
  id.vendor = vendor;
  const uint32_t signature = cpuid(1, 0).eax;
  const auto field = [&](int shift, uint32_t mask) {
    return static_cast<int>((signature >> shift) & mask);
  };
  const int base = field(8, 0xf);
  id.family = base == 0xf ? base + field(20, 0xff) : base;
  id.model = base == 0xf || base == 6 ? field(4, 0xf) + (field(16, 0xf) << 4) : field(4, 0xf);
  return id;
}

}  // namespace tamis
