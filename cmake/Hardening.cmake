# What a release is compiled and linked with against faults that were missed: stack protector,
# checked library calls, probes of large stack frames, marked entries of functions, and tables that
# cannot be written once the program runs. Kernels are left out: their loops are what is timed.
# tools/check/check_hardening.sh looks for it in the binary.
set(TAMIS_HARDENED OFF)
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT TAMIS_SANITIZE)
  set(TAMIS_HARDENED ON)
endif()

# tamis_harden(TARGET): a module, program or shared library of a release.
function(tamis_harden target)
  if(NOT TAMIS_HARDENED)
    return()
  endif()
  if(NOT target MATCHES "^tamis_kernels_")
    target_compile_options(${target} PRIVATE -fstack-protector-strong -fstack-clash-protection)
    if(TAMIS_ARCHITECTURE STREQUAL x86_64)
      target_compile_options(${target} PRIVATE -fcf-protection=full)
    elseif(TAMIS_ARCHITECTURE STREQUAL aarch64)
      target_compile_options(${target} PRIVATE -mbranch-protection=standard)
    endif()
    target_compile_definitions(${target} PRIVATE _FORTIFY_SOURCE=2)
  endif()
  get_target_property(type ${target} TYPE)
  if(NOT type STREQUAL "STATIC_LIBRARY")
    target_link_options(${target} PRIVATE -Wl,-z,relro,-z,now,-z,noexecstack)
  endif()
endfunction()
