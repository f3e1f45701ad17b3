#!/usr/bin/env python3
"""Fails where a document uses British spelling: American is Hugging Face's, and one is enough.

    tools/check/check_words.py

Looks at Markdown, the Makefile's help, and the Python package. Words in `backticks` are names and
are left alone.
"""

import re
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
FILES = ("*.md", "Makefile", "python/*.py", "python/**/*.py")

# A British stem, and the American one.
STEMS = {
    "analys(ed|ing|er)": "analyz...", "behaviour": "behavior", "cancell(ing|able)": "cancel...",
    "catalogue": "catalog", "centred?": "center", "colour": "color", "favour": "favor",
    "honour": "honor", "initialis": "initializ...", "labell": "label...", "licence": "license",
    "maximis": "maximiz...", "minimis": "minimiz...", "modell(ed|ing)": "model...",
    "neighbour": "neighbor", "normalis": "normaliz...", "optimis": "optimiz...",
    "parallelis": "paralleliz...", "parenthesis(e|ed|ing)": "parenthesiz...",
    "quantis": "quantiz...", "recognis": "recogniz...", "serialis": "serializ...",
    "summaris": "summariz...", "tokenis": "tokeniz...", "travell": "travel...",
}
PATTERN = re.compile("|".join(rf"\b(?P<w{i}>{stem})\w*" for i, stem in enumerate(STEMS)), re.I)
NAMES = re.compile(r"`[^`]*`|https?://\S+")


def faults_of(path: Path) -> "list[str]":
    faults = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for found in PATTERN.finditer(NAMES.sub(" ", line)):
            index = next(i for i in range(len(STEMS)) if found.group(f"w{i}") is not None)
            wanted = list(STEMS.values())[index]
            faults.append(f"{path.relative_to(SOURCE)}:{number}: \"{found.group()}\": {wanted}")
    return faults


def main() -> None:
    listed = subprocess.run(["git", "ls-files", "--", *FILES], cwd=SOURCE, check=False,
                            capture_output=True, text=True)
    names = listed.stdout.split() if listed.returncode == 0 else [
        str(path.relative_to(SOURCE)) for pattern in FILES for path in SOURCE.rglob(pattern)
        if "build" not in path.relative_to(SOURCE).parts]
    faults = [fault for name in names for fault in faults_of(SOURCE / name)]
    print("\n".join([*faults, f"check_words: {len(faults)} faults"]))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
