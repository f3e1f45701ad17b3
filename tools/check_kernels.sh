#!/bin/sh
# Fails if the object of a per-ISA kernel file defines a weak symbol: the linker keeps one copy of
# such a function for the whole program, and might keep the one that needs AVX-512.
#
#   tools/check_kernels.sh BUILD_FOLDER
set -eu

objects=$(find "$1/src" -name '*_avx*.cc.o' 2>/dev/null | sort)
faults=0
for object in $objects; do
  weak=$(nm --demangle --defined-only "$object" | grep -E ' [WVu] ' || true)
  if [ -n "$weak" ]; then
    echo "$object defines weak symbols:"
    echo "$weak"
    faults=$((faults + 1))
  fi
done
echo "check_kernels: $faults faults"
[ "$faults" -eq 0 ]
