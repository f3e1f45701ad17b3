"""Models on a Ray cluster: a class for Ray Data's actors, and a deployment for Ray Serve.

    >>> rows = ray.data.read_parquet("texts").map_batches(
    ...     tamis.ray.Embed, fn_constructor_args=("minilm-bundle",), batch_size=512,
    ...     compute=ray.data.ActorPoolStrategy(size=4))
    >>> handle = ray.serve.run(tamis.ray.deployment("minilm-bundle", num_replicas=2))

A worker is one process with one model and ``threads`` threads, one by default: give a machine as many
workers as it has cores, or fewer with more threads each where memory is short. The same text gives the
same bits on every worker, so a task that Ray runs again changes nothing.
"""

from __future__ import annotations

import os
from typing import Any, AsyncIterator, Dict, List, Optional, Union

from ._errors import InvalidArgument
from ._model import Model

Source = Union[str, "os.PathLike[str]"]
Batch = Dict[str, Any]


class _Worker:
    """Loads the model where it runs; ``options`` go to tamis.Model."""

    def __init__(self, model: Source, *, column: str = "text", threads: int = 1,
                 **options: Any) -> None:
        self._model = Model(model, threads=threads, **options)
        self._column = column

    def _texts(self, batch: Batch) -> List[str]:
        if self._column not in batch:
            raise InvalidArgument(f'the batch has no column "{self._column}"; it has '
                                  + ", ".join(sorted(batch)))
        return [str(text) for text in batch[self._column]]


class Embed(_Worker):
    """Adds ``output``, float32 [n, d], to batches (dictionaries of arrays, batch_format="numpy")."""

    def __init__(self, model: Source, *, output: str = "embedding",
                 normalize: Optional[bool] = None, **options: Any) -> None:
        super().__init__(model, **options)
        self._output, self._normalize = output, normalize

    def __call__(self, batch: Batch) -> Batch:
        rows = self._model.embed(self._texts(batch), normalize=self._normalize)
        return {**batch, self._output: rows}


class Classify(_Worker):
    """Adds ``label`` and ``score``, the best of each text, to batches."""

    def __call__(self, batch: Batch) -> Batch:
        import numpy

        found = [labels[0] for labels in self._model.classify(self._texts(batch), top_k=1)]
        return {**batch, "label": numpy.array([best.label for best in found]),
                "score": numpy.array([best.score for best in found], numpy.float32)}


def deployment(
    model: Source,
    *,
    num_replicas: int = 1,
    max_batch_size: int = 64,
    batch_wait_timeout_s: float = 0.002,
    threads: int = 1,
    name: str = "tamis",
    **options: Any,
) -> Any:
    """A Ray Serve application that embeds: requests that come together run together, at most
    ``max_batch_size``, none waiting longer than ``batch_wait_timeout_s``.

    Over HTTP it takes ``{"inputs": text or texts}`` and gives a list of embeddings. A handle has
    ``embed.remote(text)``, and ``stream.remote(texts)`` with ``options(stream=True)``, which yields
    the embeddings of ``max_batch_size`` texts at a time.
    """
    from ray import serve

    # Ray's own limit is 5 requests at a time, fewer than a batch takes.
    @serve.deployment(name=name, num_replicas=num_replicas,
                      max_ongoing_requests=2 * max_batch_size)
    class Embedder:
        def __init__(self) -> None:
            self._model = Model(model, threads=threads, **options)

        @serve.batch(max_batch_size=max_batch_size, batch_wait_timeout_s=batch_wait_timeout_s)
        async def embed(self, texts: List[str]) -> List[List[float]]:
            rows = await self._model.embed_async(texts)
            return [row.tolist() for row in rows]

        async def stream(self, texts: List[str]) -> AsyncIterator[List[List[float]]]:
            for at in range(0, len(texts), max_batch_size):
                rows = await self._model.embed_async(texts[at: at + max_batch_size])
                yield rows.tolist()

        async def __call__(self, request: Any) -> List[List[float]]:
            body = await request.json()
            inputs = body["inputs"]
            texts = [inputs] if isinstance(inputs, str) else list(inputs)
            rows = await self._model.embed_async(texts)
            found: List[List[float]] = rows.tolist()
            return found

    made: Any = Embedder  # a deployment by now
    return made.bind()


__all__ = ["Classify", "Embed", "deployment"]
