#!/bin/sh
# Fetches Arrow C++ with Parquet (55 MB), as the Python package pyarrow has it, into build/arrow and
# prints its folder, for -DTAMIS_ARROW_ROOT. Idempotent. Debian 12 has no package of it.
set -eu
cd "$(dirname "$0")/../.."

version=26.0.1
folder=$PWD/build/arrow/pyarrow
if [ ! -f "build/arrow/$version" ]; then
  rm -rf build/arrow
  mkdir -p build/arrow
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --dest build/arrow "pyarrow==$version" >&2
  python3 -m zipfile -e build/arrow/pyarrow-*.whl build/arrow
  rm build/arrow/pyarrow-*.whl
  touch "build/arrow/$version"
fi
echo "$folder"
