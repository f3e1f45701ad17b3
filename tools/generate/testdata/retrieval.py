"""Folders of models that retrieve by more than one vector, in the layouts that people store, and what
sentence-transformers, colbert-ai's definition and FlagEmbedding's definition answer."""

import json
import shutil
import string
import zlib
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from sentence_transformers import MultiVectorEncoder, SparseEncoder
from sentence_transformers.sparse_encoder.modules import MLMTransformer, SpladePooling

import checkpoints
import common
import corpus
import sentence
import small_tokenizers

QUERY = "Where do lighthouse keepers sleep?"
TEXTS = [
    "lighthouse",
    "The lighthouse keeper counted 12 ships, then slept.",
    "Кот спит 😀, it rained; for three days!",
    corpus.paragraph(9, 31),
]
COLBERT_DIM = 8
WINDOW = 64


def _seeded(rows: int, columns: int, seed: int) -> torch.Tensor:
    return 0.3 * torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def _marked_weights(folder: Path) -> None:
    for file in folder.rglob("*.safetensors"):
        file.chmod(0o644)


# ---- SPLADE -----------------------------------------------------------------------------------------


def build_splade(folder: Path) -> None:
    """The files as sentence-transformers 5.0 wrote them."""
    sentence.small_bert(folder, "splade", head="masked-lm")
    modules = [("MLMTransformer", ""), ("SpladePooling", "1_SpladePooling")]
    sentence._dump(folder / "modules.json", [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.sparse_encoder.models.{kind}"}
        for i, (kind, path) in enumerate(modules)
    ])
    pooling = {"pooling_strategy": "max", "activation_function": "relu", "word_embedding_dimension": None}
    sentence._dump(folder / "1_SpladePooling" / "config.json", pooling)
    sentence._dump(folder / "sentence_bert_config.json", {"max_seq_length": 32, "do_lower_case": False})
    sentence._dump(folder / "config_sentence_transformers.json", {
        "model_type": "SparseEncoder", "__version__": {"sentence_transformers": "5.0.0"},
        "prompts": {"query": "", "document": ""}, "default_prompt_name": None, "similarity_fn_name": "dot",
    })


def build_splade_router(folder: Path) -> None:
    """Inference-free queries, weights of log(1 + log(1 + relu)), as the installed version writes them."""
    plain = folder.with_name("splade-plain")
    shutil.rmtree(plain, ignore_errors=True)
    sentence.small_bert(plain, "splade-router", head="masked-lm")
    from sentence_transformers.base.modules import Router
    from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding

    document = MLMTransformer(str(plain), max_seq_length=32)
    pooling = SpladePooling("max", activation_function="log1p_relu")
    weight = torch.rand(document.auto_model.config.vocab_size, generator=torch.Generator().manual_seed(3)) * 4
    query = SparseStaticEmbedding(tokenizer=document.tokenizer, weight=weight, frozen=True)
    router = Router.for_query_document(query_modules=[query], document_modules=[document, pooling])
    model = SparseEncoder(modules=[router], device="cpu", similarity_fn_name="dot")
    model.save_pretrained(str(folder), create_model_card=False)
    shutil.rmtree(plain)


def build_sparse_static(folder: Path) -> None:
    """No model at all: every text by the weights of its tokens, some of which are negative or 0."""
    from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding

    plain = folder.with_name("sparse-static-plain")
    shutil.rmtree(plain, ignore_errors=True)
    small_tokenizers.wordpiece(True, 260).save(plain, 32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(plain))
    weight = torch.randn(len(tokenizer), generator=torch.Generator().manual_seed(4)).clamp(min=-0.5)
    weight[::7] = 0
    model = SparseEncoder(modules=[SparseStaticEmbedding(tokenizer=tokenizer, weight=weight)], device="cpu", similarity_fn_name="dot")
    model.save_pretrained(str(folder), create_model_card=False)
    shutil.rmtree(plain)


def _weights(row: torch.Tensor) -> dict[str, float]:
    dense = row.to_dense()
    return {str(i): common.shortest(dense[i].numpy()) for i in torch.nonzero(dense).flatten().tolist()}


def record_sparse(folder: Path) -> None:
    model = SparseEncoder(str(folder), device="cpu", local_files_only=True)
    cases = [{"text": text, "query": False, "sparse": _weights(model.encode_document(text))} for text in TEXTS]
    cases.append({"text": QUERY, "query": True, "sparse": _weights(model.encode_query(QUERY))})
    common.write_json(folder / "golden.json.gz", {"kind": "sparse", "versions": common.versions()}, cases)


# ---- ColBERT ----------------------------------------------------------------------------------------


