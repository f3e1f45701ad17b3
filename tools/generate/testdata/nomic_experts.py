"""NomicBERT with a mixture of experts (nomic-embed-text-v2-moe), written down from what its authors publish.

Only the sizes are small: the keys of config.json and the names of tensors are the checkpoint's.
"""

import math
from types import SimpleNamespace

import torch
from torch import nn

import own_models

FOLDERS = {
    "nomic_bert-experts": ("base", {"num_experts": 3, "moe_top_k": 2, "moe_every_n_layers": 2, "n_layer": 2}),
    # Of layers 0 to 2 the second alone has experts, whose size is a multiple of no panel.
    "nomic_bert-experts-masked-lm": (
        "masked-lm",
        {"num_experts": 3, "moe_top_k": 1, "moe_every_n_layers": 3, "n_layer": 3, "n_inner": 13, "qkv_proj_bias": False, "mlp_fc1_bias": False},
    ),
}


def turned(x: torch.Tensor, base: float) -> torch.Tensor:
    """Rotary positions of [batch, heads, length, size], the halves of a head being pairs."""
    length, size = x.shape[-2:]
    frequencies = 1.0 / (base ** (torch.arange(0, size, 2).float() / size))
    angles = torch.outer(torch.arange(length).float(), frequencies).repeat(1, 2)
    first, second = x.chunk(2, -1)
    return x * angles.cos().to(x.dtype) + torch.cat((-second, first), -1) * angles.sin().to(x.dtype)


