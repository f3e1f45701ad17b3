# Language level, warnings, sanitizers and ccache for everything in the tree.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # base_dir and no hash_dir: another checkout of the same source finds the same objects. Without the
  # sloppiness ccache keeps no file that reads precompiled headers (PrecompiledHeaders.cmake).
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE_PROGRAM})
endif()

# The presets of developers and sanitizers, which precompile headers, link by mold where it is: the
# program under AddressSanitizer in one second instead of five. A release takes the compiler's own.
if(TAMIS_PRECOMPILE)
  find_program(TAMIS_MOLD mold)
  if(TAMIS_MOLD)
    add_link_options(-fuse-ld=mold)
  endif()
endif()

# Which kernels there are beside the reference (KernelIsa.cmake).
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  set(TAMIS_ARCHITECTURE x86_64)
  # The baseline every translation unit may use; wider instructions live only in per-ISA files.
  if(NOT TAMIS_BASELINE)  # a toolchain file may spell it otherwise
    set(TAMIS_BASELINE x86-64-v2)
  endif()
  add_compile_options(-march=${TAMIS_BASELINE})
else()
  set(TAMIS_ARCHITECTURE ${CMAKE_SYSTEM_PROCESSOR})
endif()
# A release has the same bytes wherever it is built (tools/check/check_reproducible.sh): __FILE__
# begins at the source folder, whether the compiler got an absolute path or, from ccache, a relative one.
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  file(RELATIVE_PATH TAMIS_FROM_BUILD ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
  add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}/= -ffile-prefix-map=${TAMIS_FROM_BUILD}=)
endif()
if(TAMIS_WERROR)
  add_compile_options(-Werror)
endif()
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow
                    $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
                    $<$<COMPILE_LANGUAGE:CXX>:-Woverloaded-virtual>
                    -Wimplicit-fallthrough -fno-math-errno)
# A float expression means what it says on every compiler: no silent fused multiply-add.
add_compile_options(-ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports these inside the standard library's own inlined code (GCC bugs 105329, 105562, 108842).
  add_compile_options(-Wno-restrict -Wno-maybe-uninitialized -Wno-stringop-overflow
                      -Wno-array-bounds)
else()
  # clang asks for braces twice where std::array is initialized; g++ does not.
  add_compile_options(-Wno-missing-braces)
  # std::stable_sort of g++ 12's library calls what its own header calls deprecated.
  if(CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 15)
    add_compile_options(-Wno-deprecated-declarations)
  endif()
endif()
if(TAMIS_SANITIZE)
  add_compile_options(-fsanitize=${TAMIS_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TAMIS_SANITIZE})
endif()
if(TAMIS_FUZZ)
  # Coverage counters in the libraries too; the programs add libFuzzer's main when they link.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
