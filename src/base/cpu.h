// What the CPU can do, how many threads may be used, and which kernel set to run.
//
// Is: detection and naming. Is not: kernel selection (kernels/cpu). May use: error.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tamis {

/// Instruction-set levels that kernels are written for, each containing the ones it builds on
/// (avx_vnni contains avx2; amx contains avx512_bf16 contains avx512_vnni contains avx512 contains
/// avx2).
enum class Isa : uint8_t { kReference, kAvx2, kAvxVnni, kAvx512, kAvx512Vnni, kAvx512Bf16, kAmx };

/// A set of Isa levels.
class IsaSet {
 public:
  constexpr IsaSet() = default;
  [[nodiscard]] constexpr bool has(Isa isa) const { return (bits_ >> static_cast<int>(isa)) & 1; }
  constexpr void add(Isa isa) { bits_ |= uint32_t{1} << static_cast<int>(isa); }
  friend constexpr bool operator==(IsaSet, IsaSet) = default;

 private:
  uint32_t bits_ = 1;  // kReference is always there
};

/// The name used by --isa: "reference", "avx2", "avx_vnni", "avx512", "avx512_vnni", "avx512_bf16",
/// "amx".
[[nodiscard]] std::string_view isa_name(Isa isa);
/// All levels, least first.
[[nodiscard]] std::span<const Isa> all_isas();

/// What this CPU and operating system offer. The first call asks Linux for the tile registers of
/// AMX, for all threads of the process.
[[nodiscard]] IsaSet detected_isas();

/// The levels that --isa NAME allows: NAME and all that it contains. Throws kInvalidArgument for an
/// unknown name (listing the known), kUnsupported if the CPU lacks it.
[[nodiscard]] IsaSet isas_up_to(std::string_view name);

/// The CPU's marketing name, "unknown" if it does not tell.
[[nodiscard]] std::string cpu_model();

/// What tells CPUs apart whose names say little, as in virtual machines.
struct CpuId {
  std::string vendor;  ///< "GenuineIntel", "AuthenticAMD"; empty if it does not tell
  int family = 0;      ///< with the extended family
  int model = 0;       ///< with the extended model
};
[[nodiscard]] CpuId cpu_id();

/// Bytes of this core's level-2 data cache; 1 MiB if it does not tell.
[[nodiscard]] int64_t l2_cache_bytes();

/// The least of physical cores, the affinity mask and the cgroup's CPU quota; at least 1.
[[nodiscard]] int default_thread_count();

}  // namespace tamis
