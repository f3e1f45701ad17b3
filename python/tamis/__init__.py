"""Fast, quantized Hugging Face encoders in a native engine.

    >>> import tamis
    >>> model = tamis.Model("build/models/minilm")  # a folder, a hub id, an .onnx file or a bundle
    >>> model.embed(["A text.", "Another one."]).shape
    (2, 384)
"""

from ._errors import (
    Cancelled,
    CorruptData,
    DeadlineExceeded,
    Error,
    InternalError,
    InvalidArgument,
    NotFound,
    OutOfMemory,
    Overloaded,
    Unavailable,
    Unsupported,
)
from ._lib import set_log_sink, version
from ._model import Model, ModelInfo, max_sim
from ._optimize import Plan, Report, optimize
from ._results import AllEmbeddings, Answer, Entity, Label, MaskedToken, Ranked, Token
from ._serve import Server, serve

__version__ = version()

__all__ = [
    "AllEmbeddings",
    "Answer",
    "Cancelled",
    "CorruptData",
    "DeadlineExceeded",
    "Entity",
    "Error",
    "InternalError",
    "InvalidArgument",
    "Label",
    "MaskedToken",
    "Model",
    "ModelInfo",
    "NotFound",
    "OutOfMemory",
    "Overloaded",
    "Plan",
    "Ranked",
    "Report",
    "Server",
    "Token",
    "Unavailable",
    "Unsupported",
    "max_sim",
    "optimize",
    "serve",
    "set_log_sink",
    "version",
]
