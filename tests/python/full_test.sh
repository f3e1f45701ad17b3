#!/bin/sh
# The tests of the Python package that need torch, transformers, Ray, Spark and a kernel for notebooks,
# with the packages of tools/environment/clients.txt (`make clients`).
#
#   full_test.sh BUILD_FOLDER PYTHON
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
build=$(cd "$1" && pwd)
python=$2

export TAMIS_LIBRARY="$build/libtamis.so" TAMIS_PROGRAM="$build/tamis" PYTHONDONTWRITEBYTECODE=1
export TAMIS_TESTDATA="$source/testdata" PYTHONPATH="$source/python"
"$source/tools/generate/make_notebook.py" --check "$source/examples/python/quantize_and_train.py"
for test in test_torch_rules test_torch test_torch_export test_adapters test_faces test_demo; do
  echo "$test" >&2
  "$python" "$here/$test.py"
done
# A network of its own: Ray binds the machine's address whatever it is told.
for test in test_ray test_spark; do
  echo "$test" >&2
  unshare --user --map-root-user --net sh -c 'ip link set lo up && exec "$@"' - "$python" "$here/$test.py"
done
