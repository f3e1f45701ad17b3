"""bench/peer_worker.py for a GPU: what bench/peers_gpu.py starts.

usage: peer_worker_gpu.py ENGINE MODEL_FOLDER CACHE_FOLDER THREADS

A call counts until its result lies in the computer's memory, as it does for Tamis.
"""

import peer_worker
import peers_gpu


class TorchCuda(peer_worker.Torch):
    """Eager, or compiled for each shape; TF32 in products of float32 only where it is named."""

    def __init__(self, folder, cache, threads, precision):
        numbers, _, compiled = precision.partition(" ")
        super().__init__(folder, cache, threads, "fp32")
        if not self.torch.cuda.is_available():
            raise RuntimeError("this PyTorch finds no CUDA device")
        self.torch.backends.cuda.matmul.allow_tf32 = numbers == "tf32"
        self.torch.backends.cudnn.allow_tf32 = numbers == "tf32"
        types = {"fp16": self.torch.float16, "bf16": self.torch.bfloat16}
        self.model = self.model.to("cuda", types.get(numbers, self.torch.float32))
        if compiled:
            self.model = self.torch.compile(self.model, mode="max-autotune")

    def prepare(self, ids):
        host = self.torch.from_numpy(ids)

        def call():
            with self.torch.inference_mode():
                tensor = host.to("cuda")
                result = self.model(input_ids=tensor, attention_mask=self.torch.ones_like(tensor))
                (result[0] if not hasattr(result, "logits") else result.logits).cpu()
                return result

        return call


class OnnxRuntimeGpu(peer_worker.OnnxRuntime):
    """The model as ONNX on one of ONNX Runtime's providers for CUDA devices."""

    def __init__(self, folder, cache, _threads, precision):
        import onnxruntime

        provider, numbers = precision.split(" ")
        if provider not in onnxruntime.get_available_providers():
            raise RuntimeError(f"this ONNX Runtime has no {provider}")
        options = {}
        if provider == "TensorrtExecutionProvider":
            options = {"trt_fp16_enable": numbers == "fp16", "trt_engine_cache_enable": True,
                       "trt_engine_cache_path": str(cache)}
        # What TensorRT leaves over runs on CUDA.
        providers = [(provider, options)] + [PROVIDERS["cuda"]] * bool(options)
        self.session = onnxruntime.InferenceSession(
            str(peer_worker.export_onnx(folder, cache)), providers=providers)
        if provider not in self.session.get_providers():
            raise RuntimeError(f"ONNX Runtime could not load {provider}")


PROVIDERS = {"cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}


def maker_of(name):
    """Of an engine's name, as bench/peers_gpu.py has them, what peer_worker.ENGINES has."""
    library, numbers, how = (name.split("-") + [""])[:3]
    if library == "torch":
        return TorchCuda, f"{numbers} {how}".strip()
    return OnnxRuntimeGpu, f"{PROVIDERS[how]} {numbers}"


if __name__ == "__main__":
    peer_worker.main({name: maker_of(name) for name in peers_gpu.ENGINES})
