"""The page in a real browser, and /openapi.json under a fuzzer, against `tamis serve`.

    build/web/bin/python tests/web/web_test.py build/release/tamis

Skips what is not installed, and says so.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
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


def entailment_model(folder):
    """The classifier with the labels of natural language inference."""
    source = os.path.join(ROOT, "testdata/models/bert-sequence-classification")
    shutil.copytree(source, folder, dirs_exist_ok=True)
    path = os.path.join(folder, "config.json")
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    names = ["entailment", "neutral", "contradiction"]
    config["id2label"] = {str(i): name for i, name in enumerate(names)}
    config["label2id"] = {name: i for i, name in enumerate(names)}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)
    return folder


class Served(unittest.TestCase):
    """One server with a tiny model of each task."""

    tamis = os.path.join(ROOT, "build/release/tamis")

    @classmethod
    def setUpClass(cls):
        models = [f"{name}={ROOT}/testdata/models/{folder}" for name, folder in MODELS.items()]
        cls.own = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.own.cleanup)
        models.append(f"nli={entailment_model(cls.own.name)}")
        models.append(f"gliner={ROOT}/testdata/gliner/bert")
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
        self.assertEqual(sorted(names), sorted([*MODELS, "nli", "gliner"]))
        self.page.wait_for_function(
            "() => document.querySelector('#health').textContent === 'ready'")
        for url in self.asked:
            self.assertTrue(url.startswith((self.url, "data:")), url)
        self.assertEqual(self.faults, [])

    def choose(self, model, mode=None):
        self.page.select_option("#model", model)
        if mode is not None:
            self.page.select_option("#mode", label=mode)

    def run_it(self):
        with self.page.expect_response(lambda answer: answer.request.method == "POST") as got:
            self.page.click("#run")
        self.assertEqual(got.value.status, 200, got.value.text())
        self.page.wait_for_function("() => document.querySelector('#drawn').childElementCount > 0")

    def test_draws_the_answer_of_everything_that_can_be_done(self):
        drawn = {("classify", "classify"): ".bars", ("embed", "compare texts"): "table.heat",
                 ("fill", "fill masks"): ".bars", ("ner", "find entities"): "p",
                 ("qa", "answer a question"): ".bars", ("rerank", "rank documents"): ".bars",
                 ("nli", "sort under labels of yours"): ".bars",
                 ("gliner", "find what you name"): "p"}
        for (model, mode), shape in drawn.items():
            with self.subTest(model):
                self.choose(model, mode)
                if model == "fill":
                    self.page.fill("#field-0", "hello [MASK].")
                self.run_it()
                self.assertGreater(self.page.locator(f"#drawn {shape}").count(), 0)
        for model in MODELS:
            with self.subTest(model, mode="tokens"):
                self.choose(model, "see its tokens")
                self.run_it()
                self.assertGreater(self.page.locator("#drawn .token").count(), 2)
        self.assertEqual(self.faults, [])

    def test_shows_only_the_fields_of_what_is_done(self):
        for model, fields in (("ner", 1), ("fill", 1), ("qa", 2), ("embed", 1), ("rerank", 2)):
            self.choose(model)
            self.assertEqual(self.page.locator("#fields textarea").count(), fields, model)
            self.assertEqual(self.page.locator("#fields label").count(), fields, model)

    def test_compares_every_text_with_every_other(self):
        self.choose("embed", "compare texts")
        self.page.fill("#field-0", "a cat\na dog\na cat")
        self.run_it()
        cells = self.page.locator("table.heat td").all_inner_texts()
        self.assertEqual(len(cells), 9)
        self.assertEqual([cells[i] for i in (0, 2, 4, 6, 8)], ["1.00"] * 5)
        self.assertEqual(cells[1], cells[3])

    def test_marks_entities_where_they_stand(self):
        text = "h\u00e9llo \U0001f600 bob"
        self.choose("ner", "find entities")
        self.page.fill("#field-0", text)
        self.run_it()
        shown = self.page.evaluate(
            "[...document.querySelectorAll('#drawn p')].map(p => {"
            " const copy = p.cloneNode(true); copy.querySelectorAll('small').forEach(s => s.remove());"
            " return copy.textContent; })[0]")
        self.assertEqual(shown, text)

    def test_a_refusal_is_said_in_words(self):
        self.choose("fill", "fill masks")
        self.page.fill("#field-0", "no mask here")
        self.page.click("#run")
        self.page.wait_for_selector("#drawn .error")
        self.assertIn("mask", self.page.inner_text("#drawn .error").lower())
        self.faults.clear()  # the browser reports the status

    def test_the_line_for_curl_gives_the_same_answer(self):
        self.choose("classify", "classify")
        self.page.fill("#field-0", "It's \"fine\" $HOME `x` \\ \u00e9")
        self.run_it()
        shown = json.loads(self.page.text_content("#answer"))
        line = self.page.evaluate("curl_line()")
        done = subprocess.run(["sh", "-c", line + " --silent"], capture_output=True, text=True,
                              check=True)
        said = json.loads(done.stdout)
        self.assertEqual(said["results"], shown["results"])
        self.page.click("#curl")
        self.page.wait_for_function("() => document.querySelector('#took').textContent !== ''")

    def test_works_from_the_keyboard(self):
        self.choose("classify", "classify")
        self.page.focus("#field-0")
        with self.page.expect_response(lambda answer: answer.request.method == "POST") as got:
            self.page.keyboard.press("Control+Enter")
        self.assertEqual(got.value.status, 200)
        self.page.focus("#model")
        reached = []
        for _ in range(6):
            self.page.keyboard.press("Tab")
            reached.append(self.page.evaluate("document.activeElement.id"))
        self.assertEqual(reached[:5], ["mode", "field-0", "field-1", "run", "curl"])

    def test_fits_a_narrow_screen(self):
        self.page.set_viewport_size({"width": 390, "height": 844})
        for model in MODELS:
            self.choose(model)
            if model == "fill":
                self.page.fill("#field-0", "hello [MASK].")
            self.run_it()
            self.assertLessEqual(self.page.evaluate("document.documentElement.scrollWidth"), 390,
                                 model)

    def test_is_dark_where_that_is_asked_for(self):
        shades = {}
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            shades[scheme] = self.page.evaluate(
                "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        self.assertGreater(sum(shades["light"]), 600)
        self.assertLess(sum(shades["dark"]), 150)

    def test_plots_what_is_asked(self):
        self.choose("embed")
        self.run_it()
        self.page.wait_for_function(
            "() => series.requests.some(v => v > 0) && series.median.some(v => v !== null)")
        self.page.wait_for_selector("#requests polyline[points*=' ']", state="attached")
        ends = self.page.locator("#latency text").all_text_contents()
        self.assertIn("now", ends)
        self.assertTrue(any(text.endswith(" ms") for text in ends), ends)


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
