# tamis_kernel_isa(ISA file...): compile these per-ISA kernel files with that instruction set.
# The flags stand beside the names that base/cpu.h detects; one row an ISA. TAMIS_ISAS_<architecture>
# lists those of an architecture; one without a list has the reference kernels alone.
set(TAMIS_ISAS_x86_64 avx2 avx_vnni avx512 avx512_vnni avx512_bf16 amx)
set(TAMIS_ISAS ${TAMIS_ISAS_${TAMIS_ARCHITECTURE}})
set(TAMIS_ISA_FLAGS_avx2 -mavx2 -mfma -mf16c -mbmi2 -mprfchw)
set(TAMIS_ISA_FLAGS_avx_vnni ${TAMIS_ISA_FLAGS_avx2} -mavxvnni)
set(TAMIS_ISA_FLAGS_avx512
    ${TAMIS_ISA_FLAGS_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512cd)
set(TAMIS_ISA_FLAGS_avx512_vnni ${TAMIS_ISA_FLAGS_avx512} -mavx512vnni)
set(TAMIS_ISA_FLAGS_avx512_bf16 ${TAMIS_ISA_FLAGS_avx512_vnni} -mavx512bf16)
set(TAMIS_ISA_FLAGS_amx ${TAMIS_ISA_FLAGS_avx512_bf16} -mamx-tile -mamx-int8 -mamx-bf16)

function(tamis_kernel_isa isa)
  set(flags ${TAMIS_ISA_FLAGS_${isa}})
  if(NOT flags)
    message(FATAL_ERROR "tamis_kernel_isa: no flags for ISA '${isa}'")
  endif()
  # Kernels are intrinsics on registers: optimized in every build type, or tests take minutes.
  # g++ 12 spills accumulators with PRE on (see docs of the GEMM families), hence -fno-tree-pre.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC bug 105593: its own intrinsics use _mm512_undefined_ps().
    list(APPEND flags -fno-tree-pre -Wno-uninitialized)
    if(isa STREQUAL avx2)
      # Spares gemm_f32_avx2's 6x16 tile a spill, and gives gemm_f32_avx512's 12x32 tile one.
      list(APPEND flags -fno-tree-coalesce-vars)
    endif()
  endif()
  if(TAMIS_SANITIZE)
    # Instrumented, one unrolled GEMM file takes ten minutes to compile; the kernels' own tests put
    # guard pages behind every operand instead.
    list(APPEND flags -fno-sanitize=all)
  endif()
  set_property(SOURCE ${ARGN} APPEND PROPERTY COMPILE_OPTIONS ${flags} -O2 -ffp-contract=off)
  set_property(SOURCE ${ARGN} PROPERTY SKIP_PRECOMPILE_HEADERS ON)
endfunction()
