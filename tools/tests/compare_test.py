"""bench/compare.py: turns, verdicts and exit codes, on programs that answer what they are told."""

import contextlib
import importlib.util
import io
import os
import pathlib
import stat
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "bench" / "compare.py"
spec = importlib.util.spec_from_file_location("compare", SCRIPT)
compare = importlib.util.module_from_spec(spec)
spec.loader.exec_module(compare)


class Shapes(unittest.TestCase):
    def test_are_read_and_written(self):
        shapes = compare.shape_list("1x16,32x256r")
        self.assertEqual(shapes, [(1, 16, False), (32, 256, True)])
        self.assertEqual([compare.shape_name(shape) for shape in shapes], ["1x16", "32x256r"])

    def test_are_refused_by_name(self):
        for text in ("", "x", "1x", "0x16", "1x16q", "ax16"):
            with self.assertRaisesRegex(Exception, "is no shape"):
                compare.parse_shape(text)


class Turns(unittest.TestCase):
    def test_alternate_from_round_to_round(self):
        options = compare.parse(["HEAD", "--rounds", "3"])
        asked = []

        def time(binary, case, _):
            asked.append((binary, case))
            return {"old": 2.0, "new": 1.0}[binary]

        times = compare.measure(("old", "new"), ["a"], options, time)
        self.assertEqual([binary for binary, _ in asked], ["old", "new", "new", "old", "old", "new"])
        self.assertEqual(times, {"a": [(2.0, 1.0)] * 3})


class Verdicts(unittest.TestCase):
    def test_one_slow_round_is_noise(self):
        self.assertFalse(compare.judge([(1, 1), (1, 1), (1, 5), (1, 1), (1, 1)], 0.05)[3])

    def test_slower_in_most_rounds_fails(self):
        old, new, ratio, failed = compare.judge([(1, 1.2)] * 4 + [(1, 1.1)], 0.05)
        self.assertEqual((old, new, ratio, failed), (1, 1.2, 1.2, True))

    def test_within_the_threshold_passes(self):
        self.assertFalse(compare.judge([(1, 1.04)] * 5, 0.05)[3])

    def test_faster_passes(self):
        lines, failed = compare.report({((1, 16, False), "fp32"): [(2, 1)] * 3}, "HEAD", 0.05)
        self.assertFalse(failed)
        self.assertIn("| 1x16 | fp32 | 2.000 | 1.000 | 0.500 | faster |", lines)


class WholeProgram(unittest.TestCase):
    """The script as it is called, on two programs that print fixed times."""

    def compare(self, old_ms, new_ms):
        with tempfile.TemporaryDirectory() as folder:
            binaries = []
            for name, ms in (("old", old_ms), ("new", new_ms)):
                path = pathlib.Path(folder) / name
                path.write_text(f"#!/bin/sh\necho '{{\"rows\":[{{\"median_ms\":{ms}}}]}}'\n")
                path.chmod(path.stat().st_mode | stat.S_IXUSR)
                binaries.append(str(path))
            out = os.path.join(folder, "table.md")
            run = subprocess.run(
                [sys.executable, str(SCRIPT), "HEAD", "--baseline", binaries[0], "--candidate",
                 binaries[1], "--shapes", "1x16,8x64r", "--rounds", "2", "--out", out],
                capture_output=True, text=True)
            with open(out, encoding="utf-8") as table:
                self.assertEqual(table.read(), run.stdout)
            return run

    def test_passes_equal_trees(self):
        run = self.compare(3.0, 3.0)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(run.stdout.count("\n"), 2 + 4)

    def test_exits_1_over_the_threshold(self):
        run = self.compare(3.0, 3.3)
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn("SLOWER", run.stdout)

    def test_says_which_command_failed(self):
        run = subprocess.run(
            [sys.executable, str(SCRIPT), "HEAD", "--baseline", "/bin/false", "--candidate",
             "/bin/false"], capture_output=True, text=True)
        self.assertEqual(run.returncode, 1)
        self.assertIn("/bin/false bench", run.stderr)

    def test_help_names_its_flags(self):
        with contextlib.redirect_stdout(io.StringIO()) as text, self.assertRaises(SystemExit):
            compare.parse(["--help"])
        self.assertIn("--threshold", text.getvalue())


if __name__ == "__main__":
    unittest.main()
