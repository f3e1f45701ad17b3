"""Holds the shared objects of a wheel to an oldest glibc: no symbol of a later one, nothing of a C++
library outside, and only libraries of glibc.

    check_glibc.py WHEEL 2.28
"""

import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

GLIBC = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1",
         "ld-linux-x86-64.so.2"}
SHOWN = 20  # faults


def number(version):
    return tuple(int(part) for part in version.split("."))


def faults_of(path, oldest):
    dynamic = subprocess.run(["readelf", "-dW", path], check=True, capture_output=True, text=True).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
    symbols = subprocess.run(["objdump", "-T", path], check=True, capture_output=True, text=True).stdout
    found = re.findall(r"\*UND\*\s+\S+\s+\(?([A-Za-z]+)_([0-9.]+)\)?\s+(\S+)", symbols)
    if not found:
        return [f"{path.name}: no symbol with a version, so nothing was checked"]
    newest = max((number(version) for what, version, _ in found if what == "GLIBC"), default=())
    print(f"{path.name}: symbols up to glibc {'.'.join(map(str, newest))}; needs {' '.join(sorted(needed))}")
    return [f"{path.name}: needs {name}" for name in sorted(needed - GLIBC)] + [
        f"{path.name}: {name} is of {what}_{version}" for what, version, name in found
        if what != "GLIBC" or number(version) > number(oldest)]


def main():
    wheel, oldest = Path(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        objects = sorted(path for path in Path(folder).rglob("*") if ".so" in path.suffixes)
        if not objects:
            sys.exit(f"{wheel}: no shared object in it")
        faults = [fault for path in objects for fault in faults_of(path, oldest)]
    if faults:
        more = [f"and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
        sys.exit("\n".join(faults[:SHOWN] + more))


if __name__ == "__main__":
    main()
