"""LangChain's interfaces over native models (needs langchain-core).

    >>> from tamis.langchain import TamisEmbeddings
    >>> TamisEmbeddings(model="build/models/minilm").embed_query("A text.")[:2]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Union

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.embeddings import Embeddings
from pydantic import ConfigDict, PrivateAttr

from ._model import Model


class TamisEmbeddings(Embeddings):
    """Embeddings of documents and queries, with the model's prompts if their names are given."""

    def __init__(
        self,
        model: Union[str, Path],
        *,
        normalize: Optional[bool] = None,
        document_prompt_name: Optional[str] = None,
        query_prompt_name: Optional[str] = None,
        **options: Any,
    ) -> None:
        """``options`` are those of tamis.Model."""
        self.native = Model(model, **options)
        self._normalize = normalize
        self._document = document_prompt_name
        self._query = query_prompt_name

    def embed_documents(self, texts: List[str]) -> List[List[float]]:
        """One vector a text."""
        rows = self.native.embed(texts, normalize=self._normalize, prompt_name=self._document)
        found: List[List[float]] = rows.tolist()
        return found

    def embed_query(self, text: str) -> List[float]:
        """The vector of a query."""
        row = self.native.embed(text, normalize=self._normalize, prompt_name=self._query)
        found: List[float] = row.tolist()
        return found


class TamisReranker(BaseDocumentCompressor):
    """Keeps the documents that answer the query best, with relevance_score in their metadata."""

    model: Union[str, Path]
    top_n: int = 3
    options: Dict[str, Any] = {}
    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", protected_namespaces=())
    _native: Model = PrivateAttr()

    def model_post_init(self, _context: Any) -> None:
        """Loads the model."""
        self._native = Model(self.model, **self.options)

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Optional[Callbacks] = None
    ) -> Sequence[Document]:
        """The best top_n documents, best first."""
        del callbacks
        if not documents:
            return []
        ranked = self._native.rerank(query, [document.page_content for document in documents],
                                     top_k=self.top_n)
        return [documents[item.index].model_copy(
                    update={"metadata": {**documents[item.index].metadata,
                                         "relevance_score": item.score}})
                for item in ranked]
