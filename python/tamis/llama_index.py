"""LlamaIndex's interfaces over native models (needs llama-index-core)."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional, Union

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle

from ._model import Model


class TamisEmbedding(BaseEmbedding):
    """``model_name`` is the path, id or bundle; ``options`` are those of tamis.Model."""

    options: Dict[str, Any] = Field(default_factory=dict)
    normalize: Optional[bool] = None
    query_prompt_name: Optional[str] = None
    text_prompt_name: Optional[str] = None
    _native: Model = PrivateAttr()

    def __init__(self, model_name: Union[str, "os.PathLike[str]"], **fields: Any) -> None:
        super().__init__(model_name=os.fspath(model_name), **fields)
        self._native = Model(model_name, **self.options)

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex keeps it."""
        return "TamisEmbedding"

    def _get_query_embedding(self, query: str) -> List[float]:
        row = self._native.embed(query, normalize=self.normalize,
                                 prompt_name=self.query_prompt_name)
        found: List[float] = row.tolist()
        return found

    async def _aget_query_embedding(self, query: str) -> List[float]:
        row = await self._native.embed_async(query, normalize=self.normalize,
                                             prompt_name=self.query_prompt_name)
        found: List[float] = row.tolist()
        return found

    def _get_text_embedding(self, text: str) -> List[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: List[str]) -> List[List[float]]:
        rows = self._native.embed(texts, normalize=self.normalize,
                                  prompt_name=self.text_prompt_name)
        found: List[List[float]] = rows.tolist()
        return found


class TamisRerank(BaseNodePostprocessor):
    """Keeps the ``top_n`` nodes that answer the query best, with its scores."""

    model: str
    top_n: int = 2
    options: Dict[str, Any] = Field(default_factory=dict)
    _native: Model = PrivateAttr()

    def __init__(self, model: Union[str, "os.PathLike[str]"], top_n: int = 2,
                 **fields: Any) -> None:
        super().__init__(**{"model": os.fspath(model), "top_n": top_n, **fields})
        self._native = Model(model, **self.options)

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex keeps it."""
        return "TamisRerank"

    def _postprocess_nodes(
        self, nodes: List[NodeWithScore], query_bundle: Optional[QueryBundle] = None
    ) -> List[NodeWithScore]:
        if query_bundle is None:
            raise ValueError("a reranker needs the query")
        if not nodes:
            return []
        texts = [node.node.get_content(metadata_mode=MetadataMode.EMBED) for node in nodes]
        ranked = self._native.rerank(query_bundle.query_str, texts, top_k=self.top_n)
        return [NodeWithScore(node=nodes[item.index].node, score=item.score) for item in ranked]
