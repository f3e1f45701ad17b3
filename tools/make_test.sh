#!/bin/sh
# Fetches the model, builds a preset and runs its tests. Without the model its tests are skipped and
# counted, except with CI=true, where that is a failure.
#
#   tools/make_test.sh PRESET [CTEST-ARGUMENT...]
set -eu
cd "$(dirname "$0")/.."

preset=$1
shift
rm -rf "build/$preset/results"
if ! tools/fetch_model.sh; then
  [ "${CI:-}" != true ] || exit 1
  echo "test: going on without the model; what needs it is skipped" >&2
fi
cmake --preset "$preset"
cmake --build --preset "$preset"
tools/run_tests.sh "$preset" "$@"
