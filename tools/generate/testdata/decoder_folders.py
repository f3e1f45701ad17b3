"""sentence-transformers folders of decoders: Qwen3-Embedding's kind, EmbeddingGemma's, and Qwen3-Reranker's."""

import json
import zlib
from pathlib import Path

import torch
import transformers
from tokenizers import processors

import checkpoints
import common

CLASSES = Path(__file__).resolve().parents[3] / "testdata" / "tokenizer-classes"
END = "<|endoftext|>"
SIZES = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 10,
    "intermediate_size": 20, "max_position_embeddings": 64, "attn_implementation": "eager",
}
# As sentence-transformers has it of Qwen3-Reranker.
RERANK_TEMPLATE = """\
{%- set task = messages | selectattr("role", "eq", "system") | map(attribute="content") | first | default("Find what answers") -%}
{%- set query = messages | selectattr("role", "eq", "query") | map(attribute="content") | first -%}
{%- set document = messages | selectattr("role", "eq", "document") | map(attribute="content") | first -%}
<s>Only "yes" or "no".</s>
<Instruct>: {{ task }}
<Query>: {{ query }}
<Document>: {{ document }}</s>
<think>

</think>

"""
PROMPTS = {"query": "Instruct: Given a question, find its answer\nQuery:", "document": ""}


def qwen3_tokenizer(ends: bool) -> transformers.PreTrainedTokenizerBase:
    """Qwen2's class over the bytes' vocabulary; Qwen3-Embedding's puts an end behind each text."""
    vocab = json.loads((CLASSES / "bytes" / "vocab.json").read_text(encoding="utf-8"))
    merges = (CLASSES / "bytes" / "merges.txt").read_text(encoding="utf-8").splitlines()
    pairs = [tuple(line.split(" ")) for line in merges if line and not line.startswith("#")]
    tokenizer = transformers.Qwen2Tokenizer(vocab=vocab, merges=pairs)
    if ends:
        backend = tokenizer.backend_tokenizer
        pair = processors.TemplateProcessing(single=f"$A {END}", pair=f"$A {END} $B {END}", special_tokens=[(END, vocab[END])])
        backend.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), pair])
    tokenizer.padding_side = "left"
    return tokenizer


def gemma_tokenizer() -> transformers.PreTrainedTokenizerBase:
    """Gemma's class over a SentencePiece BPE."""
    return transformers.GemmaTokenizer.from_pretrained(CLASSES / "pieces-bpe")


def _save(folder: Path, name: str, config: transformers.PretrainedConfig, auto_class, tokenizer) -> None:
    seed = zlib.crc32(name.encode())
    common.seed_all(seed)
    model = auto_class.from_config(config).eval()
    checkpoints.randomise(model, seed)
    model.half().save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    tokenizer.model_max_length = 48
    tokenizer.save_pretrained(folder)
    for file in folder.glob("*.safetensors"):
        file.chmod(0o644)


def qwen3(folder: Path, name: str) -> None:
    """The checkpoint of Qwen3-Embedding."""
    tokenizer = qwen3_tokenizer(ends=True)
    config = transformers.Qwen3Config(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, tie_word_embeddings=True, **SIZES)
    _save(folder, name, config, transformers.AutoModelForCausalLM, tokenizer)


def gemma(folder: Path, name: str) -> None:
    """The checkpoint of EmbeddingGemma: windows of 9 tokens, both directions."""
    tokenizer = gemma_tokenizer()
    config = transformers.Gemma3TextConfig(
        vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, use_bidirectional_attention=True, sliding_window=8, query_pre_attn_scalar=10,
        layer_types=["sliding_attention", "full_attention"], **SIZES,
    )
    _save(folder, name, config, transformers.AutoModel, tokenizer)


def build_reranker(folder: Path) -> None:
    """A CrossEncoder over the scores of two words, and what it answers."""
    import pipelines
    from sentence_transformers import CrossEncoder
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.cross_encoder.modules import LogitScore

    tokenizer = qwen3_tokenizer(ends=False)
    tokenizer.chat_template = RERANK_TEMPLATE
    config = transformers.Qwen3Config(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **SIZES)
    config.max_position_embeddings = 160
    _save(folder, folder.name, config, transformers.AutoModelForCausalLM, tokenizer)
    options = {"model_kwargs": {"dtype": torch.float32, "attn_implementation": "eager"}}
    module = Transformer(str(folder), transformer_task="text-generation", **options)
    module.max_seq_length = 128
    words = [tokenizer.get_vocab()[word] for word in ("e", "t")]
    model = CrossEncoder(modules=[module, LogitScore(*words)], device="cpu")
    for file in folder.rglob("*"):
        if file.is_file():
            file.unlink()
    model.save_pretrained(str(folder), create_model_card=False)
    (folder / "generation_config.json").unlink(missing_ok=True)
    for file in folder.glob("*.safetensors"):
        file.chmod(0o644)
    common.seed_all(0)
    pipelines.rerank(None, folder)
