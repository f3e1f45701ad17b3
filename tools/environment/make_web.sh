#!/bin/sh
# Makes the virtual environment build/web with what drives a browser and fuzzes /openapi.json.
# Idempotent: made anew only when the list changed. The browser is Debian's.
set -eu
cd "$(dirname "$0")/../.."

folder=build/web
if cmp -s tools/environment/web.txt "$folder/web.txt"; then
  echo "web: $folder is there" >&2
  exit 0
fi
mkdir -p build
python3 -m venv --clear "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r tools/environment/web.txt >&2
cp tools/environment/web.txt "$folder/web.txt"
echo "web: use $folder/bin/python" >&2
