"""The Grafana dashboard of deploy/grafana, held against what a server prints in /metrics.

    TAMIS_PROGRAM=build/release/tamis python3 tests/deploy/dashboard_test.py

Every metric that a panel asks for is one of the server's, of the right type, and every metric of the
server is in a panel. Grafana itself is not run.
"""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("TAMIS_PROGRAM", str(ROOT / "build/release/tamis"))
MODEL = ROOT / "testdata/models/bert-base"
DASHBOARD = json.loads((ROOT / "deploy/grafana/tamis.json").read_text())
HELP = re.findall(r'^X\("([a-z_]+)",', (ROOT / "src/serve/core/metrics_help.inc").read_text(),
                  flags=re.MULTILINE)
COLUMNS = 24
METRIC = re.compile(r"\b(?:nv|te|tamis|process)_[a-z_]+")


def panels():
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions():
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def printed_metrics():
    """The type of each metric of a real server, and the labels of its rows."""
    keys = tempfile.NamedTemporaryFile("w", suffix=".json")
    json.dump({"keys": [{"name": "search", "key": "a-key-of-this-test"}]}, keys)
    keys.flush()
    # With all that has metrics of its own.
    process = subprocess.Popen(
        [PROGRAM, "serve", f"m={MODEL}", "--port", "0", "--grpc-port", "-1", "--threads", "1",
         "--cache", "1000000", "--api-keys", keys.name, "--otlp-endpoint", "http://127.0.0.1:9",
         "--quiet"], stdout=subprocess.PIPE, text=True)
    try:
        address = re.search(r"http://\S+", process.stdout.readline()).group(0).rstrip("/")
        with urllib.request.urlopen(f"{address}/metrics", timeout=60) as answer:
            text = answer.read().decode()
    finally:
        process.terminate()
        process.wait(timeout=60)
        process.stdout.close()
        keys.close()
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, flags=re.MULTILINE))
    labels = {}
    for name, inside in re.findall(r"^([a-z_]+)(?:\{(.*)\})? ", text, flags=re.MULTILINE):
        labels.setdefault(name, set()).update(re.findall(r'(\w+)="', inside))
    return types, labels


class DashboardTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.types, cls.labels = printed_metrics()

    def kind_of(self, name):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        if self.types.get(base) == "histogram":
            return "histogram"
        return self.types.get(name)

    def test_metrics_are_the_servers(self):
        for expression in expressions():
            names = METRIC.findall(expression)
            self.assertTrue(names, expression)
            for name in names:
                self.assertIsNotNone(self.kind_of(name), f"{name} in {expression}")
                if self.kind_of(name) == "histogram":
                    self.assertRegex(name, "_(bucket|sum|count)$")

    def test_every_metric_is_shown(self):
        self.assertEqual(set(HELP), set(self.types))
        shown = {name for expression in expressions() for name in METRIC.findall(expression)}
        shown |= {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
        self.assertEqual(set(HELP) - shown, set())

    def test_counters_are_rates_and_gauges_are_not(self):
        for expression in expressions():
            rates = set(re.findall(r"rate\(([a-z_]+)", expression))
            for name in METRIC.findall(expression):
                counts = self.kind_of(name) in ("counter", "histogram")
                self.assertEqual(name in rates, counts, expression)
            for bucket in re.findall(r"histogram_quantile\((.*)", expression):
                self.assertRegex(bucket, r"^0\.\d+, sum by \(le\) \(rate\([a-z_]+_bucket\{")

    def test_labels_are_the_servers(self):
        given = {"instance", "le"}  # Prometheus' own, and a histogram's
        for expression in expressions():
            for name, inside in re.findall(r"([a-z_]+)\{([^}]*)\}", expression):
                asked = set(re.findall(r"(\w+)=~", inside))
                self.assertIn("instance", asked, expression)
                self.assertLessEqual(asked - given, self.labels[name], expression)
                if "model" in self.labels[name]:
                    self.assertIn("model", asked, expression)
            for group in re.findall(r"by \(([^)]*)\)", expression):
                names = METRIC.findall(expression)
                known = given.union(*(self.labels[name] for name in names))
                self.assertLessEqual(set(group.split(", ")), known, expression)
        for panel in panels():
            for target in panel["targets"]:
                legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
                groups = re.findall(r"by \(([^)]*)\)", target["expr"])
                kept = set(groups[0].split(", ")) if groups else {"instance"}
                self.assertLessEqual(legend, kept, target)

    def test_variables(self):
        variables = {row["name"]: row for row in DASHBOARD["templating"]["list"]}
        self.assertEqual(list(variables), ["datasource", "instance", "model"])
        self.assertEqual(variables["datasource"]["query"], "prometheus")
        for name in ("instance", "model"):
            metric, label = re.fullmatch(r"label_values\(([a-z_]+)(?:\{.*\})?, (\w+)\)",
                                         variables[name]["query"]["query"]).groups()
            self.assertIn(metric, self.types)
            self.assertEqual(label, name)
            self.assertIn(label, self.labels[metric] | {"instance"})
        used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD["panels"])))
        self.assertEqual(used - {"__rate_interval"}, set(variables))

    def test_panels_have_a_place_of_their_own(self):
        taken, ids, titles = set(), [], []
        for panel in DASHBOARD["panels"]:
            ids.append(panel["id"])
            titles.append(panel["title"])
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], COLUMNS, panel["title"])
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}
            self.assertFalse(cells & taken, panel["title"])
            taken |= cells
        self.assertEqual(len(set(ids)), len(ids))
        self.assertEqual(len(set(titles)), len(titles))

    def test_each_panel_reads_the_chosen_source(self):
        for panel in panels():
            references = [target["refId"] for target in panel["targets"]]
            self.assertEqual(len(set(references)), len(references), panel["title"])
            for part in (panel, *panel["targets"]):
                self.assertEqual(part["datasource"],
                                 {"type": "prometheus", "uid": "${datasource}"}, panel["title"])
            self.assertTrue(panel["fieldConfig"]["defaults"]["unit"], panel["title"])


if __name__ == "__main__":
    unittest.main()
