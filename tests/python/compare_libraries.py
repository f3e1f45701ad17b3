"""Compares the answers of two builds of libtamis, bit for bit, over the models in testdata.

    compare_libraries.py LIBRARY OTHER [MODEL...]

Every model answers token ids in every precision on every kernel set that the machine has, and
optimize() makes an INT8 bundle of a few. Without MODEL those of TAMIS_TESTDATA are taken. Exit 1 if
anything differs, told with the largest difference.
"""

import argparse
import hashlib
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

PRECISIONS = ("fp32", "bf16", "int8")
ISAS = ("reference", "avx2", "avx_vnni", "avx512", "avx512_vnni", "avx512_bf16", "amx")
BUNDLED = ("bert-base", "roberta-token-classification", "distilbert-question-answering",
           "xlm-roberta-base")
# Ids that every tiny vocabulary has; a row of one token, and one of more than a tile.
IDS = ([3], [5, 9, 4, 7, 6], [4 + i % 20 for i in range(40)])


def answers(models, isas):
    """(model, isa, precision): the bytes of its answers, or its error. In the child."""
    import tamis

    found = {}
    for model in models:
        for isa in isas:
            for precision in PRECISIONS:
                try:
                    loaded = tamis.Model(model, isa=isa, precision=precision, threads=2)
                    found[model, isa, precision] = loaded.run(IDS)
                except tamis.Error as error:
                    found[model, isa, precision] = str(error)
        if Path(model).name in BUNDLED:
            found[model, "optimize", "int8"] = bundle_of(model)
    return found


def bundle_of(model):
    import tamis

    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        tamis.optimize(model, bundle, precision="int8")
        digests = [f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}"
                   for path in sorted(bundle.rglob("*"))
                   if path.is_file() and path.suffix in (".safetensors", ".bin", ".txt")]
    return "\n".join(digests)


def ask(library, models, isas):
    """answers() of a library, in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--child", *isas, "--", *models],
                          env={**os.environ, "TAMIS_LIBRARY": str(library)}, capture_output=True)
    if done.returncode:
        sys.exit(f"{library}: {done.stderr.decode()[-2000:]}")
    return pickle.loads(done.stdout)


def difference(one, other):
    """What differs, in words; empty for the same bits."""
    import numpy as np

    if isinstance(one, str) or isinstance(other, str):
        return "" if isinstance(one, str) and isinstance(other, str) and one == other else f"{one} | {other}"
    if one.tobytes() == other.tobytes():
        return ""
    return f"{np.abs(one - other).max():.3g} of {np.abs(one).max():.3g}, {np.mean(one != other):.1%} of numbers"


def main():
    if sys.argv[1:2] == ["--child"]:
        split = sys.argv.index("--")
        sys.stdout.buffer.write(pickle.dumps(answers(sys.argv[split + 1:], sys.argv[2:split])))
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("library", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("models", nargs="*")
    arguments = parser.parse_args()
    folder = Path(os.environ["TAMIS_TESTDATA"]) / "models"
    models = arguments.models or [str(path) for path in sorted(folder.iterdir()) if (path / "config.json").is_file()]
    faults = compared = refused = 0
    mine, others = (ask(library.resolve(), models, ISAS)
                    for library in (arguments.library, arguments.other))
    for key, answer in mine.items():
        why = difference(answer, others[key])
        compared += 1
        refused += isinstance(answer, str) and key[1] != "optimize"
        if why:
            faults += 1
            print(*key, why)
    print(f"compare_libraries: {compared} answers, {refused} of them refusals, {faults} differ")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
