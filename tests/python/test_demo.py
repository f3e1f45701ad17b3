"""Runs the notebook of examples/python as a user does, and holds it to what it should show.

    TAMIS_SHARED=../shared TAMIS_LIBRARY=... PYTHONPATH=python python3 tests/python/test_demo.py
"""

import os
import re
import resource
import time
import unittest
from pathlib import Path

import nbclient
import nbformat

SOURCE = Path(__file__).resolve().parent.parent.parent
LIMIT_SECONDS = 600
# A cell may take that long where other work shares the machine.
PATIENCE_SECONDS = 3600
SHARED = Path(os.environ.get("TAMIS_SHARED", SOURCE.parent / "shared")).resolve()


def printed(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def cpu_seconds_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@unittest.skipUnless((SHARED / "models" / "sst2-minilm").is_dir(),
                     "needs the classifier and its texts; TAMIS_SHARED names their folder")
class Demo(unittest.TestCase):
    def test_the_notebook(self):
        os.environ["TAMIS_SHARED"] = str(SHARED)
        path = SOURCE / "examples" / "python" / "quantize_and_train.ipynb"
        notebook = nbformat.read(path, as_version=4)
        start, before = time.monotonic(), cpu_seconds_of_children()
        nbclient.NotebookClient(notebook, timeout=PATIENCE_SECONDS, kernel_name="python3").execute()
        seconds = time.monotonic() - start
        # What one core alone would have taken: other work on the machine does not count.
        alone = cpu_seconds_of_children() - before
        text = printed(notebook)
        print(text, f"{seconds:.0f} s, {alone:.0f} s of CPU time")
        self.assertIn("124 quantizers", text)
        before, after = (float(found) for found in re.findall(r"(?:before|steps): KL (\S+),", text))
        self.assertLess(2 * after, before, "training halves the loss at least")
        torch_far, own_far = ([float(found) for found in row] for row in re.findall(
            r"to float64: least (\S+), median (\S+), most (\S+)", text))
        self.assertLess(own_far[0], 1e-5, "no text is simulated as PyTorch does it")
        # Values in the middle between two steps are as many for both.
        self.assertLess(own_far[1], 2 * torch_far[1] + 1e-4)
        self.assertLess(own_far[2], 3 * torch_far[2] + 1e-4)
        images = [output for cell in notebook.cells for output in cell.get("outputs", [])
                  if "image/png" in output.get("data", {})]
        self.assertEqual(len(images), 3)
        self.assertLess(min(seconds, alone), LIMIT_SECONDS)


if __name__ == "__main__":
    unittest.main()
