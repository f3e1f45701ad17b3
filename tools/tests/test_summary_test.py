"""test_summary.py counts cases, crashes and skips."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
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
            totals, reasons = test_summary.summarise(folder)
        # passed: unit a, crash a, plain; failed: unit b, crash as a whole, dead; skipped: c, absent.
        self.assertEqual(totals, [3, 3, 2])
        self.assertEqual(reasons["needs the model"], 1)


if __name__ == "__main__":
    unittest.main()
