"""Embeddings as a step of scikit-learn's pipelines (needs scikit-learn).

    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from tamis.sklearn import TamisEmbedder
    >>> make_pipeline(TamisEmbedder("build/models/minilm"), LogisticRegression())
"""

from __future__ import annotations

import os
import reprlib
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Union

# scikit-learn has no types of its own.
from sklearn.base import (  # type: ignore[import-untyped, unused-ignore]
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)

from ._errors import InvalidArgument
from ._model import Model

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]


class TamisEmbedder(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc, unused-ignore]
    TransformerMixin,  # type: ignore[misc, unused-ignore]
    BaseEstimator,  # type: ignore[misc, unused-ignore]
):
    """Texts to float32 [n, d]. Nothing is learned: fit() checks the texts and loads the model, and
    transform() works without it.

    The model is loaded at its first use in each process, and again once a parameter that it was loaded
    with changes. A pickle holds the parameters alone, so the path must lead to the model wherever the
    pickle is read. Beside ``n_jobs``, ``threads=1`` gives each process one core.
    """

    def __init__(
        self,
        model: Union[str, "os.PathLike[str]"],
        *,
        normalize: Optional[bool] = None,
        dimensions: Optional[int] = None,
        prompt: Optional[str] = None,
        prompt_name: Optional[str] = None,
        precision: Optional[str] = None,
        threads: int = 0,
        max_length: int = 0,
        device: Optional[str] = None,
    ) -> None:
        """``model``, ``precision``, ``threads``, ``max_length`` and ``device`` are those of
        tamis.Model, the others those of its embed().
        """
        self.model = model
        self.normalize = normalize
        self.dimensions = dimensions
        self.prompt = prompt
        self.prompt_name = prompt_name
        self.precision = precision
        self.threads = threads
        self.max_length = max_length
        self.device = device

    @property
    def native(self) -> Model:
        """The loaded model."""
        options: Dict[str, Any] = {name: getattr(self, name) for name in
                                   ("precision", "threads", "max_length", "device")}
        wanted = (os.fspath(self.model), options)
        if getattr(self, "_loaded", None) != wanted:
            self._native = Model(self.model, task="embed", **options)
            self._loaded = wanted
        return self._native

    def fit(self, X: Any, y: Any = None) -> "TamisEmbedder":
        """Checks the texts and loads the model."""
        _texts(X)
        self._embed(["a"])  # what cannot be embedded so is said before the transform
        return self

    def transform(self, X: Any) -> "Array":
        """A row for each text of a list, a one-dimensional array, a Series, or a single column."""
        return self._embed(_texts(X))

    def _embed(self, texts: List[str]) -> "Array":
        return self.native.embed(texts, normalize=self.normalize, dimensions=self.dimensions,
                                 prompt=self.prompt, prompt_name=self.prompt_name)

    @property
    def _n_features_out(self) -> int:
        """Read by get_feature_names_out()."""
        return int(self._embed(["a"]).shape[1])

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []
        return tags

    def __getstate__(self) -> Dict[str, Any]:
        state: Dict[str, Any] = dict(super().__getstate__())
        return {name: value for name, value in state.items() if name not in ("_native", "_loaded")}


def _texts(X: Any) -> List[str]:
    """The texts of what scikit-learn hands to a transformer."""
    if isinstance(X, (str, bytes)):
        raise InvalidArgument(f"X: expected a sequence of str, found one {type(X).__name__}")
    shape = getattr(X, "shape", None)
    if hasattr(X, "tocsr"):
        raise TypeError("X: expected texts, found a sparse matrix")
    if shape is not None and len(shape) != 1:
        if len(shape) != 2 or shape[1] != 1:
            raise InvalidArgument(f"X: expected one column of texts, found the shape {shape}; a "
                                  "ColumnTransformer chooses one")
        import numpy as np

        X = np.asarray(X, dtype=object)[:, 0]
    try:
        texts = list(X)
    except TypeError:
        raise TypeError(f"X: expected a sequence of str, found {type(X).__name__}") from None
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise InvalidArgument(f"X: row {row} is {reprlib.repr(text)}; expected str, so fill "
                                  "missing texts first")
    return texts
