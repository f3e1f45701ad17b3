"""The face of sentence-transformers over a native model.

    >>> from tamis.sentence_transformers import CrossEncoder, SentenceTransformer
    >>> model = SentenceTransformer("build/models/minilm")
    >>> tuple(model.similarity(model.encode(["A cat."]), model.encode(["A kitten."])).shape)
    (1, 1)

encode(), similarity(), predict(), rank() and their kin take and give what those of
sentence-transformers do, so that its evaluators, its utilities and code written for it run. PyTorch
is imported where tensors are asked for, and by similarity() where it is installed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from ._errors import InvalidArgument
from ._model import Model

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]

_SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")
# How other engines batch and share out work, which changes no answer; here the engine does that.
_HARMLESS = {"batch_size", "show_progress_bar", "pool", "chunk_size", "num_workers"}
# Where weights come from and whose code runs; here none of a checkpoint's ever does.
_HARMLESS_TO_LOAD = {"trust_remote_code", "local_files_only", "model_card_data"}


def _refuse(options: Dict[str, Any]) -> None:
    """An argument that is not taken and would change the answer is an error."""
    for name, value in options.items():
        if name not in _HARMLESS and value is not None and value is not False:
            raise InvalidArgument(f"{name}: not built; leave it out")


def _check_device(device: Any) -> None:
    """A list of devices shares out work, which the engine does by itself."""
    for one in device if isinstance(device, (list, tuple)) else [device]:
        if one is not None and str(one) != "cpu":
            raise InvalidArgument(f"device: {device!r}; must be 'cpu' in a call: a model is loaded for "
                                  "one device")


def _prompts(native: Model, given: Optional[Dict[str, str]]) -> Dict[str, str]:
    """The folder's and the caller's, by name; "query" and "document" every model has."""
    return {"query": "", "document": "", **native.info.prompts, **(given or {})}


class _Face:
    """What both classes have of the module that sentence-transformers would load."""

    def __init__(self, path: Union[str, "os.PathLike[str]"], task: Optional[str],
                 options: Dict[str, Any]) -> None:
        taken = {name: value for name, value in options.items()
                 if name not in _HARMLESS_TO_LOAD and not (value is None or value == {})}
        if "device" in taken:
            taken["device"] = str(taken["device"])
        self._path = os.fspath(path)
        self._options = {"task": task, **taken}
        self.native = Model(path, **self._options)
        self._max_length: Optional[int] = None
        # What evaluators write into a model card's data.
        self.model_card_data = _CardData()

    @property
    def max_seq_length(self) -> float:
        """Tokens of the longest input, infinity without a bound. Setting more than the model was
        loaded for loads it again.
        """
        return self._max_length or self.native.info.max_length or math.inf

    @max_seq_length.setter
    def max_seq_length(self, tokens: int) -> None:
        if tokens < 1:
            raise InvalidArgument(f"max_seq_length: {tokens}; must be at least 1")
        if 0 < self.native.info.max_length < tokens:
            self._options["max_length"] = tokens
            self.native = Model(self._path, **self._options)
        self._max_length = tokens

    def get_max_seq_length(self) -> float:
        """Tokens of the longest input."""
        return self.max_seq_length

    @property
    def tokenizer(self) -> Any:
        """transformers' tokenizer of the same path, for code that counts tokens; answers are made
        with the native one.
        """
        if not hasattr(self, "_tokenizer"):
            from transformers import AutoTokenizer

            self._tokenizer = AutoTokenizer.from_pretrained(self._path)
        return self._tokenizer

    def tokenize(self, texts: Sequence[Any], **options: Any) -> Any:
        """A dictionary of padded tensors, by transformers' tokenizer."""
        given = {"padding": True, "truncation": True, "max_length": self.max_seq_length,
                 "return_tensors": "pt", **options}
        return dict(self.tokenizer(list(texts), **given))

    @property
    def device(self) -> Any:
        """torch.device of the CPU: tensors come and go there, wherever the engine runs."""
        import torch

        return torch.device("cpu")

    def to(self, device: Any = None, **_options: Any) -> Any:
        """The model itself; another device than the CPU is refused."""
        _check_device(device)
        return self

    def eval(self) -> Any:
        """The model itself, which is never trained."""
        return self

    def evaluate(self, evaluator: Callable[..., Any], output_path: Optional[str] = None) -> Any:
        """What the evaluator of sentence-transformers finds."""
        return evaluator(self, output_path)

    def start_multi_process_pool(self, *_devices: Any, **_options: Any) -> Dict[str, Any]:
        """An empty pool: calls take it and share their work out by themselves."""
        return {"input": None, "output": None, "processes": []}

    @staticmethod
    def stop_multi_process_pool(pool: Dict[str, Any]) -> None:
        """Nothing is stopped, as nothing was started."""


