"""The page in a real browser, and /openapi.json under a fuzzer, against `tamis serve`.

    build/web/bin/python tests/web/web_test.py build/release/tamis

Skips what is not installed, and says so.
"""

import os
import re
import shutil
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODELS = {
    "classify": "bert-sequence-classification",
    "embed": "bert-base",
    "fill": "bert-masked-lm",
    "ner": "bert-token-classification",
    "qa": "bert-question-answering",
    "rerank": "bert-rerank",
}
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


class Served(unittest.TestCase):
    """One server with a tiny model of each task."""

    tamis = os.path.join(ROOT, "build/release/tamis")

    @classmethod
    def setUpClass(cls):
        models = [f"{name}={ROOT}/testdata/models/{folder}" for name, folder in MODELS.items()]
        cls.server = subprocess.Popen(
            [cls.tamis, "serve", *models, "--port", "0", "--quiet"],
            stdout=subprocess.PIPE, text=True)
        line = cls.server.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, f"the server said {line!r}"
        cls.url = found.group()

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        assert cls.server.wait(timeout=60) == 0
        cls.server.stdout.close()


class PageTest(Served):
    def setUp(self):
        try:
            from playwright.sync_api import sync_playwright
        except ImportError:
            self.skipTest("playwright is not installed: run `make web`")
        browser = next((path for path in map(shutil.which, BROWSERS) if path), None)
        if browser is None:
            self.skipTest("no browser: apt-get install chromium-headless-shell")
        self.driver = sync_playwright().start()
        self.addCleanup(self.driver.stop)
        self.browser = self.driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        self.addCleanup(self.browser.close)
        self.page = self.browser.new_page()
        self.asked = []
        self.faults = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda message: self.faults.append(message.text)
                     if message.type == "error" else None)
        self.page.goto(self.url + "/")
        self.page.wait_for_selector("#models tr")

    def test_lists_the_models_and_loads_nothing_from_elsewhere(self):
        names = self.page.locator("#models tr td:first-child").all_inner_texts()
        self.assertEqual(sorted(names), sorted(MODELS))
        self.page.wait_for_function(
            "() => document.querySelector('#health').textContent === 'ready'")
        for url in self.asked:
            self.assertTrue(url.startswith((self.url, "data:")), url)
        self.assertEqual(self.faults, [])

    def test_runs_every_task(self):
        texts = {"fill": "hello [MASK]."}
        expected = {"classify": '"labels"', "embed": "[", "fill": '"token_str"',
                    "ner": '"entities"', "qa": '"answers"', "rerank": '"relevance_score"'}
        for model in MODELS:
            with self.subTest(model):
                self.page.select_option("#model", model)
                if model in texts:
                    self.page.fill("#first", texts[model])
                with self.page.expect_response(lambda answer: answer.request.method == "POST") as got:
                    self.page.click("#try button")
                self.assertEqual(got.value.status, 200)
                self.page.wait_for_function(
                    "text => document.querySelector('#answer').textContent.includes(text)",
                    arg=expected[model])
        self.assertEqual(self.faults, [])

    def test_marks_entities_where_they_stand(self):
        text = "h\u00e9llo \U0001f600 bob"
        self.page.select_option("#model", "ner")
        self.page.fill("#first", text)
        self.page.click("#try button")
        self.page.wait_for_selector("#marked p")
        shown = self.page.evaluate(
            "[...document.querySelectorAll('#marked p')].map(p => {"
            " const copy = p.cloneNode(true); copy.querySelectorAll('small').forEach(s => s.remove());"
            " return copy.textContent; })[0]")
        self.assertEqual(shown, text)

    def test_plots_what_is_asked(self):
        self.page.select_option("#model", "embed")
        self.page.click("#try button")
        self.page.wait_for_function(
            "() => series.requests.some(v => v > 0) && series.median.some(v => v !== null)")
        self.assertTrue(self.page.get_attribute("#requests polyline", "points"))


class OpenApiTest(Served):
    def test_every_answer_is_as_described(self):
        schemathesis = os.path.join(os.path.dirname(sys.executable), "schemathesis")
        if not os.path.exists(schemathesis):
            self.skipTest("schemathesis is not installed: run `make web`")
        done = subprocess.run(
            [schemathesis, "run", self.url + "/openapi.json", "--seed", "7",
             "--max-examples", os.environ.get("TAMIS_WEB_EXAMPLES", "30"),
             # A machine that is busy with other things is no fault.
             "--request-timeout", "60",
             "--phases", "examples,coverage,fuzzing",
             "--checks", "not_a_server_error,response_schema_conformance,content_type_conformance",
             # They would take the models away that the others ask for.
             "--exclude-path-regex", "/v2/repository/models/"],
            capture_output=True, text=True, timeout=1200)
        self.assertEqual(done.returncode, 0, done.stdout[-6000:] + done.stderr[-2000:])


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        Served.tamis = os.path.abspath(sys.argv.pop(1))
    unittest.main()
