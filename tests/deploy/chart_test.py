"""The Helm chart of deploy/helm, rendered and linted by Helm's own engine.

    TAMIS_PROGRAM=build/release/tamis build/deploy/bin/python tests/deploy/chart_test.py

The engine is Helm 4's library in the package helm-python-sdk: there is no cluster here, so what it
renders is held against the schemas of Kubernetes, against deploy/kubernetes and against the program,
and nothing is installed.
"""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest
import urllib.request

try:
    import helm_python
    import kubernetes_validate
    import yaml
    LACKS = ""
except ImportError as error:
    LACKS = f"{error.name} is not installed: run `make test-deploy`"

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/tamis"
PROGRAM = os.environ.get("TAMIS_PROGRAM", str(ROOT / "build/release/tamis"))
MODELS = ROOT / "testdata/models"

# Values that reach every branch of the templates.
CASES = {
    "default": {},
    "all": {
        "image": {"tag": "1"}, "imagePullSecrets": [{"name": "registry"}],
        "models": {"serve": ["org/name"]}, "auth": {"apiKey": 'a "key"'},
        "cache": {"persistence": {"enabled": True, "storageClass": "fast",
                                  "accessModes": ["ReadWriteMany"]}},
        "autoscaling": {"enabled": True},
        "server": {"extraArgs": ["--cache", "1000000"],
                   "extraEnv": [{"name": "HF_HUB_OFFLINE", "value": "1"}]},
        "service": {"annotations": {"a": "b"}}, "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "k", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "k", "operator": "Exists"}]}]}}},
    },
    "least": {
        "models": {"claim": "", "serve": ["org/name"]}, "server": {"grpcPort": -1},
        "auth": {"existingSecret": "mine"}, "podAnnotations": {},
        "cache": {"persistence": {"enabled": True, "existingClaim": "kept"}},
    },
}


def rendered(values, release="tamis"):
    """The resources by their kind."""
    with helm_python.Chart.load(str(CHART)) as chart:
        texts = chart.render(values, name=release, namespace="here")
    documents = [document for name, text in texts.items() if name.endswith(".yaml")
                 for document in yaml.safe_load_all(text) if document]
    return {document["kind"]: document for document in documents}


def container(resources):
    return resources["Deployment"]["spec"]["template"]["spec"]["containers"][0]


