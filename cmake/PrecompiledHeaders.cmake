# The standard library's headers, parsed once for all modules and once, with GoogleTest's, for all
# test binaries: some 30 % off the compiler's time. The presets of developers and sanitizers use them.
# Release, tidy and fuzz do not, so that a file that lacks an include of its own is found there.
option(TAMIS_PRECOMPILE "Parse the standard library once for all files" OFF)
set(TAMIS_PCH_HEADERS <algorithm> <cmath> <filesystem> <functional> <map> <memory> <optional> <set>
                      <span> <string> <string_view> <unordered_map> <vector>)

# tamis_precompiled(TARGET PCH): TARGET takes the headers of PCH, which is made when it is first
# asked for: tamis_pch for libraries, tamis_test_pch for test binaries. Files with an instruction
# set of their own (KernelIsa.cmake) parse for themselves.
function(tamis_precompiled target pch)
  if(NOT TAMIS_PRECOMPILE)
    return()
  endif()
  if(NOT TARGET ${pch})
    set(headers ${TAMIS_PCH_HEADERS})
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/${pch}.cc CONTENT "// Stands for the headers alone.\n")
    add_library(${pch} OBJECT ${CMAKE_BINARY_DIR}/${pch}.cc)
    target_link_libraries(${pch} PRIVATE Threads::Threads)
    if(pch STREQUAL tamis_test_pch)
      list(APPEND headers <gtest/gtest.h>)
      target_link_libraries(${pch} PRIVATE GTest::gtest_main)
      # A program is compiled by -fPIE, and headers parsed for -fPIC do not serve it.
      set_target_properties(${pch} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
      target_compile_options(${pch} PRIVATE -fPIE)
      tamis_test_flags(${pch})
    endif()
    target_precompile_headers(${pch} PRIVATE ${headers})
  endif()
  target_precompile_headers(${target} REUSE_FROM ${pch})
endfunction()
