"""Runs the tests of a folder and writes their report as GoogleTest does, for the summary.

usage: run.py FOLDER [NAME...]      the report goes where $GTEST_OUTPUT ("xml:PATH") says
"""

import os
import pathlib
import sys
import unittest
import xml.etree.ElementTree as ElementTree


def cases_of(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from cases_of(item)
        else:
            yield item.id()


def write_report(path, cases, result):
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(root, "testsuite", name=sys.argv[1])
    bad = {str(test.id()): text for test, text in result.failures + result.errors}
    skipped = {str(test.id()): reason for test, reason in result.skipped}
    for name in [*cases, *(name for name in bad if name not in cases)]:
        case = ElementTree.SubElement(suite, "testcase", name=name, status="run",
                                      result="completed")
        if name in skipped:
            case.set("result", "skipped")
            ElementTree.SubElement(case, "skipped", message=f"skipped {skipped[name]}")
        elif name in bad:
            ElementTree.SubElement(case, "failure", message=bad[name])
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(root).write(path)


def main():
    here = pathlib.Path(__file__).resolve().parent
    folder = here / sys.argv[1]
    sys.path[:0] = [str(folder), str(here)]
    loader = unittest.defaultTestLoader
    if len(sys.argv) > 2:
        suite = loader.loadTestsFromNames(sys.argv[2:])
    else:
        suite = loader.discover(str(folder), "test_*.py")
    cases = list(cases_of(suite))
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    output = os.environ.get("GTEST_OUTPUT", "")
    if output.startswith("xml:"):
        write_report(output.removeprefix("xml:"), cases, result)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
