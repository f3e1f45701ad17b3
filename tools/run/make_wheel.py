#!/usr/bin/env python3
"""Makes a wheel of python/tamis around a built libtamis, or tamis-server's around a built program.

    tools/run/make_wheel.py [--server] [--licenses FOLDER] BUILD_FOLDER OUT_FOLDER

The package reaches the library through its C face, so one wheel serves every CPython from 3.9 on.
What libtamis itself needs of the system stays outside: `auditwheel repair` puts it inside and names
the oldest glibc (make wheel runs it where it is installed). --licenses adds the files of a folder,
those of what a library holds inside.
"""

import argparse
import base64
import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]

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
Provides-Extra: server
Requires-Dist: tamis-server=={version}; extra == "server"
Provides-Extra: torch
Requires-Dist: torch; extra == "torch"
Requires-Dist: transformers[torch]; extra == "torch"
Description-Content-Type: text/markdown

{readme}"""

# By this spaCy finds the factory of a pipeline that it loads.
ENTRY_POINTS = """\
[spacy_factories]
tamis_ner = tamis.spacy:make_ner
"""

SERVER_METADATA = """\
Metadata-Version: 2.1
Name: tamis-server
Version: {version}
Summary: The program of tamis, for tamis.serve() and the command line
License: Apache-2.0
Requires-Python: >=3.9
"""

SERVER_PACKAGE = """\
\"\"\"The program of tamis: what tamis.serve() runs, and the command `tamis`.\"\"\"

import os
import sys
from pathlib import Path


def main() -> None:
    \"\"\"Becomes the program.\"\"\"
    program = Path(__file__).parent / "tamis"
    os.execv(program, [str(program), *sys.argv[1:]])
"""

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


def stripped(built: Path, target: str) -> bytes:
    if not built.is_file():
        sys.exit(f"make_wheel: {built} is not there; build the target {target} first")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / built.name
        subprocess.run(["strip", "--strip-unneeded", "-o", out, built], check=True)
        return out.read_bytes()


def record_row(name: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"


def library_files(build: Path) -> "dict[str, bytes]":
    files = {f"tamis/{path.relative_to(SOURCE / 'python' / 'tamis').as_posix()}": path.read_bytes()
             for path in sorted((SOURCE / "python" / "tamis").rglob("*"))
             if path.is_file() and "__pycache__" not in path.parts}
    files["tamis/libtamis.so"] = stripped((build / "libtamis.so").resolve(), "libtamis")
    metadata = METADATA.format(version=version(),
                               readme=(SOURCE / "python" / "README.md").read_text())
    return {**files, f"{info_folder('tamis')}/METADATA": metadata.encode(),
            f"{info_folder('tamis')}/entry_points.txt": ENTRY_POINTS.encode()}


def server_files(build: Path) -> "dict[str, bytes]":
    info = info_folder("tamis_server")
    return {
        "tamis_server/__init__.py": SERVER_PACKAGE.encode(),
        "tamis_server/tamis": stripped(build / "tamis", "tamis"),
        f"{info}/METADATA": SERVER_METADATA.format(version=version()).encode(),
        f"{info}/entry_points.txt": b"[console_scripts]\ntamis = tamis_server:main\n",
    }


def info_folder(package: str) -> str:
    return f"{package}-{version()}.dist-info"


def mode_of(name: str) -> int:
    return 0o755 if name == "tamis_server/tamis" else 0o644


def write(wheel: Path, files: "dict[str, bytes]") -> None:
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = mode_of(name) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--server", action="store_true")
    parser.add_argument("--licenses", type=Path, metavar="FOLDER")
    parser.add_argument("build", type=Path, metavar="BUILD_FOLDER")
    parser.add_argument("out", type=Path, metavar="OUT_FOLDER")
    arguments = parser.parse_args()
    build, out, server = arguments.build, arguments.out, arguments.server
    package, tag = "tamis_server" if server else "tamis", "py3-none-linux_x86_64"
    files = server_files(build) if server else library_files(build)
    info = info_folder(package)
    files[f"{info}/WHEEL"] = WHEEL.format(tag=tag).encode()
    files[f"{info}/LICENSE"] = (SOURCE / "LICENSE").read_bytes()
    for path in sorted(arguments.licenses.iterdir()) if arguments.licenses else ():
        files[f"{info}/licenses/{path.name}"] = path.read_bytes()
    record = f"{info}/RECORD"
    rows = "".join(record_row(name, data) for name, data in files.items()) + f"{record},,\n"
    files[record] = rows.encode()
    out.mkdir(parents=True, exist_ok=True)
    wheel = out / f"{package}-{version()}-{tag}.whl"
    write(wheel, files)
    print(wheel)


if __name__ == "__main__":
    main()
