"""A component of spaCy that finds named entities (needs spacy).

    >>> import spacy, tamis.spacy
    >>> nlp = spacy.blank("en")
    >>> nlp.add_pipe("tamis_ner", config={"model": "ner-bundle"})
    >>> [(entity.text, entity.label_) for entity in nlp("Anna lives in Lagos.").ents]

An installed wheel tells spaCy of the factory, so ``import tamis.spacy`` may be left out.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from spacy.language import Language
from spacy.pipeline import Pipe
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.util import filter_spans, minibatch

from ._errors import InvalidArgument
from ._model import Model
from ._results import Entity

_ALIGNMENTS = ("strict", "contract", "expand")


class TamisNer(Pipe):
    """Sets ``doc.ents``. Entities that are there already stay, and those found across them are left
    out, unless ``overwrite_ents``.

    ``aggregation``: "simple", "first", "average" or "max". ``stride``: tokens that the windows of a
    long text share; None cuts it. ``alignment_mode``: how an entity that begins or ends inside a
    token becomes a span, as Doc.char_span() takes it; one that becomes none is left out.

    ``labels``: what a model that reads labels with the text (GLiNER) looks for, at ``threshold`` of
    probability; ``aggregation`` and ``stride`` are for other models and play no part then.
    """

    def __init__(
        self,
        model: str,
        name: str = "tamis_ner",
        *,
        aggregation: str = "simple",
        stride: Optional[int] = 16,
        alignment_mode: str = "expand",
        overwrite_ents: bool = False,
        labels: Optional[Sequence[str]] = None,
        threshold: Optional[float] = None,
        options: Optional[Dict[str, Any]] = None,
    ) -> None:
        """``options`` are those of tamis.Model."""
        if aggregation == "none":
            raise InvalidArgument("aggregation: 'none' gives pieces of words, which are no spans; "
                                  "use 'simple', 'first', 'average' or 'max'")
        if alignment_mode not in _ALIGNMENTS:
            known = ", ".join(_ALIGNMENTS)
            raise InvalidArgument(f"alignment_mode: {alignment_mode!r}; known are {known}")
        self.name = name
        self.scorer = get_ner_prf  # what nlp.evaluate() asks
        self.native = Model(model, task="ner", **(options or {}))
        self.aggregation = aggregation
        self.stride = stride
        self.wanted = None if labels is None else list(labels)
        self.threshold = threshold
        if labels is None and threshold is not None:
            raise InvalidArgument("threshold: is for models that read labels with the text; give "
                                  "`labels` too")
        self.alignment_mode = alignment_mode
        self.overwrite_ents = overwrite_ents

    def __reduce__(self) -> Tuple[Any, ...]:
        return _restore, (dict(self.__dict__), self.name)

    @property
    def labels(self) -> Tuple[str, ...]:
        """Types of entities, without the B- and I- of the model's labels."""
        if self.wanted is not None:
            return tuple(self.wanted)
        found = (label[2:] if label[:2] in ("B-", "I-") else label
                 for label in self.native.info.labels if label != "O")
        return tuple(dict.fromkeys(found))

    def __call__(self, doc: Doc) -> Doc:
        """The document, with its entities."""
        return next(self.pipe([doc]))

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Documents in their order, ``batch_size`` of them run at once."""
        for docs in minibatch(stream, batch_size):  # type: ignore[no-untyped-call, unused-ignore]
            try:
                found = self.native.ner([doc.text for doc in docs], **self._options())
                for doc, entities in zip(docs, found):
                    self._set(doc, entities)
            except Exception as error:
                self.get_error_handler()(self.name, self, docs, error)
            else:
                yield from docs

    def _options(self) -> Dict[str, Any]:
        if self.wanted is None:
            return {"aggregation": self.aggregation, "stride": self.stride}
        return {"labels": self.wanted, "threshold": self.threshold}

    def _set(self, doc: Doc, entities: Sequence[Entity]) -> None:
        kept: List[Span] = [] if self.overwrite_ents else list(doc.ents)
        taken = {token.i for span in kept for token in span}
        spans = (doc.char_span(entity.start, entity.end, label=entity.label,
                               alignment_mode=self.alignment_mode) for entity in entities)
        fresh = filter_spans([span for span in spans if span is not None and len(span) > 0])
        doc.ents = (*kept, *(span for span in fresh if taken.isdisjoint(token.i for token in span)))


def _restore(state: Dict[str, Any], name: str) -> TamisNer:
    component: TamisNer = TamisNer.__new__(TamisNer)
    component.__dict__.update(state)
    component.name = name
    return component


@Language.factory(
    "tamis_ner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type"],
    default_config={"aggregation": "simple", "stride": 16, "alignment_mode": "expand",
                    "overwrite_ents": False, "labels": None, "threshold": None, "options": None},
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
def make_ner(
    nlp: Language,
    name: str,
    model: str,
    aggregation: str,
    stride: Optional[int],
    alignment_mode: str,
    overwrite_ents: bool,
    labels: Optional[List[str]],
    threshold: Optional[float],
    options: Optional[Dict[str, Any]],
) -> TamisNer:
    """TamisNer of a pipeline's config."""
    return TamisNer(model, name, aggregation=aggregation, stride=stride,
                    alignment_mode=alignment_mode, overwrite_ents=overwrite_ents, labels=labels,
                    threshold=threshold, options=options)
