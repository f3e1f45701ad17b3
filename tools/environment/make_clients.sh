#!/bin/sh
# Makes the virtual environment build/clients with the referees of tools/environment/clients.txt (several GB:
# PyTorch is among them). Idempotent: made anew only when the list changed.
set -eu
cd "$(dirname "$0")/../.."

folder=build/clients
if cmp -s tools/environment/clients.txt "$folder/clients.txt"; then
  echo "clients: $folder is there" >&2
  exit 0
fi
tools/environment/setup.sh clients
mkdir -p build
python3 -m venv --clear "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r tools/environment/clients.txt >&2
cp tools/environment/clients.txt "$folder/clients.txt"
echo "clients: use $folder/bin/python" >&2
