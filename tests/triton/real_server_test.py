"""The backend and what `tamis export --format triton` writes, in a real tritonserver."""

import json
import os
import shutil
import unittest

import numpy
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

import common

TEXTS = ["A cat sleeps.", "", "The kitten is asleep on the sofa, in Zürich, since noon.", "No."]
# Pools, and has a prompt that stands before every text.
EMBEDDER = "sentence-transformers/prompts-default"
# Fourteen words each.
LONG = [f"Number {i}: the quick brown fox jumps over the lazy dog near that river"
        for i in range(64)]


def embeddings(model, texts):
    rows = common.answers("embed", model, *texts)
    return numpy.array([row["embedding"] for row in rows], dtype=numpy.float32)


class TamisBackendTest(unittest.TestCase):
    """Repositories of the backend tamis."""

    @classmethod
    def setUpClass(cls):
        cls.folder = common.Folder()
        export = cls.folder.export
        repositories = [export(common.testdata("bert-base"), "embedder", "--response-cache"),
                        export(common.testdata("bert-sequence-classification"), "classifier"),
                        export(common.testdata("bert-token-classification"), "ner"),
                        export(common.testdata("bert-question-answering"), "qa"),
                        export(common.testdata("bert-masked-lm"), "mask"),
                        export(common.testdata("bert-base"), "replaced")]
        cls.server = common.Server(repositories, "--cache-config=local,size=1048576")
        cls.protocols = [(tritonclient.http, cls.server.http()),
                         (tritonclient.grpc, cls.server.grpc())]

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.folder.remove()

    def test_embeddings_are_the_programs_to_the_bit(self):
        expected = embeddings(common.testdata("bert-base"), TEXTS)
        for module, client in self.protocols:
            result = client.infer("embedder_inference", [common.text_tensor(module, TEXTS)])
            numpy.testing.assert_array_equal(result.as_numpy("embedding"), expected)

    def test_classes_and_pairs(self):
        model = common.testdata("bert-sequence-classification")
        expected = common.answers("classify", model, *TEXTS)
        for module, client in self.protocols:
            result = client.infer("classifier_inference", [common.text_tensor(module, TEXTS)])
            labels = [row[0].decode() for row in result.as_numpy("label")]
            self.assertEqual(labels, [row["label"] for row in expected])
            numpy.testing.assert_array_equal(
                result.as_numpy("logits"),
                numpy.array([row["logits"] for row in expected], dtype=numpy.float32))
            pair = client.infer("classifier_inference",
                                [common.text_tensor(module, ["Who?"]),
                                 common.text_tensor(module, ["Ada."], "text_pair")])
            self.assertEqual(pair.as_numpy("logits").shape[0], 1)
            best = client.infer("classifier_inference", [common.text_tensor(module, TEXTS[:1])],
                                outputs=[module.InferRequestedOutput("scores", class_count=1)])
            self.assertEqual(best.as_numpy("scores")[0][0].decode().split(":")[2],
                             expected[0]["label"])

    def test_lines_of_other_tasks(self):
        rows = (("ner", "ner", "bert-token-classification", ("Ada Lovelace lived in London.",)),
                ("mask", "fill-mask", "bert-masked-lm", ("A [MASK] sleeps.",)))
        for name, task, folder, texts in rows:
            expected = common.tamis(task, common.testdata(folder), *texts).splitlines()
            for module, client in self.protocols:
                result = client.infer(f"{name}_inference", [common.text_tensor(module, texts)])
                got = [row[0].decode() for row in result.as_numpy("result")]
                self.assertEqual(got, expected)
        module, client = self.protocols[0]
        expected = common.tamis("qa", common.testdata("bert-question-answering"), "--question",
                                "Who?", "--context", "Ada sold the table.").strip()
        result = client.infer("qa_inference", [
            common.text_tensor(module, ["Who?"]),
            common.text_tensor(module, ["Ada sold the table."], "text_pair")])
        self.assertEqual(result.as_numpy("result")[0][0].decode(), expected)

    def test_bad_texts_are_the_clients_mistake(self):
        for module, client in self.protocols:
            with self.assertRaises(InferenceServerException) as raised:
                client.infer("embedder_inference", [common.text_tensor(module, [b"bad \xff"])])
            self.assertIn("UTF-8", str(raised.exception))
            self.assertIn(raised.exception.status(), ("400", "StatusCode.INVALID_ARGUMENT"))

    def test_concurrent_requests_are_batched_and_counted(self):
        client = self.server.http()
        before = common.counts(client, "embedder_inference")
        wanted = dict(zip(LONG, embeddings(common.testdata("bert-base"), LONG)))
        traffic = common.Traffic(self.server, "embedder_inference", "embedding", LONG, 32,
                                 lambda text, row: numpy.testing.assert_array_equal(
                                     row, wanted[text]))
        traffic.wait(2000)
        traffic.stop()
        self.assertEqual(traffic.failures, [])
        texts, runs, hits = common.counts_since(client, "embedder_inference", before, traffic.done)
        self.assertGreater(hits, 0, "the response cache was not asked")
        # Each text was run or had an answer kept; more than one may have shared a run.
        self.assertEqual(texts + hits, traffic.done)
        self.assertGreater(runs, 0)
        self.assertLessEqual(runs, texts)

    def test_reloads_under_traffic(self):
        client = self.server.http()
        wanted = dict(zip(LONG, embeddings(common.testdata("bert-base"), LONG)))
        traffic = common.Traffic(self.server, "embedder_inference", "embedding", LONG, 4,
                                 lambda text, row: numpy.testing.assert_array_equal(
                                     row, wanted[text]))
        config = self.folder.path / "embedder/embedder_inference/config.pbtxt"
        for _ in range(int(os.environ.get("TAMIS_RELOADS", "20"))):
            os.utime(config)
            client.load_model("embedder_inference")
        traffic.stop()
        self.assertEqual(traffic.failures, [])
        self.assertGreater(traffic.done, 0)

    def test_a_model_replaced_in_place_answers_by_itself(self):
        client = self.server.http()
        folder = self.folder.path / "replaced/replaced_inference"
        for name in ("bert-base", "electra-base"):
            shutil.rmtree(folder / "1")
            shutil.copytree(common.testdata(name), folder / "1")
            os.utime(folder / "config.pbtxt")
            client.load_model("replaced_inference")
            result = client.infer("replaced_inference",
                                  [common.text_tensor(tritonclient.http, TEXTS)])
            numpy.testing.assert_array_equal(result.as_numpy("embedding"),
                                             embeddings(common.testdata(name), TEXTS))

    def test_a_contradicting_config_is_one_clear_error(self):
        client = self.server.http()
        config = client.get_model_config("embedder_inference")
        config["output"][0]["dims"] = [33]
        with self.assertRaises(InferenceServerException) as raised:
            client.load_model("embedder_inference", config=json.dumps(config))
        self.assertIn("dims are [ 33 ], the model's are [ 32 ]", str(raised.exception))
        client.load_model("embedder_inference")
        self.assertTrue(client.is_model_ready("embedder_inference"))


