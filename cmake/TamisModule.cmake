# tamis_module(NAME SOURCES ... [TESTS ...] [USES module...] [LIBRARIES target...]
#              [TEST_LIBRARIES target...])
#
# One static library tamis_NAME from src/NAME, and one test binary NAME_test from TESTS that links
# only this module and what it uses. USES must match tools/layers.txt (tools/check_layers.py).
# Third-party LIBRARIES are private: no header of ours includes theirs.
function(tamis_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;TESTS;USES;LIBRARIES;TEST_LIBRARIES" ${ARGN})
  add_library(tamis_${name} STATIC ${ARG_SOURCES})
  target_include_directories(tamis_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src
                                                  ${CMAKE_SOURCE_DIR}/include)
  foreach(used ${ARG_USES})
    target_link_libraries(tamis_${name} PUBLIC tamis_${used})
  endforeach()
  target_link_libraries(tamis_${name} PRIVATE ${ARG_LIBRARIES} PUBLIC Threads::Threads)
  set_property(GLOBAL APPEND PROPERTY TAMIS_MODULES tamis_${name})
  if(TAMIS_TESTS AND ARG_TESTS)
    add_executable(${name}_test ${ARG_TESTS})
    target_link_libraries(${name}_test PRIVATE tamis_${name} ${ARG_TEST_LIBRARIES} GTest::gtest_main)
    target_compile_definitions(${name}_test PRIVATE TAMIS_TESTDATA="${CMAKE_SOURCE_DIR}/testdata")
    add_test(NAME ${name}_test COMMAND ${name}_test)
    set_tests_properties(${name}_test PROPERTIES TIMEOUT 600)
  endif()
endfunction()
