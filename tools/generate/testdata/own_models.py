"""Architectures that transformers has no class for, written down from what their authors publish: NeoBERT and JinaBERT.

Each takes a plain dict for its configuration, and answers as transformers' classes do.
"""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import torch
from safetensors.torch import load_file, save_file
from torch import nn


class OwnModel(nn.Module):
    """A model with a head, saved and loaded as transformers does it."""

    prefix = "model"

    def __init__(self, config: dict, head: str):
        super().__init__()
        self.config, self.head = config, head

    def save_pretrained(self, folder: Path) -> None:
        """Weights and config.json."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: value.contiguous() for name, value in self.state_dict().items()}
        if self.head == "base":
            tensors = {name.removeprefix(self.prefix + "."): value for name, value in tensors.items()}
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "config.json").write_text(json.dumps(self.config, indent=2) + "\n")

    def load(self, folder: Path) -> "OwnModel":
        """The weights of a saved model of the same configuration."""
        tensors = {name: value.float() for name, value in load_file(folder / "model.safetensors").items()}
        if self.head == "base":
            tensors = {f"{self.prefix}.{name}": value for name, value in tensors.items()}
        self.load_state_dict(tensors)
        return self


class Maker:
    """What a class of transformers offers, for one architecture and head."""

    def __init__(self, model_class, head: str):
        self.model_class, self.head = model_class, head

    def __call__(self, config: dict) -> OwnModel:
        return self.model_class(config, self.head)

    def from_pretrained(self, folder: Path, **_) -> OwnModel:
        """The model of a folder that save_pretrained() wrote."""
        return self(json.loads((Path(folder) / "config.json").read_text())).load(Path(folder))


class RmsNorm(nn.Module):
    """x over its root mean square, times a weight."""

    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(size)), eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + self.eps) * self.weight


class NeoBertUnit(nn.Module):
    """SwiGLU with both halves in w12."""

    def __init__(self, size: int, inner: int):
        super().__init__()
        self.w12, self.w3 = nn.Linear(size, 2 * inner, bias=False), nn.Linear(inner, size, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate, up = self.w12(x).chunk(2, -1)
        return self.w3(nn.functional.silu(gate) * up)


class NeoBertLayer(nn.Module):
    """Pre-norm attention with complex rotary positions, then the gated unit."""

    def __init__(self, config: dict):
        super().__init__()
        size, eps = config["hidden_size"], config["norm_eps"]
        self.heads = config["num_attention_heads"]
        self.qkv, self.wo = nn.Linear(size, 3 * size, bias=False), nn.Linear(size, size, bias=False)
        inner = -(-int(2 * config["intermediate_size"] / 3) // 8) * 8
        self.ffn = NeoBertUnit(size, inner)
        self.attention_norm, self.ffn_norm = RmsNorm(size, eps), RmsNorm(size, eps)

    def forward(self, x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
        batch, length, size = x.shape
        qkv = self.qkv(self.attention_norm(x)).view(batch, length, self.heads, 3 * size // self.heads)
        q, k, v = qkv.chunk(3, -1)
        turned = []
        for part in (q, k):
            pairs = torch.view_as_complex(part.reshape(*part.shape[:-1], -1, 2).contiguous())
            turned.append(torch.view_as_real(pairs * turns[:, None, :].to(pairs.dtype)).flatten(3))
        q, k, v = (part.transpose(1, 2) for part in (*turned, v))
        weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(size // self.heads), -1)
        x = x + self.wo((weights @ v).transpose(1, 2).reshape(batch, length, size))
        return x + self.ffn(self.ffn_norm(x))


class NeoBertEncoder(nn.Module):
    """Words, layers, norm."""

    def __init__(self, config: dict):
        super().__init__()
        self.config = config
        self.encoder = nn.Embedding(config["vocab_size"], config["hidden_size"])
        self.transformer_encoder = nn.ModuleList(NeoBertLayer(config) for _ in range(config["num_hidden_layers"]))
        self.layer_norm = RmsNorm(config["hidden_size"], config["norm_eps"])

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        size = self.config["hidden_size"] // self.config["num_attention_heads"]
        frequencies = 1.0 / (10000.0 ** (torch.arange(0, size, 2).float() / size))
        angles = torch.outer(torch.arange(input_ids.shape[1]).float(), frequencies)
        turns = torch.polar(torch.ones_like(angles), angles)
        x = self.encoder(input_ids)
        for layer in self.transformer_encoder:
            x = layer(x, turns)
        return self.layer_norm(x)


class NeoBert(OwnModel):
    """NeoBERT with its heads: tanh on the first token, words by a linear layer."""

    def __init__(self, config: dict, head: str):
        super().__init__(config, head)
        size = config["hidden_size"]
        self.model = NeoBertEncoder(config)
        if head == "rerank":
            self.dense, self.classifier = nn.Linear(size, size), nn.Linear(size, config["num_labels"])
        if head == "masked-lm":
            self.decoder = nn.Linear(size, config["vocab_size"])

    def forward(self, input_ids: torch.Tensor, **_) -> SimpleNamespace:
        hidden = self.model(input_ids)
        if self.head == "base":
            return SimpleNamespace(last_hidden_state=hidden)
        if self.head == "masked-lm":
            return SimpleNamespace(logits=self.decoder(hidden))
        return SimpleNamespace(logits=self.classifier(torch.tanh(self.dense(hidden[:, 0]))))


class JinaBertAttention(nn.Module):
    """BERT's attention with scores that fall with the distance, and its output's norm."""

    def __init__(self, config: dict):
        super().__init__()
        size, self.heads = config["hidden_size"], config["num_attention_heads"]
        self.self = nn.ModuleDict({name: nn.Linear(size, size) for name in ("query", "key", "value")})
        norm = nn.LayerNorm(size, eps=config["layer_norm_eps"])
        self.output = nn.ModuleDict({"dense": nn.Linear(size, size), "LayerNorm": norm})

    def projected(self, x: torch.Tensor, name: str) -> torch.Tensor:
        """Queries, keys or values."""
        return self.self[name](x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, size = x.shape
        q, k, v = (
            self.projected(x, name).view(batch, length, self.heads, -1).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        slopes = torch.tensor([2.0 ** (-8.0 * (head + 1) / self.heads) for head in range(self.heads)])
        places = torch.arange(length)
        bias = -slopes[:, None, None] * (places[None, :] - places[:, None]).abs()
        weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(size // self.heads) + bias.to(q.dtype), -1)
        context = (weights @ v).transpose(1, 2).reshape(batch, length, size)
        return self.output["LayerNorm"](self.output["dense"](context) + x)


class JinaBertUnit(nn.Module):
    """GEGLU with the gate first, the residual and its norm."""

    def __init__(self, config: dict):
        super().__init__()
        size, inner = config["hidden_size"], config["intermediate_size"]
        self.gated_layers, self.wo = nn.Linear(size, 2 * inner, bias=False), nn.Linear(inner, size)
        self.layernorm = nn.LayerNorm(size, eps=config["layer_norm_eps"])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate, up = self.gated_layers(x).chunk(2, -1)
        return self.layernorm(self.wo(nn.functional.gelu(gate) * up) + x)


class JinaBertLayer(nn.Module):
    """Attention, then the gated unit."""

    def __init__(self, config: dict):
        super().__init__()
        self.attention, self.mlp = JinaBertAttention(config), JinaBertUnit(config)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mlp(self.attention(x))


class JinaCodeAttention(JinaBertAttention):
    """The same with norms of queries and keys, over all heads at once."""

    def __init__(self, config: dict):
        super().__init__(config)
        for name in ("layer_norm_q", "layer_norm_k"):
            self.self[name] = nn.LayerNorm(config["hidden_size"], eps=config["layer_norm_eps"])

    def projected(self, x: torch.Tensor, name: str) -> torch.Tensor:
        norm = {"query": "layer_norm_q", "key": "layer_norm_k"}.get(name)
        found = super().projected(x, name)
        return self.self[norm](found) if norm else found


class JinaCodeLayer(nn.Module):
    """The layer of jina-bert-v2-qk-post-norm: attention's result has two norms, and GEGLU's gate comes last."""

    def __init__(self, config: dict):
        super().__init__()
        size, inner = config["hidden_size"], config["intermediate_size"]
        self.attention = JinaCodeAttention(config)
        self.mlp = nn.ModuleDict({
            "up_gated_layer": nn.Linear(size, 2 * inner, bias=False), "down_layer": nn.Linear(inner, size)
        })
        self.layer_norm_1 = nn.LayerNorm(size, eps=config["layer_norm_eps"])
        self.layer_norm_2 = nn.LayerNorm(size, eps=config["layer_norm_eps"])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layer_norm_1(x + self.attention(x))
        up, gate = self.mlp["up_gated_layer"](x).chunk(2, -1)
        return self.layer_norm_2(x + self.mlp["down_layer"](up * nn.functional.gelu(gate)))


class JinaBertEncoder(nn.Module):
    """Words and segments, layers, pooler."""

    def __init__(self, config: dict, layer: type[nn.Module]):
        super().__init__()
        size = config["hidden_size"]
        self.embeddings = nn.ModuleDict({
            "word_embeddings": nn.Embedding(config["vocab_size"], size),
            "token_type_embeddings": nn.Embedding(config["type_vocab_size"], size),
            "LayerNorm": nn.LayerNorm(size, eps=config["layer_norm_eps"]),
        })
        layers = [layer(config) for _ in range(config["num_hidden_layers"])]
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(layers)})
        self.pooler = nn.ModuleDict({"dense": nn.Linear(size, size)})

    def forward(self, input_ids: torch.Tensor, token_type_ids: torch.Tensor) -> torch.Tensor:
        words = self.embeddings["word_embeddings"](input_ids)
        x = self.embeddings["LayerNorm"](words + self.embeddings["token_type_embeddings"](token_type_ids))
        for layer in self.encoder["layer"]:
            x = layer(x)
        return x


class JinaBert(OwnModel):
    """JinaBERT, whose heads are BERT's."""

    prefix = "bert"
    layer: type[nn.Module] = JinaBertLayer

    def __init__(self, config: dict, head: str):
        super().__init__(config, head)
        self.bert = JinaBertEncoder(config, self.layer)

    def forward(self, input_ids: torch.Tensor, token_type_ids: torch.Tensor | None = None, **_) -> SimpleNamespace:
        types = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        return SimpleNamespace(last_hidden_state=self.bert(input_ids, types))


