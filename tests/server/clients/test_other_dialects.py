"""Clients of Cohere's embeddings, Voyage, Ollama and KServe v1: each reads its own form, and the
numbers are those of the command line."""

import importlib.util
import unittest

import cohere
import numpy
import openai

from common import TEXTS, ServerTest, run_task


def needs(module):
    there = importlib.util.find_spec(module) is not None
    return unittest.skipUnless(there, f"no {module}; `make clients` installs it")


def unit_vectors(*texts):
    rows = numpy.float32([line["embedding"] for line in run_task("embed", "bert-base", *texts)])
    return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


def assert_close(test, got, expected):
    # Six roundings of float32 lie between the two ways to unit length.
    numpy.testing.assert_allclose(numpy.float32(got), expected, atol=6 * 2**-24)


class CohereEmbedTest(ServerTest):
    def test_every_type(self):
        client = cohere.ClientV2(api_key="x", base_url=f"http://{self.server.http}")
        answer = client.embed(model="embedder", texts=TEXTS, input_type="search_query",
                              embedding_types=["float", "int8", "uint8", "binary", "ubinary"])
        vectors = numpy.float32(answer.embeddings.float_)
        assert_close(self, vectors, unit_vectors(*TEXTS))
        self.assertEqual(answer.embeddings.ubinary,
                         numpy.packbits(vectors > 0, axis=1).tolist())
        self.assertEqual(numpy.int32(answer.embeddings.binary).tolist(),
                         (numpy.int32(answer.embeddings.ubinary) - 128).tolist())
        self.assertEqual(numpy.int32(answer.embeddings.int8).tolist(),
                         (numpy.int32(answer.embeddings.uint8) - 128).tolist())
        # A step up of a vector's number is no step down of its 8 bits.
        order = numpy.argsort(vectors, axis=0)
        steps = numpy.take_along_axis(numpy.int32(answer.embeddings.int8), order, axis=0)
        self.assertTrue((numpy.diff(steps, axis=0) >= 0).all())

    def test_first_version(self):
        client = cohere.Client(api_key="x", base_url=f"http://{self.server.http}")
        answer = client.embed(model="embedder", texts=TEXTS[:2], input_type="search_document")
        assert_close(self, answer.embeddings, unit_vectors(*TEXTS[:2]))
        tokens = client.tokenize(text=TEXTS[0], model="embedder", offline=False)
        expected = run_task("tokenize", "bert-base", TEXTS[0])[0]["input_ids"]
        self.assertEqual(tokens.tokens, expected[1:-1])
        text = client.detokenize(tokens=tokens.tokens, model="embedder", offline=False).text
        self.assertIn("quick", text.lower().replace(" ", "") + text)


@needs("voyageai")
class VoyageTest(ServerTest):
    models = {"embedder": "bert-base", "ranker": "bert-rerank"}

    def setUp(self):
        import voyageai
        self.client = voyageai.Client(api_key="x", base_url=f"http://{self.server.http}/v1")

    def test_embeddings(self):
        plain = self.client.embed(TEXTS, model="embedder", input_type="query")
        assert_close(self, plain.embeddings, unit_vectors(*TEXTS))
        bits = self.client.embed(TEXTS, model="embedder", output_dtype="ubinary")
        self.assertEqual(bits.embeddings,
                         numpy.packbits(numpy.float32(plain.embeddings) > 0, axis=1).tolist())
        numbers = self.client.embed(TEXTS, model="embedder", output_dtype="int8",
                                    output_dimension=8)
        self.assertEqual(numpy.int32(numbers.embeddings).shape, (len(TEXTS), 8))

    def test_rerank(self):
        expected = run_task("rerank", "bert-rerank", "--query", "who", *TEXTS)[0]["results"]
        got = self.client.rerank("who", TEXTS, model="ranker", top_k=2)
        self.assertEqual([item.index for item in got.results],
                         [line["index"] for line in expected[:2]])
        self.assertEqual([item.document for item in got.results],
                         [TEXTS[line["index"]] for line in expected[:2]])


@needs("ollama")
class OllamaTest(ServerTest):
    def test_embed(self):
        import ollama
        client = ollama.Client(host=f"http://{self.server.http}")
        assert_close(self, client.embed(model="embedder", input=TEXTS).embeddings,
                     unit_vectors(*TEXTS))
        own = client.embeddings(model="embedder", prompt=TEXTS[0]).embedding
        expected = run_task("embed", "bert-base", TEXTS[0])[0]["embedding"]
        numpy.testing.assert_array_equal(numpy.float32(own), numpy.float32(expected))
        self.assertEqual([model.model for model in client.list().models], ["embedder:latest"])
        with self.assertRaises(ollama.ResponseError) as raised:
            client.embed(model="nothing", input="a")
        self.assertEqual(raised.exception.status_code, 404)


class NamesTest(ServerTest):
    models = {"embedder": "bert-base"}
    flags = ("--served-model-name", "mini,text-embedding-ada-002,*")

    def test_aliases(self):
        client = openai.OpenAI(base_url=f"http://{self.server.http}/v1", api_key="x")
        self.addCleanup(client.close)
        self.assertEqual([model.id for model in client.models.list()],
                         ["mini", "text-embedding-ada-002"])
        for name in ("mini", "text-embedding-ada-002", "whatever"):
            answer = client.embeddings.create(model=name, input="a", dimensions=4)
            self.assertEqual(answer.model, "mini")

    def test_azure(self):
        client = openai.AzureOpenAI(azure_endpoint=f"http://{self.server.http}", api_key="x",
                                    api_version="2024-06-01", azure_deployment="mini")
        self.addCleanup(client.close)
        answer = client.embeddings.create(model="of no account", input="a", dimensions=4)
        self.assertEqual(answer.model, "mini")

    def test_prefix(self):
        client = openai.OpenAI(base_url=f"http://{self.server.http}/models/mini/v1", api_key="x")
        self.addCleanup(client.close)
        answer = client.embeddings.create(model="of no account", input="a", dimensions=4)
        self.assertEqual(answer.model, "mini")


@needs("grpc_reflection")
class ReflectionTest(ServerTest):
    def test_services(self):
        import grpc
        from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
            ProtoReflectionDescriptorDatabase)
        with grpc.insecure_channel(self.server.grpc) as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            services = list(database.get_services())
            self.assertIn("inference.GRPCInferenceService", services)
            for service in services:
                self.assertTrue(database.FindFileContainingSymbol(service).name)


if __name__ == "__main__":
    unittest.main()
