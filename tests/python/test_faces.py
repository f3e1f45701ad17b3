"""The faces of sentence-transformers and transformers, beside the packages themselves where those are
installed.

    TAMIS_LIBRARY=... TAMIS_TESTDATA=testdata PYTHONPATH=python python3 tests/python/test_faces.py
"""

import json
import os
import pickle
import shutil
import tempfile
import unittest
from pathlib import Path

import numpy as np
from support import TESTDATA, embedded, model, needs

import tamis


class SentenceTransformers(unittest.TestCase):
    def test_encode(self):
        from tamis.sentence_transformers import SentenceTransformer

        face = SentenceTransformer(model("bert-base"), prompts={"query": "q: "}, threads=2)
        np.testing.assert_array_equal(face.encode(["a", "b"]), embedded(["a", "b"]))
        np.testing.assert_array_equal(face.encode_query(["a"]), embedded(["q: a"]))
        np.testing.assert_array_equal(face.encode_document("a"), embedded("a"))
        self.assertEqual(face.encode(["a"], truncate_dim=4).shape, (1, 4))
        np.testing.assert_array_equal(face.encode_query(["a"], prompt="x "), embedded(["x a"]))
        np.testing.assert_array_equal(face.encode("a", prompt_name="document"), embedded("a"))
        scores = face.similarity(face.encode(["a", "b"]), face.encode(["a"]))
        self.assertAlmostEqual(float(scores[0, 0]), 1, places=5)
        with self.assertRaises(tamis.InvalidArgument):
            face.encode(["a"], precision="int8")
        with self.assertRaisesRegex(tamis.InvalidArgument, "known are"):
            face.encode(["a", "b"], precision="int4")
        self.assertEqual(face.encode([], precision="int8").dtype, np.int8)
        texts = ["a", "b", "c d"]
        rows = face.encode(texts)
        np.testing.assert_array_equal(face.encode(texts, precision="ubinary"),
                                      np.packbits(rows > 0, axis=1))
        levels = face.encode(texts, precision="uint8")
        self.assertEqual((levels.dtype, levels.shape), (np.uint8, rows.shape))
        np.testing.assert_array_equal(levels.argmax(axis=0), rows.argmax(axis=0))

    def test_truncate_dim_cuts_behind_normalize(self):
        from tamis.sentence_transformers import SentenceTransformer

        folder = TESTDATA / "sentence-transformers" / "mean"
        face = SentenceTransformer(str(folder), threads=2)
        whole = face.encode("a")
        np.testing.assert_allclose(np.linalg.norm(whole), 1, rtol=1e-5)
        np.testing.assert_array_equal(face.encode("a", truncate_dim=5), whole[:5])
        unit = face.encode("a", truncate_dim=5, normalize_embeddings=True)
        np.testing.assert_allclose(unit, whole[:5] / np.linalg.norm(whole[:5]), rtol=1e-5)
        np.testing.assert_array_equal(face.encode("a", truncate_dim=10**6), whole)
        with self.assertRaisesRegex(tamis.InvalidArgument, "must be at least 1"):
            face.native.encode("a", truncate_dim=-1)

    @needs("sentence_transformers")
    def test_precisions_are_theirs(self):
        from sentence_transformers.util import quantize_embeddings
        from tamis.sentence_transformers import SentenceTransformer

        face = SentenceTransformer(model("bert-base"), threads=2)
        texts = [f"Text {i} of a few." for i in range(9)]
        rows = face.encode(texts)
        for precision in ("float32", "int8", "uint8", "binary", "ubinary"):
            np.testing.assert_array_equal(face.encode(texts, precision=precision),
                                          quantize_embeddings(rows, precision), precision)
        with self.assertRaises(tamis.InvalidArgument):
            SentenceTransformer(model("bert-base"), similarity_fn_name="luck")

    def test_cross_encoder(self):
        from tamis.sentence_transformers import CrossEncoder

        face = CrossEncoder(model("bert-rerank"), threads=2)
        pairs = [("Who?", "Anna."), ("Who?", "A table.")]
        scores = face.predict(pairs)
        self.assertEqual(scores.shape, (2,))
        self.assertAlmostEqual(float(face.predict(pairs[1])), float(scores[1]), places=6)
        ranked = face.rank("Who?", ["Anna.", "A table."], return_documents=True)
        self.assertEqual(ranked[0]["corpus_id"], int(np.argmax(scores)))
        self.assertAlmostEqual(ranked[0]["score"], float(max(scores)), places=6)
        self.assertEqual(face.rank("Who?", ["Anna.", "A table."], top_k=1)[0]["corpus_id"],
                         ranked[0]["corpus_id"])
        for refused in ({"prompt": "q: "}, {"device": "cuda"}, {"processing_kwargs": {"text": {}}}):
            with self.assertRaises(tamis.InvalidArgument):
                face.predict(pairs, **refused)
        with self.assertRaises(tamis.InvalidArgument):
            face.rank("Who?", ["Anna."], prompt="q: ")
        with self.assertRaises(tamis.InvalidArgument):
            face.rank("Who?", ["Anna."], top_k=-1)
        with self.assertRaises(tamis.InvalidArgument):
            CrossEncoder(model("bert-rerank"), num_labels=3, threads=2)
        face.predict(pairs, num_workers=0, apply_softmax=False, activation_fn=None)
        face.max_length = 8
        long = [("Who?", "Anna. " * 9), ("Who?", "Anna. " * 7)]
        self.assertEqual(len(set(face.predict(long).tolist())), 1)

    def test_cross_encoders_by_their_own_activation(self):
        from tamis.sentence_transformers import CrossEncoder

        pairs = [("Who?", "Anna."), ("What?", "A table."), ("Who?", "Ben.")]
        usual = CrossEncoder(model("bert-rerank"), threads=2).predict(pairs)
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(model("bert-rerank"), folder, dirs_exist_ok=True)
            path = Path(folder) / "config.json"
            config = json.loads(path.read_text())
            config["sbert_ce_default_activation_function"] = "torch.nn.modules.linear.Identity"
            path.write_text(json.dumps(config))
            face = CrossEncoder(folder, threads=2)
            logits = face.predict(pairs)
            ranked = face.rank("Who?", ["Anna.", "Ben."])
        np.testing.assert_allclose(1 / (1 + np.exp(-logits)), usual, rtol=1e-5)
        self.assertAlmostEqual(ranked[0]["score"], float(max(logits[0], logits[2])), places=6)
        several = CrossEncoder(model("bert-sequence-classification"), threads=2)
        raw = several.native.classify([("a", "b")], function="none")[0]
        found = several.predict([("a", "b")])
        self.assertEqual(found.shape, (1, 3))
        self.assertEqual({label.id: label.score for label in raw},
                         {i: float(found[0, i]) for i in range(3)})

    def test_similarity_is_the_models(self):
        from tamis.sentence_transformers import SentenceTransformer

        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(model("bert-base"), folder, dirs_exist_ok=True)
            (Path(folder) / "modules.json").write_text(
                '[{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},'
                '{"idx":1,"name":"1","path":"p","type":"sentence_transformers.models.Pooling"}]')
            (Path(folder) / "p").mkdir()
            (Path(folder) / "p" / "config.json").write_text('{"pooling_mode": "mean"}')
            (Path(folder) / "config_sentence_transformers.json").write_text(
                '{"similarity_fn_name": "dot"}')
            self.assertEqual(SentenceTransformer(folder, threads=2).similarity_fn_name, "dot")
            face = SentenceTransformer(folder, threads=2, similarity_fn_name="manhattan")
            self.assertEqual(face.similarity_fn_name, "manhattan")
        self.assertEqual(SentenceTransformer(model("bert-base"), threads=2).similarity_fn_name,
                         "cosine")

    def test_distances_row_by_row(self):
        from tamis.sentence_transformers import _similarity

        a, b = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
        for name, order in (("euclidean", 2), ("manhattan", 1)):
            wanted = -np.linalg.norm(a[:, None] - b[None], ord=order, axis=2)
            np.testing.assert_allclose(_similarity(name, a, b), wanted, rtol=1e-5)

    def test_prompts_and_lengths_are_the_folders(self):
        from tamis.sentence_transformers import SentenceTransformer

        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(TESTDATA / "sentence-transformers" / "mean", folder, dirs_exist_ok=True)
            (Path(folder) / "config_sentence_transformers.json").write_text(json.dumps({
                "prompts": {"query": "ask: ", "title": "t: "}, "default_prompt_name": "title"}))
            face = SentenceTransformer(folder, prompts={"own": "o: "}, threads=2)
        self.assertEqual(face.prompts,
                         {"query": "ask: ", "title": "t: ", "document": "", "own": "o: "})
        self.assertEqual(face.default_prompt_name, "title")
        np.testing.assert_array_equal(face.encode("a"), face.encode("t: a", prompt=""))
        np.testing.assert_array_equal(face.encode_query("a"), face.encode("ask: a", prompt=""))
        np.testing.assert_array_equal(face.encode_document("a"), face.encode("a", prompt=""))
        with self.assertRaisesRegex(tamis.InvalidArgument, "known are query, document, title, own"):
            face.encode("a", prompt_name="luck")
        face.default_prompt_name = None
        np.testing.assert_array_equal(face.encode("a"), face.encode("a", prompt=""))
        with face.truncate_embeddings(3):
            self.assertEqual((face.encode("a").shape, face.get_embedding_dimension()), ((3,), 3))
        self.assertIsNone(face.truncate_dim)
        whole = face.max_seq_length
        face.max_seq_length = 4
        np.testing.assert_array_equal(face.encode("a b c d e"), face.encode("a b c"))
        face.max_seq_length = whole
        self.assertFalse(np.array_equal(face.encode("a b c d e"), face.encode("a b c")))

    def test_a_task_is_a_routers_route(self):
        from tamis.sentence_transformers import SentenceTransformer

        face = SentenceTransformer(TESTDATA / "static" / "router", threads=2)
        query, document = face.encode_query("a lamp"), face.encode_document("a lamp")
        self.assertFalse(np.allclose(query, document))
        np.testing.assert_array_equal(face.encode("a lamp", task="query", prompt_name="query"), query)
        np.testing.assert_array_equal(face.encode_query("lamp", prompt="query: a "), query)
        # A prompt chooses no route: the default one is that of documents.
        np.testing.assert_array_equal(face.encode("a lamp"), document)
        np.testing.assert_array_equal(face.encode("a lamp", prompt_name="query"),
                                      face.encode_document("query: a lamp"))
        np.testing.assert_array_equal(face.native.embed("a lamp", prompt_name="query"), query)
        with self.assertRaisesRegex(tamis.InvalidArgument, "must be 'query' or 'document'"):
            face.encode("a", task="title")

    def test_pickle(self):
        from tamis.sentence_transformers import SentenceTransformer

        face = SentenceTransformer(model("bert-base"), prompts={"query": "q: "}, threads=2,
                                   trust_remote_code=True, device="cpu")
        again = pickle.loads(pickle.dumps(face))
        np.testing.assert_array_equal(again.encode_query("a"), face.encode_query("a"))

    @needs("sentence_transformers")
    def test_similarities_are_theirs(self):
        from sentence_transformers.util import SimilarityFunction

        from tamis.sentence_transformers import SentenceTransformer

        face = SentenceTransformer(model("bert-base"), threads=2)
        a, b = np.random.default_rng(0).normal(size=(2, 30, 8)).astype(np.float32)
        for name in ("cosine", "dot", "euclidean", "manhattan"):
            face.similarity_fn_name = SimilarityFunction(name)
            found = face.similarity(a, list(b))
            wanted = SimilarityFunction.to_similarity_fn(name)(a, b)
            self.assertIs(type(found), type(wanted))
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
            np.testing.assert_allclose(
                face.similarity_pairwise(a, b),
                SimilarityFunction.to_similarity_pairwise_fn(name)(a, b), rtol=1e-4, atol=1e-4)
        with self.assertRaises(tamis.InvalidArgument):
            face.similarity_fn_name = "luck"

    @needs("sentence_transformers")
    def test_its_evaluators(self):
        from sentence_transformers import util
        from sentence_transformers.sentence_transformer import evaluation

        from tamis.sentence_transformers import SentenceTransformer

        face = SentenceTransformer(model("bert-base"), threads=2)
        texts = {"d0": "a", "d1": "d", "d2": "x y"}
        for evaluator in (
            evaluation.EmbeddingSimilarityEvaluator(["a b", "c d", "e"], list(texts.values()),
                                                    [0.9, 0.5, 0.1]),
            evaluation.InformationRetrievalEvaluator({"q": "a b"}, texts, {"q": {"d0"}},
                                                     write_csv=False),
            evaluation.RerankingEvaluator(
                [{"query": "a b", "positive": ["a"], "negative": ["d", "x y"]}], write_csv=False),
            evaluation.ParaphraseMiningEvaluator(texts, [("d0", "d1")], write_csv=False),
            evaluation.TripletEvaluator(["a"], ["a b"], ["x y"], write_csv=False),
        ):
            self.assertTrue(face.evaluate(evaluator), type(evaluator).__name__)
        rows = face.encode(list(texts.values()), convert_to_tensor=True)
        self.assertEqual(util.semantic_search(rows[:1], rows, top_k=1)[0][0]["corpus_id"], 0)

    @needs("sentence_transformers")
    def test_cross_encoders_are_theirs(self):
        import sentence_transformers as theirs
        import torch

        from tamis.sentence_transformers import CrossEncoder

        pairs = [("Who?", "Anna."), ("What?", "A table."), ("", "Ben.")]
        for name in ("bert-rerank", "bert-sequence-classification"):
            real = theirs.CrossEncoder(model(name), device="cpu")
            face = CrossEncoder(model(name), threads=2)
            for options in ({}, {"apply_softmax": True}, {"activation_fn": torch.nn.Tanh()},
                            {"convert_to_tensor": True}, {"convert_to_numpy": False}):
                wanted, found = real.predict(pairs, **options), face.predict(pairs, **options)
                self.assertIs(type(found), type(wanted))
                np.testing.assert_allclose(np.stack(list(found)), np.stack(list(wanted)), atol=1e-4)
            self.assertEqual(face.predict(pairs[0]).shape, real.predict(pairs[0]).shape)
        logits = CrossEncoder(model("bert-rerank"), activation_fn=torch.nn.Identity(), threads=2)
        np.testing.assert_allclose(
            logits.predict(pairs), logits.native.score(pairs, raw_scores=True), rtol=1e-6)