class JinaCode(JinaBert):
    """JinaBERT as jina-embeddings-v2-base-code has it."""

    layer = JinaCodeLayer


MODELS = {"neobert": NeoBert, "jina_bert": JinaBert, "jina_code": JinaCode}
# Families with segments.
WITH_TYPES = {"jina_bert", "jina_code"}
ARCHITECTURES = {
    "neobert": {"base": "NeoBERT", "rerank": "NeoBERTForSequenceClassification", "masked-lm": "NeoBERTLMHead"},
    "jina_bert": {"base": "JinaBertModel"},
    "jina_code": {"base": "JinaBertModel"},
}
CODE = {
    "neobert": "model.NeoBERT",
    "jina_bert": "jinaai/jina-bert-implementation--modeling_bert.JinaBertModel",
    "jina_code": "jinaai/jina-bert-v2-qk-post-norm--modeling_bert.JinaBertModel",
}
# JinaBERT calls itself bert.
JINA = {
    "model_type": "bert", "max_position_embeddings": 40, "layer_norm_eps": 1e-12, "type_vocab_size": 2,
    "position_embedding_type": "alibi", "feed_forward_type": "geglu", "emb_pooler": "mean",
}
OPTIONS = {
    "neobert": {"model_type": "neobert", "max_length": 40, "norm_eps": 1e-5},
    "jina_bert": JINA,
    "jina_code": JINA,
}


def config_for(spec, vocab_size: int, pad: int, labels: dict) -> dict:
    """config.json of hidden 16, 2 layers, 2 heads, intermediate 20."""
    return {
        "architectures": [ARCHITECTURES[spec.family][spec.head]], "auto_map": {"AutoModel": CODE[spec.family]},
        "hidden_size": 16, "intermediate_size": 20, "num_attention_heads": 2, "num_hidden_layers": 2, "pad_token_id": pad,
        "vocab_size": vocab_size, **OPTIONS[spec.family], **labels,
    }


def classes() -> dict:
    """Makers by the names of checkpoints."""
    return {f"{family}-{head}": Maker(MODELS[family], head) for family, heads in ARCHITECTURES.items() for head in heads}
