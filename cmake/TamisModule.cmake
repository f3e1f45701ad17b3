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
  set_property(GLOBAL APPEND PROPERTY TAMIS_MODULE_LIBRARIES ${ARG_LIBRARIES})
  if(TAMIS_TESTS AND ARG_TESTS)
    tamis_test_binary(${name}_test SOURCES ${ARG_TESTS}
                      LIBRARIES tamis_${name} ${ARG_TEST_LIBRARIES})
    tamis_test(${name}_test)
  endif()
endfunction()