class SentenceTransformer(_Face):
    """``model_name_or_path``: a folder, a hub id, an .onnx file or a bundle."""

    def __init__(
        self,
        model_name_or_path: Union[str, "os.PathLike[str]"],
        *,
        prompts: Optional[Dict[str, str]] = None,
        default_prompt_name: Optional[str] = None,
        truncate_dim: Optional[int] = None,
        similarity_fn_name: Any = None,
        **options: Any,
    ) -> None:
        """``prompts`` join those of the folder; the others are the folder's where they are None, and
        ``similarity_fn_name`` "cosine" where that is silent. ``options`` are those of tamis.Model.
        """
        super().__init__(model_name_or_path, "embed", options)
        info = self.native.info
        self.prompts = _prompts(self.native, prompts)
        self.default_prompt_name = default_prompt_name or info.default_prompt_name or None
        if self.default_prompt_name is not None and self.default_prompt_name not in self.prompts:
            raise InvalidArgument(f"default_prompt_name: {self.default_prompt_name!r}; known are "
                                  f"{', '.join(self.prompts)}")
        self.truncate_dim = truncate_dim or info.truncate_dim or None
        self.similarity_fn_name = similarity_fn_name or info.similarity or "cosine"

    @property
    def similarity_fn_name(self) -> str:
        """ "cosine", "dot", "euclidean" or "manhattan": what similarity() computes."""
        return self._similarity_fn_name

    @similarity_fn_name.setter
    def similarity_fn_name(self, name: Any) -> None:
        name = getattr(name, "value", name) or "cosine"
        if name not in _SIMILARITIES:
            known = ", ".join(_SIMILARITIES)
            raise InvalidArgument(f"similarity_fn_name: {name!r}; known are {known}")
        self._similarity_fn_name: str = name

    def get_embedding_dimension(self) -> int:
        """Floats of an embedding, truncate_dim if that is set and less."""
        size = self.native.info.output_size
        return min(self.truncate_dim or size, size)

    def get_sentence_embedding_dimension(self) -> int:
        """get_embedding_dimension() by its older name."""
        return self.get_embedding_dimension()

    @contextlib.contextmanager
    def truncate_embeddings(self, truncate_dim: Optional[int]) -> Iterator[None]:
        """Within it truncate_dim is that; None: what the folder's modules leave."""
        before, self.truncate_dim = self.truncate_dim, truncate_dim
        try:
            yield
        finally:
            self.truncate_dim = before

    truncate_sentence_embeddings = truncate_embeddings

    def _prompt(self, name: Optional[str], prompt: Optional[str]) -> str:
        if prompt is not None:
            return prompt
        name = self.default_prompt_name if name is None else name
        if name is None:
            return ""
        if name not in self.prompts:
            raise InvalidArgument(f"prompt_name: {name!r}; known are {', '.join(self.prompts)}")
        return self.prompts[name] or ""

    def encode(
        self,
        inputs: Union[None, str, Sequence[str]] = None,
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
        *,
        task: Optional[str] = None,
        sentences: Union[None, str, Sequence[str]] = None,
        **others: Any,
    ) -> Any:
        """Rows in the order of the ``inputs`` (by their older name ``sentences``); a tensor with
        ``convert_to_tensor``, a list of tensors without ``convert_to_numpy``. ``precision`` is
        "float32", "int8" or "uint8" over the range that each number has in these rows, or "binary" or
        "ubinary", signs by eight. ``batch_size`` changes nothing. ``device`` must be the CPU's.
        ``task``, "query" or "document", names the route of a Router; None is its default route,
        whatever the prompt.
        """
        _refuse(others)
        if task not in (None, "query", "document"):
            raise InvalidArgument(f"task: {task!r}; must be 'query' or 'document'")
        texts = sentences if inputs is None else inputs
        if texts is None:
            raise InvalidArgument("inputs: texts are needed")
        if output_value != "sentence_embedding":
            raise InvalidArgument(f"output_value: {output_value!r}; must be 'sentence_embedding'")
        _check_device(device)
        rows = self.native.encode(
            texts, batch_size=batch_size, show_progress_bar=show_progress_bar,
            normalize_embeddings=normalize_embeddings, truncate_dim=truncate_dim or self.truncate_dim,
            max_length=self._max_length, prompt=self._prompt(prompt_name, prompt), prompt_name=task)
        rows = _in_precision(rows, "float32" if precision is None else precision)
        if convert_to_numpy and not convert_to_tensor:
            return rows
        import torch

        tensor = torch.from_numpy(rows)
        return tensor if convert_to_tensor or tensor.ndim == 1 else list(tensor)

    def encode_query(self, *inputs: Any, **options: Any) -> Any:
        """encode() with the prompt "query", where the model has one, else with none, by the query
        route of a Router.
        """
        return self.encode(*inputs, **self._role("query", options))

    def encode_document(self, *inputs: Any, **options: Any) -> Any:
        """encode() with the prompt "document", where the model has one, else with none, by the
        document route of a Router.
        """
        return self.encode(*inputs, **self._role("document", options))

    def encode_multi_process(self, sentences: Sequence[str], pool: Any = None, **options: Any) -> Any:
        """encode(), which shares its work out by itself."""
        return self.encode(sentences, **options)

    @staticmethod
    def _role(name: str, options: Dict[str, Any]) -> Dict[str, Any]:
        routed = {**options, "task": name}
        if options.get("prompt") is None and options.get("prompt_name") is None:
            routed["prompt_name"] = name
        return routed

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Scores of each row of one with each of the other, [n, m]: a float tensor, where PyTorch is
        not installed an array. Distances are negative.
        """
        if importlib.util.find_spec("torch") is None:
            return _similarity(self.similarity_fn_name, embeddings1, embeddings2)
        import torch

        a, b = (_tensor(rows) for rows in (embeddings1, embeddings2))
        a, b = (rows.unsqueeze(0) if rows.dim() == 1 else rows for rows in (a, b))
        if self.similarity_fn_name == "cosine":
            a, b = (torch.nn.functional.normalize(rows, dim=1) for rows in (a, b))
        if self.similarity_fn_name in ("cosine", "dot"):
            return a @ b.T
        return -torch.cdist(a, b, p=2.0 if self.similarity_fn_name == "euclidean" else 1.0)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Scores of each row of one with the row at its place in the other, [n], as similarity()."""
        if importlib.util.find_spec("torch") is None:
            import numpy as np

            pairs = zip(np.atleast_2d(embeddings1), np.atleast_2d(embeddings2))
            return np.array([_similarity(self.similarity_fn_name, a, b)[0, 0] for a, b in pairs],
                            dtype=np.float32)
        import torch

        a, b = (_tensor(rows) for rows in (embeddings1, embeddings2))
        if self.similarity_fn_name == "cosine":
            a, b = (torch.nn.functional.normalize(rows, dim=-1) for rows in (a, b))
        if self.similarity_fn_name in ("cosine", "dot"):
            return (a * b).sum(dim=-1)
        if self.similarity_fn_name == "euclidean":
            return -(a - b).square().sum(dim=-1).sqrt()
        return -(a - b).abs().sum(dim=-1)


