"""Tiny random GLiNER models, saved as the package saves them, and the entities that it finds."""

import json
import shutil
import tempfile
import zlib
from pathlib import Path

import torch
from gliner import GLiNER
from gliner.config import GLiNERConfig
from safetensors.torch import save_file
from transformers import AutoConfig, AutoTokenizer

import checkpoints
import common
import sentence

common.PACKAGES.append("gliner")

LABELS = ["person", "programming language", "city"]
TEXTS = [
    "Ada Lovelace wrote in C++ and lived in London.",
    "well-known state_of_the-art 3.5-turbo, e-mail: a_b-c@d-e.org -- x-",
    "In Zürich, naïve Čapek's R.U.R. (1921) sold 1,000 copies…",
    "Москва и 東京 are cities; \u0968\u0969 is a number,\u00a0here.",
    "one",
    " \t\n",
]
# Of a model: the checkpoint whose encoder and tokenizer it has, and the package's own fields.
FOLDERS = {
    # A projection behind the encoder, a memory over words: gliner_small's layout.
    "bert": (None, {"hidden_size": 10, "num_rnn_layers": 1}),
    # As wide as its encoder, no table of positions, a memory over a memory.
    "deberta-v2": ("deberta-v2-token-classification", {"hidden_size": 16, "num_rnn_layers": 2}),
    # No memory, labels read behind their marks.
    "modernbert": ("modernbert-token-classification",
                   {"hidden_size": 8, "num_rnn_layers": 0, "embed_ent_token": False}),
}
MAX_WIDTH = 4
MAX_LEN = 16
MAX_TOKENS = 160
# What each text is asked with.
CALLS = [
    {},
    {"threshold": 0.3, "flat_ner": False},
    {"threshold": 0.4, "multi_label": True},
    {"threshold": 0.4, "flat_ner": False, "multi_label": True},
    {"labels": ["city", "person", "city", "x y-z"], "threshold": 0.45},
]


def _randomise(model: torch.nn.Module, seed: int) -> None:
    """Weights of the head that spread its scores to both sides of 0."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        if name.startswith("token_rep_layer.bert_layer"):
            continue
        wide = 1.6 if parameter.dim() > 1 else 0.4
        scale = wide / parameter.shape[-1] ** 0.5 if parameter.dim() > 1 else wide
        parameter.data = torch.randn(parameter.shape, generator=generator) * scale


def _spread(model, seed: int) -> None:
    """Draws the head until its scores are on both sides of 0 for each text, and scales them."""
    for attempt in range(seed, seed + 200):
        _randomise(model.model, attempt)
        scores = [_logits(model, text, LABELS)[0] for text in TEXTS if text.strip()]
        spread = torch.cat([score.flatten() for score in scores]).std().item()
        shares = [(score > 0).float().mean().item() for score in scores[:4]]
        if min(shares) > 0.03 and max(shares) < 0.8:
            last = model.model.prompt_rep_layer[3]
            last.weight.data *= 2.5 / spread
            last.bias.data *= 2.5 / spread
            return
    raise ValueError(f"{seed}: no head whose scores spread")


def fields_of(encoder) -> dict:
    """Of the encoder's config what its class does not set itself, and no path."""
    fields = encoder.to_diff_dict()
    for name in ("_name_or_path", "dtype"):
        fields.pop(name, None)
    return fields


def build(name: str, folder: Path) -> None:
    base, fields = FOLDERS[name]
    seed = zlib.crc32(f"gliner-{name}".encode())
    common.seed_all(seed)
    with tempfile.TemporaryDirectory() as scratch:
        if base is None:
            sentence.small_bert(Path(scratch), f"gliner-{name}", lowercase=False)
        else:
            checkpoints.build(next(spec for spec in checkpoints.specs() if spec.name == base), Path(scratch))
        encoder = AutoConfig.from_pretrained(scratch)
        tokenizer = AutoTokenizer.from_pretrained(scratch)
        tokenizer.add_tokens(["[FLERT]", "<<ENT>>", "<<SEP>>"], special_tokens=True)
        encoder.vocab_size = len(tokenizer)
        tokenizer.model_max_length = MAX_TOKENS
        if name != "deberta-v2":  # whose texts may be longer than its positions
            encoder.max_position_embeddings = MAX_TOKENS
        encoder.architectures = None
        config = GLiNERConfig(
            model_name=f"tiny/{name}", encoder_config=fields_of(encoder), vocab_size=len(tokenizer),
            class_token_index=len(tokenizer) - 2, max_width=MAX_WIDTH, max_len=MAX_LEN, **fields)
        model = GLiNER._get_gliner_class(config)(config, tokenizer=tokenizer, backbone_from_pretrained=False)
        model.eval()
        checkpoints.randomise(model.model.token_rep_layer.bert_layer.model, seed)
        _spread(model, seed)
        for parameter in model.model.parameters():
            parameter.data = parameter.data.half().float()
        model.save_pretrained(folder)
        saved = json.loads((folder / "gliner_config.json").read_text())
        saved["encoder_config"] = fields_of(encoder)
        (folder / "gliner_config.json").write_text(json.dumps(saved, indent=2) + "\n")
    state = {key: value.contiguous() for key, value in model.model.state_dict().items()}
    # One folder as older models are published, the others in half precision.
    if name == "bert":
        torch.save({key: value.half() for key, value in state.items()}, folder / "pytorch_model.bin")
    else:
        (folder / "pytorch_model.bin").unlink()
        save_file({key: value.half() for key, value in state.items()}, folder / "model.safetensors",
                  metadata={"format": "pt"})
        (folder / "model.safetensors").chmod(0o644)


def _logits(model, text: str, labels: list[str]):
    """[words, widths, labels], and the ids that gave them."""
    prepared = model.prepare_batch([text], labels)
    batch = model.collate_batch(prepared["input_x"], prepared["entity_types"])
    output = model.run_batch(batch)
    words = prepared["tokens"][0][:MAX_LEN]
    return output[0][0][: len(words)], batch["input_ids"][0].tolist(), words


def record(folder: Path) -> None:
    model = GLiNER.from_pretrained(str(folder), local_files_only=True).eval()
    cases = []
    for text in [*TEXTS, " ".join(["word"] * (MAX_LEN + 3))]:
        case = {"text": text, "calls": []}
        if text.strip():
            scores, ids, words = _logits(model, text, LABELS)
            case.update(words=words, input_ids=ids, logits=common.shortest(scores))
        for options in CALLS:
            options = dict(options)
            labels = options.pop("labels", LABELS)
            found = model.predict_entities(text, labels, **options)
            case["calls"].append({"labels": labels, **options, "entities": common.plain(found)})
        cases.append(case)
    common.write_json(folder / "golden.json.gz", {"kind": "gliner", "versions": common.versions()}, cases, limit_kb=400)


def make(name: str, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    build(name, folder)
    record(folder)
