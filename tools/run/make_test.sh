#!/bin/sh
# Fetches the model, builds a preset and runs its tests; for a preset without sanitizers, the fuzz
# corpora are replayed under AddressSanitizer as well. Without the model its tests are skipped and
# counted; with CI=true that is a failure.
#
# CI=true or TAMIS_DEEP=true also looks at what changed with clang-tidy, and runs the tests of the
# modules, parsers and command line under AddressSanitizer and UBSan: those of modules and parsers
# there alone, so that each is built and run once. The tests' own files do without UBSan there, which
# takes 30 % of their compile time; `make asan` gives it to them.
#
#   tools/run/make_test.sh PRESET
set -eu
cd "$(dirname "$0")/../.."

preset=$1
deep=${TAMIS_DEEP:-${CI:-}}
[ "$preset" != asan ] || deep=
rm -rf "build/$preset/results"
if ! tools/environment/fetch_model.sh; then
  [ "${CI:-}" != true ] || exit 1
  echo "test: going on without the model; what needs it is skipped" >&2
fi
module_tests=ON
[ "$deep" != true ] || module_tests=OFF
cmake --preset "$preset" -DTAMIS_MODULE_TESTS=$module_tests
cmake --build --preset "$preset"
set -- "$preset"
status=0
if [ "$preset" != asan ]; then
  targets=fuzz_targets
  tests='^fuzz_replay_'
  if [ "$deep" != true ]; then
    cmake --preset asan
  else
    cmake --preset asan -DTAMIS_UBSAN_IN_TESTS=OFF
    if tools/environment/setup.sh tidy; then
      tools/check/tidy.sh changed asan || status=$?
    else
      echo "test: there is no clang-tidy; what changed is not looked at" >&2
    fi
    targets="$targets module_tests"
    modules=$(sed -n 's/^\([a-z/]*\):.*/\1/p' tools/layers.txt | tr / _ | paste -s -d '|')
    tests="$tests|^($modules|options|cli)_test\$"
  fi
  # shellcheck disable=SC2086  # targets have no spaces
  cmake --build --preset asan --target $targets
  set -- "$@" "asan:$tests"
fi
tools/run/run_tests.sh "$@" || status=$?
exit "$status"
