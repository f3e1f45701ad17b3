#!/bin/sh
# Builds a TensorRT engine of an exported file and compares its answers with ONNX Runtime's on the
# same file, where TensorRT and a GPU are at hand; says so where they are not (exit status 3).
#
#   bench/tensorrt_check.sh FOLDER [PYTHON]
#
# FOLDER is what `tamis export` wrote. PYTHON (default python3) has numpy and onnxruntime;
# trtexec must be on PATH. Prints the greatest difference of each output, and trtexec's times.
set -eu

folder=${1:?give the folder that tamis export wrote}
python=${2:-python3}
file=$folder/model.onnx
[ -f "$file" ] || { echo "tensorrt_check: $file: no such file" >&2; exit 4; }

missing() {
  echo "tensorrt_check: not checked: $1" >&2
  exit 3
}
command -v trtexec >/dev/null || missing "trtexec is not on PATH"
command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1 || missing "there is no NVIDIA GPU"
"$python" -c 'import numpy, onnxruntime' 2>/dev/null ||
  missing "$python lacks numpy or onnxruntime"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One batch with padding, for both; the shapes that the engine is built for.
"$python" - "$file" "$work" <<'PYTHON'
import json, pathlib, sys
import numpy, onnxruntime

path, work = sys.argv[1], pathlib.Path(sys.argv[2])
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
batch, length = 4, 64
random = numpy.random.default_rng(7)
mask = numpy.zeros((batch, length), dtype=numpy.int64)
for row, tokens in enumerate((64, 33, 8, 2)):
    mask[row, :tokens] = 1
arrays = {"input_ids": random.integers(100, 900, (batch, length)) * mask,
          "attention_mask": mask, "token_type_ids": numpy.zeros_like(mask)}
feeds = {item.name: arrays[item.name].astype(numpy.int64) for item in session.get_inputs()}
names = [item.name for item in session.get_outputs()]
wanted = dict(zip(names, session.run(names, feeds)))
for name, array in feeds.items():
    array.tofile(work / f"{name}.bin")
shapes = ",".join(f"{name}:{batch}x{length}" for name in feeds)
loads = ",".join(f"{name}:{work / name}.bin" for name in feeds)
(work / "flags").write_text(f"--shapes={shapes}\n--loadInputs={loads}\n")
(work / "wanted.json").write_text(json.dumps(
    {k: [v.shape, v.ravel().tolist()] for k, v in wanted.items()}))
numpy.save(work / "mask.npy", mask)
PYTHON

# Types are those of the file: TensorRT 11 knows no others, TensorRT 10 is told so.
typed=
trtexec --help 2>&1 | grep -q -- --stronglyTyped && typed=--stronglyTyped
# shellcheck disable=SC2046
trtexec --onnx="$file" $typed $(cat "$work/flags") --exportOutput="$work/got.json" \
  >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }
grep -E 'Throughput|Latency: min' "$work/log" || true

"$python" - "$work" <<'PYTHON'
import json, pathlib, sys
import numpy

work = pathlib.Path(sys.argv[1])
wanted = json.loads((work / "wanted.json").read_text())
mask = numpy.load(work / "mask.npy").astype(bool)
far = False
compared = set()
for item in json.loads((work / "got.json").read_text()):
    name = item["name"]
    if name not in wanted:
        continue
    compared.add(name)
    shape, values = wanted[name]
    want = numpy.array(values, dtype=numpy.float64).reshape(shape)
    got = numpy.array(item["values"], dtype=numpy.float64).reshape(shape)
    if tuple(shape[:2]) == mask.shape:  # rows of tokens: padding is nobody's
        want, got = want[mask], got[mask]
    most = numpy.abs(got - want).max() / max(1.0, numpy.abs(want).max())
    good = bool(most <= 0.05)
    far = far or not good
    print(f"{name}: greatest difference {most:.1e} of the greatest value{'' if good else ', TOO FAR'}")
if compared != set(wanted):
    sys.exit(f"tensorrt_check: not compared: {sorted(set(wanted) - compared)}")
sys.exit(1 if far else 0)
PYTHON