class Transformers(unittest.TestCase):
    def test_pipelines(self):
        from tamis.transformers import pipeline

        classify = pipeline("text-classification", model("bert-sequence-classification"), threads=2)
        self.assertEqual(set(classify("One.")[0]), {"label", "score"})
        self.assertEqual(len(classify(["One.", {"text": "One.", "text_pair": "Two."}])), 2)
        self.assertEqual(len(classify("One.", top_k=None)), 3)
        tokens = pipeline("ner", model("bert-token-classification"), threads=2)("Anna in Lagos.")
        self.assertTrue(tokens)
        self.assertTrue(all("entity" in row and "index" in row for row in tokens))
        answer = pipeline("question-answering", model("bert-question-answering"), threads=2)
        self.assertEqual(set(answer(question="Who?", context="Anna.")),
                         {"score", "start", "end", "answer"})
        words = pipeline("fill-mask", model("bert-masked-lm"), threads=2)
        self.assertEqual(len(words("The [MASK].", top_k=2)), 2)
        self.assertEqual(len(words("The [MASK] [MASK].")), 2)
        for refused in ({"task": "summarization", "model": model("bert-base")},
                        {"model": model("bert-base")}, {"task": "ner"},
                        {"model": model("bert-masked-lm"), "tokenizer": "other"},
                        {"model": model("bert-masked-lm"), "dtype": "float16"},
                        {"model": model("bert-masked-lm"), "aggregation_strategy": "simple"}):
            with self.assertRaises(tamis.InvalidArgument):
                pipeline(**refused)
        for refused in ({"top_q": 1}, {"targets": []}):
            with self.assertRaises(tamis.InvalidArgument):
                words("The [MASK].", **refused)
        with self.assertRaises(tamis.InvalidArgument):
            classify("One. " * 99, truncation=False)
        self.assertEqual(pipeline(model=model("bert-token-classification"), threads=2).task,
                         "token-classification")
        twice = answer(question=["Who?", "Where?"], context="Anna in Lagos.")
        self.assertEqual(len(twice), 2)
        self.assertEqual(answer([{"question": "Where?", "context": "Anna in Lagos."}]), twice[1])

    @needs("transformers")
    def test_shapes_are_theirs(self):
        import transformers

        from tamis.transformers import pipeline

        def rounded(value):
            if isinstance(value, dict):
                return {key: rounded(one) for key, one in value.items()}
            if isinstance(value, list):
                return [rounded(one) for one in value]
            return value if isinstance(value, (str, int)) else round(float(value), 3)

        def same(task, name, calls, **options):
            real = transformers.pipeline(task, model=model(name), device="cpu", **options)
            face = pipeline(task, model(name), threads=2, device=-1, **options)
            for inputs, given in calls:
                self.assertEqual(rounded(face(inputs, **given)), rounded(real(inputs, **given)),
                                 (task, inputs, given))

        pair = {"text": "One.", "text_pair": "Two."}
        inputs = ["One.", ["One."], ["One.", "Two."], {"text": "One."}, pair, [pair, pair]]
        calls = [(one, given) for one in inputs for given in (
            {}, {"top_k": 1}, {"top_k": 2}, {"top_k": None}, {"function_to_apply": "SIGMOID"},
            {"truncation": True, "padding": True, "batch_size": 2})]
        same("text-classification", "bert-sequence-classification", calls)
        for top_k in (1, None):
            same("text-classification", "bert-sequence-classification",
                 [("One.", {}), (["One.", "Two."], {})], top_k=top_k)
        same("token-classification", "bert-token-classification",
             [("Anna in Lagos.", {}), (["Anna."], {"aggregation_strategy": "max"})],
             aggregation_strategy="simple")
        same("fill-mask", "bert-masked-lm",
             [("The [MASK].", {}), (["The [MASK]."], {}), (["a [MASK]", "[MASK] b"], {"top_k": 2}),
              ("The [MASK].", {"targets": "a"}), ("A [MASK] [MASK].", {})])


if __name__ == "__main__":
    unittest.main()
