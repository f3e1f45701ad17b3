"""Triton's own clients: HTTP, gRPC and the asyncio form of gRPC."""

import asyncio
import queue
import unittest

import numpy
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
from tritonclient.utils import InferenceServerException

from common import TEXTS, ServerTest, run_task

SERVED = {"embedder": "bert-base", "classifier": "bert-sequence-classification",
          "ner": "bert-token-classification"}


def text_input(client, texts, name="text"):
    tensor = client.InferInput(name, [len(texts)], "BYTES")
    tensor.set_data_from_numpy(numpy.array([text.encode() for text in texts], dtype=object))
    return tensor


def ids_input(client, name, rows, dtype=numpy.int64):
    array = numpy.array(rows, dtype=dtype)
    tensor = client.InferInput(name, list(array.shape), {8: "INT64", 4: "INT32"}[array.itemsize])
    tensor.set_data_from_numpy(array)
    return tensor


class Protocol:
    """What both transports must do; `client` and `module` are set by the subclasses."""

    def test_health_and_metadata(self):
        self.assertTrue(self.client.is_server_live())
        self.assertTrue(self.client.is_server_ready())
        self.assertTrue(self.client.is_model_ready("embedder"))
        self.assertFalse(self.client.is_model_ready("nothing"))
        server = self.as_dict(self.client.get_server_metadata())
        self.assertEqual(server["name"], "tamis")
        self.assertIn("statistics", server["extensions"])
        model = self.as_dict(self.client.get_model_metadata("embedder"))
        self.assertEqual(model["inputs"][0]["name"], "text")
        self.assertEqual(model["outputs"][0]["datatype"], "FP32")
        tensors = self.as_dict(self.client.get_model_metadata("embedder_model"))
        self.assertEqual([item["name"] for item in tensors["inputs"]],
                         ["input_ids", "attention_mask", "token_type_ids"])
        config = self.as_dict(self.client.get_model_config("embedder"))
        config = config.get("config", config)
        self.assertEqual(config["name"], "embedder")
        self.assertEqual(config["input"][0]["data_type"], "TYPE_STRING")

    def test_embeddings_equal_the_programs(self):
        expected = [line["embedding"] for line in run_task("embed", "bert-base", *TEXTS)]
        for name in ("embedder", "embedder_inference"):
            result = self.client.infer(name, [text_input(self.module, TEXTS)], request_id="r1")
            got = result.as_numpy("embedding")
            numpy.testing.assert_array_equal(got, numpy.array(expected, dtype=numpy.float32))
            self.assertEqual(self.as_dict(result.get_response())["id"], "r1")

    def test_token_ids_equal_texts(self):
        encoded = run_task("tokenize", "bert-base", *TEXTS)
        longest = max(len(line["input_ids"]) for line in encoded)
        ids = [line["input_ids"] + [0] * (longest - len(line["input_ids"])) for line in encoded]
        mask = [[1] * len(line["input_ids"]) + [0] * (longest - len(line["input_ids"]))
                for line in encoded]
        expected = self.client.infer("classifier", [text_input(self.module, TEXTS)])
        for dtype in (numpy.int64, numpy.int32):
            result = self.client.infer("classifier_model", [
                ids_input(self.module, "input_ids", ids, dtype),
                ids_input(self.module, "attention_mask", mask, dtype)])
            numpy.testing.assert_array_equal(result.as_numpy("logits"),
                                             expected.as_numpy("logits"))

    def test_classes_and_entities(self):
        result = self.client.infer("classifier", [text_input(self.module, TEXTS)], outputs=[
            self.module.InferRequestedOutput("label"),
            self.module.InferRequestedOutput("scores")])
        expected = run_task("classify", "bert-sequence-classification", *TEXTS)
        labels = [label.decode() for label in result.as_numpy("label")]
        self.assertEqual(labels, [line["label"] for line in expected])
        self.assertIsNone(result.as_numpy("logits"))
        result = self.client.infer("ner", [text_input(self.module, TEXTS[:2])])
        self.assertIn(b'"entities"', result.as_numpy("result")[0])

    def test_the_best_classes(self):
        result = self.client.infer("classifier", [text_input(self.module, TEXTS)], outputs=[
            self.module.InferRequestedOutput("logits", class_count=2)])
        best = result.as_numpy("logits")
        self.assertEqual(best.shape[0], len(TEXTS))
        value, index, label = best[0][0].decode().split(":")
        float(value)
        self.assertGreaterEqual(int(index), 0)
        self.assertTrue(label)

    def test_statistics(self):
        self.client.infer("embedder", [text_input(self.module, TEXTS)])
        stats = self.as_dict(self.client.get_inference_statistics("embedder"))["model_stats"][0]
        self.assertGreater(int(stats["inference_stats"]["success"]["count"]), 0)
        self.assertGreater(int(stats["execution_count"]), 0)
        for key in ("success", "fail", "queue", "compute_input", "compute_infer",
                    "compute_output", "cache_hit", "cache_miss"):
            self.assertIn(key, stats["inference_stats"])

    def test_index(self):
        index = self.as_dict(self.client.get_model_repository_index())
        models = index if isinstance(index, list) else index["models"]
        states = {model["name"]: model["state"] for model in models}
        self.assertEqual(states["embedder"], "READY")

    def test_load_and_unload(self):
        self.client.unload_model("ner")
        self.assertFalse(self.client.is_model_ready("ner"))
        self.client.load_model("ner")
        self.assertTrue(self.client.is_model_ready("ner"))
        with self.assertRaises(InferenceServerException):
            self.client.load_model("../embedder")
        with self.assertRaises(InferenceServerException):
            self.client.load_model("embedder", files={"file:1/model.onnx": b"x"}, config="{}")

    def test_errors(self):
        with self.assertRaises(InferenceServerException) as raised:
            self.client.infer("nothing", [text_input(self.module, TEXTS)])
        self.assertTrue(raised.exception.message().startswith("Request for unknown model"),
                        raised.exception.message())
        for bad in ([text_input(self.module, TEXTS, name="texts")], []):
            with self.assertRaises(InferenceServerException):
                self.client.infer("embedder", bad)
        with self.assertRaises(InferenceServerException):
            self.client.infer("embedder_model",
                              [ids_input(self.module, "input_ids", [[1, 2, 10_000_000]])])
        with self.assertRaises(InferenceServerException):
            self.client.infer("embedder", [text_input(self.module, TEXTS)],
                              outputs=[self.module.InferRequestedOutput("nothing")])

    def test_parameters(self):
        result = self.client.infer("embedder", [text_input(self.module, TEXTS)], priority=1,
                                   timeout=60_000_000, parameters={"mine": "x"})
        self.assertEqual(result.as_numpy("embedding").shape[0], len(TEXTS))


