"""The face of sentence-transformers over a native model.

    >>> from tamis.sentence_transformers import CrossEncoder, SentenceTransformer
    >>> model = SentenceTransformer("build/models/minilm")
    >>> model.similarity(model.encode(["A cat."]), model.encode(["A kitten."])).shape
    (1, 1)

encode(), encode_query(), encode_document() and similarity() take what those of sentence-transformers
take, so that its evaluators and code written for it run; PyTorch is imported only where tensors are
asked for.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple, Union

from ._errors import InvalidArgument
from ._model import Model

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]

_SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")
# How other engines batch and share out work, which changes no answer; here the engine does that.
_HARMLESS = {"batch_size", "show_progress_bar", "pool", "chunk_size", "num_workers"}


def _refuse(options: Dict[str, Any]) -> None:
    """An argument that is not taken and would change the answer is an error."""
    for name, value in options.items():
        if name not in _HARMLESS and value is not None and value is not False:
            raise InvalidArgument(f"{name}: not built; leave it out")


class SentenceTransformer:
    """``model_name_or_path``: a folder, a hub id, an .onnx file or a bundle."""

    def __init__(
        self,
        model_name_or_path: Union[str, "os.PathLike[str]"],
        *,
        prompts: Optional[Dict[str, str]] = None,
        default_prompt_name: Optional[str] = None,
        truncate_dim: Optional[int] = None,
        similarity_fn_name: Optional[str] = None,
        **options: Any,
    ) -> None:
        """``similarity_fn_name``: default: the model's own, else "cosine". ``options`` are those of
        tamis.Model.
        """
        self.native = Model(model_name_or_path, **options)
        similarity_fn_name = similarity_fn_name or self.native.info.similarity or "cosine"
        if similarity_fn_name not in _SIMILARITIES:
            known = ", ".join(_SIMILARITIES)
            raise InvalidArgument(f"similarity_fn_name: {similarity_fn_name!r}; known are {known}")
        self.prompts = dict(prompts or {})
        self.default_prompt_name = default_prompt_name
        self.truncate_dim = truncate_dim
        self.similarity_fn_name = similarity_fn_name
        # What evaluators write into a model card's data.
        self.model_card_data = _CardData()

    @property
    def max_seq_length(self) -> int:
        """Tokens of the longest input."""
        return self.native.info.max_length

    def get_max_seq_length(self) -> int:
        """Tokens of the longest input."""
        return self.max_seq_length

    def get_sentence_embedding_dimension(self) -> int:
        """Floats of an embedding, truncate_dim if that is set."""
        size = self.native.info.output_size
        return min(self.truncate_dim or size, size)

    def _prompt(self, name: Optional[str], prompt: Optional[str]) -> Dict[str, Any]:
        if prompt is not None:
            return {"prompt": prompt}
        name = self.default_prompt_name if name is None else name
        if name is not None and name in self.prompts:
            return {"prompt": self.prompts[name]}
        # These two every model of sentence-transformers has.
        if name in ("query", "document") and name not in self.native.info.prompt_names:
            return {"prompt": ""}
        return {"prompt_name": name}

    def encode(
        self,
        sentences: Union[str, Sequence[str]],
        prompt_name: Optional[str] = None,
        prompt: Optional[str] = None,
        batch_size: int = 32,
        show_progress_bar: Optional[bool] = None,
        output_value: Optional[str] = "sentence_embedding",
        precision: Optional[str] = None,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Any = None,
        normalize_embeddings: bool = False,
        truncate_dim: Optional[int] = None,
        **others: Any,
    ) -> Any:
        """Rows in the order of the sentences; a tensor with ``convert_to_tensor``, a list of tensors
        without ``convert_to_numpy``. ``precision`` is "float32", "int8" or "uint8" over the range that
        each number has in these rows, or "binary" or "ubinary", signs by eight. ``batch_size``
        changes nothing. ``device`` must be the CPU's.
        """
        _refuse(others)
        if output_value != "sentence_embedding":
            raise InvalidArgument(f"output_value: {output_value!r}; must be 'sentence_embedding'")
        if device is not None and str(device) not in ("cpu", "[]"):
            raise InvalidArgument(f"device: {device!r}; must be 'cpu'")
        rows = self.native.encode(
            sentences, batch_size=batch_size, show_progress_bar=show_progress_bar,
            normalize_embeddings=normalize_embeddings,
            truncate_dim=truncate_dim or self.truncate_dim, **self._prompt(prompt_name, prompt))
        rows = _in_precision(rows, "float32" if precision is None else precision)
        if convert_to_numpy and not convert_to_tensor:
            return rows
        import torch

        tensor = torch.from_numpy(rows)
        return tensor if convert_to_tensor or tensor.ndim == 1 else list(tensor)

    def encode_query(self, sentences: Union[str, Sequence[str]], **options: Any) -> Any:
        """encode() with the prompt "query", where the model has one, else with none."""
        return self.encode(sentences, **self._role("query", options))

    def encode_document(self, sentences: Union[str, Sequence[str]], **options: Any) -> Any:
        """encode() with the prompt "document", where the model has one, else with none."""
        return self.encode(sentences, **self._role("document", options))

    @staticmethod
    def _role(name: str, options: Dict[str, Any]) -> Dict[str, Any]:
        if options.get("prompt") is None and options.get("prompt_name") is None:
            return {**options, "prompt_name": name}
        return options

    def similarity(self, first: Any, second: Any) -> "Array":
        """Scores of each row of one with each of the other, [n, m]."""
        import numpy as np

        a = np.atleast_2d(np.asarray(first, dtype=np.float32))
        b = np.atleast_2d(np.asarray(second, dtype=np.float32))
        if self.similarity_fn_name == "cosine":
            a = a / np.maximum(np.linalg.norm(a, axis=1, keepdims=True), 1e-12)
            b = b / np.maximum(np.linalg.norm(b, axis=1, keepdims=True), 1e-12)
        if self.similarity_fn_name in ("cosine", "dot"):
            scores: "Array" = a @ b.T
            return scores
        order = 2 if self.similarity_fn_name == "euclidean" else 1
        distances = np.linalg.norm(a[:, None, :] - b[None, :, :], ord=order, axis=2)
        negative: "Array" = -distances.astype(np.float32)
        return negative


def _in_precision(rows: "Array", precision: str) -> "Array":
    """As sentence_transformers.util.quantize_embeddings does without ranges of its own."""
    import numpy as np

    if precision == "float32":
        return rows
    if precision in ("binary", "ubinary"):
        bits = np.packbits(rows > 0, axis=-1)
        return bits if precision == "ubinary" else (bits.astype(np.int16) - 128).astype(np.int8)
    if precision not in ("int8", "uint8"):
        raise InvalidArgument(f"precision: {precision!r}; known are 'float32', 'int8', 'uint8', "
                              "'binary' and 'ubinary'")
    if rows.ndim == 1 or len(rows) == 1:
        raise InvalidArgument(f"precision: {precision!r} spans the range of several sentences; this is "
                              "one: quantize it with ranges of others")
    if len(rows) == 0:
        return rows.astype(precision)
    least, most = rows.min(axis=0), rows.max(axis=0)
    step = (most - least) / 255
    step = np.where(step == 0, 1, step)
    levels = np.clip(np.floor((rows - least) / step), 0, 255)
    return (levels if precision == "uint8" else levels - 128).astype(precision)


class _CardData:
    """Takes what evaluators note; nothing is written anywhere."""

    def set_evaluation_metrics(self, *_arguments: Any, **_options: Any) -> None:
        """Notes nothing."""


class CrossEncoder:
    """Scores of pairs of texts, and rank(), as sentence-transformers' CrossEncoder has them."""

    def __init__(self, model_name_or_path: Union[str, "os.PathLike[str]"], **options: Any) -> None:
        """``options`` are those of tamis.Model."""
        self.native = Model(model_name_or_path, **options)
        self.model_card_data = _CardData()

    def predict(
        self,
        sentences: Union[Tuple[str, str], Sequence[Tuple[str, str]]],
        batch_size: int = 32,
        show_progress_bar: Optional[bool] = None,
        convert_to_numpy: bool = True,
        **others: Any,
    ) -> Any:
        """float32 [n] for pairs of a model with one label, [n, labels] else; a number, or [labels],
        for one pair. One label's score is rank()'s, by the model's own activation; of several they
        are logits.
        """
        del batch_size, show_progress_bar  # batches are the engine's
        _refuse({"convert_to_numpy": not convert_to_numpy, **others})
        alone = len(sentences) == 2 and all(isinstance(text, str) for text in sentences)
        pairs: List[Any] = [tuple(sentences)] if alone else [tuple(pair) for pair in sentences]
        scores: Any = (self._scores(pairs) if len(self.native.info.labels) == 1
                       else self._logits(pairs))
        return scores[0] if alone else scores

    def _scores(self, pairs: List[Any]) -> "Array":
        import numpy as np

        scores = np.zeros(len(pairs), dtype=np.float32)
        places: Dict[str, List[int]] = {}
        for i, (query, _) in enumerate(pairs):
            places.setdefault(query, []).append(i)
        for query, at in places.items():
            for item in self.native.rerank(query, [pairs[i][1] for i in at]):
                scores[at[item.index]] = item.score
        return scores

    def _logits(self, pairs: List[Any]) -> "Array":
        import numpy as np

        rows = np.zeros((len(pairs), len(self.native.info.labels)), dtype=np.float32)
        for i, labels in enumerate(self.native.classify(pairs, function="none")):
            for label in labels:
                rows[i, label.id] = label.score
        return rows

    def rank(
        self,
        query: str,
        documents: Sequence[str],
        top_k: Optional[int] = None,
        return_documents: bool = False,
        **others: Any,
    ) -> List[Dict[str, Any]]:
        """The documents by score: corpus_id, score, and text if asked for."""
        _refuse(others)
        ranked = self.native.rerank(query, documents, top_k=top_k)
        return [{"corpus_id": item.index, "score": item.score,
                 **({"text": documents[item.index]} if return_documents else {})}
                for item in ranked]
