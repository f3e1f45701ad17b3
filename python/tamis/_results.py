"""Answers of the tasks, with the names of Hugging Face's pipelines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, NamedTuple


class Label(NamedTuple):
    """A label and its score; ``id`` is its place among the model's labels, -1 for the caller's."""

    label: str
    score: float
    id: int


class AllEmbeddings(NamedTuple):
    """A text's vector, its weights of tokens and its tokens' vectors, of one run."""

    embedding: Any
    sparse: Dict[str, float]
    vectors: Any


@dataclass(frozen=True)
class Ranked:
    """A text's place in the list that was given, and its score."""

    index: int
    score: float


@dataclass(frozen=True)
class Entity:
    """[start, end) counts code points of the text; ``index`` is set without aggregation only."""

    label: str
    word: str
    score: float
    start: int
    end: int
    index: int


class Answer(NamedTuple):
    """[start, end) counts code points of the context."""

    answer: str
    score: float
    start: int
    end: int


class MaskedToken(NamedTuple):
    """What may stand for a mask token, and the text with it."""

    token_str: str
    sequence: str
    score: float
    token: int


class Token(NamedTuple):
    """[start, end) counts code points of the text; (0, 0) for tokens that were added."""

    token: str
    id: int
    start: int
    end: int
