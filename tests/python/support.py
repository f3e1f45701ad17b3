"""What the tests of the Python package share: committed checkpoints, and packages that may be there."""

import importlib.util
import os
import unittest
from pathlib import Path

import tamis

TESTDATA = Path(os.environ["TAMIS_TESTDATA"])


def model(name):
    return str(TESTDATA / "models" / name)


def needs(package):
    found = importlib.util.find_spec(package.split(".")[0]) is not None
    return unittest.skipUnless(found, f"needs {package}")


def embedded(texts):
    return tamis.Model(model("bert-base"), threads=2).embed(texts)
