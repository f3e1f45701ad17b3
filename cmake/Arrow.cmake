# Arrow C++ with Parquet, for the files of src/formats/tables. Sets TAMIS_ARROW_LIBRARIES where it is
# built in, to nothing where not: the program and its tests are the same, and such files are refused.
#
# TAMIS_ARROW: off, on (it must be there) or auto (if it is there). TAMIS_ARROW_ROOT says where: the
# prefix of an installation, or the folder of the Python package pyarrow, which has Arrow's headers
# and libraries in it (tools/environment/fetch_arrow.sh).
set(TAMIS_ARROW off CACHE STRING "Read and write Parquet and Arrow files: auto, on or off")
set(TAMIS_ARROW_ROOT "" CACHE PATH "Where Arrow C++ is: a prefix, or the folder of the package pyarrow")
# What is tested; it refuses a schema of Parquet that is nested too deep for the stack.
set(TAMIS_ARROW_OLDEST 26)

set(TAMIS_ARROW_LIBRARIES)
if(NOT TAMIS_ARROW MATCHES "^(auto|on|off|ON|OFF)$")
  message(FATAL_ERROR "TAMIS_ARROW=${TAMIS_ARROW}; accepted are auto, on and off")
endif()
if(TAMIS_ARROW MATCHES "^(off|OFF)$")
  return()
endif()

# What pyarrow's folder has is called libarrow.so.2600, without the name that a linker looks for.
function(tamis_pyarrow_library name)
  file(GLOB found ${TAMIS_ARROW_ROOT}/lib${name}.so ${TAMIS_ARROW_ROOT}/lib${name}.so.*)
  list(GET found 0 library)
  add_library(tamis_found_${name} SHARED IMPORTED GLOBAL)
  set_target_properties(tamis_found_${name} PROPERTIES IMPORTED_LOCATION ${library}
    INTERFACE_INCLUDE_DIRECTORIES ${TAMIS_ARROW_ROOT}/include)
endfunction()

set(why "")
file(GLOB pyarrow ${TAMIS_ARROW_ROOT}/libparquet.so*)
if(TAMIS_ARROW_ROOT AND pyarrow AND EXISTS ${TAMIS_ARROW_ROOT}/include/arrow/api.h)
  tamis_pyarrow_library(arrow)
  tamis_pyarrow_library(parquet)
  set(libraries tamis_found_parquet tamis_found_arrow)
  file(STRINGS ${TAMIS_ARROW_ROOT}/include/arrow/util/config.h version
       REGEX "define ARROW_VERSION_STRING ")
  string(REGEX REPLACE ".*\"(.*)\".*" "\\1" Arrow_VERSION "${version}")
else()
  find_package(Arrow CONFIG QUIET HINTS ${TAMIS_ARROW_ROOT})
  find_package(Parquet CONFIG QUIET HINTS ${TAMIS_ARROW_ROOT})
  if(TARGET Arrow::arrow_shared AND TARGET Parquet::parquet_shared)
    set(libraries Parquet::parquet_shared Arrow::arrow_shared)
  else()
    set(why "there is no Arrow C++ with Parquet; name it by TAMIS_ARROW_ROOT")
  endif()
endif()
if(NOT why AND Arrow_VERSION VERSION_LESS TAMIS_ARROW_OLDEST)
  set(why "Arrow C++ ${Arrow_VERSION} is older than ${TAMIS_ARROW_OLDEST}")
endif()
if(NOT why)
  # A library of the other string of the C++ library compiles and does not link.
  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_LIBRARIES ${libraries})
  set(CMAKE_REQUIRED_FLAGS -std=c++20)
  check_cxx_source_compiles("
    #include <arrow/status.h>
    int main() { return arrow::Status::Invalid(\"x\").ToString().size() == 0 ? 1 : 0; }"
    TAMIS_ARROW_LINKS)
  unset(CMAKE_REQUIRED_LIBRARIES)
  unset(CMAKE_REQUIRED_FLAGS)
  if(NOT TAMIS_ARROW_LINKS)
    set(why "Arrow C++ ${Arrow_VERSION} does not link with this compiler")
    unset(TAMIS_ARROW_LINKS CACHE)
  endif()
endif()
if(why)
  if(TAMIS_ARROW MATCHES "^(on|ON)$")
    message(FATAL_ERROR "TAMIS_ARROW=on, but ${why}")
  endif()
  message(STATUS "Without Parquet and Arrow files: ${why}")
  return()
endif()
message(STATUS "Parquet and Arrow files by Arrow C++ ${Arrow_VERSION}")
set(TAMIS_ARROW_LIBRARIES ${libraries})
