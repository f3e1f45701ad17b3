"""The adapters, with the packages that they are for; one that is not installed is passed over.

    TAMIS_LIBRARY=... TAMIS_TESTDATA=testdata PYTHONPATH=python python3 tests/python/test_adapters.py
"""

import importlib.util
import json
import os
import shutil
import tempfile
import unittest
from pathlib import Path

import numpy as np

import tamis

TESTDATA = Path(os.environ["TAMIS_TESTDATA"])


def model(name):
    return str(TESTDATA / "models" / name)


def needs(package):
    found = importlib.util.find_spec(package.split(".")[0]) is not None
    return unittest.skipUnless(found, f"needs {package}")


def embedded(texts):
    return tamis.Model(model("bert-base"), threads=2).embed(texts)


class SentenceTransformers(unittest.TestCase):
    def test_encode(self):
        from tamis.sentence_transformers import SentenceTransformer

        face = SentenceTransformer(model("bert-base"), prompts={"query": "q: "}, threads=2)
        np.testing.assert_array_equal(face.encode(["a", "b"]), embedded(["a", "b"]))
        np.testing.assert_array_equal(face.encode_query(["a"]), embedded(["q: a"]))
        np.testing.assert_array_equal(face.encode_document("a"), embedded("a"))
        self.assertEqual(face.encode(["a"], truncate_dim=4).shape, (1, 4))
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
        for refused in ({"apply_softmax": True}, {"activation_fn": abs}, {"convert_to_numpy": False}):
            with self.assertRaises(tamis.InvalidArgument):
                face.predict(pairs, **refused)
        with self.assertRaises(tamis.InvalidArgument):
            face.rank("Who?", ["Anna."], prompt="q: ")
        face.predict(pairs, num_workers=0, apply_softmax=False, activation_fn=None)

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

    @needs("sentence_transformers")
    def test_its_evaluators(self):
        from sentence_transformers.sentence_transformer.evaluation import (
            EmbeddingSimilarityEvaluator,
        )

        from tamis.sentence_transformers import SentenceTransformer

        evaluator = EmbeddingSimilarityEvaluator(["a b", "c d", "e"], ["a", "d", "x y"],
                                                 [0.9, 0.5, 0.1])
        found = evaluator(SentenceTransformer(model("bert-base"), threads=2))
        self.assertTrue(found)


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
        with self.assertRaises(tamis.InvalidArgument):
            pipeline("summarization", model("bert-base"))


@needs("langchain_core")
class LangChain(unittest.TestCase):
    def test_embeddings_and_reranker(self):
        from langchain_core.documents import Document

        from tamis.langchain import TamisEmbeddings, TamisReranker

        face = TamisEmbeddings(model("bert-base"), threads=2)
        np.testing.assert_array_equal(np.float32(face.embed_documents(["a", "b"])),
                                      embedded(["a", "b"]))
        np.testing.assert_array_equal(np.float32(face.embed_query("a")), embedded("a"))
        reranker = TamisReranker(model=model("bert-rerank"), top_n=2, options={"threads": 2})
        documents = [Document(page_content=text, metadata={"n": i})
                     for i, text in enumerate(["Anna.", "A table.", "No one."])]
        kept = reranker.compress_documents(documents, "Who?")
        self.assertEqual(len(kept), 2)
        self.assertGreaterEqual(kept[0].metadata["relevance_score"],
                                kept[1].metadata["relevance_score"])
        self.assertEqual(reranker.compress_documents([], "Who?"), [])


@needs("llama_index")
class LlamaIndex(unittest.TestCase):
    def test_embedding_and_rerank(self):
        from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

        from tamis.llama_index import TamisEmbedding, TamisRerank

        face = TamisEmbedding(model("bert-base"), options={"threads": 2})
        np.testing.assert_array_equal(np.float32(face.get_text_embedding_batch(["a", "b"])),
                                      embedded(["a", "b"]))
        np.testing.assert_array_equal(np.float32(face.get_query_embedding("a")), embedded("a"))
        nodes = [NodeWithScore(node=TextNode(text=text), score=0)
                 for text in ("Anna.", "A table.", "No one.")]
        kept = TamisRerank(model("bert-rerank"), top_n=2).postprocess_nodes(
            nodes, QueryBundle("Who?"))
        self.assertEqual(len(kept), 2)
        self.assertGreaterEqual(kept[0].score, kept[1].score)


@needs("haystack")
class Haystack(unittest.TestCase):
    def test_components(self):
        from haystack import Document, Pipeline

        from tamis import haystack

        texts = haystack.TamisTextEmbedder(model("bert-base"), options={"threads": 2})
        np.testing.assert_array_equal(np.float32(texts.run("a")["embedding"]), embedded("a"))
        documents = [Document(content="Anna lives in Lagos.", meta={"title": "People"}),
                     Document(content="A table.")]
        embedder = haystack.TamisDocumentEmbedder(model("bert-base"),
                                                  meta_fields_to_embed=["title"])
        found = embedder.run(documents)["documents"]
        np.testing.assert_array_equal(np.float32(found[0].embedding),
                                      embedded("People\nAnna lives in Lagos."))
        self.assertIsNone(documents[0].embedding)
        ranked = haystack.TamisRanker(model("bert-rerank"), top_k=1).run("Who?", documents)
        self.assertEqual(len(ranked["documents"]), 1)
        entities = haystack.TamisNamedEntityExtractor(model("bert-token-classification")).run(
            documents)
        self.assertIn("named_entities", entities["documents"][0].meta)
        answers = haystack.TamisExtractiveReader(model("bert-question-answering"), top_k=2).run(
            "Who?", documents)["answers"]
        self.assertEqual(len(answers), 2)
        pipeline = Pipeline()
        pipeline.add_component("embedder", texts)
        again = Pipeline.loads(pipeline.dumps(), allowed_modules=["tamis.haystack"])
        self.assertEqual(again.run({"embedder": {"text": "a"}})["embedder"]["embedding"],
                         texts.run("a")["embedding"])


if __name__ == "__main__":
    unittest.main()