def _tensor(rows: Any) -> Any:
    """A float tensor of a tensor, an array, or a list of either."""
    import numpy as np
    import torch

    if isinstance(rows, torch.Tensor):
        return rows.float()
    if isinstance(rows, (list, tuple)) and rows and isinstance(rows[0], torch.Tensor):
        return torch.stack(list(rows)).float()
    return torch.from_numpy(np.array(rows, dtype=np.float32))


def _similarity(name: str, first: Any, second: Any) -> "Array":
    """SentenceTransformer.similarity() without PyTorch."""
    import numpy as np

    a = np.atleast_2d(np.asarray(first, dtype=np.float32))
    b = np.atleast_2d(np.asarray(second, dtype=np.float32))
    if name == "cosine":
        a = a / np.maximum(np.linalg.norm(a, axis=1, keepdims=True), 1e-12)
        b = b / np.maximum(np.linalg.norm(b, axis=1, keepdims=True), 1e-12)
    if name in ("cosine", "dot"):
        scores: "Array" = a @ b.T
        return scores
    order = 2 if name == "euclidean" else 1
    # Row by row: all differences at once would take len(b) times the memory.
    distances: "Array" = np.empty((len(a), len(b)), dtype=np.float32)
    for i, row in enumerate(a):
        distances[i] = np.linalg.norm(b - row, ord=order, axis=1)
    return -distances