class Attention(nn.Module):
    """Queries, keys and values in one product, without a mask."""

    def __init__(self, config: dict):
        super().__init__()
        size, bias = config["n_embd"], config["qkv_proj_bias"]
        self.heads, self.base = config["n_head"], config["rotary_emb_base"]
        self.Wqkv, self.out_proj = nn.Linear(size, 3 * size, bias=bias), nn.Linear(size, size, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, size = x.shape
        parts = self.Wqkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = turned(parts[0], self.base), turned(parts[1], self.base)
        weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(size // self.heads), -1)
        return self.out_proj((weights @ parts[2]).transpose(1, 2).reshape(batch, length, size))


class Unit(nn.Module):
    """The plain feed-forward layer."""

    def __init__(self, config: dict):
        super().__init__()
        size, inner = config["n_embd"], config["n_inner"]
        self.fc1 = nn.Linear(size, inner, bias=config["mlp_fc1_bias"])
        self.fc2 = nn.Linear(inner, size, bias=config["mlp_fc2_bias"])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(nn.functional.gelu(self.fc1(x)))


class Experts(nn.Module):
    """The first experts of each token, by a softmax over all: their sum, each times its share of all, and one bias."""

    def __init__(self, config: dict):
        super().__init__()
        size, inner, self.count, self.top_k = config["n_embd"], config["n_inner"], config["num_experts"], config["moe_top_k"]
        self.router = nn.ModuleDict({"layer": nn.Linear(size, self.count, bias=False)})
        packed = {name: nn.Parameter(torch.empty(self.count * inner, size)) for name in ("w1", "w2")}
        self.experts = nn.Module()
        self.experts.mlp, self.experts.bias = nn.ParameterDict(packed), nn.Parameter(torch.empty(size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        w1, w2 = (self.experts.mlp[name].view(self.count, -1, x.shape[-1]) for name in ("w1", "w2"))
        shares = torch.softmax(self.router["layer"](x), -1)
        kept = shares.topk(self.top_k, -1).indices
        shares = torch.zeros_like(shares).scatter(-1, kept, shares.gather(-1, kept))
        inner = nn.functional.gelu(torch.einsum("bth,efh->btef", x, w1))
        return torch.einsum("btef,efh,bte->bth", inner, w2, shares) + self.experts.bias


class Layer(nn.Module):
    """BERT's order: each norm behind the sum."""

    def __init__(self, config: dict, number: int):
        super().__init__()
        size, eps = config["n_embd"], config["layer_norm_epsilon"]
        self.attn = Attention(config)
        self.mlp = Experts(config) if number % config["moe_every_n_layers"] == 1 else Unit(config)
        self.norm1, self.norm2 = nn.LayerNorm(size, eps=eps), nn.LayerNorm(size, eps=eps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm1(self.attn(x) + x)
        return self.norm2(self.mlp(x) + x)


class Encoder(nn.Module):
    """Words and the one segment, norm, layers."""

    def __init__(self, config: dict):
        super().__init__()
        size = config["n_embd"]
        self.embeddings = nn.ModuleDict({
            "word_embeddings": nn.Embedding(config["vocab_size"], size),
            "token_type_embeddings": nn.Embedding(config["type_vocab_size"], size),
        })
        self.emb_ln = nn.LayerNorm(size, eps=config["layer_norm_epsilon"])
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList(Layer(config, i) for i in range(config["n_layer"]))})

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        words = self.embeddings["word_embeddings"](input_ids)
        x = self.emb_ln(words + self.embeddings["token_type_embeddings"](torch.zeros_like(input_ids)))
        for layer in self.encoder["layers"]:
            x = layer(x)
        return x


class NomicExperts(own_models.OwnModel):
    """The encoder, or with the head of masked words, whose decoder is the word embeddings, with biases as fc1 has them."""

    prefix = "bert"

    def __init__(self, config: dict, head: str):
        super().__init__(config, head)
        size, bias = config["n_embd"], config["mlp_fc1_bias"]
        self.bert = Encoder(config)
        if head == "masked-lm":
            norm = nn.LayerNorm(size, eps=config["layer_norm_epsilon"])
            transform = nn.ModuleDict({"dense": nn.Linear(size, size, bias=bias), "layer_norm": norm})
            self.cls = nn.ModuleDict({"predictions": nn.ModuleDict({"transform": transform})})

    def forward(self, input_ids: torch.Tensor, **_) -> SimpleNamespace:
        hidden = self.bert(input_ids)
        if self.head == "base":
            return SimpleNamespace(last_hidden_state=hidden)
        head = self.cls["predictions"]
        hidden = head["transform"]["layer_norm"](nn.functional.gelu(head["transform"]["dense"](hidden)))
        words = self.bert.embeddings["word_embeddings"].weight
        return SimpleNamespace(logits=hidden @ words.T)


def config_for(spec, vocab_size: int, pad: int) -> dict:
    """config.json as the checkpoint has it, of hidden 16 and 2 heads."""
    architectures = {"base": "NomicBertModel", "masked-lm": "NomicBertForPreTraining"}
    code = "nomic-ai/nomic-bert-2048--modeling_hf_nomic_bert." + architectures[spec.head]
    return {
        "activation_function": "gelu", "architectures": [architectures[spec.head]], "attn_pdrop": 0.0,
        "auto_map": {"AutoModel": code}, "causal": False, "embd_pdrop": 0.1, "expert_choice_router": False, "ffn_div": 1,
        "fused_bias_fc": True, "fused_dropout_add_ln": True, "initializer_range": 0.02, "layer_norm_epsilon": 1e-05,
        "max_trained_positions": 2048, "mlp_fc1_bias": True, "mlp_fc2_bias": True, "model_type": "nomic_bert",
        "moe_impl": "megablocks", "moe_normalize_expert_weights": False, "moe_resid_pdrop": 0.0, "n_embd": 16, "n_head": 2,
        "n_inner": 20, "n_positions": 40, "num_shared_experts": 0, "pad_token_id": pad, "pad_vocab_to_multiple_of": 64,
        "parallel_block": False, "parallel_block_tied_norm": False, "prenorm": False, "qkv_proj_bias": True,
        "reorder_and_upcast_attn": False, "resid_pdrop": 0.0, "rotary_emb_base": 10000, "rotary_emb_fraction": 1.0,
        "rotary_emb_interleaved": False, "rotary_emb_scale_base": None, "rotary_scaling_factor": None,
        "router_aux_loss_coef": 0.1, "scale_attn_by_inverse_layer_idx": False, "scale_attn_weights": True,
        "type_vocab_size": 1, "use_flash_attn": True, "use_rms_norm": None, "use_xentropy": True, "vocab_size": vocab_size,
        **FOLDERS[spec.name][1],
    }


def rows() -> list[tuple]:
    """name, family, head, activation and options, as more_families.rows() has them."""
    return [(name, "nomic_bert", head, "gelu", {}) for name, (head, _) in FOLDERS.items()]


def classes() -> dict:
    """Makers by the names of checkpoints."""
    return {name: own_models.Maker(NomicExperts, head) for name, (head, _) in FOLDERS.items()}