class HttpTest(Protocol, ServerTest):
    models = SERVED
    flags = ("--model-control", "explicit")
    module = tritonclient.http

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = tritonclient.http.InferenceServerClient(cls.server.http, concurrency=4)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        super().tearDownClass()

    @staticmethod
    def as_dict(answer):
        return answer

    def test_json_tensors(self):
        tensor = tritonclient.http.InferInput("text", [2], "BYTES")
        tensor.set_data_from_numpy(numpy.array(["one", "two"], dtype=object), binary_data=False)
        output = tritonclient.http.InferRequestedOutput("embedding", binary_data=False)
        plain = self.client.infer("embedder", [tensor], outputs=[output])
        binary = self.client.infer("embedder", [text_input(self.module, ["one", "two"])])
        numpy.testing.assert_array_equal(plain.as_numpy("embedding"),
                                         binary.as_numpy("embedding"))

    def test_concurrent(self):
        waiting = [self.client.async_infer("embedder", [text_input(self.module, [text])])
                   for text in TEXTS * 8]
        alone = self.client.infer("embedder", [text_input(self.module, TEXTS)])
        for i, request in enumerate(waiting):
            got = request.get_result().as_numpy("embedding")[0]
            numpy.testing.assert_array_equal(got, alone.as_numpy("embedding")[i % len(TEXTS)])


