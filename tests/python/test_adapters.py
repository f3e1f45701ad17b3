"""The adapters, with the packages that they are for; one that is not installed is passed over.

    TAMIS_LIBRARY=... TAMIS_TESTDATA=testdata PYTHONPATH=python python3 tests/python/test_adapters.py
"""

import os
import pickle
import tempfile
import unittest
from pathlib import Path

import numpy as np
from support import TESTDATA, embedded, model, needs

import tamis


@needs("pyarrow")
class Arrow(unittest.TestCase):
    TEXTS = ["A cat sleeps.", "", "Ada wrote it \u2713", "A dog."]

    def test_arrays_are_read_as_lists_are(self):
        import pyarrow

        expected = embedded(self.TEXTS)
        native = tamis.Model(model("bert-base"), threads=2)
        around = pyarrow.array(["before", *self.TEXTS, "behind"])
        for array in (pyarrow.array(self.TEXTS), around[1:-1],
                      pyarrow.array(self.TEXTS, pyarrow.large_string()),
                      pyarrow.chunked_array([self.TEXTS[:1], self.TEXTS[1:]])):
            np.testing.assert_array_equal(native.embed(array), expected)
        many = self.TEXTS * 300  # over one native call
        np.testing.assert_array_equal(native.embed(pyarrow.array(many)), native.embed(many))
        self.assertEqual(native.embed(pyarrow.array([], pyarrow.string())).shape, (0, 32))
        self.assertEqual(native.embed(pyarrow.array([""])).shape, (1, 32))
        classifier = tamis.Model(model("bert-sequence-classification"))
        self.assertEqual(classifier.classify(pyarrow.array(self.TEXTS)),
                         classifier.classify(self.TEXTS))
        gliner = tamis.Model(TESTDATA / "gliner" / "bert")
        self.assertEqual(gliner.ner(pyarrow.array(self.TEXTS), labels=pyarrow.array(["person"])),
                         gliner.ner(self.TEXTS, labels=["person"]))

    def test_nulls_and_other_types_are_refused(self):
        import pyarrow

        native = tamis.Model(model("bert-base"), threads=1)
        for array, message in (
                (pyarrow.array(["a", None]), "text 1: expected a string, found a null"),
                (pyarrow.array([1]), "text: expected an array of strings, found one of int64"),
                (pyarrow.array([b"a"]), "found one of binary")):
            with self.assertRaisesRegex(TypeError, message):
                native.embed(array)


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
        documents = [Document(page_content=text, metadata={"n": i}, id=f"id{i}")
                     for i, text in enumerate(["Anna.", "A table.", "No one."])]
        kept = reranker.compress_documents(documents, "Who?")
        self.assertEqual(len(kept), 2)
        self.assertGreaterEqual(kept[0].metadata["relevance_score"],
                                kept[1].metadata["relevance_score"])
        for document in kept:
            self.assertEqual(document.id, f"id{document.metadata['n']}")
            self.assertNotIn("relevance_score", documents[document.metadata["n"]].metadata)
        self.assertEqual(reranker.compress_documents([], "Who?"), [])
        TamisReranker(model=Path(model("bert-rerank")), options={"threads": 2})


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
            "Who?", [Document(content=None), *documents, Document(content=" ")])["answers"]
        self.assertEqual(len(answers), 2)
        pipeline = Pipeline()
        pipeline.add_component("embedder", texts)
        again = Pipeline.loads(pipeline.dumps(), allowed_modules=["tamis.haystack"])
        self.assertEqual(again.run({"embedder": {"text": "a"}})["embedder"]["embedding"],
                         texts.run("a")["embedding"])


# Those of scikit-learn's checks that hold for every transformer; the others feed numbers.
SKLEARN_CHECKS = (
    "check_estimator_cloneable", "check_estimator_tags_renamed", "check_valid_tag_types",
    "check_estimator_repr", "check_no_attributes_set_in_init", "check_get_params_invariance",
    "check_set_params", "check_mixin_order",
)


