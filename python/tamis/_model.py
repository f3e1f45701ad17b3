"""A model that answers."""

from __future__ import annotations

import asyncio
import ctypes as c
import os
from contextlib import contextmanager
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from . import _lib
from ._errors import Error, InvalidArgument
from ._lib import (
    Results,
    Texts,
    check,
    is_arrow,
    lib,
    optional_utf8,
    options_of,
    path_bytes,
    string,
    texts_of,
)
from ._results import AllEmbeddings, Answer, Entity, Label, MaskedToken, Ranked, Token

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]

Progress = Callable[[int, int], object]
"""Called with how many texts are done, and of how many."""

_FUNCTIONS = {None: 0, "softmax": 1, "sigmoid": 2, "none": 3}
_AGGREGATIONS = {"simple": 0, "none": 1, "first": 2, "average": 3, "max": 4}
_SIDES = {None: 0, "left": 1, "right": 2}
# Most texts, and code points, of one native call: between calls signals are handled and progress is
# told. A longer text stands alone.
_CHUNK = 1024
_CHUNK_LENGTH = 1 << 17


class ModelInfo(NamedTuple):
    """What a loaded model is; lengths in tokens."""

    family: str
    task: str
    precision: str
    parameters: int
    max_length: int
    hidden_size: int
    output_size: int
    labels: Tuple[str, ...]
    prompt_names: Tuple[str, ...]
    similarity: str
    """By which vectors are compared: "cosine", "dot", ...; empty where the model names none."""
    prompts: Dict[str, str]
    default_prompt_name: str
    """Empty where there is none."""
    score_activation: str
    """Of a cross-encoder's scores: "sigmoid", "none", ...; empty where the model names none."""
    truncate_dim: int
    """Floats of an embedding that the folder's modules leave; 0: all."""


def _named(names: Any, value: Any, what: str) -> int:
    if value not in names:
        known = ", ".join(str(name) for name in names if name is not None)
        raise InvalidArgument(f"{what}: {value!r} is unknown; known are {known}")
    return int(names[value])


def _truncation(max_length: Optional[int], truncate: bool, side: Optional[str]) -> Any:
    return _lib.Truncation(max_length or 0, 0 if truncate else 1,
                           _named(_SIDES, side, "truncation_side"))


def _listed(texts: Any, what: str) -> Tuple[Any, bool]:
    """The texts, as a list or an array of PyArrow's, and whether it was one alone."""
    if isinstance(texts, str):
        return [texts], True
    if is_arrow(texts):
        whole = hasattr(texts, "chunks")
        return texts.combine_chunks() if whole else texts, False
    if isinstance(texts, (bytes, bytearray)):
        raise TypeError(f"{what}: expected str or a sequence of str, found bytes")
    try:
        return list(texts), False
    except TypeError:
        raise TypeError(
            f"{what}: expected str or a sequence of str, found {type(texts).__name__}") from None


def _length(item: Any) -> int:
    """Code points of a text or pair, at least; what is neither is refused elsewhere."""
    if isinstance(item, str):
        return len(item)
    if hasattr(item, "as_buffer"):  # PyArrow's: its bytes
        data = item.as_buffer()
        return 0 if data is None else int(data.size)
    return sum(map(_length, item)) if isinstance(item, (tuple, list)) else 0


def _chunks(listed: Sequence[Any]) -> Iterator[Tuple[int, int]]:
    """[first, end) of each native call."""
    first = 0
    length = 0
    for i, item in enumerate(listed):
        length += _length(item)
        if i > first and (i - first == _CHUNK or length > _CHUNK_LENGTH):
            yield first, i
            first, length = i, _length(item)
    if listed:
        yield first, len(listed)


@contextmanager
def _counted_from(first: int) -> Iterator[None]:
    """Messages name an input by its place in the native call, whose first input is that one."""
    try:
        yield
    except (Error, TypeError) as error:
        if first == 0:
            raise
        raise type(error)(f"{error}, counted from input {first} on") from None


