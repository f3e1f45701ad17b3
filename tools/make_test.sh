#!/bin/sh
# Fetches the model, builds a preset and runs its tests; for a preset without sanitizers, the fuzz
# corpora are replayed under AddressSanitizer as well. Without the model its tests are skipped and
# counted, except with CI=true, where that is a failure.
#
#   tools/make_test.sh PRESET
set -eu
cd "$(dirname "$0")/.."

preset=$1
rm -rf "build/$preset/results"
if ! tools/fetch_model.sh; then
  [ "${CI:-}" != true ] || exit 1
  echo "test: going on without the model; what needs it is skipped" >&2
fi
cmake --preset "$preset"
cmake --build --preset "$preset"
set -- "$preset"
if [ "$preset" != asan ]; then
  cmake --preset asan
  cmake --build --preset asan --target fuzz_targets
  set -- "$@" asan:^fuzz_replay_
fi
tools/run_tests.sh "$@"
