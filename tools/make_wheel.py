#!/usr/bin/env python3
"""Makes a wheel of python/tamis around a built libtamis.

    tools/make_wheel.py BUILD_FOLDER OUT_FOLDER

The package reaches the library through its C face, so one wheel serves every CPython from 3.9 on.
What libtamis itself needs of the system stays outside: `auditwheel repair` puts it inside and names
the oldest glibc (make wheel runs it where it is installed).
"""

import base64
import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent

METADATA = """\
Metadata-Version: 2.1
Name: tamis
Version: {version}
Summary: Fast, quantized Hugging Face encoders in a native engine
License: Apache-2.0
Requires-Python: >=3.9
Requires-Dist: numpy
Provides-Extra: progress
Requires-Dist: tqdm; extra == "progress"
Description-Content-Type: text/markdown

{readme}"""

WHEEL = """\
Wheel-Version: 1.0
Generator: tamis
Root-Is-Purelib: false
Tag: {tag}
"""


def version() -> str:
    found = re.search(r"project\(tamis VERSION (\S+)", (SOURCE / "CMakeLists.txt").read_text())
    if found is None:
        sys.exit("make_wheel: CMakeLists.txt names no version")
    return found.group(1)


def stripped_library(build: Path) -> bytes:
    library = (build / "libtamis.so").resolve()
    if not library.is_file():
        sys.exit(f"make_wheel: {library} is not there; build the target libtamis first")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "libtamis.so"
        subprocess.run(["strip", "--strip-unneeded", "-o", out, library], check=True)
        return out.read_bytes()


def record_row(name: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"


def contents(build: Path, tag: str) -> "dict[str, bytes]":
    info = f"tamis-{version()}.dist-info"
    files = {f"tamis/{path.relative_to(SOURCE / 'python' / 'tamis').as_posix()}": path.read_bytes()
             for path in sorted((SOURCE / "python" / "tamis").rglob("*"))
             if path.is_file() and "__pycache__" not in path.parts}
    files["tamis/libtamis.so"] = stripped_library(build)
    license_text = (SOURCE / "LICENSE").read_text()
    files[f"{info}/METADATA"] = METADATA.format(
        version=version(),
        readme=(SOURCE / "python" / "README.md").read_text()).encode()
    files[f"{info}/WHEEL"] = WHEEL.format(tag=tag).encode()
    files[f"{info}/LICENSE"] = license_text.encode()
    return files


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    build, out = Path(sys.argv[1]), Path(sys.argv[2])
    tag = "py3-none-linux_x86_64"
    files = contents(build, tag)
    record = f"tamis-{version()}.dist-info/RECORD"
    rows = "".join(record_row(name, data) for name, data in files.items()) + f"{record},,\n"
    files[record] = rows.encode()
    out.mkdir(parents=True, exist_ok=True)
    wheel = out / f"tamis-{version()}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    print(wheel)


if __name__ == "__main__":
    main()
