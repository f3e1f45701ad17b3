# The clang of the Python package ziglang, for glibc 2.28 and with libc++ inside: what
# tools/environment/make_wide.sh has prepared. The programs there name the target.
get_filename_component(wide_root ${CMAKE_CURRENT_LIST_DIR}/../build/wide-root ABSOLUTE)
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_C_COMPILER ${wide_root}/bin/clang)
set(CMAKE_CXX_COMPILER ${wide_root}/bin/clang++)
# Its spelling of x86-64-v2.
set(TAMIS_BASELINE x86_64_v2)
# This machine's libraries are of a later glibc and of another C++ library.
set(CMAKE_FIND_ROOT_PATH ${wide_root})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} ${wide_root}/lib/pkgconfig)
