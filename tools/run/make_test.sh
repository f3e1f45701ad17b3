#!/bin/sh
# Fetches the model, builds a preset and runs its tests; for a preset without sanitizers, the fuzz
# corpora are replayed under AddressSanitizer as well. Without the model its tests are skipped and
# counted; with CI=true that is a failure. With TAMIS_DEEP=true the modules' and the command line's
# tests run under AddressSanitizer too, and clang-tidy looks at what changed.
#
#   tools/run/make_test.sh PRESET
set -eu
cd "$(dirname "$0")/../.."

preset=$1
rm -rf "build/$preset/results"
if ! tools/environment/fetch_model.sh; then
  [ "${CI:-}" != true ] || exit 1
  echo "test: going on without the model; what needs it is skipped" >&2
fi
cmake --preset "$preset"
cmake --build --preset "$preset"
set -- "$preset"
status=0
if [ "$preset" != asan ]; then
  targets=fuzz_targets
  tests='^fuzz_replay_'
  if [ "${TAMIS_DEEP:-}" = true ]; then
    tools/environment/setup.sh tidy
    tools/check/tidy_changed.sh "$preset" || status=$?
    targets="$targets module_tests"
    modules=$(sed -n 's/^\([a-z/]*\):.*/\1/p' tools/layers.txt | tr / _ | paste -s -d '|')
    tests="$tests|^($modules|options)_test\$"
  fi
  cmake --preset asan
  # shellcheck disable=SC2086  # targets have no spaces
  cmake --build --preset asan --target $targets
  set -- "$@" "asan:$tests"
fi
tools/run/run_tests.sh "$@" || status=$?
exit "$status"
