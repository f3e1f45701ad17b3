"""The C face (tamis/tamis.h) by ctypes.

Every call lets go of the interpreter's lock while it runs. One wheel serves every CPython: nothing
here is compiled against the interpreter.
"""

from __future__ import annotations

import ctypes as c
import os
import threading
from pathlib import Path
from typing import Any, Callable, Iterable, Optional, Union

from ._errors import InvalidArgument, error_of

ABI_VERSION = 4


class String(c.Structure):
    _fields_ = [("data", c.c_void_p), ("size", c.c_size_t)]


class Options(c.Structure):
    """Refuses numbers that its fields cannot hold, of which ctypes keeps the lowest bits."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if isinstance(value, int) and getattr(self, name) != value:
            raise InvalidArgument(f"{name}: {value} is more than fits")


class LoadOptions(Options):
    _fields_ = [
        ("struct_size", c.c_size_t),
        ("task", c.c_char_p),
        ("isa", c.c_char_p),
        ("precision", c.c_char_p),
        ("threads", c.c_int32),
        ("max_length", c.c_int64),
        ("device", c.c_char_p),
    ]


class ModelInfoStruct(c.Structure):
    _fields_ = [
        ("struct_size", c.c_size_t),
        ("family", c.c_char_p),
        ("task", c.c_char_p),
        ("precision", c.c_char_p),
        ("parameters", c.c_int64),
        ("max_length", c.c_int64),
        ("hidden_size", c.c_int64),
        ("output_size", c.c_int64),
        ("labels", c.POINTER(String)),
        ("label_count", c.c_size_t),
        ("prompt_names", c.POINTER(String)),
        ("prompt_name_count", c.c_size_t),
        ("similarity", c.c_char_p),
        ("prompts", c.POINTER(String)),
        ("default_prompt_name", c.c_char_p),
        ("score_activation", c.c_char_p),
        ("truncate_dim", c.c_int64),
    ]


class Truncation(Options):
    _fields_ = [("max_length", c.c_int64), ("refuse", c.c_int32), ("side", c.c_int)]


class EmbedOptions(Options):
    _fields_ = [
        ("struct_size", c.c_size_t),
        ("normalize", c.c_int32),
        ("dimensions", c.c_int64),
        ("prompt_name", c.c_char_p),
        ("prompt", c.c_char_p),
        ("truncation", Truncation),
    ]


class EmbedSparseOptions(Options):
    _fields_ = [
        ("struct_size", c.c_size_t),
        ("query", c.c_int32),
        ("top_k", c.c_int64),
        ("prompt_name", c.c_char_p),
        ("prompt", c.c_char_p),
        ("truncation", Truncation),
    ]


class EmbedMultiOptions(Options):
    _fields_ = [
        ("struct_size", c.c_size_t),
        ("query", c.c_int32),
        ("prompt_name", c.c_char_p),
        ("prompt", c.c_char_p),
        ("truncation", Truncation),
    ]


class SparseWeight(c.Structure):
    _fields_ = [("token", String), ("id", c.c_int32), ("weight", c.c_float)]


class Input(c.Structure):
    _fields_ = [("text", String), ("pair", String)]


class LabelScore(c.Structure):
    _fields_ = [("label", String), ("score", c.c_float), ("id", c.c_int64)]


class ClassifyOptions(Options):
    _fields_ = [
        ("struct_size", c.c_size_t),
        ("top_k", c.c_int64),
        ("function", c.c_int),
        ("truncation", Truncation),
    ]


class ZeroShotOptions(Options):
    _fields_ = [
        ("struct_size", c.c_size_t),
        ("hypothesis_template", c.c_char_p),
        ("multi_label", c.c_int32),
        ("truncation", Truncation),
    ]


class RerankOptions(Options):
    _fields_ = [
        ("struct_size", c.c_size_t),
        ("top_k", c.c_int64),
        ("raw_scores", c.c_int32),
        ("truncation", Truncation),
    ]


class RankedText(c.Structure):
    _fields_ = [("index", c.c_int64), ("score", c.c_float)]


class NerOptions(Options):
    _fields_ = [
        ("struct_size", c.c_size_t),
        ("aggregation", c.c_int),
        ("ignore_labels", c.POINTER(String)),
        ("ignore_label_count", c.c_size_t),
        ("stride", c.c_int64),
        ("truncation", Truncation),
        ("labels", c.POINTER(String)),
        ("label_count", c.c_size_t),
        ("threshold", c.c_float),
        ("nested", c.c_int32),
        ("multi_label", c.c_int32),
    ]


class EntityStruct(c.Structure):
    _fields_ = [
        ("label", String),
        ("word", String),
        ("score", c.c_float),
        ("index", c.c_int64),
        ("start", c.c_int64),
        ("end", c.c_int64),
    ]


class QaOptions(Options):
    _fields_ = [
        ("struct_size", c.c_size_t),
        ("top_k", c.c_int64),
        ("max_answer_len", c.c_int64),
        ("max_seq_len", c.c_int64),
        ("doc_stride", c.c_int64),
        ("max_question_len", c.c_int64),
        ("handle_impossible_answer", c.c_int32),
        ("align_to_words", c.c_int32),
    ]


class AnswerSpan(c.Structure):
    _fields_ = [
        ("answer", String),
        ("score", c.c_float),
        ("start", c.c_int64),
        ("end", c.c_int64),
    ]


class FillMaskOptions(Options):
    _fields_ = [
        ("struct_size", c.c_size_t),
        ("top_k", c.c_int64),
        ("targets", c.POINTER(String)),
        ("target_count", c.c_size_t),
        ("truncation", Truncation),
    ]


class MaskedTokenStruct(c.Structure):
    _fields_ = [
        ("token_str", String),
        ("sequence", String),
        ("score", c.c_float),
        ("token", c.c_int32),
    ]


class TokenStruct(c.Structure):
    _fields_ = [("token", String), ("id", c.c_int32), ("start", c.c_int32), ("end", c.c_int32)]


class Ids(c.Structure):
    _fields_ = [("ids", c.c_void_p), ("type_ids", c.c_void_p), ("count", c.c_size_t)]


ProgressFunction = c.CFUNCTYPE(c.c_int32, c.c_void_p, String, c.c_double)
LogFunction = c.CFUNCTYPE(None, c.c_void_p, c.c_int, String)


class OptimizeOptions(Options):
    _fields_ = [
        ("struct_size", c.c_size_t),
        ("load", LoadOptions),
        ("force", c.c_int32),
        ("budget", c.c_char_p),
        ("certify", c.c_int32),
        ("calibration", c.POINTER(Input)),
        ("calibration_count", c.c_size_t),
        ("calibration_file", c.c_char_p),
        ("scheme", c.c_char_p),
        ("enable", c.POINTER(c.c_char_p)),
        ("enable_count", c.c_size_t),
        ("disable", c.POINTER(c.c_char_p)),
        ("disable_count", c.c_size_t),
        ("measure", c.c_int32),
        ("seconds", c.c_double),
        ("progress", ProgressFunction),
        ("progress_context", c.c_void_p),
        ("embeddings", c.c_char_p),
        ("certify_on", c.POINTER(Input)),
        ("certify_on_count", c.c_size_t),
        ("certify_on_file", c.c_char_p),
    ]


_POINTER = c.c_void_p
_SIZE = c.POINTER(c.c_size_t)
_SIGNATURES: dict[str, list[Any]] = {
    "tamis_model_load": [c.c_char_p, c.POINTER(LoadOptions), c.POINTER(_POINTER)],
    "tamis_model_get_info": [_POINTER, c.POINTER(ModelInfoStruct)],
    "tamis_embedding_size": [_POINTER, c.POINTER(EmbedOptions), c.POINTER(c.c_int64)],
    "tamis_embed": [_POINTER, _POINTER, c.c_size_t, c.POINTER(EmbedOptions), _POINTER, c.c_size_t],
    "tamis_embed_sparse": [
        _POINTER, _POINTER, c.c_size_t, c.POINTER(EmbedSparseOptions), _POINTER,
    ],
    "tamis_embed_multi": [
        _POINTER, _POINTER, c.c_size_t, c.POINTER(EmbedMultiOptions), _POINTER,
    ],
    "tamis_embed_all": [_POINTER, _POINTER, c.c_size_t, c.POINTER(EmbedMultiOptions), _POINTER],
    "tamis_classify": [_POINTER, _POINTER, c.c_size_t, c.POINTER(ClassifyOptions), _POINTER],
    "tamis_zero_shot": [
        _POINTER, _POINTER, c.c_size_t, _POINTER, c.c_size_t, c.POINTER(ZeroShotOptions), _POINTER,
    ],
    "tamis_rerank": [
        _POINTER, String, _POINTER, c.c_size_t, c.POINTER(RerankOptions), _POINTER,
    ],
    "tamis_score": [
        _POINTER, _POINTER, c.c_size_t, c.POINTER(RerankOptions), _POINTER, c.c_size_t,
    ],
    "tamis_ner": [_POINTER, _POINTER, c.c_size_t, c.POINTER(NerOptions), _POINTER],
    "tamis_answer": [_POINTER, String, String, c.POINTER(QaOptions), _POINTER],
    "tamis_fill_mask": [_POINTER, _POINTER, c.c_size_t, c.POINTER(FillMaskOptions), _POINTER],
    "tamis_tokenize": [_POINTER, String, _POINTER],
    "tamis_run": [_POINTER, _POINTER, c.c_size_t, _POINTER],
    "tamis_optimize": [c.c_char_p, c.c_char_p, c.POINTER(OptimizeOptions), _POINTER],
    "tamis_results_labels": [_POINTER, c.c_size_t, c.POINTER(c.POINTER(LabelScore)), _SIZE],
    "tamis_results_sparse": [_POINTER, c.c_size_t, c.POINTER(c.POINTER(SparseWeight)), _SIZE],
    "tamis_results_vectors": [
        _POINTER, c.c_size_t, c.POINTER(c.POINTER(c.c_float)), c.POINTER(c.POINTER(c.c_int32)),
        _SIZE, _SIZE,
    ],
    "tamis_results_embedding": [_POINTER, c.c_size_t, c.POINTER(c.POINTER(c.c_float)), _SIZE],
    "tamis_results_ranked": [_POINTER, c.POINTER(c.POINTER(RankedText)), _SIZE],
    "tamis_results_entities": [_POINTER, c.c_size_t, c.POINTER(c.POINTER(EntityStruct)), _SIZE],
    "tamis_results_answers": [_POINTER, c.POINTER(c.POINTER(AnswerSpan)), _SIZE],
    "tamis_results_masked": [
        _POINTER, c.c_size_t, c.c_size_t, c.POINTER(c.POINTER(MaskedTokenStruct)), _SIZE,
    ],
    "tamis_results_tokens": [_POINTER, c.POINTER(c.POINTER(TokenStruct)), _SIZE],
    "tamis_results_matrix": [
        _POINTER, c.POINTER(c.POINTER(c.c_float)), c.POINTER(c.c_int64), c.POINTER(c.c_int64),
    ],
    "tamis_results_text": [_POINTER, c.POINTER(String)],
}
_INITS = {
    LoadOptions: "tamis_load_options_init",
    EmbedOptions: "tamis_embed_options_init",
    EmbedSparseOptions: "tamis_embed_sparse_options_init",
    EmbedMultiOptions: "tamis_embed_multi_options_init",
    ClassifyOptions: "tamis_classify_options_init",
    ZeroShotOptions: "tamis_zero_shot_options_init",
    RerankOptions: "tamis_rerank_options_init",
    NerOptions: "tamis_ner_options_init",
    QaOptions: "tamis_qa_options_init",
    FillMaskOptions: "tamis_fill_mask_options_init",
    OptimizeOptions: "tamis_optimize_options_init",
}


def _candidates() -> Iterable[str]:
    """TAMIS_LIBRARY, then the library of the wheel, then the system's."""
    chosen = os.environ.get("TAMIS_LIBRARY")
    if chosen:
        yield chosen
        return
    inside = sorted(Path(__file__).parent.glob("libtamis.so*"))
    yield from (str(path) for path in inside)
    yield "libtamis.so.0.1"


