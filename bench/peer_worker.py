"""One engine, one model, in a process of its own: times what it is told on standard input.

usage: peer_worker.py ENGINE MODEL_FOLDER CACHE_FOLDER THREADS

A command is a line of JSON, {"batch": B, "seq": S, "seconds": T}; the answer is a line too,
{"ms": [...], "output": [...]}: the time of each call and the first sequence's output. Before the
first comes {"ready": true}, or {"missing": WHY}. bench/peers.py starts these and lets one run at a
time.
"""

import json
import os
import pathlib
import sys
import time
import types

import numpy as np

SEED = 7


def token_ids(vocab, batch, seq):
    """The same ids for every engine; the first thousand, where special tokens lie, are left out."""
    rng = np.random.default_rng(SEED)
    return rng.integers(min(1000, vocab // 2), vocab, size=(batch, seq), dtype=np.int64)


def torch_model(folder):
    import torch
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder)
    classes = {"SequenceClassification": transformers.AutoModelForSequenceClassification}
    kind = next((c for k, c in classes.items() if k in (config.architectures or [""])[0]),
                transformers.AutoModel)
    model = kind.from_pretrained(folder)  # sdpa where the family has it
    return model.eval(), config, torch


def first_output(result):
    """Logits, or the last hidden state, as float32."""
    return (result[0] if not hasattr(result, "logits") else result.logits).float().cpu().numpy()


class Torch:
    def __init__(self, folder, _cache, threads, precision):
        self.model, self.config, self.torch = torch_model(folder)
        self.torch.set_num_threads(threads)
        if precision == "bf16":
            self.model = self.model.to(self.torch.bfloat16)
        if precision == "int8":
            self.model = self.torch.ao.quantization.quantize_dynamic(
                self.model, {self.torch.nn.Linear}, dtype=self.torch.qint8)

    def prepare(self, ids):
        tensor = self.torch.from_numpy(ids)
        inputs = {"input_ids": tensor, "attention_mask": self.torch.ones_like(tensor)}

        def call():
            with self.torch.inference_mode():
                return self.model(**inputs)

        return call

    def output(self, result):
        return first_output(result)


def export_onnx(folder, cache):
    """The model as ONNX with free batch and length, made once."""
    path = pathlib.Path(cache) / (pathlib.Path(folder).name + ".onnx")
    if path.exists():
        return path
    model, _, torch = torch_model(folder)
    model.config._attn_implementation = "eager"
    ids = torch.ones((2, 8), dtype=torch.int64)

    class Wrapped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, input_ids, attention_mask):
            result = self.inner(input_ids=input_ids, attention_mask=attention_mask)
            return result.logits if hasattr(result, "logits") else result.last_hidden_state

    wrapped = Wrapped().eval()
    names = ["input_ids", "attention_mask"]
    axes = {name: {0: "batch", 1: "seq"} for name in names} | {"output": {0: "batch"}}
    torch.onnx.export(wrapped, (ids, torch.ones_like(ids)), str(path), input_names=names,
                      output_names=["output"], dynamic_axes=axes, opset_version=17, dynamo=False)
    return path


class OnnxRuntime:
    def __init__(self, folder, cache, threads, precision):
        import onnxruntime

        path = export_onnx(folder, cache)
        if precision == "int8":
            quantized = path.with_suffix(".int8.onnx")
            if not quantized.exists():
                from onnxruntime.quantization import QuantType, quantize_dynamic

                quantize_dynamic(str(path), str(quantized), per_channel=True,
                                 weight_type=QuantType.QInt8)
            path = quantized
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(path), options,
                                                    providers=["CPUExecutionProvider"])

    def prepare(self, ids):
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        return lambda: self.session.run(None, feed)

    def output(self, result):
        return np.asarray(result[0], dtype=np.float32)