class BatchingTest(unittest.TestCase):
    """Without a cache every request reaches the model: a real one, which takes longer to run than its
    clients to ask."""

    def test_32_clients_are_batched(self):
        folder = common.Folder()
        model = os.environ.get("TAMIS_MODEL") or common.SOURCE / "build/models/minilm"
        server = common.Server([folder.export(model, "m")])
        try:
            client = server.http()
            before = common.counts(client, "m_inference")
            wanted = dict(zip(LONG, embeddings(model, LONG)))
            traffic = common.Traffic(server, "m_inference", "embedding", LONG, 32,
                                     lambda text, row: numpy.testing.assert_array_equal(
                                         row, wanted[text]))
            traffic.wait(1000)
            traffic.stop()
            self.assertEqual(traffic.failures, [])
            texts, runs, hits = common.counts_since(client, "m_inference", before, traffic.done)
            print(f"32 clients: {texts} texts in {runs} runs")
            self.assertEqual((texts, hits), (traffic.done, 0))
            self.assertGreater(texts, 2 * runs)
        finally:
            server.stop()
            folder.remove()


@unittest.skipUnless(os.environ.get("TAMIS_ORT"), "TAMIS_ORT names no library of ONNX Runtime")
class OnnxRuntimeTest(unittest.TestCase):
    """Repositories of three models: tokenizer, model.onnx, both in turn."""

    @classmethod
    def setUpClass(cls):
        cls.folder = common.Folder()
        flags = ("--backend", "onnxruntime")
        cls.repositories = [
            cls.folder.export(common.testdata(EMBEDDER), "embedder", *flags),
            cls.folder.export(common.testdata("bert-base"), "rows", *flags),
            cls.folder.export(common.testdata("bert-sequence-classification"), "classifier",
                              *flags)]
        cls.server = common.Server(cls.repositories)
        cls.protocols = [(tritonclient.http, cls.server.http()),
                         (tritonclient.grpc, cls.server.grpc())]

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.folder.remove()

    def test_ensembles_answer_as_the_program(self):
        expected = embeddings(common.testdata(EMBEDDER), TEXTS)
        logits = [row["logits"] for row in
                  common.answers("classify", common.testdata("bert-sequence-classification"),
                                 *TEXTS)]
        for module, client in self.protocols:
            texts = [common.text_tensor(module, TEXTS)]
            got = client.infer("classifier_inference", texts).as_numpy("logits")
            numpy.testing.assert_allclose(got, logits, atol=2e-5)
            got = client.infer("embedder_inference", texts).as_numpy("sentence_embedding")
            numpy.testing.assert_allclose(got, expected, atol=2e-5)

    def test_token_ids_are_the_programs(self):
        encoded = common.answers("tokenize", common.testdata("bert-base"), *TEXTS)
        longest = max(len(row["input_ids"]) for row in encoded)
        for module, client in self.protocols:
            result = client.infer("rows_tokenize", [common.text_tensor(module, TEXTS)])
            ids, mask = result.as_numpy("input_ids"), result.as_numpy("attention_mask")
            self.assertEqual(ids.shape[1], -(-longest // 8) * 8)
            for row, got, ones in zip(encoded, ids, mask):
                self.assertEqual(list(got[ones == 1]), row["input_ids"])
                self.assertTrue((got[ones == 0] == 0).all())

    def test_parts_batch(self):
        traffic = common.Traffic(self.server, "classifier_inference", "logits", LONG, 16)
        traffic.wait(400)
        traffic.stop()
        self.assertEqual(traffic.failures, [])
        texts, runs, _ = common.counts(self.server.http(), "classifier_model")
        print(f"16 clients of an ensemble: {texts} texts in {runs} runs of model.onnx")
        self.assertGreater(texts, runs)


if __name__ == "__main__":
    if not common.SERVER:
        print("skipped: TAMIS_TRITON names no tritonserver; run `make triton`")
        raise SystemExit(77)
    unittest.main(verbosity=2)
