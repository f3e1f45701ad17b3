#!/bin/sh
# The tests of the Python package: over the build's library, then over the wheel made of it, unpacked
# where nothing of the build is near.
#
#   python_test.sh BUILD_FOLDER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
build=$(cd "$1" && pwd)

# Debian's interpreter has the numpy that tools/environment/setup.sh installs; another may have its own.
for candidate in python3 /usr/bin/python3; do
  if "$candidate" -c "import numpy" 2>/dev/null; then python=$candidate; break; fi
done
if [ -z "${python:-}" ]; then
  echo "needs numpy: run tools/environment/setup.sh test"
  [ "${CI:-}" = true ] && exit 1
  exit 77
fi

export TAMIS_TESTDATA="$source/testdata" PYTHONDONTWRITEBYTECODE=1
TAMIS_LIBRARY="$build/libtamis.so" TAMIS_PROGRAM="$build/tamis" PYTHONPATH="$source/python" \
  "$python" "$here/test_tamis.py"
# With the packages that are installed; those that are not are passed over.
for tests in test_adapters.py test_faces.py; do
  TAMIS_LIBRARY="$build/libtamis.so" PYTHONPATH="$source/python" "$python" "$here/$tests"
done

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
wheel=$("$python" "$source/tools/run/make_wheel.py" "$build" "$stage/wheels")
"$python" "$here/check_wheel.py" "$wheel" "$stage/tree"
cd "$stage"
env -u TAMIS_LIBRARY PYTHONPATH="$stage/tree" "$python" "$here/test_tamis.py" Embedding Faults
"$build/tamis" --help | grep -q "^  serve " || exit 0
server=$("$python" "$source/tools/run/make_wheel.py" --server "$build" "$stage/wheels")
"$python" "$here/check_wheel.py" "$server" "$stage/tree"
# The server of the wheel beside it.
env -u TAMIS_LIBRARY -u TAMIS_PROGRAM TAMIS_SERVER_WHEEL=1 PYTHONPATH="$stage/tree" \
  "$python" "$here/test_tamis.py" Serving
