"""text-embeddings-inference's gRPC protocol and the health check, through grpcio."""

import subprocess
import tempfile
import unittest

import grpc
import numpy
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc

from common import ROOT, TEXTS, ServerTest, run_task


def messages():
    """tei.v1's message classes by name, from the .proto that the server is built of."""
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["protoc", f"--descriptor_set_out={out.name}", f"-I{ROOT / 'proto'}",
                        "tei.proto"], check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(out.read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return message_factory.GetMessageClassesForFiles(["tei.proto"], pool)


TEI = {name.removeprefix("tei.v1."): kind for name, kind in messages().items()}


class TeiTest(ServerTest):
    models = {"embedder": "bert-base", "classifier": "bert-sequence-classification",
              "ranker": "bert-rerank", "splade": "../retrieval/splade"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.channel = grpc.insecure_channel(cls.server.grpc)

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        super().tearDownClass()

    def call(self, method, answer, message, model=""):
        function = self.channel.unary_unary(
            f"/tei.v1.{method}", request_serializer=type(message).SerializeToString,
            response_deserializer=TEI[answer].FromString)
        return function(message, metadata=(("model", model),) if model else (), timeout=30)

    def stream(self, method, answer, messages, model=""):
        function = self.channel.stream_stream(
            f"/tei.v1.{method}", request_serializer=type(messages[0]).SerializeToString,
            response_deserializer=TEI[answer].FromString)
        return list(function(iter(messages), metadata=(("model", model),) if model else (),
                             timeout=30))

    def test_embed(self):
        expected = run_task("embed", "bert-base", *TEXTS)
        for text, line in zip(TEXTS, expected):
            answer = self.call("Embed/Embed", "EmbedResponse",
                               TEI["EmbedRequest"](inputs=text, truncate=True))
            numpy.testing.assert_array_equal(numpy.float32(answer.embeddings),
                                             numpy.float32(line["embedding"]))
            self.assertGreater(answer.metadata.compute_tokens, 0)
        unit = self.call("Embed/Embed", "EmbedResponse",
                         TEI["EmbedRequest"](inputs="a", normalize=True, dimensions=8))
        self.assertEqual(len(unit.embeddings), 8)
        self.assertAlmostEqual(sum(x * x for x in unit.embeddings), 1, delta=1e-5)

    def test_embed_stream(self):
        asked = [TEI["EmbedRequest"](inputs=text, truncate=True) for text in TEXTS * 40]
        answers = self.stream("Embed/EmbedStream", "EmbedResponse", asked)
        expected = [line["embedding"] for line in run_task("embed", "bert-base", *TEXTS)]
        numpy.testing.assert_array_equal(
            numpy.float32([answer.embeddings for answer in answers]), numpy.float32(expected * 40))

    def test_embed_all(self):
        answer = self.call("Embed/EmbedAll", "EmbedAllResponse",
                           TEI["EmbedAllRequest"](inputs=TEXTS[0], truncate=True))
        tokens = run_task("tokenize", "bert-base", TEXTS[0])[0]["input_ids"]
        self.assertEqual(len(answer.token_embeddings), len(tokens))

    def test_embed_sparse(self):
        expected = run_task("embed", "../retrieval/splade", TEXTS[0], "--sparse")[0]["sparse"]
        answer = self.call("Embed/EmbedSparse", "EmbedSparseResponse",
                           TEI["EmbedSparseRequest"](inputs=TEXTS[0], truncate=True))
        indices = [value.index for value in answer.sparse_embeddings]
        self.assertEqual(indices, sorted(indices))
        numpy.testing.assert_array_equal(
            numpy.sort(numpy.float32([value.value for value in answer.sparse_embeddings])),
            numpy.sort(numpy.float32(list(expected.values()))))

    def test_sparse_of_another_model_is_refused_by_name(self):
        with self.assertRaises(grpc.RpcError) as raised:
            self.call("Embed/EmbedSparse", "EmbedSparseResponse",
                      TEI["EmbedSparseRequest"](inputs="a"), "embedder")
        self.assertEqual(raised.exception.code(), grpc.StatusCode.UNIMPLEMENTED)
        self.assertIn("embed-sparse", raised.exception.details())

    def test_predict(self):
        expected = run_task("classify", "bert-sequence-classification", TEXTS[0])[0]
        answer = self.call("Predict/Predict", "PredictResponse",
                           TEI["PredictRequest"](inputs=TEXTS[0], truncate=True), "classifier")
        self.assertEqual(answer.predictions[0].label, expected["label"])
        self.assertAlmostEqual(answer.predictions[0].score, expected["score"], delta=1e-6)
        pair = self.call("Predict/PredictPair", "PredictResponse",
                         TEI["PredictPairRequest"](inputs=TEXTS[:2], truncate=True), "classifier")
        self.assertEqual(len(pair.predictions), len(answer.predictions))

    def test_rerank(self):
        expected = run_task("rerank", "bert-rerank", "--query", "who", *TEXTS)[0]["results"]
        answer = self.call("Rerank/Rerank", "RerankResponse",
                           TEI["RerankRequest"](query="who", texts=TEXTS, truncate=True,
                                                return_text=True), "ranker")
        self.assertEqual([rank.index for rank in answer.ranks],
                         [line["index"] for line in expected])
        self.assertEqual(answer.ranks[0].text, expected[0]["text"])
        function = self.channel.stream_unary(
            "/tei.v1.Rerank/RerankStream",
            request_serializer=TEI["RerankStreamRequest"].SerializeToString,
            response_deserializer=TEI["RerankResponse"].FromString)
        asked = [TEI["RerankStreamRequest"](query="who", text=text, truncate=True)
                 for text in TEXTS]
        streamed = function(iter(asked), metadata=(("model", "ranker"),), timeout=30)
        self.assertEqual([rank.index for rank in streamed.ranks],
                         [rank.index for rank in answer.ranks])
        self.assertFalse(streamed.ranks[0].HasField("text"))

    def test_tokenize_and_decode(self):
        text = "naïve 東京 yes"
        answer = self.call("Tokenize/Tokenize", "EncodeResponse",
                           TEI["EncodeRequest"](inputs=text, add_special_tokens=True), "embedder")
        expected = run_task("tokenize", "bert-base", text)[0]
        self.assertEqual([token.id for token in answer.tokens], expected["input_ids"])
        for token in answer.tokens:
            if token.special:
                self.assertFalse(token.HasField("start"))
            else:
                self.assertEqual(text.encode()[token.start:token.stop].decode(), token.text)
        ids = [token.id for token in answer.tokens]
        back = self.call("Tokenize/Decode", "DecodeResponse",
                         TEI["DecodeRequest"](ids=ids, skip_special_tokens=True), "embedder")
        self.assertTrue(back.text)

    def test_info_and_routing(self):
        info = self.call("Info/Info", "InfoResponse", TEI["InfoRequest"](), "classifier")
        self.assertEqual(info.model_type, 1)
        self.assertGreater(info.max_input_length, 0)
        with self.assertRaises(grpc.RpcError) as raised:
            self.call("Embed/Embed", "EmbedResponse", TEI["EmbedRequest"](inputs="a"), "nobody")
        self.assertEqual(raised.exception.code(), grpc.StatusCode.NOT_FOUND)
        self.assertIn("embedder", raised.exception.details())

    def test_a_text_that_is_not_cut(self):
        with self.assertRaises(grpc.RpcError) as raised:
            self.call("Embed/Embed", "EmbedResponse",
                      TEI["EmbedRequest"](inputs="word " * 3000, truncate=False))
        self.assertEqual(raised.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)

    def test_health(self):
        stub = health_pb2_grpc.HealthStub(self.channel)
        for service in ("", "embedder", "inference.GRPCInferenceService"):
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service))
            self.assertEqual(answer.status, health_pb2.HealthCheckResponse.SERVING)
        with self.assertRaises(grpc.RpcError) as raised:
            stub.Check(health_pb2.HealthCheckRequest(service="nobody"))
        self.assertEqual(raised.exception.code(), grpc.StatusCode.NOT_FOUND)


if __name__ == "__main__":
    unittest.main()