def openvino_int8(folder, cache, core, model):
    """NNCF's post-training quantization with its transformer preset, made once."""
    path = pathlib.Path(cache) / (pathlib.Path(folder).name + ".nncf.xml")
    if not path.exists():
        import nncf
        import openvino

        vocab = json.loads((pathlib.Path(folder) / "config.json").read_text())["vocab_size"]
        rng = np.random.default_rng(SEED)
        samples = [rng.integers(0, vocab, size=(1, int(n)), dtype=np.int64)
                   for n in rng.integers(8, 64, size=100)]
        feed = nncf.Dataset(samples, lambda ids: {"input_ids": ids,
                                                  "attention_mask": np.ones_like(ids)})
        made = nncf.quantize(model, feed, model_type=nncf.ModelType.TRANSFORMER)
        openvino.save_model(made, str(path))
    return core.read_model(str(path))


class OpenVino:
    def __init__(self, folder, cache, threads, precision):
        import openvino

        core = openvino.Core()
        model = core.read_model(str(export_onnx(folder, cache)))
        if precision == "int8":
            model = openvino_int8(folder, cache, core, model)
        hints = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        if precision == "fp32":
            hints["INFERENCE_PRECISION_HINT"] = "f32"
        self.request = core.compile_model(model, "CPU", hints).create_infer_request()

    def prepare(self, ids):
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        return lambda: self.request.infer(feed)

    def output(self, result):
        return np.asarray(next(iter(result.values())), dtype=np.float32)


def convert_for_ctranslate2(folder, path):
    """Its loaders ask for a config field that transformers 5 dropped, and for a tokenizer's words,
    which timing does not need."""
    import ctranslate2
    import transformers

    for config in (transformers.BertConfig, transformers.RobertaConfig):
        if not hasattr(config, "position_embedding_type"):
            config.position_embedding_type = "absolute"
    vocab = json.loads((pathlib.Path(folder) / "config.json").read_text())["vocab_size"]
    words = {f"token{i}": i for i in range(vocab)}
    converter = ctranslate2.converters.TransformersConverter(str(folder))
    converter.load_tokenizer = lambda *_, **__: types.SimpleNamespace(
        get_vocab=lambda: words, unk_token="token0", bos_token="token0", eos_token="token0")
    converter.convert(str(path), quantization="int8", force=True)


class CTranslate2:
    """Encoders without a head: what its loader takes. Of a classifier it runs what lies below."""

    def __init__(self, folder, cache, threads, _precision):
        import ctranslate2

        path = pathlib.Path(cache) / (pathlib.Path(folder).name + ".ct2")
        if not path.exists():
            convert_for_ctranslate2(folder, path)
        self.encoder = ctranslate2.Encoder(str(path), device="cpu", compute_type="int8",
                                           intra_threads=threads)

    def prepare(self, ids):
        rows = ids.tolist()
        return lambda: self.encoder.forward_batch(rows)

    def output(self, result):
        return np.asarray(result.last_hidden_state, dtype=np.float32)


ENGINES = {
    "torch-fp32": (Torch, "fp32"), "torch-bf16": (Torch, "bf16"), "torch-int8": (Torch, "int8"),
    "ort-fp32": (OnnxRuntime, "fp32"), "ort-int8": (OnnxRuntime, "int8"),
    "openvino-fp32": (OpenVino, "fp32"), "openvino-default": (OpenVino, "default"),
    "openvino-int8": (OpenVino, "int8"), "ctranslate2-int8": (CTranslate2, "int8"),
}


def main(engines):
    engine, folder, cache, threads = sys.argv[1:5]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    maker, precision = engines[engine]
    try:
        made = maker(folder, cache, int(threads), precision)
    except Exception as error:  # whatever a library throws: this engine is not measured
        print(json.dumps({"missing": f"{type(error).__name__}: {error}"}), file=answers, flush=True)
        return
    vocab = json.loads((pathlib.Path(folder) / "config.json").read_text())["vocab_size"]
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        call = made.prepare(token_ids(vocab, command["batch"], command["seq"]))
        result = call()
        milliseconds = []
        end = time.perf_counter() + command["seconds"]
        while len(milliseconds) < 3 or time.perf_counter() < end:
            start = time.perf_counter()
            result = call()
            milliseconds.append((time.perf_counter() - start) * 1e3)
        output = made.output(result)[0].reshape(-1)[:64].tolist()
        print(json.dumps({"ms": milliseconds, "output": output}), file=answers, flush=True)


if __name__ == "__main__":
    main(ENGINES)
