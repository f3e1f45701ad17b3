"""test_summary.py counts cases, crashes and skips."""

import contextlib
import io
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "run"))
import test_summary  # noqa: E402

JUNIT = """<testsuite>
  <testcase name="unit" status="fail"/>
  <testcase name="crash" status="fail"/>
  <testcase name="dead" status="fail"/>
  <testcase name="plain" status="run"/>
  <testcase name="absent" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/></testcase>
</testsuite>"""
UNIT = """<testsuites><testsuite>
  <testcase name="a" status="run" result="completed"/>
  <testcase name="b" status="run" result="completed"><failure message="x"/></testcase>
  <testcase name="c" status="run" result="skipped"><skipped message="a.cc:3 needs the model"/>
  </testcase>
  <testcase name="d" status="notrun" result="suppressed"/>
</testsuite></testsuites>"""
CRASH = """<testsuites><testsuite><testcase name="a" status="run" result="completed"/></testsuite>
</testsuites>"""


class SummaryTest(unittest.TestCase):
    def test_counts(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "ctest.junit").write_text(JUNIT)
            (folder / "unit.xml").write_text(UNIT)
            (folder / "crash.xml").write_text(CRASH)
            totals, reasons = test_summary.summarize(folder)
        # passed: unit a, crash a, plain; failed: unit b, crash as a whole, dead; skipped: c, absent.
        self.assertEqual(totals, [3, 3, 2])
        self.assertEqual(reasons["needs the model"], 1)

    def run_main(self, *reports):
        """Exit status and summary.txt of a run whose folders hold these ctest reports."""
        with tempfile.TemporaryDirectory() as name:
            folders = []
            for number, report in enumerate(reports):
                folder = pathlib.Path(name) / str(number)
                folder.mkdir()
                (folder / "ctest.junit").write_text(report)
                folders.append(folder)
            with mock.patch.object(sys, "argv", ["test_summary.py", *map(str, folders)]), \
                    contextlib.redirect_stdout(io.StringIO()):
                status = test_summary.main()
            return status, (folders[0] / "summary.txt").read_text()

    def test_adds_runs(self):
        one = '<testsuite><testcase name="a" status="run"/></testsuite>'
        failed = '<testsuite><testcase name="a" status="fail"/></testsuite>'
        self.assertEqual(self.run_main(one, one), (0, "2 passed, 0 failed, 0 skipped\n"))
        self.assertEqual(self.run_main(one, failed), (1, "1 passed, 1 failed, 0 skipped\n"))
        self.assertEqual(self.run_main(one, "<testsuite/>"), (1, "1 passed, 0 failed, 0 skipped\n"))


if __name__ == "__main__":
    unittest.main()
