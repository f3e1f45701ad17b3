#!/usr/bin/env python3
"""Fails if the files of testdata take over 15 MB and 0.1 MB for each family of src/models/families.inc.

What takes the place is printed by name. testdata/README.md says what is packed and how.

usage: check_testdata.py [--root FOLDER]
"""

import argparse
import collections
import pathlib
import re
import sys

BASE_BYTES = 15_000_000
FAMILY_BYTES = 100_000
SHOWN_NAMES = 8


def families(rows):
    """The model types of families.inc, each once."""
    return set(re.findall(r'^X\("([^"]+)"', rows, re.MULTILINE))


def bytes_by_name(folder):
    """File name -> bytes of all files of that name; a link counts as its own few bytes."""
    found = collections.Counter()
    for path in folder.rglob("*"):
        if path.is_symlink() or path.is_file():
            found[path.name] += path.lstat().st_size
    return found


def limit_bytes(count):
    """What testdata may take with that many families."""
    return BASE_BYTES + count * FAMILY_BYTES


def report(found, count):
    """One line: the size, the limit, and the names that take most."""
    total, limit = sum(found.values()) / 1e6, limit_bytes(count) / 1e6
    largest = ", ".join(f"{name} {size / 1e6:.2f}" for name, size in found.most_common(SHOWN_NAMES))
    return f"check_testdata: {total:.2f} of {limit:.1f} MB for {count} families: {largest}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2])
    root = parser.parse_args().root
    rows = (root / "src" / "models" / "families.inc").read_text(encoding="utf-8")
    found, count = bytes_by_name(root / "testdata"), len(families(rows))
    print(report(found, count))
    return 1 if sum(found.values()) > limit_bytes(count) else 0


if __name__ == "__main__":
    sys.exit(main())
