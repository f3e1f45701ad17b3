"""The Python package over the native library, against the command line's and its own answers.

    TAMIS_LIBRARY=build/dev/libtamis.so TAMIS_TESTDATA=testdata PYTHONPATH=python python3 tests/python/test_tamis.py
"""

import asyncio
import gc
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request
from pathlib import Path

import numpy as np

import tamis

TESTDATA = Path(os.environ["TAMIS_TESTDATA"])
PROGRAM = os.environ.get("TAMIS_PROGRAM")


def serves(program):
    """Whether the program is built with the server."""
    return bool(program) and "\n  serve " in subprocess.run([program, "--help"], capture_output=True, text=True).stdout




def load(name, **options):
    return tamis.Model(TESTDATA / "models" / name, threads=2, **options)


def embed_with(model, texts):
    """For the workers of a pool, which get the model by its path."""
    return model.embed(texts)


TEXTS = ["A text.", "", "Something longer than that, with words.", "A text.", "\u00e9\u4e2d\U0001f600"]


class Embedding(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = load("bert-base")

    def test_shapes_and_types(self):
        rows = self.model.embed(TEXTS)
        self.assertEqual(rows.shape, (5, self.model.info.output_size))
        self.assertEqual(rows.dtype, np.float32)
        self.assertTrue(rows.flags.owndata and rows.flags.c_contiguous)
        np.testing.assert_array_equal(rows[0], rows[3])
        np.testing.assert_array_equal(self.model.embed("A text."), rows[0])
        self.assertEqual(self.model.embed([]).shape, (0, self.model.info.output_size))
        self.assertEqual(self.model.embed(TEXTS, dimensions=3).shape, (5, 3))

    def test_chunks_change_nothing(self):
        texts = [f"Text {i % 7} and {i % 5}." for i in range(2500)]
        told = []
        rows = self.model.embed(texts, progress=lambda done, of: told.append((done, of)))
        self.assertEqual(told, [(1024, 2500), (2048, 2500), (2500, 2500)])
        for i in (0, 1023, 1024, 2499):
            np.testing.assert_array_equal(rows[i], self.model.embed(texts[i]))

    def test_chunks_are_short(self):
        told = []
        long = "word " * 20000
        self.model.embed(["a", long, "b", "c", long, long],
                         progress=lambda done, _of: told.append(done))
        self.assertEqual(told, [4, 5, 6])

    def test_norms_and_names_of_sentence_transformers(self):
        rows = self.model.embed(TEXTS, normalize=True)
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
        np.testing.assert_array_equal(self.model.encode(TEXTS, normalize_embeddings=True), rows)
        self.assertEqual(self.model.encode("One.").ndim, 1)
        with self.assertRaises(tamis.InvalidArgument):
            self.model.encode(TEXTS, convert_to_numpy=False)

    def test_prompts(self):
        np.testing.assert_array_equal(self.model.embed("b", prompt="a "), self.model.embed("a b"))

    def test_truncation(self):
        long = "word " * 500
        self.assertTrue(np.isfinite(self.model.embed(long)).all())
        with self.assertRaisesRegex(tamis.InvalidArgument, "text|input|tokens"):
            self.model.embed(long, truncate=False)

    def test_token_ids(self):
        ids = [token.id for token in self.model.tokenize("A text.")]
        rows = self.model.run([ids, ids[:3]])
        self.assertEqual(rows.shape, (2, self.model.info.output_size))
        with self.assertRaises(tamis.InvalidArgument):
            self.model.run([[1 << 30]])
        for wrong in ([[2.9, 3]], [["2", "3"]], [[True, False]], [2, 5, 3], np.array([2, 5, 3]),
                      np.array([[2, 2**32 + 5, 3]]), [[2**70]], [[[2, 3]]], [None]):
            with self.assertRaises(tamis.InvalidArgument):
                self.model.run(wrong)
        with self.assertRaises(tamis.InvalidArgument):
            self.model.run([ids], type_ids=[])

    def test_numbers_and_paths_are_taken_whole(self):
        for options in ({"dimensions": 2**64 + 4}, {"max_length": 2**64 + 3}, {"normalize": 2**32}):
            with self.assertRaises(tamis.InvalidArgument):
                self.model.embed(["a"], **options)
        with self.assertRaises(tamis.InvalidArgument):
            tamis.Model(str(TESTDATA / "models" / "bert-base"), threads=2**32 + 1)
        with self.assertRaisesRegex(tamis.InvalidArgument, "NUL"):
            tamis.Model(str(TESTDATA / "models" / "bert-base") + "\0xyz")
        np.testing.assert_array_equal(self.model.encode(str(i) for i in range(2)),
                                      self.model.embed(["0", "1"]))

    def test_the_lock_is_let_go(self):
        ticks = []
        stop = threading.Event()

        def tick():
            while not stop.is_set():
                ticks.append(1)
                time.sleep(0.001)

        thread = threading.Thread(target=tick)
        texts = ["A text of some words that goes on. " * 4] * 1024
        thread.start()
        try:
            start = time.monotonic()
            while time.monotonic() - start < 0.5:
                self.model.embed(texts)
        finally:
            stop.set()
            thread.join()
        self.assertGreater(len(ticks), 20)

    def test_many_threads_agree(self):
        want = self.model.embed(TEXTS)
        found = [None] * 6

        def work(i):
            found[i] = self.model.embed(TEXTS)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for rows in found:
            np.testing.assert_array_equal(rows, want)

    def test_async(self):
        async def both():
            return await asyncio.gather(self.model.embed_async("a"), self.model.embed_async("b"))

        one, two = asyncio.run(both())
        np.testing.assert_array_equal(one, self.model.embed("a"))
        np.testing.assert_array_equal(two, self.model.embed("b"))


class Tasks(unittest.TestCase):
    def test_classify(self):
        model = load("bert-sequence-classification")
        rows = model.classify(["One.", ("One.", "Two.")])
        self.assertEqual(len(rows), 2)
        self.assertEqual({label.label for label in rows[0]}, set(model.info.labels))
        self.assertAlmostEqual(sum(label.score for label in rows[0]), 1, places=5)
        self.assertEqual(len(model.classify("One.", top_k=1)), 1)
        with self.assertRaisesRegex(tamis.InvalidArgument, "softmax"):
            model.classify("One.", function="hardmax")
        with self.assertRaises(tamis.Unsupported):
            model.zero_shot("One.", ["a", "b"])

    def test_rerank(self):
        ranked = load("bert-rerank").rerank("Who?", ["Anna.", "No one.", "A table."])
        self.assertEqual(sorted(item.index for item in ranked), [0, 1, 2])
        self.assertEqual([r.score for r in ranked], sorted((r.score for r in ranked), reverse=True))

    def test_rerank_over_calls(self):
        model = load("bert-rerank")
        texts = [f"Text {i % 40}." for i in range(1100)]
        ranked = model.rerank("Who?", texts, top_k=60)
        scores = model.score([("Who?", text) for text in texts])
        order = sorted(range(1100), key=lambda i: (-scores[i], i))[:60]
        self.assertEqual([item.index for item in ranked], order)
        self.assertEqual(model.rerank("Who?", []), [])

    def test_score(self):
        model = load("bert-rerank")
        pairs = [("Who?", "Anna."), ("What?", "A table."), ("Who?", "No one.")]
        scores = model.score(pairs)
        self.assertEqual((scores.dtype, scores.shape), (np.float32, (3,)))
        for (query, text), score in zip(pairs, scores):
            self.assertEqual(model.rerank(query, [text])[0].score, score)
        np.testing.assert_array_equal(asyncio.run(model.score_async(pairs)), scores)
        logits = model.score(pairs, raw_scores=True)
        np.testing.assert_allclose(1 / (1 + np.exp(-logits)), scores, rtol=1e-5)
        self.assertEqual(model.score([]).shape, (0,))
        for bad in ("Who?", ["Who?"], [("Who?",)]):
            with self.assertRaises((TypeError, tamis.InvalidArgument)):
                model.score(bad)

    def test_ner(self):
        text = "Anna lives in Lagos."
        entities = load("bert-token-classification").ner(text, aggregation="none", ignore_labels=[])
        self.assertTrue(entities)
        for entity in entities:
            self.assertLess(entity.start, entity.end)
            self.assertLessEqual(entity.end, len(text))

    def test_ner_with_labels(self):
        text = "Ada Lovelace wrote in C++ and lived in London."
        model = load("../gliner/bert")
        flat = model.ner(text, labels=["person", "city"])
        self.assertTrue(flat)
        for entity in flat:
            self.assertEqual(entity.word, text[entity.start:entity.end])
        more = model.ner(text, labels=["person", "city"], threshold=0.3, nested=True, multi_label=True)
        self.assertGreater(len(more), len(flat))
        with self.assertRaises(tamis.InvalidArgument):
            model.ner(text)

    def test_answer(self):
        model = load("bert-question-answering")
        context = "Anna did it."
        answer = model.answer("Who?", context)
        self.assertEqual(context[answer.start:answer.end], answer.answer)
        self.assertEqual(len(model.answer("Who?", context, top_k=3)), 3)
        with self.assertRaises(tamis.InvalidArgument):
            model.answer("Who?", context, top_k=0)

    def test_fill_mask(self):
        model = load("bert-masked-lm")
        masks = model.fill_mask("The [MASK] is [MASK].", top_k=3)
        self.assertEqual([len(mask) for mask in masks], [3, 3])


class Retrieval(unittest.TestCase):
    def test_sparse(self):
        model = load("../retrieval/splade-router")
        weights = model.embed_sparse(["A lighthouse.", "Rain."])
        self.assertEqual(len(weights), 2)
        values = list(weights[0].values())
        self.assertEqual(values, sorted(values, reverse=True))
        self.assertEqual(list(model.embed_sparse("A lighthouse.", top_k=2).items()),
                         list(weights[0].items())[:2])
        self.assertNotEqual(model.embed_sparse("A lighthouse.", query=True), weights[0])
        with self.assertRaises(tamis.InvalidArgument):
            model.embed_sparse("A lighthouse.", top_k=0)
        with self.assertRaises(tamis.Unsupported):
            model.embed_multi("A lighthouse.")

    def test_vectors_and_max_sim(self):
        model = load("../retrieval/colbert")
        query = model.embed_multi("Where?", query=True)
        texts = ["A lighthouse.", "Rain.", "Ships, ships!"]
        documents = model.embed_multi(texts)
        np.testing.assert_allclose(np.linalg.norm(query, axis=1), 1, rtol=1e-5)
        scores = {row.index: row.score for row in model.rerank("Where?", texts)}
        for i, document in enumerate(documents):
            self.assertAlmostEqual(tamis.max_sim(query, document), scores[i], places=4)
        self.assertEqual(tamis.max_sim(query, documents[0][:0]), 0)
        with self.assertRaises(tamis.InvalidArgument):
            tamis.max_sim(query, documents[0][:, :3])
        self.assertEqual(tamis.max_sim([[1, 0]], [[0.5, 2], [0.25, 0]]), 0.5)
        with self.assertRaises(tamis.InvalidArgument):
            tamis.max_sim(query[0], documents[0])

    def test_all_at_once(self):
        model = load("../retrieval/bge-m3", task="embed-all")
        found = model.embed_all("A lighthouse.")
        np.testing.assert_array_equal(found.embedding, model.embed("A lighthouse."))
        np.testing.assert_array_equal(found.vectors, model.embed_multi("A lighthouse."))
        self.assertEqual(found.sparse, model.embed_sparse("A lighthouse."))
        self.assertEqual(asyncio.run(model.embed_all_async(["Rain."]))[0].sparse,
                         model.embed_sparse("Rain."))


class Named(tamis.Model):
    """A subclass with something of its own."""

    def __init__(self, path, name):
        super().__init__(path, threads=2)
        self.name = name


class Faults(unittest.TestCase):
    def test_what_is_no_text(self):
        model = load("bert-base")
        for bad in (None, 5, b"bytes", [None], [b"bytes"], ["a", 3]):
            with self.assertRaises(TypeError):
                model.embed(bad)
        with self.assertRaisesRegex(tamis.InvalidArgument, "text 1: not UTF-8"):
            model.embed(["a", "\ud800"])
        self.assertTrue(issubclass(tamis.InvalidArgument, ValueError))

    def test_inputs_of_later_calls_are_counted_from_their_first(self):
        model = load("bert-base")
        with self.assertRaisesRegex(TypeError, "text 6: .*, counted from input 1024 on"):
            model.embed(["a"] * 1030 + [3])
        with self.assertRaisesRegex(tamis.InvalidArgument, "input 1, .*from input 1024 on"):
            model.embed(["a"] * 1025 + ["a " * 900], truncate=False)
        classifier = load("bert-sequence-classification")
        with self.assertRaisesRegex(TypeError, "input 0: .*, counted from input 1024 on"):
            classifier.classify(["a"] * 1024 + [("a", "b", "c")])

    def test_what_is_no_model(self):
        with self.assertRaisesRegex(tamis.NotFound, "/no/such"):
            tamis.Model("/no/such")
        with self.assertRaisesRegex(tamis.InvalidArgument, "divine"):
            load("bert-base", task="divine")

    def test_closed(self):
        with load("bert-base") as model:
            model.embed("a")
        with self.assertRaisesRegex(tamis.Error, "closed"):
            model.embed("a")
        self.assertIn("closed", repr(model))
        del model
        gc.collect()

    def test_pickle(self):
        model = load("bert-base")
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(again.embed(TEXTS), model.embed(TEXTS))
        mine = Named(model._arguments[0], name="mine")
        again = pickle.loads(pickle.dumps(mine))
        self.assertEqual((type(again), again.name), (Named, "mine"))
        np.testing.assert_array_equal(again.embed(TEXTS), model.embed(TEXTS))

    def test_fork(self):
        model = load("bert-base")
        want = model.embed(TEXTS)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            same = np.array_equal(model.embed(TEXTS), want)
            os.write(write, b"1" if same else b"0")
            os._exit(0)
        os.close(write)
        self.assertEqual(os.read(read, 1), b"1")
        os.close(read)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        np.testing.assert_array_equal(model.embed(TEXTS), want)

    def test_multiprocessing(self):
        model, texts = load("bert-base"), [f"Text {i}." for i in range(40)]
        want = model.embed(texts)
        for method in ("fork", "spawn", "forkserver"):
            with self.subTest(method), multiprocessing.get_context(method).Pool(2) as pool:
                parts = pool.starmap(embed_with, [(model, texts[i:i + 10]) for i in (0, 10, 20, 30)])
                np.testing.assert_array_equal(np.concatenate(parts), want)
        self.assertEqual(model.embed(texts).shape, want.shape)

    def test_import_needs_no_numpy(self):
        code = "import sys, tamis; sys.exit('numpy' in sys.modules)"
        self.assertEqual(subprocess.run([sys.executable, "-c", code], check=False).returncode, 0)

    def test_messages_reach_the_sink(self):
        heard = []
        tamis.set_log_sink(lambda level, message: heard.append((level, message)))
        try:
            with tempfile.TemporaryDirectory() as folder:
                for file in (TESTDATA / "models" / "bert-base").iterdir():
                    if file.is_file():
                        data = file.read_bytes()
                        if file.name == "config.json":
                            data = data.replace(b"{", b'{"a_key_of_no_one": 1,', 1)
                        Path(folder, file.name).write_bytes(data)
                tamis.Model(folder)
        finally:
            tamis.set_log_sink(None)
        self.assertTrue(any("a_key_of_no_one" in message for _, message in heard), heard)


class Optimizing(unittest.TestCase):
    def test_a_bundle(self):
        source = TESTDATA / "models" / "bert-sequence-classification"
        stages = []
        with tempfile.TemporaryDirectory() as folder:
            bundle = os.path.join(folder, "bundle")
            report = tamis.optimize(
                source, bundle, budget="flips=100%", seconds=0.05,
                calibration=[f"Text number {i} of them." for i in range(40)],
                progress=lambda stage, done: stages.append((stage, done)))
            self.assertTrue(stages)
            self.assertEqual(report.budget, "flips=1")
            self.assertIn("<table>", report._repr_html_())
            self.assertEqual(report.data["precision"], report.precision)
            model = tamis.Model(bundle)
            self.assertEqual(model.info.precision, report.precision)
            self.assertEqual(len(model.classify("A text.")), 3)
            with self.assertRaisesRegex(tamis.InvalidArgument, "exists"):
                tamis.optimize(source, bundle)

    def test_what_is_no_option(self):
        source = TESTDATA / "models" / "bert-base"
        with tempfile.TemporaryDirectory() as folder:
            bundle = os.path.join(folder, "bundle")
            for refused in ({"seconds": float("inf")}, {"seconds": float("nan")}, {"seconds": -1},
                            {"calibration": []}):
                with self.assertRaises(tamis.InvalidArgument):
                    tamis.optimize(source, bundle, **refused)
            with self.assertRaises(TypeError):
                tamis.optimize(source, bundle, enable="*")
            with self.assertRaisesRegex(tamis.InvalidArgument, "path is empty"):
                tamis.optimize(source, "")
            self.assertEqual(os.listdir(folder), [])

    def test_a_callback_ends_it(self):
        source = TESTDATA / "models" / "bert-base"
        with tempfile.TemporaryDirectory() as folder:
            bundle = os.path.join(folder, "bundle")
            with self.assertRaises(tamis.Cancelled):
                tamis.optimize(source, bundle, progress=lambda stage, done: False)

            def interrupted(_stage, _done):
                raise KeyboardInterrupt

            with self.assertRaises(KeyboardInterrupt):
                tamis.optimize(source, bundle, progress=interrupted)
            # Ctrl-C itself, whose handler Python would run within the callback.
            stages = []

            def struck(stage, _done):
                stages.append(stage)
                os.kill(os.getpid(), signal.SIGINT)

            with self.assertRaises(KeyboardInterrupt):
                tamis.optimize(source, bundle, progress=struck)
            self.assertEqual(len(stages), 1)
            self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)
            self.assertEqual(os.listdir(folder), [])