@needs("sklearn")
class Sklearn(unittest.TestCase):
    TEXTS = ["One cat.", "Two dogs sleep.", "Rain.", "A table of wood."] * 3
    KINDS = [0, 1, 0, 1] * 3

    def embedder(self, **options):
        from tamis.sklearn import TamisEmbedder

        return TamisEmbedder(model("bert-base"), threads=2, **options)

    def test_transform(self):
        step = self.embedder()
        rows = embedded(self.TEXTS)
        np.testing.assert_array_equal(step.transform(self.TEXTS), rows)
        np.testing.assert_array_equal(step.fit_transform(np.array(self.TEXTS)), rows)
        np.testing.assert_array_equal(step.transform(tuple(self.TEXTS)), rows)
        np.testing.assert_array_equal(step.transform(np.array(self.TEXTS)[:, None]), rows)
        names = step.get_feature_names_out()
        self.assertEqual(len(names), rows.shape[1])
        self.assertEqual(names[0], "tamisembedder0")
        cut = self.embedder(dimensions=4, normalize=True, prompt="q: ").fit_transform(["a"])
        self.assertEqual(cut.shape, (1, 4))
        self.assertAlmostEqual(float(np.linalg.norm(cut)), 1, places=5)
        np.testing.assert_array_equal(self.embedder(prompt="q: ").transform(["a"]),
                                      embedded(["q: a"]))
        self.assertEqual(step.transform([]).shape, (0, rows.shape[1]))

    def test_parameters(self):
        from sklearn.base import clone

        step = self.embedder(dimensions=4).fit(["a"])
        other = clone(step).set_params(dimensions=8)
        self.assertEqual(other.get_params()["dimensions"], 8)
        self.assertEqual(len(other.get_feature_names_out()), 8)
        loaded = other.native
        self.assertIs(other.native, loaded)
        other.set_params(model=model("distilbert-base"))
        np.testing.assert_array_equal(
            other.transform(["a"]),
            tamis.Model(model("distilbert-base"), threads=2).embed(["a"], dimensions=8))
        with self.assertRaises(tamis.NotFound):
            self.embedder().set_params(model="no such folder").fit(["a"])

    def test_pickled_by_path(self):
        step = self.embedder().fit(["a"])
        data = pickle.dumps(step)
        self.assertLess(len(data), 2000)
        again = pickle.loads(data)
        self.assertNotIn("_native", vars(again))
        np.testing.assert_array_equal(again.transform(["a"]), step.transform(["a"]))

    def test_what_is_no_text(self):
        from scipy.sparse import csr_array

        missing = [["a", None], ["a", float("nan")], np.array(["a", None], dtype=object)]
        for texts in missing:
            for method in ("fit", "transform"):
                with self.assertRaisesRegex(ValueError, "row 1 is (None|nan).*fill missing"):
                    getattr(self.embedder(), method)(texts)
        with self.assertRaisesRegex(TypeError, "sparse"):
            self.embedder().fit(csr_array((2, 1)))
        with self.assertRaisesRegex(ValueError, "one str"):
            self.embedder().fit("a")
        with self.assertRaisesRegex(ValueError, r"\(2, 2\)"):
            self.embedder().transform(np.array([["a", "b"], ["c", "d"]]))
        with self.assertRaisesRegex(TypeError, "found int"):
            self.embedder().fit(3)
        with self.assertRaisesRegex(ValueError, "row 0 is 3"):
            self.embedder().fit([3])

    def test_in_a_search(self):
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV
        from sklearn.pipeline import make_pipeline

        steps = make_pipeline(self.embedder(), LogisticRegression())
        search = GridSearchCV(steps, {"tamisembedder__dimensions": [2, 32]}, cv=2, n_jobs=2,
                              error_score="raise")
        search.fit(self.TEXTS, self.KINDS)
        alone = [GridSearchCV(steps, {"tamisembedder__dimensions": [size]}, cv=2,
                              error_score="raise").fit(self.TEXTS, self.KINDS).best_score_
                 for size in (2, 32)]
        self.assertEqual(list(search.cv_results_["mean_test_score"]), alone)
        self.assertEqual(list(search.predict(self.TEXTS)), self.KINDS)

    @needs("pandas")
    def test_in_a_column_transformer(self):
        import pandas as pd
        from sklearn.compose import ColumnTransformer

        table = pd.DataFrame({"text": self.TEXTS, "size": range(len(self.TEXTS))})
        for column in ("text", ["text"]):
            steps = ColumnTransformer([("words", self.embedder(), column)],
                                      remainder="passthrough").set_output(transform="pandas")
            found = steps.fit_transform(table)
            np.testing.assert_array_equal(found.iloc[:, :-1].to_numpy(), embedded(self.TEXTS))
            self.assertEqual(found.columns[0], "words__tamisembedder0")
            self.assertEqual(found.columns[-1], "remainder__size")
        table.loc[2, "text"] = pd.NA
        with self.assertRaisesRegex(ValueError, "row 2 is .*fill missing"):
            steps.fit(table)

    def test_its_own_checks(self):
        from sklearn.utils import estimator_checks

        for name in SKLEARN_CHECKS:
            with self.subTest(name):
                getattr(estimator_checks, name)("TamisEmbedder", self.embedder())


