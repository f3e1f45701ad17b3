# The rows of tools/layers.txt, the one place that says which module uses which.
set(TAMIS_LAYERS ${CMAKE_SOURCE_DIR}/tools/layers.txt)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${TAMIS_LAYERS})

# tamis_layer(ROW VARIABLE): the modules that the row names, "engines/cpu" or "passes (tests)".
function(tamis_layer row variable)
  file(STRINGS ${TAMIS_LAYERS} lines REGEX "^[a-z]")
  set(found NO)
  foreach(line ${lines})
    if(line MATCHES "^([^:]+):(.*)$" AND CMAKE_MATCH_1 STREQUAL row)
      set(found YES)
      string(REGEX REPLACE "private " "" uses "${CMAKE_MATCH_2}")
      string(REGEX MATCHALL "[^ ]+" uses "${uses}")
    endif()
  endforeach()
  if(NOT found AND NOT row MATCHES "tests")
    message(FATAL_ERROR "module '${row}' has no row in tools/layers.txt")
  endif()
  set(${variable} ${uses} PARENT_SCOPE)
endfunction()

# tamis_target(MODULE VARIABLE): the library of a module, tamis_engines_cpu for engines/cpu.
function(tamis_target module variable)
  string(REPLACE "/" "_" name ${module})
  set(${variable} tamis_${name} PARENT_SCOPE)
endfunction()

# tamis_module(NAME SOURCES ... [TESTS ...] [LIBRARIES target...] [TEST_LIBRARIES target...])
#
# One static library tamis_NAME from src/NAME, and one test binary NAME_test from TESTS that links
# this module, what it uses, and what its row for tests names. Third-party LIBRARIES are private: no
# header of ours includes theirs.
function(tamis_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;TESTS;LIBRARIES;TEST_LIBRARIES" ${ARGN})
  tamis_target(${name} target)
  add_library(${target} STATIC ${ARG_SOURCES})
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
  tamis_harden(${target})
  tamis_precompiled(${target} tamis_pch)
  tamis_layer(${name} uses)
  foreach(used ${uses})
    tamis_target(${used} library)
    target_link_libraries(${target} PUBLIC ${library})
  endforeach()
  target_link_libraries(${target} PRIVATE ${ARG_LIBRARIES} PUBLIC Threads::Threads)
  set_property(GLOBAL APPEND PROPERTY TAMIS_MODULES ${target})
  if(NOT name MATCHES "^serve")  # libtamis has no server
    set_property(GLOBAL APPEND PROPERTY TAMIS_MODULE_LIBRARIES ${ARG_LIBRARIES})
  endif()
  if(TAMIS_TESTS AND TAMIS_MODULE_TESTS AND ARG_TESTS)
    string(REPLACE "/" "_" test ${name}_test)
    tamis_layer("${name} (tests)" test_uses)
    set(libraries)
    foreach(used ${test_uses})
      tamis_target(${used} library)
      list(APPEND libraries ${library})
    endforeach()
    tamis_test_binary(${test} SOURCES ${ARG_TESTS}
                      LIBRARIES ${target} ${libraries} ${ARG_TEST_LIBRARIES})
    tamis_test(${test})
  endif()
endfunction()