@unittest.skipIf(LACKS, LACKS)
class ChartTest(unittest.TestCase):
    def test_lint(self):
        for name, values in CASES.items():
            report = helm_python.lint(str(CHART), values, strict=True)
            faults = [row for row in report["messages"] if row["severity"] > 1]
            self.assertEqual((faults, report["errors"]), ([], []), name)

    def test_they_fit_their_schemas(self):
        kinds = {"default": {"Deployment", "Service"},
                 "all": {"Deployment", "Service", "Secret", "PersistentVolumeClaim",
                         "HorizontalPodAutoscaler"},
                 "least": {"Deployment", "Service"}}
        for name, values in CASES.items():
            resources = rendered(values)
            self.assertEqual(set(resources), kinds[name])
            for resource in resources.values():
                kubernetes_validate.validate(resource, "1.29", strict=True)

    def test_it_means_what_the_manifests_mean(self):
        text = (ROOT / "deploy/kubernetes/deployment.yaml").read_text()
        plain = {document["kind"]: document for document in yaml.safe_load_all(text)}
        chart = rendered({})
        mine, theirs = container(chart), container(plain)
        for key in ("image", "ports", "livenessProbe", "lifecycle", "resources"):
            self.assertEqual(mine[key], theirs[key], key)
        for key in ("startupProbe", "readinessProbe"):
            self.assertEqual(mine[key]["httpGet"]["path"], "/health")
            self.assertEqual({**mine[key], "httpGet": 0}, {**theirs[key], "httpGet": 0}, key)
        self.assertLessEqual(theirs["securityContext"].items(), mine["securityContext"].items())
        self.assertIn(theirs["volumeMounts"][0], mine["volumeMounts"])
        pods = [each["Deployment"]["spec"]["template"] for each in (chart, plain)]
        self.assertEqual(*(pod["metadata"]["annotations"] for pod in pods))
        self.assertEqual(*(pod["spec"]["terminationGracePeriodSeconds"] for pod in pods))
        self.assertEqual(*(each["Deployment"]["spec"]["replicas"] for each in (chart, plain)))
        self.assertEqual(*(each["Service"]["spec"]["ports"] for each in (chart, plain)))

    def test_the_pod_has_few_rights(self):
        for values in CASES.values():
            resources = rendered(values)
            pod = resources["Deployment"]["spec"]["template"]["spec"]
            self.assertTrue(pod["securityContext"]["runAsNonRoot"])
            self.assertFalse(pod["automountServiceAccountToken"])
            context = container(resources)["securityContext"]
            self.assertTrue(context["readOnlyRootFilesystem"])
            self.assertFalse(context["allowPrivilegeEscalation"])
            self.assertEqual(context["capabilities"], {"drop": ["ALL"]})
            mounts = {mount["name"] for mount in container(resources)["volumeMounts"]}
            self.assertEqual(mounts, {volume["name"] for volume in pod["volumes"]})

    def test_the_end_waits_for_the_drain(self):
        for drain, stop in ((30000, 5), (1, 0), (90500, 20)):
            pod = rendered({"server": {"drainTimeoutMs": drain, "preStopSeconds": stop}})
            spec = pod["Deployment"]["spec"]["template"]["spec"]
            self.assertGreater(spec["terminationGracePeriodSeconds"], stop + drain / 1000)
            arguments = container(pod)["args"]
            self.assertEqual(arguments[arguments.index("--drain-timeout") + 1], str(drain))

    def test_keys(self):
        resources = rendered(CASES["all"], release="search")
        secret = resources["Secret"]
        self.assertEqual(secret["stringData"], {"api-key": 'a "key"'})
        self.assertNotIn("key", " ".join(container(resources)["args"]))

        def reference(found):
            return next(row["valueFrom"]["secretKeyRef"] for row in container(found)["env"]
                        if row["name"] == "TAMIS_API_KEY")

        self.assertEqual(reference(resources),
                         {"name": secret["metadata"]["name"], "key": "api-key"})
        self.assertEqual(reference(rendered(CASES["least"])), {"name": "mine", "key": "api-key"})
        self.assertNotIn("TAMIS_API_KEY", [row["name"] for row in container(rendered({}))["env"]])
        pods = [rendered({"auth": {"apiKey": key}})["Deployment"]["spec"]["template"]
                for key in ("one", "two")]
        self.assertNotEqual(*(pod["metadata"]["annotations"] for pod in pods))

    def test_names_and_selectors_agree(self):
        resources = rendered(CASES["all"], release="search")
        names = {kind: each["metadata"]["name"] for kind, each in resources.items()}
        self.assertEqual(names["Deployment"], "search-tamis")
        target = resources["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
        self.assertEqual(target["name"], names["Deployment"])
        spec = resources["Deployment"]["spec"]
        self.assertNotIn("replicas", spec)
        labels = spec["template"]["metadata"]["labels"]
        for selector in (spec["selector"]["matchLabels"], resources["Service"]["spec"]["selector"]):
            self.assertLessEqual(selector.items(), labels.items())
        claims = [volume["persistentVolumeClaim"]["claimName"]
                  for volume in spec["template"]["spec"]["volumes"]
                  if "persistentVolumeClaim" in volume]
        self.assertEqual(claims, [names["PersistentVolumeClaim"], "tamis-models"])
        long = rendered(CASES["all"], release="r" * 53)
        for each in long.values():
            self.assertLessEqual(len(each["metadata"]["name"]), 63)

    def test_values_that_contradict_are_refused(self):
        for values, message in (({"models": {"claim": ""}}, "must name what is served"),
                                ({"auth": {"apiKey": "a", "existingSecret": "b"}}, "exclude")):
            with self.assertRaisesRegex(helm_python.HelmError, message):
                rendered(values)

    def test_every_value_is_read(self):
        templates = "".join(path.read_text() for path in (CHART / "templates").iterdir())
        read = set(re.findall(r"\.Values\.([\w.]+)", templates))

        def leaves(values, prefix=""):
            for key, value in values.items():
                path = f"{prefix}{key}"
                if isinstance(value, dict) and value and path not in read:
                    yield from leaves(value, f"{path}.")
                else:
                    yield path

        known = set(leaves(yaml.safe_load((CHART / "values.yaml").read_text())))
        self.assertEqual(read, known)

    def test_its_arguments_start_a_server(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "m").symlink_to(MODELS / "bert-base")
            values = {"models": {"serve": [f"n={MODELS / 'bert-rerank'}"]},
                      "server": {"grpcPort": -1}}
            here = {"/models": folder, "8000": "0", "0.0.0.0": "127.0.0.1"}
            arguments = [here.get(each, each) for each in container(rendered(values))["args"]]
            process = subprocess.Popen([PROGRAM, "serve", *arguments, "--threads", "1"],
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            try:
                address = re.search(r"http://\S+", process.stdout.readline()).group(0).rstrip("/")
                with urllib.request.urlopen(f"{address}/health", timeout=60) as answer:
                    self.assertEqual(answer.status, 200)
                with urllib.request.urlopen(f"{address}/v1/models", timeout=60) as answer:
                    served = set(re.findall(r'"id":"(\w+)"', answer.read().decode()))
                self.assertEqual(served, {"m", "n"})
            finally:
                process.terminate()
                self.assertEqual(process.wait(timeout=60), 0)
                process.stdout.close()


if __name__ == "__main__":
    unittest.main()