def build_colbert(folder: Path) -> None:
    """colbert-ai's own layout: linear.weight among the weights, artifact.metadata beside them."""
    sentence.small_bert(folder, "colbert")
    weights = load_file(folder / "model.safetensors")
    weights = {f"bert.{name}": value for name, value in weights.items()}
    weights["linear.weight"] = _seeded(COLBERT_DIM, sentence.HIDDEN, 5)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["architectures"] = ["HF_ColBERT"]
    sentence._dump(folder / "config.json", config)
    sentence._dump(folder / "artifact.metadata", {
        "query_token_id": "[unused0]", "doc_token_id": "[unused1]", "query_token": "[Q]", "doc_token": "[D]",
        "query_maxlen": 24, "doc_maxlen": 40, "dim": COLBERT_DIM, "similarity": "cosine", "mask_punctuation": True,
        "attend_to_mask_tokens": False, "nbits": 2, "lr": 1e-05, "interaction": "colbert",
    })


def build_colbert_pylate(folder: Path) -> None:
    """PyLate's layout, ModernBERT's windows and rotary positions, tokens that see those filled up."""
    tokenizer = small_tokenizers.wordpiece(True, 260)
    seed = zlib.crc32(b"colbert-pylate")
    common.seed_all(seed)
    special = {"bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3, "pad_token_id": 0}
    config = transformers.ModernBertConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=sentence.HIDDEN, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=24, max_position_embeddings=WINDOW, local_attention=48, global_attn_every_n_layers=2,
        attn_implementation="eager", **special,
    )
    model = transformers.AutoModel.from_config(config).eval()
    checkpoints.randomise(model, seed)
    model.save_pretrained(folder)
    tokenizer.save(folder, WINDOW)
    sentence._dump(folder / "modules.json", [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Dense", "type": "pylate.models.Dense.Dense"},
    ])
    activation = "torch.nn.modules.linear.Identity"
    sentence._dump(folder / "1_Dense" / "config.json", {
        "in_features": sentence.HIDDEN, "out_features": COLBERT_DIM, "bias": False, "activation_function": activation,
    })
    weights = {"linear.weight": _seeded(COLBERT_DIM, sentence.HIDDEN, 6)}
    save_file(weights, folder / "1_Dense" / "model.safetensors", metadata={"format": "pt"})
    sentence._dump(folder / "sentence_bert_config.json", {"max_seq_length": 40, "do_lower_case": False})
    sentence._dump(folder / "config_sentence_transformers.json", {
        "model_type": "ColBERT", "__version__": {"sentence_transformers": "5.1.1"}, "prompts": {}, "default_prompt_name": None,
        "similarity_fn_name": "MaxSim", "query_prefix": "[unused0]", "document_prefix": "[unused1]",
        "query_length": 28, "document_length": 44, "attend_to_expansion_tokens": False,
        "skiplist_words": list(string.punctuation), "do_query_expansion": True,
    })


def build_colbert_today(folder: Path) -> None:
    """The same kind of model as the installed sentence-transformers writes it."""
    plain = folder.with_name("colbert-plain")
    shutil.rmtree(plain, ignore_errors=True)
    build_colbert(plain)
    MultiVectorEncoder(str(plain), device="cpu").save_pretrained(str(folder), create_model_card=False)
    shutil.rmtree(plain)


def colbert_vectors(folder: Path, text: str, query: bool) -> tuple[list[int], torch.Tensor]:
    """colbert/modeling/colbert.py and the tokenizations beside it, for one text."""
    tokenizer = small_tokenizers.fast_from_folder(folder, True)
    metadata = json.loads((folder / "artifact.metadata").read_text())
    weights = load_file(folder / "model.safetensors")
    bert = transformers.BertModel(transformers.BertConfig.from_pretrained(folder, attn_implementation="eager"))
    bert.load_state_dict({k.removeprefix("bert."): v for k, v in weights.items() if k.startswith("bert.")})
    length = metadata["query_maxlen" if query else "doc_maxlen"]
    padding = {"padding": "max_length"} if query else {}
    encoded = tokenizer(". " + text, truncation=True, max_length=length, return_tensors="pt", **padding)
    ids, mask = encoded["input_ids"], encoded["attention_mask"]
    ids[:, 1] = tokenizer.convert_tokens_to_ids(metadata["query_token_id" if query else "doc_token_id"])
    if query:
        ids[ids == tokenizer.pad_token_id] = tokenizer.mask_token_id
    with torch.no_grad():
        hidden = bert.eval()(ids, attention_mask=mask)[0]
        vectors = torch.nn.functional.normalize(hidden @ weights["linear.weight"].T, p=2, dim=2)[0]
    skipped = {tokenizer.convert_tokens_to_ids(mark) for mark in string.punctuation} - {tokenizer.unk_token_id}
    kept = [i for i, token in enumerate(ids[0].tolist()) if query or token not in skipped]
    return ids[0][kept].tolist(), vectors[kept]


