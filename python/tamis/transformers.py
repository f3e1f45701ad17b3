"""A pipeline() that answers with the dictionaries of Hugging Face's pipelines.

    >>> from tamis.transformers import pipeline
    >>> pipeline("text-classification", "my-model")("A text.")
    [{'label': 'POSITIVE', 'score': 0.99}]
"""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, Union

from ._errors import InvalidArgument
from ._model import Model

# How other engines batch and share out work, which changes no answer; here the engine does that.
_HARMLESS = {"batch_size", "num_workers", "padding", "framework", "trust_remote_code", "use_fast"}
_OF_MODEL = {"precision", "threads", "isa", "max_length"}


class Pipeline:
    """A task of a loaded model; ``native`` is the model, ``task`` Hugging Face's name."""

    def __init__(self, native: Model, task: str, defaults: Dict[str, Any]) -> None:
        """``defaults``: options of every call that does not name them."""
        self.native = native
        self.task = task
        self._row = _TASKS[task]
        self._defaults = defaults
        self._check(defaults)

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """What the pipeline of transformers takes and gives. Of its tokenizer's options
        ``truncation`` and ``max_length`` are taken; a text is cut unless ``truncation=False``.
        """
        self._check(options)
        given = {**self._defaults, **options}
        if "top_k" in self._defaults and "top_k" not in options and self._row.wraps_alone:
            # So it is there: the list of all is not taken for the one that is asked for.
            alone = bool(inputs) and isinstance(inputs[0], str)
            return [self._answer(inputs, given)] if alone else self._answer(inputs, given)
        return self._answer(inputs, given)

    def _answer(self, inputs: Tuple[Any, ...], options: Dict[str, Any]) -> Any:
        kept = {name: value for name, value in options.items() if name not in _HARMLESS}
        if "truncation" in kept:
            kept["truncate"] = kept.pop("truncation") not in (False, "do_not_truncate")
        return self._row.answer(self.native, *inputs, **kept)

    def _check(self, options: Dict[str, Any]) -> None:
        known = _HARMLESS | self._row.options
        for name in options:
            if name not in known:
                raise InvalidArgument(f"{name}: not an option of {self.task}; known are "
                                      f"{', '.join(sorted(known))}")


def _text_classification(model: Model, inputs: Any, function_to_apply: Optional[str] = None,
                         **options: Any) -> Any:
    # Without top_k one text's best label comes as a list, a pair's as a dictionary.
    named = "top_k" in options
    alone = isinstance(inputs, (str, dict))
    listed = [inputs] if alone else list(inputs)
    if not named:
        options["top_k"] = 1
    found = model.classify(
        [_text_or_pair(item) for item in listed], **options,
        function=None if function_to_apply is None else function_to_apply.lower())
    rows: List[Any] = [[{"label": label.label, "score": label.score} for label in labels]
                       for labels in found]
    if not named:
        rows = [row[0] for row in rows]
    if alone:
        return [rows[0]] if isinstance(inputs, str) and not named else rows[0]
    return rows


def _text_or_pair(item: Any) -> Any:
    if isinstance(item, dict):
        if "text" not in item or not set(item) <= {"text", "text_pair"}:
            raise InvalidArgument(f"inputs: a dictionary has \"text\" and may have \"text_pair\", not "
                                  f"{', '.join(map(repr, item))}")
        pair = item.get("text_pair")
        return (item["text"], pair) if pair else item["text"]
    if isinstance(item, list) and len(item) == 1 and isinstance(item[0], list):
        item = item[0]  # the old form of a pair
    elif not isinstance(item, str):
        raise InvalidArgument("inputs: a pair is {\"text\": ..., \"text_pair\": ...}, not "
                              f"{type(item).__name__}")
    return item


def _token_classification(model: Model, inputs: Any, aggregation_strategy: str = "none",
                          **options: Any) -> Any:
    strategy = str(getattr(aggregation_strategy, "value", aggregation_strategy)).lower()
    alone = isinstance(inputs, str)
    found = model.ner([inputs] if alone else inputs, aggregation=strategy, **options)
    key = "entity" if strategy == "none" else "entity_group"

    def one(entity: Any) -> Dict[str, Any]:
        row = {key: entity.label, "score": entity.score, "word": entity.word,
               "start": entity.start, "end": entity.end}
        return {**row, "index": entity.index} if key == "entity" else row

    rows = [[one(entity) for entity in entities] for entities in found]
    return rows[0] if alone else rows


def _question_answering(model: Model, inputs: Any = None, question: Any = None, context: Any = None,
                        top_k: int = 1, **options: Any) -> Any:
    if isinstance(inputs, str) and isinstance(question, str) and context is None:
        inputs, question, context = None, inputs, question  # both by position
    elif isinstance(inputs, str):
        inputs, question = None, inputs
    if inputs is None:
        inputs = _asked(question, context)
    alone = isinstance(inputs, dict)
    rows = []
    for item in [inputs] if alone else inputs:
        found = model.answer(item["question"], item["context"], top_k=top_k, **options)
        answers = [{"score": a.score, "start": a.start, "end": a.end, "answer": a.answer}
                   for a in found]
        rows.append(answers if top_k != 1 else (answers[0] if answers else None))
    return rows[0] if alone or len(rows) == 1 else rows


