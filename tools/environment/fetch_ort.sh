#!/bin/sh
# Fetches the shared library of ONNX Runtime (some 20 MB) into build/ort and prints its path, for
# --ort and TAMIS_ORT. Idempotent. Nothing of Tamis is built with it.
set -eu
cd "$(dirname "$0")/../.."

version=$(sed -n 's/^onnxruntime==//p' tools/environment/clients.txt)
library=$PWD/build/ort/libonnxruntime.so.$version
if [ ! -f "$library" ]; then
  rm -rf build/ort
  mkdir -p build/ort
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --dest build/ort "onnxruntime==$version" >&2
  python3 - "$library" <<'EOF'
import glob, os, sys, zipfile
[wheel] = glob.glob("build/ort/onnxruntime-*.whl")
with zipfile.ZipFile(wheel) as files:
    [name] = [n for n in files.namelist() if n.endswith(os.path.basename(sys.argv[1]))]
    open(sys.argv[1] + ".part", "wb").write(files.read(name))
os.rename(sys.argv[1] + ".part", sys.argv[1])
os.remove(wheel)
EOF
fi
echo "$library"