def _load() -> c.CDLL:
    tried = []
    for name in _candidates():
        try:
            return _prepared(c.CDLL(name))
        except OSError as error:
            tried.append(f"{name}: {error}")
    raise ImportError("tamis: the native library was not found: " + "; ".join(tried))


def _prepared(library: c.CDLL) -> c.CDLL:
    found = library.tamis_abi_version()
    if found < ABI_VERSION:
        raise ImportError(f"tamis: the native library has ABI {found}; {ABI_VERSION} is needed")
    for name, arguments in _SIGNATURES.items():
        function = getattr(library, name)
        function.argtypes = arguments
        function.restype = c.c_int
    for struct, name in _INITS.items():
        function = getattr(library, name)
        function.argtypes = [c.POINTER(struct)]
        function.restype = None
    library.tamis_last_error.restype = c.c_char_p
    library.tamis_version.restype = c.c_char_p
    for name in ("tamis_model_free", "tamis_results_free"):
        getattr(library, name).argtypes = [_POINTER]
        getattr(library, name).restype = None
    library.tamis_results_mask_count.restype = c.c_size_t
    library.tamis_results_mask_count.argtypes = [_POINTER, c.c_size_t]
    library.tamis_set_log_sink.argtypes = [_POINTER, _POINTER]
    library.tamis_set_log_sink.restype = None
    return library