class Model:
    """A Hugging Face folder, a hub id, an .onnx file or a bundle, loaded.

    Calls may run in several threads at once; each lets go of the interpreter's lock. A model can be
    pickled: it is loaded again from its path. After a fork it is loaded again at its first use in
    the child. Texts may be a PyArrow array of strings, which is read where it lies.

        >>> model = tamis.Model("build/models/minilm", threads=2)
        >>> model.embed("A text.").shape
        (384,)
    """

    def __init__(
        self,
        path: Union[str, "os.PathLike[str]"],
        *,
        task: Optional[str] = None,
        precision: Optional[str] = None,
        threads: int = 0,
        isa: Optional[str] = None,
        max_length: int = 0,
        device: Optional[str] = None,
    ) -> None:
        """``task``: "embed", "classify", "rerank", "ner", "qa", "fill-mask", "zero-shot",
        "embed-sparse", "embed-multi", "embed-all"; default: what the model was made for.
        ``precision``: "fp32", "bf16" or "int8"; default: fp32 for a checkpoint, a bundle as it was
        made. ``threads``: 0 for one a physical core. ``device``: "cpu", "cuda" or "cuda:N";
        default: cpu.
        """
        self._pointer: Optional[int] = None
        self._arguments = (os.fspath(path), task, precision, threads, isa, max_length, device)
        self._load()

    def _load(self) -> None:
        path, task, precision, threads, isa, max_length, device = self._arguments
        options = options_of(_lib.LoadOptions)
        options.task = optional_utf8(task, "task")
        options.precision = optional_utf8(precision, "precision")
        options.isa = optional_utf8(isa, "isa")
        options.device = optional_utf8(device, "device")
        options.threads = threads
        options.max_length = max_length
        pointer = c.c_void_p()
        check(lib.tamis_model_load(path_bytes(path, "path"), c.byref(options), c.byref(pointer)))
        self._pointer = pointer.value
        self._process = os.getpid()
        self._info = self._read_info()

    def _handle(self) -> int:
        if self._pointer is None:
            raise Error("the model is closed")
        if self._process != os.getpid():
            # The threads of the parent's model are not here; its memory is left alone.
            self._load()
        return self._pointer

    def close(self) -> None:
        """Frees the model; later calls raise Error. No call may be under way."""
        pointer, self._pointer = self._pointer, None
        if pointer is not None and self._process == os.getpid():
            lib.tamis_model_free(pointer)

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_pointer", None) is not None:
            self.close()

    def __reduce__(self) -> Tuple[Any, ...]:
        own = {"_pointer", "_arguments", "_process", "_info"}
        more = {name: value for name, value in self.__dict__.items() if name not in own}
        return _restore, (type(self), self._arguments), more or None

    def __repr__(self) -> str:
        state = "closed" if self._pointer is None else f"{self._info.task}, {self._info.precision}"
        return f"tamis.Model({self._arguments[0]!r}: {state})"

    def _read_info(self) -> ModelInfo:
        struct = _lib.ModelInfoStruct()
        struct.struct_size = c.sizeof(struct)
        check(lib.tamis_model_get_info(self._pointer, c.byref(struct)))

        def text(value: Optional[bytes]) -> str:
            return value.decode() if value else ""

        labels = struct.labels[: struct.label_count] if struct.label_count else []
        count = struct.prompt_name_count
        names = [string(name) for name in struct.prompt_names[:count]] if count else []
        prompts = [string(prompt) for prompt in struct.prompts[:count]] if count else []
        return ModelInfo(
            text(struct.family), text(struct.task), text(struct.precision), struct.parameters,
            struct.max_length, struct.hidden_size, struct.output_size,
            tuple(string(label) for label in labels), tuple(names), text(struct.similarity),
            dict(zip(names, prompts)), text(struct.default_prompt_name), text(struct.score_activation), struct.truncate_dim)

    @property
    def info(self) -> ModelInfo:
        """Family, task, sizes and labels."""
        return self._info

    # ---- Embeddings -----------------------------------------------------------------------------

    def embed(
        self,
        texts: Union[str, Sequence[str]],
        *,
        normalize: Optional[bool] = None,
        dimensions: Optional[int] = None,
        prompt: Optional[str] = None,
        prompt_name: Optional[str] = None,
        max_length: Optional[int] = None,
        truncate: bool = True,
        truncation_side: Optional[str] = None,
        progress: Optional[Progress] = None,
    ) -> "Array":
        """float32 [n, d] for n texts, [d] for one str; a new array of the caller's own.

        ``normalize``: unit length; default: the model's own way. ``dimensions``: the first so many
        (Matryoshka). ``truncate=False``: a text over ``max_length`` is an error.
        """
        import numpy as np

        listed, alone = _listed(texts, "texts")
        options = options_of(_lib.EmbedOptions)
        options.normalize = -1 if normalize is None else int(normalize)
        options.dimensions = self._count(dimensions, "dimensions")
        options.prompt = optional_utf8(prompt, "prompt")
        options.prompt_name = optional_utf8(prompt_name, "prompt_name")
        options.truncation = _truncation(max_length, truncate, truncation_side)
        width = c.c_int64()
        check(lib.tamis_embedding_size(self._handle(), c.byref(options), c.byref(width)))
        out = np.empty((len(listed), width.value), dtype=np.float32)
        for first, end in _chunks(listed):
            rows = out[first:end]
            with _counted_from(first):
                part = texts_of(listed[first:end])
                check(lib.tamis_embed(self._handle(), part.array, part.count, c.byref(options),
                                      rows.ctypes.data, rows.size))
            if progress is not None:
                progress(end, len(listed))
        result: "Array" = out[0] if alone else out
        return result

    def encode(
        self,
        sentences: Union[str, Sequence[str]],
        prompt_name: Optional[str] = None,
        prompt: Optional[str] = None,
        batch_size: int = 32,
        show_progress_bar: Optional[bool] = None,
        convert_to_numpy: bool = True,
        normalize_embeddings: bool = False,
        truncate_dim: Optional[int] = None,
        max_length: Optional[int] = None,
    ) -> "Array":
        """embed() with sentence-transformers' names.

        ``batch_size`` changes nothing: batches are ragged here and made by the engine.
        ``show_progress_bar`` draws with tqdm where that is installed. ``convert_to_numpy=False`` is
        refused: ``torch.from_numpy(model.encode(...))`` shares the memory. ``truncate_dim`` cuts
        behind all modules, Normalize too: what it leaves is shorter than 1 unless
        ``normalize_embeddings`` is set.
        """
        if not convert_to_numpy:
            raise InvalidArgument("convert_to_numpy=False: use torch.from_numpy() on the array")
        if batch_size < 1:
            raise InvalidArgument(f"batch_size: {batch_size}; must be at least 1")
        if truncate_dim is not None and truncate_dim < 1:
            raise InvalidArgument(f"truncate_dim: {truncate_dim}; must be at least 1")
        if not isinstance(sentences, str):
            sentences, _ = _listed(sentences, "sentences")
        bar = _Bar(len(sentences)) if show_progress_bar and not isinstance(sentences, str) else None
        try:
            rows = self.embed(sentences, prompt_name=prompt_name, prompt=prompt,
                              normalize=True if normalize_embeddings else None,
                              max_length=max_length, progress=bar)
        finally:
            if bar is not None:
                bar.close()
        if truncate_dim is None:
            return rows
        cut: "Array" = rows[..., :truncate_dim]
        if normalize_embeddings:
            import numpy as np

            cut = cut / np.maximum(np.linalg.norm(cut, axis=-1, keepdims=True), 1e-12)
        return cut

    def embed_sparse(
        self,
        texts: Union[str, Sequence[str]],
        *,
        query: bool = False,
        top_k: Optional[int] = None,
        prompt: Optional[str] = None,
        prompt_name: Optional[str] = None,
        max_length: Optional[int] = None,
        truncate: bool = True,
    ) -> Any:
        """The weights of the vocabulary's tokens (SPLADE, BGE-M3), greatest first: a list of
        ``{token: weight}``, one for one str. ``query``: the texts ask; else they are documents. The
        model is loaded with ``task="embed-sparse"`` or ``"embed-all"``.
        """
        options = options_of(_lib.EmbedSparseOptions)
        options.top_k = self._count(top_k, "top_k")
        return self._embed_side("tamis_embed_sparse", self._weights, texts, options, query, prompt,
                                prompt_name, _truncation(max_length, truncate, None))

    def embed_multi(
        self,
        texts: Union[str, Sequence[str]],
        *,
        query: bool = False,
        prompt: Optional[str] = None,
        prompt_name: Optional[str] = None,
        max_length: Optional[int] = None,
        truncate: bool = True,
    ) -> Any:
        """A vector for each token that counts (ColBERT, BGE-M3): a list of float32 [tokens, d], one
        for one str; tamis.max_sim() compares them. The model is loaded with
        ``task="embed-multi"`` or ``"embed-all"``.
        """
        return self._embed_side("tamis_embed_multi", self._vectors, texts,
                                options_of(_lib.EmbedMultiOptions), query, prompt, prompt_name,
                                _truncation(max_length, truncate, None))

    def embed_all(
        self,
        texts: Union[str, Sequence[str]],
        *,
        query: bool = False,
        prompt: Optional[str] = None,
        prompt_name: Optional[str] = None,
        max_length: Optional[int] = None,
        truncate: bool = True,
    ) -> Any:
        """All three in one run (BGE-M3): a list of AllEmbeddings, one for one str. The model is
        loaded with ``task="embed-all"``.
        """
        return self._embed_side("tamis_embed_all", self._all, texts,
                                options_of(_lib.EmbedMultiOptions), query, prompt, prompt_name,
                                _truncation(max_length, truncate, None))

    def _embed_side(self, function: str, read: Callable[[Results, int], Any], texts: Any,
                    options: Any, query: bool, prompt: Optional[str], prompt_name: Optional[str],
                    truncation: Any) -> Any:
        """What `read` makes of texts that ask or are documents."""
        listed, alone = _listed(texts, "texts")
        options.query = int(query)
        options.prompt = optional_utf8(prompt, "prompt")
        options.prompt_name = optional_utf8(prompt_name, "prompt_name")
        options.truncation = truncation
        found = self._each(listed, read, function, c.byref(options))
        return found[0] if alone else found

    @staticmethod
    def _weights(results: Results, index: int) -> Any:
        return {string(item.token): item.weight
                for item in results.read("tamis_results_sparse", _lib.SparseWeight, index)}

    @staticmethod
    def _vectors(results: Results, index: int) -> "Array":
        import numpy as np

        values, ids = c.POINTER(c.c_float)(), c.POINTER(c.c_int32)()
        rows, columns = c.c_size_t(), c.c_size_t()
        check(lib.tamis_results_vectors(results.pointer, index, c.byref(values), c.byref(ids),
                                        c.byref(rows), c.byref(columns)))
        shape = (rows.value, columns.value)
        if rows.value == 0:
            return np.empty(shape, dtype=np.float32)
        return np.ctypeslib.as_array(values, shape).copy()

    @classmethod
    def _all(cls, results: Results, index: int) -> AllEmbeddings:
        import numpy as np

        values = results.read("tamis_results_embedding", c.c_float, index)
        return AllEmbeddings(np.array(values, dtype=np.float32), cls._weights(results, index),
                             cls._vectors(results, index))

    # ---- Labels ---------------------------------------------------------------------------------

    def classify(
        self,
        inputs: Union[str, Sequence[Union[str, Tuple[str, str]]]],
        *,
        top_k: Optional[int] = None,
        function: Optional[str] = None,
        max_length: Optional[int] = None,
        truncate: bool = True,
    ) -> Any:
        """The labels of each text or (text, pair), best first: a list of lists of Label, one list
        for one str. ``function``: "softmax", "sigmoid" or "none"; default: the pipeline's choice.
        """
        listed, alone = _listed(inputs, "inputs")
        options = options_of(_lib.ClassifyOptions)
        options.top_k = self._count(top_k, "top_k")
        options.function = _named(_FUNCTIONS, function, "function")
        options.truncation = _truncation(max_length, truncate, None)
        found = self._each(listed, self._labels, "tamis_classify", c.byref(options),
                           array_of=_Inputs)
        return found[0] if alone else found

    def zero_shot(
        self,
        texts: Union[str, Sequence[str]],
        labels: Sequence[str],
        *,
        hypothesis_template: str = "This example is {}.",
        multi_label: bool = False,
        max_length: Optional[int] = None,
        truncate: bool = True,
    ) -> Any:
        """The caller's labels for each text, best first."""
        listed, alone = _listed(texts, "texts")
        wanted = texts_of(_listed(labels, "labels")[0], "label")
        options = options_of(_lib.ZeroShotOptions)
        options.hypothesis_template = optional_utf8(hypothesis_template, "hypothesis_template")
        options.multi_label = int(multi_label)
        options.truncation = _truncation(max_length, truncate, None)
        found = self._each(listed, self._labels, "tamis_zero_shot", wanted.array, wanted.count,
                           c.byref(options))
        return found[0] if alone else found

    @staticmethod
    def _labels(results: Results, index: int) -> List[Label]:
        return [Label(string(item.label), item.score, item.id)
                for item in results.read("tamis_results_labels", _lib.LabelScore, index)]

    def rerank(
        self,
        query: str,
        texts: Sequence[str],
        *,
        top_k: Optional[int] = None,
        raw_scores: bool = False,
        max_length: Optional[int] = None,
        truncate: bool = True,
    ) -> List[Ranked]:
        """The texts by how well they answer the query, best first."""
        listed, _ = _listed(texts, "texts")
        asked = Texts([query], "query")
        options = options_of(_lib.RerankOptions)
        options.raw_scores = int(raw_scores)
        options.truncation = _truncation(max_length, truncate, None)
        most = self._count(top_k, "top_k") or len(listed)
        ranked: List[Ranked] = []
        for first, end in _chunks(listed):
            with _counted_from(first):
                part = texts_of(listed[first:end])
                results = self._run("tamis_rerank", asked.array[0], part.array, part.count,
                                    c.byref(options))
            ranked += (Ranked(first + item.index, item.score)
                       for item in results.read("tamis_results_ranked", _lib.RankedText))
        # Each call's are sorted; equals stay in the order of the texts.
        return sorted(ranked, key=lambda item: (-item.score, item.index))[:most]

    def score(
        self,
        pairs: Sequence[Tuple[str, str]],
        *,
        raw_scores: bool = False,
        max_length: Optional[int] = None,
        truncate: bool = True,
    ) -> "Array":
        """rerank()'s score of each (query, text): float32 [n], in their order."""
        import numpy as np

        listed, alone = _listed(pairs, "pairs")
        if alone:
            raise TypeError("pairs: expected a sequence of (query, text), found str")
        options = options_of(_lib.RerankOptions)
        options.raw_scores = int(raw_scores)
        options.truncation = _truncation(max_length, truncate, None)
        out = np.empty(len(listed), dtype=np.float32)
        for first, end in _chunks(listed):
            rows = out[first:end]
            with _counted_from(first):
                part = _Inputs(listed[first:end])
                check(lib.tamis_score(self._handle(), part.array, part.count, c.byref(options),
                                      rows.ctypes.data, rows.size))
        return out

    # ---- Spans and words ------------------------------------------------------------------------

    def ner(
        self,
        texts: Union[str, Sequence[str]],
        *,
        aggregation: str = "simple",
        ignore_labels: Sequence[str] = ("O",),
        stride: Optional[int] = None,
        labels: Optional[Sequence[str]] = None,
        threshold: Optional[float] = None,
        nested: bool = False,
        multi_label: bool = False,
        max_length: Optional[int] = None,
        truncate: bool = True,
    ) -> Any:
        """The entities of each text. ``aggregation``: "none", "simple", "first", "average", "max".
        ``stride``: tokens that windows share; default: one window, a longer text is cut.

        A model that reads labels with the text (GLiNER) takes ``labels``, and instead of the above
        ``threshold`` (default 0.5), ``nested`` (entities inside one another) and ``multi_label``.
        """
        listed, alone = _listed(texts, "texts")
        wanted = texts_of([] if labels is None else _listed(labels, "labels")[0], "labels")
        ignored = texts_of(_listed(ignore_labels, "ignore_labels")[0], "ignore_labels")
        options = options_of(_lib.NerOptions)
        options.aggregation = _named(_AGGREGATIONS, aggregation, "aggregation")
        options.ignore_labels = ignored.array
        options.ignore_label_count = ignored.count
        options.stride = -1 if stride is None else stride
        options.labels = wanted.array
        options.label_count = wanted.count
        options.threshold = -1 if threshold is None else threshold
        options.nested = int(nested)
        options.multi_label = int(multi_label)
        options.truncation = _truncation(max_length, truncate, None)
        found = self._each(listed, self._entities, "tamis_ner", c.byref(options))
        return found[0] if alone else found

    @staticmethod
    def _entities(results: Results, index: int) -> List[Entity]:
        return [Entity(string(e.label), string(e.word), e.score, e.start, e.end, e.index)
                for e in results.read("tamis_results_entities", _lib.EntityStruct, index)]

    def answer(
        self,
        question: str,
        context: str,
        *,
        top_k: Optional[int] = None,
        max_answer_len: Optional[int] = None,
        max_seq_len: Optional[int] = None,
        doc_stride: Optional[int] = None,
        max_question_len: Optional[int] = None,
        handle_impossible_answer: bool = False,
        align_to_words: bool = True,
    ) -> Any:
        """The best answer of the context, None if it has none; a list with ``top_k``."""
        asked, given = Texts([question], "question"), Texts([context], "context")
        options = options_of(_lib.QaOptions)
        options.top_k = self._count(top_k, "top_k")
        for name, value in (("max_answer_len", max_answer_len), ("max_seq_len", max_seq_len),
                            ("doc_stride", doc_stride), ("max_question_len", max_question_len)):
            setattr(options, name, self._count(value, name))
        options.handle_impossible_answer = int(handle_impossible_answer)
        options.align_to_words = int(align_to_words)
        results = self._run("tamis_answer", asked.array[0], given.array[0], c.byref(options))
        answers = [Answer(string(item.answer), item.score, item.start, item.end)
                   for item in results.read("tamis_results_answers", _lib.AnswerSpan)]
        if top_k is not None:
            return answers
        return answers[0] if answers else None

    def fill_mask(
        self,
        texts: Union[str, Sequence[str]],
        *,
        top_k: int = 5,
        targets: Sequence[str] = (),
        max_length: Optional[int] = None,
        truncate: bool = True,
    ) -> Any:
        """For each text a list for each of its mask tokens: what may stand there, best first."""
        listed, alone = _listed(texts, "texts")
        wanted = texts_of(_listed(targets, "targets")[0], "target")
        options = options_of(_lib.FillMaskOptions)
        options.top_k = top_k
        options.targets = wanted.array
        options.target_count = wanted.count
        options.truncation = _truncation(max_length, truncate, None)
        found = self._each(listed, self._masks, "tamis_fill_mask", c.byref(options))
        return found[0] if alone else found

    @staticmethod
    def _masks(results: Results, index: int) -> List[List[MaskedToken]]:
        count = lib.tamis_results_mask_count(results.pointer, index)
        return [[MaskedToken(string(item.token_str), string(item.sequence), item.score, item.token)
                 for item in results.read("tamis_results_masked", _lib.MaskedTokenStruct, index,
                                          mask)]
                for mask in range(count)]

    # ---- Tokens ---------------------------------------------------------------------------------

    def tokenize(self, text: str) -> List[Token]:
        """The text as the model reads it, special tokens included."""
        given = Texts([text])
        results = self._run("tamis_tokenize", given.array[0])
        return [Token(string(item.token), item.id, item.start, item.end)
                for item in results.read("tamis_results_tokens", _lib.TokenStruct)]

    def run(
        self,
        ids: Sequence[Sequence[int]],
        type_ids: Optional[Sequence[Sequence[int]]] = None,
    ) -> "Array":
        """What the model itself gives for token ids, before any task reads it: float32, a row an
        input (embeddings, logits) or a row a token, inputs one behind the other (token
        classification, question answering, masked words).
        """
        import numpy as np

        if type_ids is not None and len(type_ids) != len(ids):
            raise InvalidArgument(f"type_ids: {len(type_ids)} lists for {len(ids)} of ids")
        held = []  # until the call is over
        array = (_lib.Ids * max(1, len(ids)))()
        for i, row in enumerate(ids):
            given = _whole_numbers(row, f"ids {i}")
            types = None if type_ids is None else _whole_numbers(type_ids[i], f"type_ids {i}")
            if types is not None and types.shape != given.shape:
                raise InvalidArgument(f"type_ids {i}: {types.size} for {given.size} ids")
            held.append((given, types))
            array[i] = _lib.Ids(given.ctypes.data, None if types is None else types.ctypes.data,
                                given.size)
        results = self._run("tamis_run", array, len(ids))
        values, rows, columns = c.POINTER(c.c_float)(), c.c_int64(), c.c_int64()
        check(lib.tamis_results_matrix(results.pointer, c.byref(values), c.byref(rows),
                                       c.byref(columns)))
        out = np.empty((rows.value, columns.value), dtype=np.float32)
        if out.size:
            c.memmove(out.ctypes.data, values, out.nbytes)
        del held
        return out

    # ---- Async twins: a thread of asyncio's waits for the call ------------------------------------

    async def embed_async(self, texts: Union[str, Sequence[str]], **options: Any) -> "Array":
        """embed() beside the event loop."""
        return await asyncio.to_thread(self.embed, texts, **options)

    async def embed_sparse_async(self, texts: Any, **options: Any) -> Any:
        """embed_sparse() beside the event loop."""
        return await asyncio.to_thread(self.embed_sparse, texts, **options)

    async def embed_multi_async(self, texts: Any, **options: Any) -> Any:
        """embed_multi() beside the event loop."""
        return await asyncio.to_thread(self.embed_multi, texts, **options)

    async def embed_all_async(self, texts: Any, **options: Any) -> Any:
        """embed_all() beside the event loop."""
        return await asyncio.to_thread(self.embed_all, texts, **options)

    async def classify_async(self, inputs: Any, **options: Any) -> Any:
        """classify() beside the event loop."""
        return await asyncio.to_thread(self.classify, inputs, **options)

    async def zero_shot_async(self, texts: Any, labels: Sequence[str], **options: Any) -> Any:
        """zero_shot() beside the event loop."""
        return await asyncio.to_thread(self.zero_shot, texts, labels, **options)

    async def rerank_async(self, query: str, texts: Sequence[str], **options: Any) -> List[Ranked]:
        """rerank() beside the event loop."""
        return await asyncio.to_thread(self.rerank, query, texts, **options)

    async def score_async(self, pairs: Sequence[Tuple[str, str]], **options: Any) -> "Array":
        """score() beside the event loop."""
        return await asyncio.to_thread(self.score, pairs, **options)

    async def ner_async(self, texts: Any, **options: Any) -> Any:
        """ner() beside the event loop."""
        return await asyncio.to_thread(self.ner, texts, **options)

    async def answer_async(self, question: str, context: str, **options: Any) -> Any:
        """answer() beside the event loop."""
        return await asyncio.to_thread(self.answer, question, context, **options)

    async def fill_mask_async(self, texts: Any, **options: Any) -> Any:
        """fill_mask() beside the event loop."""
        return await asyncio.to_thread(self.fill_mask, texts, **options)

    # ---------------------------------------------------------------------------------------------

    def _each(self, listed: List[Any], read: Callable[[Results, int], Any], function: str,
              *arguments: Any, array_of: Any = texts_of) -> List[Any]:
        """What `read` makes of the results of each item, some items a native call."""
        found: List[Any] = []
        for first, end in _chunks(listed):
            with _counted_from(first):
                part = array_of(listed[first:end])
                results = self._run(function, part.array, part.count, *arguments)
            found += (read(results, i) for i in range(part.count))
        return found

    def _run(self, function: str, *arguments: Any) -> Results:
        results = Results()
        check(getattr(lib, function)(self._handle(), *arguments, c.byref(results.pointer)))
        return results

    @staticmethod
    def _count(value: Optional[int], what: str) -> int:
        """0 for the default; a value that would be taken for it is an error."""
        if value is None:
            return 0
        if value < 1:
            raise InvalidArgument(f"{what}: {value}; must be at least 1")
        return value


