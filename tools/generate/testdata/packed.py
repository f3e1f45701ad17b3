#!/usr/bin/env python3
"""Folders of testdata that are committed as one archive, packed.tar.xz; CMake unpacks them into the build tree.

Equal files give equal bytes: entries stand in a fixed order and carry no time, owner or mode of their own.

Example:
    mkdir files && tar -xf testdata/onnx/packed.tar.xz -C files
    tools/generate/testdata/packed.py files testdata/onnx/packed.tar.xz
"""

import contextlib
import io
import lzma
import sys
import tarfile
import tempfile
from pathlib import Path


def pack(folder: Path, archive: Path) -> None:
    """Writes every file below `folder` into `archive`, files of one name side by side: they are alike."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        files = [path for path in folder.rglob("*") if path.is_file()]
        for path in sorted(files, key=lambda path: (path.name, path.as_posix())):
            data = path.read_bytes()
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    archive.write_bytes(lzma.compress(content.getvalue(), preset=9 | lzma.PRESET_EXTREME))


@contextlib.contextmanager
def edited(archive: Path):
    """A folder with what `archive` holds, which is packed again at the end."""
    with tempfile.TemporaryDirectory() as name:
        if archive.exists():
            with tarfile.open(archive) as tar:
                tar.extractall(name)
        yield Path(name)
        pack(Path(name), archive)


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    pack(Path(sys.argv[1]), Path(sys.argv[2]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