lib = _load()


def version() -> str:
    """The native library's release."""
    text = lib.tamis_version()
    return text.decode() if text else ""


def check(status: int) -> None:
    """Raises what a status stands for."""
    if status != 0:
        raise error_of(status, (lib.tamis_last_error() or b"").decode(errors="replace"))


def options_of(struct: Any) -> Any:
    """A struct of options with its defaults."""
    options = struct()
    getattr(lib, _INITS[struct])(c.byref(options))
    return options


def utf8(text: object, where: str = "text") -> bytes:
    """The bytes of a str; anything else is a TypeError that says where."""
    if not isinstance(text, str):
        raise TypeError(f"{where}: expected str, found {type(text).__name__}")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"{where}: not UTF-8: {error}") from None


def optional_utf8(text: Optional[str], where: str) -> Optional[bytes]:
    """As utf8(), for a C string: None stays, a NUL inside is refused."""
    if text is None:
        return None
    data = utf8(text, where)
    if b"\0" in data:
        raise InvalidArgument(f"{where}: holds a NUL")
    return data


def path_bytes(path: Any, where: str) -> bytes:
    """Of a str, bytes or os.PathLike, for a C string: a NUL inside is refused."""
    data = os.fsencode(path)
    if b"\0" in data:
        raise InvalidArgument(f"{where}: holds a NUL")
    return data


