#!/bin/sh
# Makes the virtual environment build/NAME with the packages of tools/environment/NAME.txt, made
# anew only when the list changed. Says where it is on standard error.
#
#   tools/environment/make_environment.sh NAME
set -eu
cd "$(dirname "$0")/../.."

name=$1
list=tools/environment/$name.txt
folder=build/$name
if cmp -s "$list" "$folder/$name.txt"; then
  echo "$name: $folder is there" >&2
  exit 0
fi
tools/environment/setup.sh clients
mkdir -p build
# A folder with half of the packages would be taken for an environment.
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m venv --clear "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r "$list" >&2
cp "$list" "$folder/$name.txt"
trap - EXIT
echo "$name: use $folder/bin/python" >&2
