#!/bin/sh
# Runs every test of a built preset and ends with one line: "N passed, N failed, N skipped".
#
#   tools/run_tests.sh PRESET [CTEST-ARGUMENT...]
#
# Test cases are counted, not binaries. The line is also left in build/PRESET/results/summary.txt.
set -eu
cd "$(dirname "$0")/.."

preset=$1
shift
results=build/$preset/results
rm -rf "$results"
mkdir -p "$results"

status=0
ctest --preset "$preset" --output-junit "$PWD/$results/ctest.junit" --no-tests=error "$@" ||
  status=$?
python3 tools/test_summary.py "$results" || status=$?
exit "$status"