def _in_precision(rows: "Array", precision: str) -> Any:
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


def _softmax(rows: "Array") -> "Array":
    import numpy as np

    shares = np.exp(rows - rows.max(axis=-1, keepdims=True))
    found: "Array" = shares / shares.sum(axis=-1, keepdims=True)
    return found


def _sigmoid(rows: "Array") -> "Array":
    import numpy as np

    found: "Array" = (1 / (1 + np.exp(-rows.astype(np.float64)))).astype(np.float32)
    return found


def _tanh(rows: "Array") -> "Array":
    import numpy as np

    found: "Array" = np.tanh(rows)
    return found


# Of several logits, where the folder names an activation; one label's score has it natively.
_ACTIVATIONS: Dict[str, Callable[[Any], Any]] = {
    "": lambda rows: rows, "none": lambda rows: rows, "sigmoid": _sigmoid, "tanh": _tanh}


class CrossEncoder(_Face):
    """Scores of pairs of texts, and rank(), as sentence-transformers' CrossEncoder has them."""

    def __init__(
        self,
        model_name_or_path: Union[str, "os.PathLike[str]"],
        *,
        activation_fn: Optional[Callable[[Any], Any]] = None,
        num_labels: Optional[int] = None,
        max_length: Optional[int] = None,
        **options: Any,
    ) -> None:
        """``activation_fn``: of a tensor of logits; default: the folder's, else sigmoid for one label
        and none for several. ``num_labels`` must be the model's. ``options`` are those of
        tamis.Model.
        """
        super().__init__(model_name_or_path, None, {"max_length": max_length, **options})
        self.activation_fn = activation_fn
        if num_labels is not None and num_labels != self.num_labels:
            raise InvalidArgument(f"num_labels: {num_labels}; the model has {self.num_labels}")

    @property
    def num_labels(self) -> int:
        """Logits of a pair."""
        return len(self.native.info.labels)

    @property
    def max_length(self) -> float:
        """Tokens of the longest pair; max_seq_length by its older name."""
        return self.max_seq_length

    @max_length.setter
    def max_length(self, tokens: int) -> None:
        self.max_seq_length = tokens

    def predict(
        self,
        inputs: Union[None, Tuple[str, str], Sequence[Tuple[str, str]]] = None,
        batch_size: int = 32,
        show_progress_bar: Optional[bool] = None,
        activation_fn: Optional[Callable[[Any], Any]] = None,
        apply_softmax: Optional[bool] = False,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Any = None,
        *,
        sentences: Union[None, Tuple[str, str], Sequence[Tuple[str, str]]] = None,
        **others: Any,
    ) -> Any:
        """float32 [n] for pairs of a model with one label, [n, labels] else; a number, or [labels],
        for one pair. A tensor with ``convert_to_tensor``, a list of tensors without
        ``convert_to_numpy``. ``activation_fn``: of a tensor of logits; default: the model's.
        """
        del batch_size, show_progress_bar  # batches are the engine's
        _refuse(others)
        _check_device(device)
        given = sentences if inputs is None else inputs
        if given is None:
            raise InvalidArgument("inputs: pairs are needed")
        listed = list(given)
        alone = len(listed) == 2 and all(isinstance(text, str) for text in listed)
        pairs: List[Any] = [tuple(listed)] if alone else [tuple(pair) for pair in listed]
        scores: Any = self._activated(pairs, activation_fn or self.activation_fn)
        if apply_softmax and scores.ndim > 1:
            scores = _softmax(scores)
        if not convert_to_numpy or convert_to_tensor:
            import torch

            scores = torch.from_numpy(scores)
        if alone:
            return scores[0]
        return scores if convert_to_numpy or convert_to_tensor else list(scores)

    def _activated(self, pairs: List[Any], function: Optional[Callable[[Any], Any]]) -> "Array":
        """[n] or [n, labels]."""
        several = self.num_labels > 1
        if function is None and not several:
            return self.native.score(pairs, max_length=self._max_length)
        if function is None:
            name = self.native.info.score_activation
            if name not in _ACTIVATIONS:
                raise InvalidArgument(f"activation_fn: the model's is {name!r}, which is not built over "
                                      "several labels; give another")
            activated: "Array" = _ACTIVATIONS[name](self._logits(pairs))
            return activated
        import torch

        logits = (self._logits(pairs) if several else
                  self.native.score(pairs, raw_scores=True, max_length=self._max_length)[:, None])
        found = function(torch.from_numpy(logits))
        rows: "Array" = found.detach().float().numpy()
        return rows if several else rows.reshape(len(pairs))

    def _logits(self, pairs: List[Any]) -> "Array":
        import numpy as np

        rows = np.zeros((len(pairs), self.num_labels), dtype=np.float32)
        found = self.native.classify(pairs, function="none", max_length=self._max_length)
        for i, labels in enumerate(found):
            for label in labels:
                rows[i, label.id] = label.score
        return rows

    def rank(
        self,
        query: str,
        documents: Sequence[str],
        top_k: Optional[int] = None,
        return_documents: bool = False,
        batch_size: int = 32,
        show_progress_bar: Optional[bool] = None,
        activation_fn: Optional[Callable[[Any], Any]] = None,
        device: Any = None,
        **others: Any,
    ) -> List[Dict[str, Any]]:
        """The documents by score: corpus_id, score, and text if asked for."""
        del batch_size, show_progress_bar
        _refuse(others)
        _check_device(device)
        if top_k is not None and top_k < 1:
            raise InvalidArgument(f"top_k: {top_k}; must be at least 1")
        if self.num_labels > 1:
            raise InvalidArgument(f"rank: needs a model with one label; this one has {self.num_labels}")
        listed = list(documents)
        function = activation_fn or self.activation_fn
        if function is None:
            ranked = [(item.index, item.score) for item in
                      self.native.rerank(query, listed, top_k=top_k, max_length=self._max_length)]
        else:
            scores = self._activated([(query, text) for text in listed], function)
            order = sorted(range(len(listed)), key=lambda i: (-scores[i], i))
            ranked = [(i, float(scores[i])) for i in order[:top_k]]
        return [{"corpus_id": i, "score": score,
                 **({"text": listed[i]} if return_documents else {})} for i, score in ranked]