@needs("spacy")
class Spacy(unittest.TestCase):
    TEXT = "Anna lives in Lagos."
    FOLDER = "bert-token-classification"

    def pipeline(self, **config):
        import spacy

        import tamis.spacy  # noqa: F401  # tells spaCy of the factory

        nlp = spacy.blank("en")
        nlp.add_pipe("tamis_ner", config={"model": model(self.FOLDER), "options": {"threads": 2},
                                          **config})
        return nlp

    @staticmethod
    def spans(doc):
        return [(span.start_char, span.end_char, span.label_) for span in doc.ents]

    def test_entities_are_aligned(self):
        found = tamis.Model(model(self.FOLDER), threads=2).ner(self.TEXT)
        exact = [(entity.start, entity.end, entity.label) for entity in found]
        self.assertTrue(exact)
        doc = self.pipeline()(self.TEXT)
        self.assertTrue(doc.ents)
        for start, end, _ in self.spans(doc):
            self.assertTrue(any(start <= e[0] and e[1] <= end for e in exact))
        strict = self.spans(self.pipeline(alignment_mode="strict")(self.TEXT))
        whole = [(token.idx, token.idx + len(token)) for token in doc]
        self.assertEqual(strict, [e for e in exact if e[:2] in whole])
        # Characters outside the first plane count once, as in a str.
        shifted = self.pipeline(aggregation="first")("\U0001F600 " + self.TEXT)
        self.assertTrue(shifted.ents)
        self.assertTrue(all(shifted.text[s:e] == span.text for (s, e, _), span in
                            zip(self.spans(shifted), shifted.ents)))

    def test_labels(self):
        import spacy

        gliner = str(TESTDATA / "gliner/bert")
        labels = ["person", "city"]
        text = "Ada Lovelace lived in London."
        found = tamis.Model(gliner, threads=2).ner(text, labels=labels, threshold=0.2)
        self.assertTrue(found)
        nlp = spacy.blank("en")
        nlp.add_pipe("tamis_ner", config={"model": gliner, "labels": labels, "threshold": 0.2,
                                          "alignment_mode": "strict"})
        self.assertEqual(nlp.get_pipe("tamis_ner").labels, ("person", "city"))
        self.assertEqual(self.spans(nlp(text)), [(e.start, e.end, e.label) for e in found])
        with self.assertRaises(tamis.InvalidArgument):
            self.pipeline(threshold=0.2)

    def test_batches(self):
        nlp = self.pipeline()
        texts = [self.TEXT, "", "A table.", "Lagos " * 9] * 5
        alone = [self.spans(nlp(text)) for text in texts]
        for options in ({"batch_size": 3}, {"batch_size": 100}, {"n_process": 2, "batch_size": 4}):
            self.assertEqual([self.spans(doc) for doc in nlp.pipe(texts, **options)], alone)

    def test_long_texts(self):
        text = " ".join([self.TEXT] * 200)
        last = max(end for _, end, _ in self.spans(self.pipeline()(text)))
        cut = max(end for _, end, _ in self.spans(self.pipeline(stride=None)(text)))
        self.assertLess(cut, len(text) / 2)
        self.assertGreater(last, len(text) * 0.95)

    def test_entities_that_are_there(self):
        from spacy.tokens import Span

        nlp = self.pipeline()
        component = nlp.get_pipe("tamis_ner")
        doc = nlp.make_doc(self.TEXT)
        doc.ents = [Span(doc, 0, 2, label="MINE")]
        self.assertEqual(self.spans(component(doc))[0], (0, 10, "MINE"))
        self.assertEqual(self.spans(doc)[1:],
                         [s for s in self.spans(nlp(self.TEXT)) if s[0] >= 10])
        component.overwrite_ents = True
        self.assertEqual(self.spans(component(doc)), self.spans(nlp(self.TEXT)))

    def test_files_and_pickles(self):
        import spacy

        nlp = self.pipeline(stride=8, aggregation="max")
        wanted = self.spans(nlp(self.TEXT))
        self.assertTrue(wanted)
        with tempfile.TemporaryDirectory() as folder:
            nlp.to_disk(folder)
            config = spacy.util.load_config(Path(folder) / "config.cfg")
            self.assertEqual(config["components"]["tamis_ner"], {
                "factory": "tamis_ner", "model": model(self.FOLDER), "aggregation": "max",
                "stride": 8, "alignment_mode": "expand", "overwrite_ents": False, "labels": None,
                "threshold": None, "options": {"threads": 2}})
            again = spacy.load(folder)
            self.assertEqual(again.get_pipe("tamis_ner").stride, 8)
            self.assertEqual(self.spans(again(self.TEXT)), wanted)
            self.assertEqual(self.spans(nlp.from_disk(folder)(self.TEXT)), wanted)
        self.assertEqual(self.spans(pickle.loads(pickle.dumps(nlp))(self.TEXT)), wanted)

    def test_faults(self):
        with self.assertRaises(tamis.NotFound):
            self.pipeline(model="no such folder")
        with self.assertRaisesRegex(tamis.InvalidArgument, "strict, contract, expand"):
            self.pipeline(alignment_mode="loose")
        with self.assertRaisesRegex(tamis.InvalidArgument, "'none'"):
            self.pipeline(aggregation="none")
        nlp = self.pipeline()
        nlp.get_pipe("tamis_ner").native.close()
        with self.assertRaisesRegex(tamis.Error, "closed"):
            nlp(self.TEXT)
        failed = []
        nlp.set_error_handler(lambda name, _component, docs, _error: failed.append((name, len(docs))))
        self.assertEqual(list(nlp.pipe([self.TEXT] * 5, batch_size=3)), [])
        self.assertEqual(failed, [("tamis_ner", 3), ("tamis_ner", 2)])

    def test_evaluation_and_labels(self):
        from spacy.training import Example

        nlp = self.pipeline()
        self.assertEqual(nlp.pipe_labels["tamis_ner"], ["PER", "LOC", "ORG"])
        doc = nlp(self.TEXT)
        scores = nlp.evaluate([Example(nlp.make_doc(self.TEXT), doc)])
        self.assertEqual(scores["ents_f"], 1.0)


if __name__ == "__main__":
    unittest.main()
