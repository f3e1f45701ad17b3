"""Folders of sentence-transformers' StaticEmbedding, as that package and model2vec write them, and what it answers."""

import json
import shutil
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router, Transformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, StaticEmbedding

import common
import corpus
import sentence
import small_tokenizers

WIDTH = 12
TEXTS = ["", "   ", "lighthouse", "The lighthouse keeper counted 12 ships, then slept.", "猫は窓のそばで寝ています。 Кот спит 😀",
         corpus.paragraph(9, 31), " ".join(corpus.paragraph(seed, 40) for seed in range(12))]
PROMPTS = {"query": "query: ", "document": ""}


def _tokenizer():
    return small_tokenizers.wordpiece(True, 260).fast.backend_tokenizer


def _table(name: str, rows: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    return torch.randn(rows, WIDTH, generator=generator)


def _embedding(name: str) -> StaticEmbedding:
    tokenizer = _tokenizer()
    return StaticEmbedding(tokenizer, embedding_weights=_table(name, tokenizer.get_vocab_size()))


def build_today(folder: Path) -> None:
    """As the installed version writes it, with prompts."""
    model = SentenceTransformer(modules=[_embedding("today")], device="cpu", prompts=PROMPTS)
    model.save_pretrained(str(folder), create_model_card=False)


def build_dense(folder: Path) -> None:
    """Its vector through further modules, to which also the zeros of an empty text go."""
    dense = Dense(WIDTH, 7, bias=True, activation_function=torch.nn.Tanh())
    torch.nn.init.normal_(dense.linear.bias, std=0.3, generator=torch.Generator().manual_seed(1))
    torch.nn.init.normal_(dense.linear.weight, std=0.3, generator=torch.Generator().manual_seed(2))
    model = SentenceTransformer(modules=[_embedding("dense"), dense, Normalize()], device="cpu")
    model.save_pretrained(str(folder), create_model_card=False)


def build_half(folder: Path) -> None:
    """The files as sentence-transformers 3.3 wrote them, a table of half precision, the first dimensions kept."""
    table = folder / "0_StaticEmbedding"
    table.mkdir(parents=True)
    tokenizer = _tokenizer()
    tokenizer.save(str(table / "tokenizer.json"))
    weight = _table("half", tokenizer.get_vocab_size()).half()
    save_file({"embedding.weight": weight}, table / "model.safetensors", metadata={"format": "pt"})
    modules = [("StaticEmbedding", "0_StaticEmbedding"), ("Normalize", "1_Normalize")]
    sentence._dump(folder / "modules.json", [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(modules)
    ])
    sentence._dump(folder / "config_sentence_transformers.json", {
        "__version__": {"sentence_transformers": "3.3.0", "transformers": "4.46.3", "pytorch": "2.5.1"}, "prompts": {},
        "default_prompt_name": None, "similarity_fn_name": "cosine", "truncate_dim": 8,
    })


def build_model2vec(folder: Path) -> None:
    """As model2vec writes it: a table of fewer rows than there are tokens, a mapping to them and a weight for each token,
    and a tokenizer that cuts texts."""
    from model2vec import StaticModel

    tokenizer = _tokenizer()
    tokens = tokenizer.get_vocab_size()
    generator = np.random.default_rng(5)
    model = StaticModel(
        _table("model2vec", 40).numpy(), tokenizer, normalize=True, max_length=20,
        weights=generator.uniform(0.1, 2, tokens), token_mapping=generator.integers(0, 40, tokens),
        config={"model_type": "model2vec", "architectures": ["StaticModel"], "hidden_dim": WIDTH},
    )
    model.save_pretrained(folder)
    (folder / "README.md").unlink()


def build_router(folder: Path) -> None:
    """Documents by a small BERT, queries by a table with a tokenizer of its own and a Dense."""
    plain = folder.with_name("router-plain")
    shutil.rmtree(plain, ignore_errors=True)
    sentence.small_bert(plain, "router")
    document = Transformer(str(plain), max_seq_length=32)
    dense = Dense(WIDTH, sentence.HIDDEN, bias=True, activation_function=torch.nn.Tanh())
    torch.nn.init.normal_(dense.linear.bias, std=0.3, generator=torch.Generator().manual_seed(1))
    torch.nn.init.normal_(dense.linear.weight, std=0.3, generator=torch.Generator().manual_seed(2))
    tokenizer = small_tokenizers.wordpiece(False, 250).fast.backend_tokenizer
    table = StaticEmbedding(tokenizer, embedding_weights=_table("router", tokenizer.get_vocab_size()))
    router = Router.for_query_document([table, dense], [document, Pooling(sentence.HIDDEN)])
    model = SentenceTransformer(modules=[router, Normalize()], device="cpu", prompts=PROMPTS)
    model.save_pretrained(str(folder), create_model_card=False)
    shutil.rmtree(plain)


def record_router(folder: Path) -> None:
    """What encode, encode_query and encode_document answer, and encode where queries are the default."""
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True).float()
    double = SentenceTransformer(str(folder), device="cpu", local_files_only=True).double()
    cases = []
    for prompt, way, route in [(None, "encode", "document"), ("query", "encode_query", "document"),
                               ("document", "encode_document", "document"), (None, "encode", "query"),
                               ("document", "encode_document", "query")]:
        model[0].default_route = double[0].default_route = route
        for text in TEXTS[2:6]:
            named = {"prompt_name": prompt} if prompt is not None else {}
            found = getattr(model, way)(text)
            difference = np.abs(found.astype(np.float64) - getattr(double, way)(text)).max()
            cases.append({
                "text": text, **named, "default_route": route, "embedding": common.shortest(found),
                "f64_maxdiff": float(f"{difference:.3g}"),
            })
    common.write_json(folder / "golden.json.gz", {"kind": "router", "versions": common.versions()}, cases)


def record(folder: Path) -> None:
    """What SentenceTransformer.encode answers in float32, one text at a time, and how far that is from float64."""
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True).float()
    double = SentenceTransformer(str(folder), device="cpu", local_files_only=True).double()
    config = folder / "config_sentence_transformers.json"
    prompts = json.loads(config.read_text())["prompts"] if config.exists() else {}
    cases = []
    for prompt in [None, *prompts]:
        for text in TEXTS if prompt is None else TEXTS[:4]:
            named = {"prompt_name": prompt} if prompt is not None else {}
            ids = model[0].preprocess([text], prompt=model.prompts.get(prompt) or None)["input_ids"]
            found = model.encode(text, **named)
            difference = np.abs(found.astype(np.float64) - double.encode(text, **named)).max()
            cases.append({
                "text": text, **named, "input_ids": ids.tolist(), "embedding": common.shortest(found),
                "f64_maxdiff": float(f"{difference:.3g}"),
            })
    common.write_json(folder / "golden.json.gz", {"kind": "static", "versions": common.versions()}, cases)


FOLDERS = {
    "today": build_today, "dense": build_dense, "half": build_half, "model2vec": build_model2vec, "router": build_router,
}


def make(name: str, folder: Path) -> None:
    """One folder with its golden.json.gz."""
    FOLDERS[name](folder)
    for file in folder.rglob("*.safetensors"):
        file.chmod(0o644)
    (record_router if name == "router" else record)(folder)
