#!/bin/bash
# Holds the wheel of `make wheel-wide` to what its name says: symbols of glibc 2.28 and no C++ library
# outside, no kernel's code in a function that others share; then the package's tests over it, installed
# by pip in a fresh virtual environment and, as root with debootstrap, in a bare Debian 11 (glibc 2.31,
# CPython 3.9, the oldest of both that Debian's mirrors have).
#
#   tools/environment/wide_wheel_test.sh WHEEL
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tools/environment/bare_tree.sh
. tools/environment/bare_tree.sh
wheel=$(realpath "$1")

stage=$(mktemp -d)
trap 'rm -rf "$stage"; bare_unmount "${bare_trees[@]}"' EXIT
python3 tests/python/check_wheel.py "$wheel" "$stage/tree"
python3 tests/python/check_glibc.py "$wheel" 2.28
tools/check/check_kernels.sh build/wide symbols

tools/environment/setup.sh clients
python3 -m venv "$stage/venv"
"$stage/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$wheel"
# Nothing of the checkout is near but the tests and their data.
(cd "$stage" && env -u TAMIS_LIBRARY -u PYTHONPATH TAMIS_TESTDATA="$OLDPWD/testdata" PYTHONDONTWRITEBYTECODE=1 \
  venv/bin/python "$OLDPWD/tests/python/test_tamis.py")

if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
  echo "wide: not tried in Debian 11, which needs root and the package debootstrap" >&2
  exit 0
fi
bare_base bullseye
bare_make wide
bare_inside "$tree" apt-get -q -q update
bare_inside "$tree" apt-get -q -q -y install --no-install-recommends python3-pip python3-numpy >/dev/null
mkdir "$tree/opt/test"
cp "$wheel" tests/python/test_tamis.py "$tree/opt/test"
cp -r testdata "$tree/opt/testdata"
bare_inside "$tree" python3 -m pip install --quiet --no-index "/opt/test/$(basename "$wheel")"
bare_inside "$tree" sh -c 'ldd --version | head -n 1; python3 --version'
bare_inside "$tree" TAMIS_TESTDATA=/opt/testdata python3 /opt/test/test_tamis.py