class GrpcTest(Protocol, ServerTest):
    models = SERVED
    flags = ("--model-control", "explicit")
    module = tritonclient.grpc

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = tritonclient.grpc.InferenceServerClient(cls.server.grpc)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        super().tearDownClass()

    @staticmethod
    def as_dict(answer):
        from google.protobuf.json_format import MessageToDict
        return MessageToDict(answer, preserving_proto_field_name=True,
                             always_print_fields_with_no_presence=True)

    def test_error_codes(self):
        with self.assertRaises(InferenceServerException) as raised:
            self.client.infer("nothing", [text_input(self.module, TEXTS)])
        self.assertEqual(raised.exception.status(), "StatusCode.NOT_FOUND")
        with self.assertRaises(InferenceServerException) as raised:
            self.client.infer("embedder", [text_input(self.module, TEXTS, name="texts")])
        self.assertEqual(raised.exception.status(), "StatusCode.INVALID_ARGUMENT")
        with self.assertRaises(InferenceServerException) as raised:
            self.client.get_system_shared_memory_status()
        self.assertEqual(raised.exception.status(), "StatusCode.UNIMPLEMENTED")

    def test_a_deadline_that_has_passed(self):
        many = [text_input(self.module, ["word " * 100] * 2000)]
        with self.assertRaises(InferenceServerException) as raised:
            self.client.infer("embedder", many, client_timeout=0.005)
        self.assertEqual(raised.exception.status(), "StatusCode.DEADLINE_EXCEEDED")
        with self.assertRaises(InferenceServerException) as raised:
            self.client.infer("embedder", many, timeout=1)
        self.assertEqual(raised.exception.status(), "StatusCode.DEADLINE_EXCEEDED")

    def test_stream_answers_in_order(self):
        answers = queue.Queue()
        expected = self.client.infer("embedder", [text_input(self.module, TEXTS)])
        self.client.start_stream(lambda result, error: answers.put((result, error)))
        for i in range(100):
            text = [TEXTS[i % len(TEXTS)]]
            model = "nothing" if i == 50 else "embedder"
            self.client.async_stream_infer(model, [text_input(self.module, text)],
                                           request_id=str(i))
        for i in range(100):
            result, error = answers.get(timeout=30)
            if i == 50:
                self.assertIn("unknown model", str(error))
                continue
            self.assertIsNone(error)
            self.assertEqual(result.get_response().id, str(i))
            numpy.testing.assert_array_equal(
                result.as_numpy("embedding")[0],
                expected.as_numpy("embedding")[i % len(TEXTS)])
        self.client.stop_stream()

    def test_asyncio(self):
        module = tritonclient.grpc.aio

        async def ask():
            async with module.InferenceServerClient(self.server.grpc) as client:
                results = await asyncio.gather(*[
                    client.infer("embedder", [text_input(tritonclient.grpc, [text])])
                    for text in TEXTS])
                return [result.as_numpy("embedding")[0] for result in results]

        expected = self.client.infer("embedder", [text_input(self.module, TEXTS)])
        numpy.testing.assert_array_equal(numpy.stack(asyncio.run(ask())),
                                         expected.as_numpy("embedding"))

    def test_a_cancelled_call(self):
        outcome = queue.Queue()
        call = self.client.async_infer("embedder", [text_input(self.module, ["word"] * 500)],
                                       lambda result, error: outcome.put(error))
        call.cancel()
        error = outcome.get(timeout=30)
        if error is not None:
            self.assertEqual(error.status(), "StatusCode.CANCELLED")
        self.assertTrue(self.client.is_server_ready())


class KeyTest(ServerTest):
    flags = ("--api-key", "secret")

    def test_grpc_asks_for_the_key(self):
        client = tritonclient.grpc.InferenceServerClient(self.server.grpc)
        texts = [text_input(tritonclient.grpc, TEXTS)]
        for headers in (None, {"authorization": "Bearer secreT"}, {"authorization": "secret"}):
            with self.assertRaises(InferenceServerException) as raised:
                client.infer("embedder", texts, headers=headers)
            self.assertEqual(raised.exception.status(), "StatusCode.UNAUTHENTICATED")
        client.infer("embedder", texts, headers={"authorization": "Bearer secret"})
        client.close()


if __name__ == "__main__":
    unittest.main()
