#!/usr/bin/env python3
"""Writes the notebook of a script whose cells begin with `# %%`, beside it; --check compares instead.

    tools/generate/make_notebook.py [--check] examples/python/quantize_and_train.py
"""

import json
import sys
from pathlib import Path

MARKDOWN = "# %% [markdown]"
CODE = "# %%"


def cell(kind: str, number: int, lines: "list[str]") -> "dict[str, object]":
    text = "\n".join(lines).strip("\n")
    source = [line + "\n" for line in text.split("\n")]
    source[-1] = source[-1].rstrip("\n")
    made = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": source}
    return made if kind == "markdown" else {**made, "execution_count": None, "outputs": []}


def cells(script: str) -> "list[dict[str, object]]":
    found, kind, lines = [], "", []
    for line in [*script.split("\n"), CODE]:
        if line not in (MARKDOWN, CODE):
            lines.append(line.removeprefix("# ").removeprefix("#") if kind == "markdown" else line)
            continue
        if kind:
            found.append(cell(kind, len(found), lines))
        kind, lines = ("markdown" if line == MARKDOWN else "code"), []
    return found


def notebook(script: str) -> str:
    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                "language_info": {"name": "python"}}
    made = {"cells": cells(script), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    check = sys.argv[1:2] == ["--check"]
    script = Path(sys.argv[-1])
    if script.suffix != ".py" or len(sys.argv) != 2 + check:
        sys.exit(__doc__)
    path = script.with_suffix(".ipynb")
    text = notebook(script.read_text())
    if not check:
        path.write_text(text)
    elif not path.is_file() or path.read_text() != text:
        sys.exit(f"{path} is not what {script} gives; run tools/generate/make_notebook.py {script}")


if __name__ == "__main__":
    main()