def _multi_case(text: str, query: bool, vectors: torch.Tensor) -> dict:
    return {"text": text, "query": query, "vectors": common.shortest(vectors.numpy())}


def record_colbert(folder: Path) -> None:
    """Both definitions, where both know the layout, must agree."""
    model = MultiVectorEncoder(str(folder), device="cpu", model_kwargs={"attn_implementation": "eager"})
    cases = []
    for text, query in [(QUERY, True), (TEXTS[0], True)] + [(text, False) for text in TEXTS]:
        encode = model.encode_query if query else model.encode_document
        vectors = torch.as_tensor(encode(text))
        if (folder / "artifact.metadata").exists():
            torch.testing.assert_close(vectors, colbert_vectors(folder, text, query)[1], atol=2e-6, rtol=0)
        cases.append(_multi_case(text, query, vectors))
    ranked = model.similarity(model.encode_query([QUERY]), model.encode_document(TEXTS))[0]
    head = {"kind": "multi", "query": QUERY, "texts": TEXTS, "scores": common.shortest(ranked.numpy())}
    common.write_json(folder / "golden.json.gz", {**head, "versions": common.versions()}, cases)


# ---- BGE-M3 -----------------------------------------------------------------------------------------


def build_bge_m3(folder: Path) -> None:
    """XLM-R, a cls pooling, and two layers in files of their own."""
    tokenizer = small_tokenizers.xlm_roberta(vocab_size=300)
    seed = zlib.crc32(b"bge-m3")
    common.seed_all(seed)
    config = transformers.XLMRobertaConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=sentence.HIDDEN, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=WINDOW + 2, type_vocab_size=1, layer_norm_eps=1e-5,
        attn_implementation="eager",
    )
    model = transformers.XLMRobertaModel(config).eval()
    checkpoints.randomise(model, seed)
    model.save_pretrained(folder)
    tokenizer.files.clear()
    tokenizer.save(folder, WINDOW)
    sentence._write_modules(folder, {"poolings": ["cls"], "max_seq_length": WINDOW})
    sparse = {"weight": _seeded(1, sentence.HIDDEN, 7), "bias": torch.tensor([0.1])}
    colbert = {"weight": _seeded(COLBERT_DIM, sentence.HIDDEN, 8), "bias": _seeded(1, COLBERT_DIM, 9)[0]}
    torch.save(sparse, folder / "sparse_linear.pt")
    torch.save(colbert, folder / "colbert_linear.pt")


def record_bge_m3(folder: Path) -> None:
    """What FlagEmbedding's M3 model computes and its M3 embedder makes of that."""
    tokenizer = small_tokenizers.fast_from_folder(folder, False)
    model = transformers.XLMRobertaModel.from_pretrained(folder, attn_implementation="eager").eval()
    layers = [torch.load(folder / name) for name in ("sparse_linear.pt", "colbert_linear.pt")]
    unused = {tokenizer.cls_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id}
    cases = []
    for text in [QUERY, *TEXTS]:
        ids = tokenizer(text, truncation=True, max_length=WINDOW, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            hidden = model(ids, attention_mask=torch.ones_like(ids)).last_hidden_state
            sparse, colbert = (torch.nn.functional.linear(hidden, x["weight"], x["bias"])[0] for x in layers)
        weights = {}
        for token, weight in zip(ids[0].tolist(), torch.relu(sparse)[:, 0]):
            if token not in unused and weight > 0 and weight > weights.get(token, 0):
                weights[token] = weight
        vectors = torch.nn.functional.normalize(colbert[1:], dim=-1)
        cases.append({
            **_multi_case(text, text == QUERY, vectors),
            "dense": common.shortest(torch.nn.functional.normalize(hidden[0, 0], dim=-1).numpy()),
            "sparse": {str(token): common.shortest(weight.numpy()) for token, weight in sorted(weights.items())},
        })
    common.write_json(folder / "golden.json.gz", {"kind": "all", "versions": common.versions()}, cases)


FOLDERS = {
    "splade": (build_splade, record_sparse),
    "splade-router": (build_splade_router, record_sparse),
    "sparse-static": (build_sparse_static, record_sparse),
    "colbert": (build_colbert, record_colbert),
    "colbert-pylate": (build_colbert_pylate, record_colbert),
    "colbert-today": (build_colbert_today, record_colbert),
    "bge-m3": (build_bge_m3, record_bge_m3),
}


def make(name: str, folder: Path) -> None:
    """One folder with its golden.json.gz."""
    build, record = FOLDERS[name]
    build(folder)
    _marked_weights(folder)
    record(folder)