def _asked(question: Any, context: Any) -> Any:
    """Questions and contexts; one context may serve all questions."""
    if question is None or context is None:
        raise InvalidArgument("question and context: both are needed")
    if isinstance(question, str):
        return {"question": question, "context": context}
    contexts = [context] * len(question) if isinstance(context, str) else list(context)
    if len(contexts) != len(question):
        raise InvalidArgument(f"context: {len(contexts)} for {len(question)} questions")
    return [{"question": q, "context": c} for q, c in zip(question, contexts)]


def _fill_mask(model: Model, inputs: Any, top_k: Optional[int] = None, targets: Any = None,
               **options: Any) -> Any:
    alone = isinstance(inputs, str)
    wanted = [targets] if isinstance(targets, str) else targets
    if wanted is not None and len(wanted) == 0:
        raise InvalidArgument("targets: at least one must be given")
    found = model.fill_mask([inputs] if alone else inputs, top_k=5 if top_k is None else top_k,
                            targets=() if wanted is None else wanted, **options)

    def masks(item: List[Any]) -> Any:
        rows = [[{"score": t.score, "token": t.token, "token_str": t.token_str,
                  "sequence": t.sequence} for t in mask] for mask in item]
        return rows[0] if len(rows) == 1 else rows

    rows = [masks(item) for item in found]
    # A list of one text is answered as the text.
    return rows[0] if alone or len(rows) == 1 else rows


def _zero_shot(model: Model, sequences: Any, candidate_labels: Any = None, **options: Any) -> Any:
    alone = isinstance(sequences, str)
    listed = [sequences] if alone else list(sequences)
    labels = candidate_labels
    if isinstance(labels, str):
        labels = [label.strip() for label in labels.split(",") if label.strip()]
    if not labels:
        raise InvalidArgument("candidate_labels: at least one must be given")
    found = model.zero_shot(listed, labels, **options)
    rows = [{"sequence": text, "labels": [label.label for label in row],
             "scores": [label.score for label in row]} for text, row in zip(listed, found)]
    return rows[0] if alone else rows


class _Task(NamedTuple):
    native: str
    answer: Callable[..., Any]
    options: "set[str]"
    wraps_alone: bool = False
    """A text alone is answered in a list of its own where top_k was said beforehand."""


_CUT = {"max_length", "truncation"}
_CLASSIFY = _Task("classify", _text_classification, {"top_k", "function_to_apply"} | _CUT, True)
_NER = _Task("ner", _token_classification, {
    "aggregation_strategy", "ignore_labels", "stride", "labels", "threshold", "nested",
    "multi_label"} | _CUT)
_TASKS: Dict[str, _Task] = {
    "text-classification": _CLASSIFY,
    "sentiment-analysis": _CLASSIFY,
    "token-classification": _NER,
    "ner": _NER,
    "question-answering": _Task("qa", _question_answering, {
        "question", "context", "top_k", "max_answer_len", "max_seq_len", "doc_stride",
        "max_question_len", "handle_impossible_answer", "align_to_words"}),
    "fill-mask": _Task("fill-mask", _fill_mask, {"top_k", "targets"} | _CUT),
    "zero-shot-classification": _Task("zero-shot", _zero_shot, {
        "candidate_labels", "hypothesis_template", "multi_label"} | _CUT),
}


def _device(device: Any) -> Optional[str]:
    """Of -1, a card's number, a name, or a torch.device."""
    if device is None:
        return None
    if isinstance(device, int):
        return "cpu" if device < 0 else f"cuda:{device}"
    return str(device)


def pipeline(
    task: Optional[str] = None,
    model: Union[None, str, "os.PathLike[str]"] = None,
    *,
    tokenizer: Any = None,
    device: Any = None,
    dtype: Any = None,
    torch_dtype: Any = None,
    **options: Any,
) -> Pipeline:
    """``task``: default: what the model was made for. ``options`` are ``precision``, ``threads``,
    ``isa`` and ``max_length`` of tamis.Model, and those of the task's calls, for every call that
    does not name them: text classification with ``top_k=None`` gives all labels. ``tokenizer`` is
    the model's own, or its path.
    """
    if model is None:
        raise InvalidArgument("model: needed; there is no default model of a task")
    if task is not None and task not in _TASKS:
        raise InvalidArgument(f"task: {task!r} is unknown; known are {', '.join(_TASKS)}")
    if tokenizer is not None and tokenizer != model:
        raise InvalidArgument("tokenizer: the model's own is taken; leave it out")
    for kind in (dtype, torch_dtype):
        if kind is not None and str(kind) not in ("auto", "float32", "torch.float32"):
            raise InvalidArgument(f"dtype: {kind}; say precision=\"bf16\" or \"int8\" instead")
    of_model = {name: options.pop(name) for name in _OF_MODEL & set(options)}
    native = Model(model, task=None if task is None else _TASKS[task].native,
                   device=_device(device), **of_model)
    if task is None:
        task = next((name for name, row in _TASKS.items() if row.native == native.info.task), None)
    if task is None:
        native.close()
        raise InvalidArgument(f"task: needed; the model is for {native.info.task!r}, and known are "
                              f"{', '.join(_TASKS)}")
    return Pipeline(native, task, options)
