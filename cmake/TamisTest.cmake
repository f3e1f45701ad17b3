# The longest tests, longest first: ctest starts them in this order, so that none is left running
# alone at the end.
set(TAMIS_LONG_TESTS golden_test cli_test optimize_test kernels_cpu_test kernels_cuda_test cuda_test)

# tamis_test(NAME [TARGET target] [ARGS argument...]): a ctest entry that runs the GoogleTest binary
# TARGET (default NAME), without the network, and leaves its report where tools/run/test_summary.py counts the cases.
function(tamis_test name)
  cmake_parse_arguments(ARG "" "TARGET" "ARGS;ENVIRONMENT" ${ARGN})
  if(NOT ARG_TARGET)
    set(ARG_TARGET ${name})
  endif()
  add_test(NAME ${name} COMMAND ${ARG_TARGET} ${ARG_ARGS})
  set(seconds 600)
  if(TAMIS_SANITIZE)
    set(seconds 2400)
  endif()
  list(REVERSE TAMIS_LONG_TESTS)
  list(FIND TAMIS_LONG_TESTS ${name} cost)
  math(EXPR cost "${cost} + 1")
  set_tests_properties(${name} PROPERTIES TIMEOUT ${seconds} COST ${cost}
    ENVIRONMENT "HF_HUB_OFFLINE=1;GTEST_OUTPUT=xml:${CMAKE_BINARY_DIR}/results/${name}.xml;${ARG_ENVIRONMENT}")
endfunction()

# tamis_test_flags(TARGET): how TARGET's own files are compiled. What they test keeps every check.
function(tamis_test_flags target)
  if(TAMIS_SANITIZE MATCHES "undefined" AND NOT TAMIS_UBSAN_IN_TESTS)
    target_compile_options(${target} PRIVATE -fno-sanitize=undefined)
  endif()
endfunction()

# tamis_test_binary(NAME SOURCES file... [LIBRARIES target...]): a GoogleTest binary that finds the
# committed data (TAMIS_TESTDATA; what is committed as archives: TAMIS_UNPACKED_TESTDATA) and what was
# fetched (tests/support/test_paths.h).
function(tamis_test_binary name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES} GTest::gtest_main)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  if(TAMIS_SANITIZE)
    # A sanitizer keeps memory of its own, and takes its time.
    target_compile_definitions(${name} PRIVATE TAMIS_SANITIZED)
  endif()
  tamis_test_flags(${name})
  tamis_precompiled(${name} tamis_test_pch)
  target_compile_definitions(${name} PRIVATE TAMIS_TESTDATA="${CMAKE_SOURCE_DIR}/testdata"
                                             TAMIS_UNPACKED_TESTDATA="${TAMIS_UNPACKED_TESTDATA}"
                                             TAMIS_SOURCE_FOLDER="${CMAKE_SOURCE_DIR}")
endfunction()
