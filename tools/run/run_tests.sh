#!/bin/sh
# Runs the tests of built presets, all or those whose names match REGEX, and ends with one line for
# all of them: "N passed, N failed, N skipped".
#
#   tools/run/run_tests.sh PRESET[:REGEX]...
#
# Test cases are counted, not binaries. The line is also left in build/PRESET/results/summary.txt of
# the first preset. Two binaries run at a time, or CTEST_PARALLEL_LEVEL.
set -eu
cd "$(dirname "$0")/../.."

export CTEST_PARALLEL_LEVEL="${CTEST_PARALLEL_LEVEL:-2}"
status=0
folders=
for run in "$@"; do
  preset=${run%%:*}
  regex=${run#"$preset"}
  regex=${regex#:}
  results=build/$preset/results
  rm -rf "$results"
  mkdir -p "$results"
  ctest --preset "$preset" --output-junit "$PWD/$results/ctest.junit" --no-tests=error \
    -R "${regex:-.}" || status=$?
  folders="$folders $results"
done
# shellcheck disable=SC2086  # presets' names have no spaces
python3 tools/run/test_summary.py $folders || status=$?
exit "$status"