@unittest.skipUnless(serves(PROGRAM) or os.environ.get("TAMIS_SERVER_WHEEL"),
                     "needs TAMIS_PROGRAM, built with the server, or the wheel of the server")
class Serving(unittest.TestCase):
    def test_a_child_process_answers(self):
        with tamis.serve({"m": TESTDATA / "models" / "bert-base"}, threads=2) as server:
            self.assertTrue(server.running)
            with urllib.request.urlopen(server.url + "/health", timeout=30) as answer:
                self.assertEqual(answer.status, 200)
            request = urllib.request.Request(
                server.url + "/embed", json.dumps({"inputs": ["A text."]}).encode(),
                {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=30) as answer:
                rows = np.float32(json.load(answer))
        self.assertFalse(server.running)
        self.assertEqual(server.close(), 0)
        self.assertEqual(rows.shape, (1, load("bert-base").info.output_size))

    def test_its_own_message_when_it_does_not_come_up(self):
        with self.assertRaisesRegex(tamis.Unavailable, "no-such-model"):
            tamis.serve(TESTDATA / "models" / "no-such-model")
        with self.assertRaisesRegex(tamis.Unavailable, "--no-such-option"):
            tamis.serve(TESTDATA / "models" / "bert-base", no_such_option=1)
        with self.assertRaisesRegex(tamis.Unavailable, "--no-such-option"):
            tamis.serve(TESTDATA / "models" / "bert-base", no_such_option=False)

    def test_false_is_said(self):
        from tamis._serve import _arguments

        self.assertEqual(
            _arguments({"log_requests": False, "compress": True, "max_body": 5, "task": None,
                        "weight": ["a=1", "b=2"]}),
            ["--log-requests=false", "--compress=true", "--max-body=5", "--weight=a=1",
             "--weight=b=2"])
        os.environ["TAMIS_LOG_REQUESTS"] = "nonsense"  # is read where the option is not given
        try:
            with tamis.serve(TESTDATA / "models" / "bert-base", threads=1, log_requests=False):
                pass
        finally:
            del os.environ["TAMIS_LOG_REQUESTS"]

    def test_it_ends_with_the_interpreter(self):
        code = "import sys, tamis; print(tamis.serve(sys.argv[1], threads=1).pid)"
        out = subprocess.run([sys.executable, "-c", code, TESTDATA / "models" / "bert-base"],
                             capture_output=True, text=True, check=True)
        self.assertFalse(os.path.exists(f"/proc/{int(out.stdout)}"))


@unittest.skipUnless(PROGRAM, "needs TAMIS_PROGRAM, the command line's program")
class AsTheProgram(unittest.TestCase):
    def test_embeddings(self):
        path = TESTDATA / "models" / "bert-base"
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "rows.npy")
            subprocess.run([PROGRAM, "embed", str(path), "A text.", "Two.", "--output", out], check=True,
                           capture_output=True)
            np.testing.assert_array_equal(np.load(out), load("bert-base").embed(["A text.", "Two."]))


if __name__ == "__main__":
    unittest.main()
