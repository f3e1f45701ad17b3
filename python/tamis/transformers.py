"""A pipeline() that answers with the dictionaries of Hugging Face's pipelines.

    >>> from tamis.transformers import pipeline
    >>> pipeline("text-classification", "my-model")("A text.")
    [{'label': 'POSITIVE', 'score': 0.99}]
"""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List, Optional, Union

from ._errors import InvalidArgument
from ._model import Model


class Pipeline:
    """A task of a loaded model; ``native`` is the model."""

    def __init__(self, native: Model, answer: Callable[..., Any]) -> None:
        self.native = native
        self._answer = answer

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """What the pipeline of transformers takes and gives."""
        return self._answer(self.native, *inputs, **options)


def _text_classification(model: Model, inputs: Any, top_k: Optional[int] = 1,
                         function_to_apply: Optional[str] = None, **options: Any) -> Any:
    def pair(item: Any) -> Any:
        return (item["text"], item["text_pair"]) if isinstance(item, dict) else item

    alone = isinstance(inputs, (str, dict))
    found = model.classify([pair(item) for item in ([inputs] if alone else inputs)],
                           top_k=top_k, function=function_to_apply, **options)
    rows = [[{"label": label.label, "score": label.score} for label in labels] for labels in found]
    if top_k == 1 and not alone:
        return [row[0] for row in rows]
    return rows[0] if alone else rows


def _token_classification(model: Model, inputs: Any, aggregation_strategy: str = "none",
                          **options: Any) -> Any:
    alone = isinstance(inputs, str)
    found = model.ner([inputs] if alone else inputs, aggregation=aggregation_strategy, **options)
    key = "entity" if aggregation_strategy == "none" else "entity_group"

    def one(entity: Any) -> Dict[str, Any]:
        row = {key: entity.label, "score": entity.score, "word": entity.word,
               "start": entity.start, "end": entity.end}
        return {**row, "index": entity.index} if key == "entity" else row

    rows = [[one(entity) for entity in entities] for entities in found]
    return rows[0] if alone else rows


def _question_answering(model: Model, question: Any = None, context: Optional[str] = None,
                        top_k: int = 1, **options: Any) -> Any:
    if isinstance(question, dict):
        question, context = question["question"], question["context"]
    found = model.answer(question, context or "", top_k=top_k, **options)
    rows = [{"score": a.score, "start": a.start, "end": a.end, "answer": a.answer} for a in found]
    return rows if top_k != 1 else (rows[0] if rows else None)


def _fill_mask(model: Model, inputs: Any, top_k: int = 5, targets: Any = (), **options: Any) -> Any:
    alone = isinstance(inputs, str)
    wanted = [targets] if isinstance(targets, str) else targets or ()
    found = model.fill_mask([inputs] if alone else inputs, top_k=top_k, targets=wanted, **options)

    def masks(item: List[Any]) -> Any:
        rows = [[{"score": t.score, "token": t.token, "token_str": t.token_str,
                  "sequence": t.sequence} for t in mask] for mask in item]
        return rows[0] if len(rows) == 1 else rows

    rows = [masks(item) for item in found]
    return rows[0] if alone else rows


def _zero_shot(model: Model, sequences: Any, candidate_labels: Any, **options: Any) -> Any:
    alone = isinstance(sequences, str)
    listed = [sequences] if alone else list(sequences)
    labels = candidate_labels
    if isinstance(labels, str):
        labels = [label.strip() for label in labels.split(",") if label.strip()]
    found = model.zero_shot(listed, labels, **options)
    rows = [{"sequence": text, "labels": [label.label for label in row],
             "scores": [label.score for label in row]} for text, row in zip(listed, found)]
    return rows[0] if alone else rows


_TASKS: Dict[str, Any] = {
    "text-classification": ("classify", _text_classification),
    "sentiment-analysis": ("classify", _text_classification),
    "token-classification": ("ner", _token_classification),
    "ner": ("ner", _token_classification),
    "question-answering": ("qa", _question_answering),
    "fill-mask": ("fill-mask", _fill_mask),
    "zero-shot-classification": ("zero-shot", _zero_shot),
}


def pipeline(task: str, model: Union[str, "os.PathLike[str]"], **options: Any) -> Pipeline:
    """``options`` are those of tamis.Model. Text classification with ``top_k=None`` gives all
    labels.
    """
    if task not in _TASKS:
        raise InvalidArgument(f"task: {task!r} is unknown; known are {', '.join(_TASKS)}")
    native_task, answer = _TASKS[task]
    return Pipeline(Model(model, task=native_task, **options), answer)
