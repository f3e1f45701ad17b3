#!/usr/bin/env python3
"""Counts test cases after ctest runs and prints "N passed, N failed, N skipped".

A ctest entry that left NAME.xml (GoogleTest's report) in the results folder counts case by case,
or as one more failure if it failed outside its cases (a crash, a sanitizer's report, a time-out).
Any other entry counts as one.

The line is also left in summary.txt of the first folder.

usage: test_summary.py RESULTS_FOLDER...     exit 1 if anything failed, or nothing ran in a folder
"""

import collections
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def count_gtest(report, reasons):
    """passed, failed, skipped of one GoogleTest XML report; collects why cases were skipped."""
    passed = failed = skipped = 0
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        if case.find("failure") is not None:
            failed += 1
        elif case.get("result") == "skipped":
            skipped += 1
            message = case.find("skipped")
            text = message.get("message", "") if message is not None else ""
            reasons[" ".join(text.split()[1:]) or "no reason given"] += 1
        elif case.get("status") == "run":
            passed += 1
    return passed, failed, skipped


def count_entry(entry, folder, reasons):
    """passed, failed, skipped of one ctest entry."""
    name = entry.get("name")
    status = entry.get("status")
    report = folder / f"{name}.xml"
    if report.exists() and report.stat().st_size:
        passed, failed, skipped = count_gtest(report, reasons)
        if status == "fail" and failed == 0:
            failed = 1
        return passed, failed, skipped
    if status == "run":
        return 1, 0, 0
    if status == "notrun" and entry.find("skipped") is not None:
        reasons[f"{name}: {entry.find('skipped').get('message', '')}"] += 1
        return 0, 0, 1
    return 0, 1, 0


def summarize(folder):
    """The totals of the run recorded in `folder` and a Counter of skip reasons."""
    reasons = collections.Counter()
    totals = [0, 0, 0]
    for entry in ElementTree.parse(folder / "ctest.junit").getroot().iter("testcase"):
        for place, count in enumerate(count_entry(entry, folder, reasons)):
            totals[place] += count
    return totals, reasons


def main():
    folders = [pathlib.Path(name) for name in sys.argv[1:]]
    runs = [summarize(folder) for folder in folders]
    reasons = sum((reasons for _, reasons in runs), collections.Counter())
    passed, failed, skipped = (sum(column) for column in zip(*(totals for totals, _ in runs)))
    for reason, count in sorted(reasons.items()):
        print(f"skipped {count}: {reason}")
    line = f"{passed} passed, {failed} failed, {skipped} skipped"
    (folders[0] / "summary.txt").write_text(line + "\n")
    print(line)
    return 1 if failed or not all(totals[0] for totals, _ in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
