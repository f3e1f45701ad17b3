#!/bin/sh
# Installs a build into an empty folder and builds a program against it, once as CMake users do and
# once as pkg-config users do. Both must run and print what the program expects.
#
#   tests/install/install_test.sh BUILD_FOLDER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
stage=$build/install_test
rm -rf "$stage"
mkdir -p "$stage"

cmake --install "$build" --prefix "$stage/installed" >"$stage/install.log"
# Moved after installing: nothing may remember where it was first.
mv "$stage/installed" "$stage/tree"

cmake -S "$here" -B "$stage/by_cmake" -DCMAKE_PREFIX_PATH="$stage/tree" \
  -DCMAKE_BUILD_TYPE=Debug >"$stage/configure.log"
cmake --build "$stage/by_cmake" >"$stage/build.log"
"$stage/by_cmake/uses_tamis"
"$stage/by_cmake/uses_tamis" "$here/../../testdata/models/bert-base"

pc=$(find "$stage/tree" -name tamis.pc)
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
# shellcheck disable=SC2046  # flags are meant to be split
c++ -std=c++20 "$here/uses_tamis.cc" -o "$stage/by_pkg_config" $(pkg-config --cflags --libs tamis)
LD_LIBRARY_PATH=$(pkg-config --variable=libdir tamis) "$stage/by_pkg_config"

"$stage/tree/bin/tamis" --version

# Triton's backend finds the library: in the installed tree, and beside it once both are copied.
finds() {
  found=$(ldd "$1" | sed -n 's/.*libtamis[^ ]* => \([^ ]*\).*/\1/p')
  [ -n "$found" ] && [ "$(realpath "$(dirname "$found")")" = "$(realpath "$2")" ] && return
  echo "$1: finds ${found:-no libtamis}, not that of $2" >&2
  exit 1
}
library=$(dirname "$(find "$stage/tree" -name 'libtamis.so.*' | head -n 1)")
finds "$(find "$stage/tree" -name libtriton_tamis.so)" "$library"
for backend in "$build/backends/tamis" "$(dirname "$(find "$stage/tree" -name libtriton_tamis.so)")"; do
  rm -rf "$stage/copied"
  mkdir "$stage/copied"
  cp "$backend/libtriton_tamis.so" "$library"/libtamis.so.* "$stage/copied"
  finds "$stage/copied/libtriton_tamis.so" "$stage/copied"
done
