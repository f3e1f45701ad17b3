"""golden.json.gz: inputs and raw outputs of every checkpoint, computed one text at a time without padding."""

import json
from pathlib import Path

import numpy as np
import torch

import checkpoints
import common
import corpus
import encoder_decoders
import more_families
import small_tokenizers

PLAIN_CASES = [
    {"name": "empty", "text": ""},
    {"name": "word", "text": "lighthouse"},
    {"name": "sentence", "text": "The lighthouse keeper counted 12 ships, then slept."},
    {"name": "accents", "text": "Hélène n'a pas payé 1,250 € à Zürich — naïve, non ?"},
    {"name": "scripts", "text": "猫は窓のそばで寝ています。 Кот спит 😀 القطة تنام แมว"},
    {"name": "long", "text": corpus.paragraph(14, 7)},
    {"name": "pair", "text": "Where is the cat?", "text_pair": "The cat sleeps near the window in Oslo."},
    {"name": "long_pair", "text": corpus.paragraph(3, 8), "text_pair": corpus.paragraph(12, 9)},
]
BASE_CASES = [case for case in PLAIN_CASES if case["name"] not in ("accents", "long_pair")]
# For the families of more_families.py, at most 40 tokens: each distance of their buckets is there.
SMALL_CASES = [PLAIN_CASES[1], PLAIN_CASES[6], {"name": "long", "text": corpus.paragraph(14, 7)}]
QA_CASES = [
    {"name": "empty_question", "text": "", "text_pair": "Maria Keller works in Zurich."},
    {"name": "short", "text": "Who works in Zurich?", "text_pair": "Maria Keller works in Zurich."},
    {"name": "accents", "text": "Où est Hélène ?", "text_pair": "L'été dernier, Hélène a visité Besançon et Orléans."},
    {"name": "scripts", "text": "猫はどこ？", "text_pair": "猫は窓のそばで寝ています。 Кот спит 😀 дома."},
    {"name": "long", "text": "What did Anna buy?", "text_pair": corpus.paragraph(16, 10)},
]


def masked_cases(mask: str) -> list[dict]:
    """The cases of a masked-word model: one mask, several, at the ends, in a pair, none."""
    return [
        {"name": "word", "text": mask},
        {"name": "sentence", "text": f"The cat sleeps near the {mask} in Oslo."},
        {"name": "two", "text": f"{mask} lighthouse keeper counted the {mask}."},
        {"name": "scripts", "text": f"猫は{mask}のそばで寝ています。"},
        {"name": "long", "text": f"The {mask} left. " + corpus.paragraph(14, 11)},
        {"name": "pair", "text": f"Where is the {mask}?", "text_pair": "The cat sleeps near the window."},
        {"name": "no_mask", "text": "It rained for three days."},
    ]


def cases_of(folder: Path, head: str, tokenizer) -> list[dict]:
    """The cases that a checkpoint's head is recorded with."""
    family = json.loads((folder / "config.json").read_text()).get("model_type")
    small = family in more_families.HEADS
    if head == "masked-lm":
        cases = masked_cases(tokenizer.mask_token)
        # ESM's embeddings count with the number of masks.
        more = [cases[2]] if json.loads((folder / "config.json").read_text()).get("token_dropout") else []
        return [cases[1], cases[4], *more] if small else cases
    if head == "question-answering":
        return [QA_CASES[1], QA_CASES[4]] if small else QA_CASES
    if head == "multiple-choice" and "longformer" in folder.name:
        return [QA_CASES[1], QA_CASES[4]]  # its class takes pairs alone
    if small:
        if head == "base":
            return [SMALL_CASES[0], SMALL_CASES[2]]
        by_end = family in encoder_decoders.HEADS or folder.name.endswith("t5-sequence-classification")
        return SMALL_CASES + (encoder_decoders.CASES if by_end else [])
    return BASE_CASES if head == "base" else PLAIN_CASES


def encode(tokenizer, case: dict, max_length: int) -> dict[str, list[int]]:
    """Ids as transformers gives them: special tokens, longest_first truncation to max_length."""
    pair = (case["text_pair"],) if "text_pair" in case else ()
    encoded = tokenizer(case["text"], *pair, truncation="longest_first", max_length=max_length)
    return {key: encoded[key] for key in ("input_ids", "token_type_ids") if key in encoded}


def forward(model: torch.nn.Module, head: str, ids: dict[str, list[int]]) -> dict[str, np.ndarray]:
    """The raw outputs of one sequence, by the names of the output schema."""
    batch = {key: torch.tensor([value]) for key, value in ids.items()}
    body = getattr(model, "bert", model)
    if hasattr(body, "set_attention_type"):
        # BigBird's leaves its blocks for good at the first short text.
        body.set_attention_type(model.config.attention_type)
    if head == "multiple-choice":
        batch = {key: value[None] for key, value in batch.items()}
    with torch.no_grad():
        result = model(**batch)
    if head == "base" and not hasattr(result, "last_hidden_state"):
        found = {"sentence_embedding": result.pooler_output[0]}
    elif head == "base":
        found = {"token_embeddings": result.last_hidden_state[0]}
        if getattr(result, "pooler_output", None) is not None:
            found["pooler_output"] = result.pooler_output[0]
    elif head == "question-answering":
        found = {"logits": torch.stack([result.start_logits[0], result.end_logits[0]], dim=-1)}
    else:
        found = {"logits": result.logits[0]}
    return {key: value.numpy() for key, value in found.items()}


def record(case: dict, ids: dict, single: dict, double: dict, rows: list[int] | None) -> dict:
    """One case as it stands in golden.json.gz; `rows` keeps only those rows of the logits."""
    entry = {**case, **ids, "outputs": {}, "outputs_f64_maxdiff": {}}
    for key, value in single.items():
        reference = double[key]
        if rows is not None and key == "logits":
            value, reference = value[rows], reference[rows]
            entry["logits_rows"] = rows
        entry["outputs"][key] = common.shortest(value)
        entry["outputs_f64_maxdiff"][key] = float(f"{np.abs(value.astype(np.float64) - reference).max():.3g}")
    return entry


def record_folder(folder: Path, head: str, cases: list[dict] | None = None, load_from: Path | None = None) -> None:
    """Writes folder/golden.json.gz; weights come from load_from where folder's own files are not loadable."""
    family = json.loads((folder / "config.json").read_text()).get("model_type")
    type_ids = family in ("bert", "albert", "electra") or family in more_families.WITH_TYPES
    tokenizer = small_tokenizers.fast_from_folder(load_from or folder, type_ids)
    source = load_from or folder
    single, double = checkpoints.load(source, head), checkpoints.load(source, head, torch.float64)
    if cases is None:
        cases = cases_of(folder, head, tokenizer)
    entries = []
    for case in cases:
        ids = encode(tokenizer, case, tokenizer.model_max_length)
        rows = None
        if head == "masked-lm":
            rows = [i for i, token in enumerate(ids["input_ids"]) if token == tokenizer.mask_token_id] or [1]
        entries.append(record(case, ids, forward(single, head, ids), forward(double, head, ids), rows))
    head_fields = {"head": head, "max_length": tokenizer.model_max_length, "versions": common.versions()}
    common.write_json(folder / "golden.json.gz", head_fields, entries)