class Texts:
    """An array of tamis_string over one block of bytes, valid as long as this lives."""

    def __init__(self, texts: Iterable[object], where: str = "text") -> None:
        parts = [utf8(text, f"{where} {i}") for i, text in enumerate(texts)]
        self._block = c.create_string_buffer(b"".join(parts) + b"\0")
        base = c.addressof(self._block)
        self.count = len(parts)
        self.array = (String * max(1, self.count))()
        at = base
        for i, part in enumerate(parts):
            self.array[i] = String(at, len(part))
            at += len(part)


def is_arrow(texts: object) -> bool:
    """Whether these are an array of PyArrow's, which may not be installed."""
    kinds = [f"{kind.__module__}.{kind.__name__}" for kind in type(texts).__mro__]
    return "pyarrow.lib.Array" in kinds or "pyarrow.lib.ChunkedArray" in kinds


class ArrowTexts:
    """As Texts, over the buffers of a PyArrow array of strings, of which nothing is copied."""

    def __init__(self, texts: Any, where: str = "text") -> None:
        import numpy as np

        sizes = {"string": np.int32, "large_string": np.int64}
        if str(texts.type) not in sizes:
            raise TypeError(f"{where}: expected an array of strings, found one of {texts.type}")
        if texts.null_count:
            place = texts.is_valid().index(False).as_py()
            raise TypeError(f"{where} {place}: expected a string, found a null")
        self._texts = texts
        self.count = len(texts)
        _, offsets, data = texts.buffers()
        strings = np.zeros((max(1, self.count), 2), np.uintp)  # data and size of each String
        if self.count:
            ends = np.frombuffer(offsets, sizes[str(texts.type)])[texts.offset:][:self.count + 1]
            begin = np.uintp(0 if data is None else data.address)
            strings[:, 0] = begin + ends[:-1].astype(np.uintp)
            strings[:, 1] = np.diff(ends)
        self.array = (String * len(strings)).from_buffer(strings.data)


def texts_of(texts: Any, where: str = "text") -> Union[Texts, ArrowTexts]:
    """The array of tamis_string of a list of str, or of an array of PyArrow's."""
    return ArrowTexts(texts, where) if is_arrow(texts) else Texts(texts, where)


def string(item: String) -> str:
    """The text of a result."""
    return c.string_at(item.data, item.size).decode() if item.size else ""


class Results:
    """A tamis_results, freed with this."""

    def __init__(self) -> None:
        self.pointer = c.c_void_p()

    def __del__(self) -> None:
        if self.pointer:
            lib.tamis_results_free(self.pointer)

    def read(self, function: str, struct: Any, *index: int) -> Any:
        """The array that a reader gives, as a list of structs."""
        array = c.POINTER(struct)()
        count = c.c_size_t()
        check(getattr(lib, function)(self.pointer, *index, c.byref(array), c.byref(count)))
        return array[: count.value]


_log_lock = threading.Lock()
_log_function: Any = None


def set_log_sink(sink: Optional[Callable[[str, str], None]]) -> None:
    """Where messages go that are no answers: ``sink(level, message)``, from any thread; ``None``
    silences. Levels are "debug", "info", "warning", "error".
    """
    global _log_function
    levels = ("debug", "info", "warning", "error")

    function: Any = None
    if sink is not None and not callable(sink):
        raise TypeError(f"sink: expected a callable or None, found {type(sink).__name__}")
    if sink is not None:
        function = LogFunction(
            lambda _context, level, message: sink(levels[level], string(message)))
    with _log_lock:
        before = _log_function
        _log_function = function
        pointer = c.cast(_log_function, c.c_void_p) if _log_function is not None else None
        lib.tamis_set_log_sink(pointer, None)
        del before  # only now is it called no more


__all__ = ["Results", "Texts", "check", "lib", "options_of", "set_log_sink", "version"]
