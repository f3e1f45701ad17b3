"""The HTTP clients that users have: OpenAI's, Hugging Face's and Cohere's."""

import base64
import os
import struct
import unittest

# Hugging Face's client asks for nothing but the URL it is given.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import cohere
import huggingface_hub
import numpy
import openai

from common import TEXTS, ServerTest, run_task


class OpenAiTest(ServerTest):
    def setUp(self):
        self.client = openai.OpenAI(base_url=f"http://{self.server.http}/v1", api_key="x",
                                    max_retries=0)
        self.addCleanup(self.client.close)

    def test_embeddings(self):
        expected = [line["embedding"] for line in run_task("embed", "bert-base", *TEXTS)]
        # The client asks for base64 unless told otherwise.
        default = self.client.embeddings.create(model="embedder", input=TEXTS)
        plain = self.client.embeddings.create(model="embedder", input=TEXTS,
                                              encoding_format="float")
        coded = self.client.embeddings.create(model="embedder", input=TEXTS,
                                              encoding_format="base64")
        self.assertGreater(default.usage.prompt_tokens, 0)
        self.assertEqual(default.model, "embedder")
        for i, item in enumerate(coded.data):
            raw = base64.b64decode(item.embedding)
            values = struct.unpack(f"<{len(raw) // 4}f", raw)
            numpy.testing.assert_array_equal(numpy.float32(default.data[i].embedding), values)
            numpy.testing.assert_array_equal(numpy.float32(plain.data[i].embedding), values)
            norm = numpy.linalg.norm(numpy.float32(expected[i]))
            close = numpy.float32(expected[i]) / norm
            mine = numpy.float32(values) / numpy.linalg.norm(values)
            # Six roundings of float32 lie between the two ways to unit length.
            numpy.testing.assert_allclose(mine, close, atol=6 * 2**-24)

    def test_token_arrays_and_dimensions(self):
        ids = run_task("tokenize", "bert-base", TEXTS[0])[0]["input_ids"]
        text = self.client.embeddings.create(model="embedder", input=TEXTS[0], dimensions=4)
        tokens = self.client.embeddings.create(model="embedder", input=[ids], dimensions=4)
        self.assertEqual(text.data[0].embedding, tokens.data[0].embedding)
        self.assertEqual(len(text.data[0].embedding), 4)

    def test_models_and_errors(self):
        self.assertEqual([model.id for model in self.client.models.list()], ["embedder"])
        self.assertEqual(self.client.models.retrieve("embedder").id, "embedder")
        with self.assertRaises(openai.NotFoundError) as raised:
            self.client.embeddings.create(model="nothing", input="a")
        self.assertIn("embedder", str(raised.exception))
        with self.assertRaises(openai.BadRequestError):
            self.client.embeddings.create(model="embedder", input=[])


class HuggingFaceTest(ServerTest):
    models = {"embedder": "bert-base", "classifier": "bert-sequence-classification",
              "ner": "bert-token-classification", "qa": "bert-question-answering",
              "masked": "bert-masked-lm"}

    def client(self, model):
        return huggingface_hub.InferenceClient(f"http://{self.server.http}/models/{model}")

    def test_feature_extraction(self):
        got = self.client("embedder").feature_extraction(TEXTS[0], normalize=False)
        expected = run_task("embed", "bert-base", TEXTS[0])[0]["embedding"]
        numpy.testing.assert_array_equal(numpy.float32(got).reshape(-1), numpy.float32(expected))

    def test_sentence_similarity(self):
        got = self.client("embedder").sentence_similarity(TEXTS[0], other_sentences=TEXTS)
        self.assertEqual(len(got), len(TEXTS))
        # A cosine of a vector with itself, in float32.
        self.assertAlmostEqual(got[0], 1, delta=8 * 2**-24)

    def test_text_classification(self):
        got = self.client("classifier").text_classification(TEXTS[0])
        expected = run_task("classify", "bert-sequence-classification", TEXTS[0])[0]
        self.assertEqual(got[0].label, expected["label"])
        self.assertEqual(numpy.float32(got[0].score), numpy.float32(expected["score"]))

    def test_token_classification(self):
        got = self.client("ner").token_classification(TEXTS[1], aggregation_strategy="simple")
        expected = run_task("ner", "bert-token-classification", TEXTS[1])[0]["entities"]
        self.assertEqual([(item.entity_group, item.start, item.end) for item in got],
                         [(item["entity_group"], item["start"], item["end"])
                          for item in expected])

    def test_question_answering(self):
        got = self.client("qa").question_answering(question="Who?", context=TEXTS[1])
        got = got[0] if isinstance(got, list) else got
        expected = run_task("qa", "bert-question-answering", "--question", "Who?",
                            "--context", TEXTS[1])[0]
        self.assertEqual((got.answer, got.start, got.end),
                         (expected["answer"], expected["start"], expected["end"]))

    def test_fill_mask(self):
        got = self.client("masked").fill_mask("the [MASK] dog", top_k=3)
        self.assertEqual(len(got), 3)
        self.assertGreaterEqual(got[0].score, got[1].score)


class CohereTest(ServerTest):
    models = {"ranker": "bert-rerank"}

    def test_rerank(self):
        expected = run_task("rerank", "bert-rerank", "--query", "who", *TEXTS)[0]["results"]
        for kind in (cohere.Client, cohere.ClientV2):
            client = kind(api_key="x", base_url=f"http://{self.server.http}")
            answer = client.rerank(model="ranker", query="who", documents=TEXTS, top_n=2)
            self.assertEqual([item.index for item in answer.results],
                             [line["index"] for line in expected[:2]])
            self.assertEqual(numpy.float32(answer.results[0].relevance_score),
                             numpy.float32(expected[0]["score"]))


if __name__ == "__main__":
    unittest.main()
