"""tools/run/mutate_cuda.py: each mistake of its list can still be made."""

import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "run"))
import mutate_cuda  # noqa: E402


class Mutations(unittest.TestCase):
    def test_each_changes_its_file(self):
        for mutation in mutate_cuda.MUTATIONS:
            with self.subTest(mutation.what):
                path = ROOT / "src/kernels/cuda" / mutation.file
                self.assertNotEqual(mutate_cuda.mutated(mutation), path.read_text())

    def test_what_is_not_there_is_an_error(self):
        with self.assertRaisesRegex(ValueError, "0 times, not once"):
            mutate_cuda.mutated(mutate_cuda.MUTATIONS[0]._replace(old="no such line"))


if __name__ == "__main__":
    unittest.main()
