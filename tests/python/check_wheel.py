"""Unpacks a wheel and holds its files against RECORD, its entry points against its modules.

    check_wheel.py WHEEL FOLDER
"""

import base64
import configparser
import csv
import hashlib
import io
import sys
import zipfile
from pathlib import Path

wheel, folder = Path(sys.argv[1]), Path(sys.argv[2])
with zipfile.ZipFile(wheel) as archive:
    archive.extractall(folder)
    names = {name for name in archive.namelist() if not name.endswith("/")}  # auditwheel writes folders
    record = next(name for name in names if name.endswith(".dist-info/RECORD"))
    rows = {row[0]: row for row in csv.reader(io.StringIO(archive.read(record).decode()))}
    if set(rows) != names:
        sys.exit(f"{wheel}: RECORD and the files differ: {set(rows) ^ names}")
    for name in names - {record}:
        data = archive.read(name)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        if rows[name][1:] != [f"sha256={digest}", str(len(data))]:
            sys.exit(f"{wheel}: {name} is not what RECORD says")
    points = configparser.ConfigParser()
    points.read_string(archive.read(record.replace("RECORD", "entry_points.txt")).decode())
    for target in (target for section in points.sections() for target in points[section].values()):
        module, _, function = target.partition(":")
        path = module.replace(".", "/")
        found = next((name for name in (f"{path}.py", f"{path}/__init__.py") if name in names), None)
        if found is None or f"\ndef {function}(" not in archive.read(found).decode():
            sys.exit(f"{wheel}: the entry point {target} leads nowhere")
    server = "tamis_server/__init__.py" in names
    needed = {"tamis_server/tamis"} if server else {"tamis/py.typed", "tamis/libtamis.so"}
    if needed - names:
        sys.exit(f"{wheel}: lacks {needed - names}")
    for name in needed:  # extractall() leaves modes out
        (folder / name).chmod(archive.getinfo(name).external_attr >> 16)
limit = 12_000_000 if server else 6_000_000
if wheel.stat().st_size > limit:
    sys.exit(f"{wheel}: {wheel.stat().st_size} bytes, over {limit}")
print(f"{wheel.name}: {wheel.stat().st_size} bytes, {len(names)} files")
