"""Haystack's components over native models (needs haystack-ai)."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Dict, List, Optional, Union

from haystack import Document, component, default_from_dict, default_to_dict

from ._model import Model

_Path = Union[str, "os.PathLike[str]"]


class _Loaded:
    """A model that warm_up() loads, and that goes into a pipeline's file by its path. Newer
    ones are read with ``Pipeline.loads(text, allowed_modules=["tamis.haystack"])``.
    """

    def __init__(self, model: _Path,
                 options: Optional[Dict[str, Any]]) -> None:
        self.model = os.fspath(model)
        self.options = dict(options or {})
        self._native: Optional[Model] = None

    @classmethod
    def from_dict(cls, data: Dict[str, Any]) -> Any:
        """From a pipeline's file."""
        return default_from_dict(cls, data)

    def warm_up(self) -> None:
        """Loads the model; run() does it if this was not called."""
        if self._native is None:
            self._native = Model(self.model, **self.options)

    @property
    def native(self) -> Model:
        """The loaded model."""
        self.warm_up()
        assert self._native is not None
        return self._native


@component
class TamisTextEmbedder(_Loaded):
    """The embedding of a text: a query."""

    def __init__(self, model: _Path, prefix: str = "", normalize: Optional[bool] = None,
                 options: Optional[Dict[str, Any]] = None) -> None:
        _Loaded.__init__(self, model, options)  # component() makes the class anew
        self.prefix = prefix
        self.normalize = normalize

    def to_dict(self) -> Dict[str, Any]:
        """For a pipeline's file."""
        return default_to_dict(self, model=self.model, prefix=self.prefix,
                               normalize=self.normalize, options=self.options)

    @component.output_types(embedding=List[float])
    def run(self, text: str) -> Dict[str, Any]:
        """embedding: the vector."""
        row = self.native.embed(self.prefix + text, normalize=self.normalize)
        return {"embedding": row.tolist()}


@component
class TamisDocumentEmbedder(_Loaded):
    """Documents with their embeddings, of the contents with the named fields before them."""

    def __init__(self, model: _Path, prefix: str = "", normalize: Optional[bool] = None,
                 meta_fields_to_embed: Optional[List[str]] = None,
                 embedding_separator: str = "\n",
                 options: Optional[Dict[str, Any]] = None) -> None:
        _Loaded.__init__(self, model, options)  # component() makes the class anew
        self.prefix = prefix
        self.normalize = normalize
        self.meta_fields_to_embed = list(meta_fields_to_embed or [])
        self.embedding_separator = embedding_separator

    def to_dict(self) -> Dict[str, Any]:
        """For a pipeline's file."""
        return default_to_dict(self, model=self.model, prefix=self.prefix,
                               normalize=self.normalize,
                               meta_fields_to_embed=self.meta_fields_to_embed,
                               embedding_separator=self.embedding_separator, options=self.options)

    def _text_of(self, document: Document) -> str:
        fields = [str(document.meta[name]) for name in self.meta_fields_to_embed
                  if document.meta.get(name) is not None]
        return self.prefix + self.embedding_separator.join([*fields, document.content or ""])

    @component.output_types(documents=List[Document])
    def run(self, documents: List[Document]) -> Dict[str, Any]:
        """documents: copies that hold their embeddings."""
        rows = self.native.embed([self._text_of(document) for document in documents],
                                 normalize=self.normalize)
        return {"documents": [replace(document, embedding=row.tolist())
                              for document, row in zip(documents, rows)]}


@component
class TamisRanker(_Loaded):
    """Documents by how well they answer the query, best first, with their scores."""

    def __init__(self, model: _Path, top_k: int = 10,
                 options: Optional[Dict[str, Any]] = None) -> None:
        _Loaded.__init__(self, model, options)  # component() makes the class anew
        self.top_k = top_k

    def to_dict(self) -> Dict[str, Any]:
        """For a pipeline's file."""
        return default_to_dict(self, model=self.model, top_k=self.top_k, options=self.options)

    @component.output_types(documents=List[Document])
    def run(self, query: str, documents: List[Document],
            top_k: Optional[int] = None) -> Dict[str, Any]:
        """documents: at most top_k of them."""
        if not documents:
            return {"documents": []}
        ranked = self.native.rerank(query, [document.content or "" for document in documents],
                                    top_k=top_k or self.top_k)
        return {"documents": [replace(documents[item.index], score=item.score)
                              for item in ranked]}


@component
class TamisNamedEntityExtractor(_Loaded):
    """Documents with meta["named_entities"]: entity, start, end, score."""

    def __init__(self, model: _Path, aggregation: str = "simple",
                 options: Optional[Dict[str, Any]] = None) -> None:
        _Loaded.__init__(self, model, options)  # component() makes the class anew
        self.aggregation = aggregation

    def to_dict(self) -> Dict[str, Any]:
        """For a pipeline's file."""
        return default_to_dict(self, model=self.model, aggregation=self.aggregation,
                               options=self.options)

    @component.output_types(documents=List[Document])
    def run(self, documents: List[Document]) -> Dict[str, Any]:
        """documents: copies that hold their entities."""
        found = self.native.ner([document.content or "" for document in documents],
                                aggregation=self.aggregation)
        return {"documents": [
            replace(document, meta={**document.meta, "named_entities": [
                {"entity": entity.label, "start": entity.start, "end": entity.end,
                 "score": entity.score} for entity in entities]})
            for document, entities in zip(documents, found)]}


@component
class TamisExtractiveReader(_Loaded):
    """The spans of documents that answer the query, best first."""

    def __init__(self, model: _Path, top_k: int = 20,
                 options: Optional[Dict[str, Any]] = None) -> None:
        _Loaded.__init__(self, model, options)  # component() makes the class anew
        self.top_k = top_k

    def to_dict(self) -> Dict[str, Any]:
        """For a pipeline's file."""
        return default_to_dict(self, model=self.model, top_k=self.top_k, options=self.options)

    @component.output_types(answers=List[Any])
    def run(self, query: str, documents: List[Document],
            top_k: Optional[int] = None) -> Dict[str, Any]:
        """answers: ExtractedAnswer, at most top_k of all documents."""
        from haystack import ExtractedAnswer

        most = top_k or self.top_k
        answers = []
        for document in documents:
            text = document.content or ""
            if not text.strip():
                continue  # a table or an image
            for found in self.native.answer(query, text, top_k=most):
                span = ExtractedAnswer.Span(found.start, found.end)
                answers.append(ExtractedAnswer(query=query, score=found.score, data=found.answer,
                                               document=document, document_offset=span))
        answers.sort(key=lambda answer: -answer.score)
        return {"answers": answers[:most]}
