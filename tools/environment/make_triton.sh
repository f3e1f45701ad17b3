#!/bin/sh
# Makes the virtual environment build/triton with a tritonserver and its clients (some 100 MB) and
# prints the server's path, for TAMIS_TRITON. Idempotent: made anew only when the list changed.
set -eu
cd "$(dirname "$0")/../.."

folder=build/triton
if ! cmp -s tools/environment/triton.txt "$folder/triton.txt"; then
  mkdir -p build
  python3 -m venv --clear "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r tools/environment/triton.txt >&2
  cp tools/environment/triton.txt "$folder/triton.txt"
fi
find "$PWD/$folder" -path '*/tritonserver/bin/tritonserver' | grep .