def _restore(kind: Any, arguments: Tuple[Any, ...]) -> Model:
    """A model of that class, whose own __init__() is not called."""
    model: Model = kind.__new__(kind)
    path, task, precision, threads, isa, max_length, device = arguments
    Model.__init__(model, path, task=task, precision=precision, threads=threads, isa=isa,
                   max_length=max_length, device=device)
    return model


class _Inputs:
    """An array of tamis_input of texts and pairs."""

    def __init__(self, inputs: Any) -> None:
        flat: List[Any] = []
        pairs = []
        for i, item in enumerate(inputs.to_pylist() if is_arrow(inputs) else inputs):
            if isinstance(item, str):
                flat += (item, "")
            elif isinstance(item, (tuple, list)) and len(item) == 2:
                flat += item
            else:
                raise TypeError(f"input {i}: expected str or (text, pair)")
            pairs.append(not isinstance(item, str))
        self._texts = Texts(flat)
        self.count = len(pairs)
        self.array = (_lib.Input * max(1, self.count))()
        for i, paired in enumerate(pairs):
            self.array[i].text = self._texts.array[2 * i]
            if paired:
                self.array[i].pair = self._texts.array[2 * i + 1]


def max_sim(query: "Array", document: "Array") -> float:
    """ColBERT's score of two results of embed_multi(): the sum, over the query's vectors, of the
    greatest product with one of the document's; 0 for a document without any.
    """
    import numpy as np

    query, document = np.asarray(query), np.asarray(document)
    if query.ndim != 2 or document.ndim != 2:
        raise InvalidArgument("max_sim: expected two arrays [tokens, d]")
    if query.shape[-1] != document.shape[-1]:
        raise InvalidArgument(f"max_sim: vectors of {query.shape[-1]} and of "
                              f"{document.shape[-1]} columns")
    if len(document) == 0:
        return 0.0
    return float((query @ document.T).max(axis=1).sum())


def _whole_numbers(row: Any, where: str) -> Any:
    """int32 [n] of a list or array of ints that fit; nothing else is made into one."""
    import numpy as np

    given = np.asarray(row)
    if given.size == 0 and given.ndim == 1:
        return np.empty(0, dtype=np.int32)
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise InvalidArgument(f"{where}: expected a list of ints")
    if given.min() < -(2**31) or given.max() >= 2**31:
        raise InvalidArgument(f"{where}: a number of more than 32 bits")
    return np.ascontiguousarray(given, dtype=np.int32)


class _Bar:
    """tqdm's bar as a progress callback; nothing where tqdm is not installed."""

    def __init__(self, total: int) -> None:
        try:
            from tqdm.auto import tqdm  # type: ignore[import-untyped, unused-ignore]
        except ImportError:
            self._bar = None
            return
        self._bar = tqdm(total=total, unit=" texts")

    def __call__(self, done: int, _total: int) -> None:
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
