"""check_testdata.py counts what it is there to count."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECK = pathlib.Path(__file__).resolve().parents[1] / "check" / "check_testdata.py"
ROWS = '// One row a family: X(model_type, ...)\nX("bert", "bert", kBert)\nX("dpr", "a", kDpr)\nX("dpr", "b", kDpr)\n'


class Size(unittest.TestCase):
    def run_on(self, sizes):
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            (root / "src/models").mkdir(parents=True)
            (root / "src/models/families.inc").write_text(ROWS)
            (root / "testdata/models").mkdir(parents=True)
            for file, size in sizes.items():
                with open(root / "testdata/models" / file, "wb") as out:
                    out.truncate(size)
            (root / "testdata/link").symlink_to("models/large.bin")
            return subprocess.run([sys.executable, CHECK, "--root", root], capture_output=True, text=True)

    def test_up_to_the_limit(self):
        done = self.run_on({"large.bin": 15_199_900})
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("15.20 of 15.2 MB for 2 families", done.stdout)

    def test_over_the_limit(self):
        done = self.run_on({"large.bin": 15_199_900, "b.json": 101})
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("large.bin 15.20", done.stdout)


if __name__ == "__main__":
    unittest.main()
