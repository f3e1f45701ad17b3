"""pipelines.json.gz: answers of Hugging Face's pipelines and of CrossEncoder, float32, CPU, batch 1."""

import json
from pathlib import Path

import numpy as np
import torch
import transformers

import checkpoints
import common
import pipeline_cases as cases
import small_tokenizers

# Families whose folders get every text; the others get the first half, to keep testdata small.
FULL_FAMILIES = {"bert", "roberta", "xlm-roberta"}


def _floats(value):
    """Scores are float32 inside the pipelines; Python's float hides that."""
    if isinstance(value, dict):
        return {key: _floats(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_floats(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(str(np.float32(value)))
    return common.plain(value)


def _pipe(task: str, spec: checkpoints.Spec, folder: Path, **options):
    tokenizer = small_tokenizers.fast_from_folder(folder, spec.type_ids)
    return transformers.pipeline(task, model=checkpoints.load(folder, spec.head), tokenizer=tokenizer, device="cpu", **options)


def _write(folder: Path, task: str, entries: list[dict]) -> None:
    packages = common.versions()
    used = ["transformers", "tokenizers", "torch"] + (["sentence-transformers"] if task == "rerank" else [])
    common.write_json(folder / "pipelines.json.gz", {"task": task, "versions": {key: packages[key] for key in used}}, entries)


def token_classification(spec: checkpoints.Spec, folder: Path) -> None:
    """The ner pipeline: every aggregation strategy, truncation, stride windows, ignore_labels."""
    pipe = _pipe("token-classification", spec, folder)
    texts = cases.NER_TEXTS if spec.family in FULL_FAMILIES else cases.NER_TEXTS[::2]
    calls = [(text, {"aggregation_strategy": s}) for s in cases.NER_STRATEGIES for text in texts]
    calls += [(cases.NER_TEXTS[0], {"aggregation_strategy": s, "ignore_labels": []}) for s in ("none", "simple")]
    calls += [(cases.NER_LONG, {"aggregation_strategy": "simple"})]
    calls += [(cases.NER_LONG, {"aggregation_strategy": s, "stride": 16}) for s in ("simple", "first", "average", "max")]
    entries = []
    for text, parameters in calls:
        # A pipeline keeps the parameters of no earlier call: each is given whole.
        options = {"ignore_labels": ["O"], **parameters}
        stride = options.pop("stride", None)
        user = _pipe("token-classification", spec, folder, stride=stride, aggregation_strategy="simple") if stride else pipe
        output = user(text, **options) if text.strip() else user([text], **options)[0]
        entries.append({"inputs": text, "parameters": parameters, "output": _floats(output)})
    _write(folder, "token-classification", entries)


def question_answering(spec: checkpoints.Spec, folder: Path) -> None:
    """The question-answering pipeline (transformers 4)."""
    pipe = _pipe("question-answering", spec, folder)
    calls = [(pair, p) for pair in cases.QA_SHORT for p in cases.QA_PARAMETERS]
    calls += [(cases.QA_LONG, p) for p in cases.QA_LONG_PARAMETERS]
    entries = []
    for (question, context), parameters in calls:
        output = pipe(question=question, context=context, **parameters)
        output = output if isinstance(output, list) else [output]
        inputs = {"question": question, "context": context}
        entries.append({"inputs": inputs, "parameters": parameters, "output": _floats(output)})
    _write(folder, "question-answering", entries)


def question_answering_left(spec: checkpoints.Spec, folder: Path) -> None:
    """The same with a tokenizer that pads on the left, which puts the context first: padding-left.json.gz."""
    pipe = _pipe("question-answering", spec, folder)
    pipe.tokenizer.padding_side = "left"
    calls = [(pair, {"top_k": 3}) for pair in cases.QA_SHORT]
    calls += [(cases.QA_LONG, {"max_seq_len": 48, "doc_stride": 16, "handle_impossible_answer": True, "top_k": 3})]
    entries = []
    for (question, context), parameters in calls:
        output = pipe(question=question, context=context, **parameters)
        output = output if isinstance(output, list) else [output]
        inputs = {"question": question, "context": context}
        entries.append({"inputs": inputs, "parameters": parameters, "output": _floats(output)})
    packages = common.versions()
    versions = {key: packages[key] for key in ("transformers", "tokenizers", "torch")}
    common.write_json(folder / "padding-left.json.gz", {"task": "question-answering", "versions": versions}, entries)


def text_classification(spec: checkpoints.Spec, folder: Path) -> None:
    """The text-classification pipeline: top_k, function_to_apply, pairs, truncation."""
    pipe = _pipe("text-classification", spec, folder)
    parameters = [{}, {"top_k": None}, {"top_k": 2}, {"top_k": 1}]
    parameters += [{"top_k": None, "function_to_apply": f} for f in ("softmax", "sigmoid", "none")]
    calls = [(text, p) for text in cases.TEXTS for p in parameters]
    calls += [(cases.PAIR, {"top_k": None}), (cases.LONG, {"top_k": None, "truncation": True})]
    entries = []
    for inputs, options in calls:
        output = pipe(inputs, **options)
        entries.append({"inputs": inputs, "parameters": options, "output": _floats(output if isinstance(output, list) else [output])})
    _write(folder, "text-classification", entries)


def zero_shot(spec: checkpoints.Spec, folder: Path) -> None:
    """The zero-shot pipeline over the same weights, their classes called as an NLI model's: zero-shot.json.gz."""
    pipe = _pipe("zero-shot-classification", spec, folder)
    names = ["contradiction", "neutral", "Entailment"]
    pipe.model.config.id2label = dict(enumerate(names))
    pipe.model.config.label2id = {name: i for i, name in enumerate(names)}
    calls = [(text, p) for text in (cases.TEXTS[0], cases.LONG) for p in cases.ZERO_SHOT_PARAMETERS]
    entries = []
    for text, parameters in calls:
        parameters = {"candidate_labels": ["travel", "cats", "politics"], **parameters}
        output = pipe(text, **parameters)
        output = {key: output[key] for key in ("labels", "scores")}
        entries.append({"inputs": text, "parameters": parameters, "output": _floats(output)})
    packages = common.versions()
    versions = {key: packages[key] for key in ("transformers", "tokenizers", "torch")}
    common.write_json(folder / "zero-shot.json.gz", {"id2label": names, "versions": versions}, entries)


def fill_mask(spec: checkpoints.Spec, folder: Path) -> None:
    """The fill-mask pipeline: top_k, targets, several masks."""
    pipe = _pipe("fill-mask", spec, folder)
    vocab = pipe.tokenizer.get_vocab()
    words = [w for w in ("window", "in", "the", "▁the", "▁in", "Ġthe", "Ġbridge", "bridge", "the", "##s") if w in vocab]
    entries = []
    for case in cases.fill_mask_cases(pipe.tokenizer.mask_token, list(dict.fromkeys(words))[:3]):
        output = pipe(case["inputs"], **case["parameters"])
        output = output if isinstance(output[0], list) else [output]
        entries.append({**case, "output": _floats(output)})
    _write(folder, "fill-mask", entries)


def rerank(spec: checkpoints.Spec, folder: Path) -> None:
    """sentence-transformers' CrossEncoder: predict with and without sigmoid, and rank."""
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(folder), device="cpu", local_files_only=True, model_kwargs={"attn_implementation": "eager"})
    inputs = {"query": cases.RERANK_QUERY, "documents": cases.RERANK_DOCUMENTS}
    pairs = [(cases.RERANK_QUERY, document) for document in cases.RERANK_DOCUMENTS]
    entries = []
    for name, activation in (("sigmoid", None), ("none", torch.nn.Identity())):
        options = {"activation_fn": activation, "batch_size": 1}
        scores = [float(score) for score in model.predict(pairs, **options)]
        entries.append({"call": "predict", "inputs": inputs, "parameters": {"function_to_apply": name}, "output": _floats(scores)})
        for top_k in (None, 2):
            ranked = model.rank(cases.RERANK_QUERY, cases.RERANK_DOCUMENTS, top_k=top_k, **options)
            ranked = [{"corpus_id": int(row["corpus_id"]), "score": float(row["score"])} for row in ranked]
            parameters = {"function_to_apply": name, "top_k": top_k}
            entries.append({"call": "rank", "inputs": inputs, "parameters": parameters, "output": _floats(ranked)})
    _write(folder, "rerank", entries)


RECORDERS = {
    "token-classification": token_classification,
    "question-answering": question_answering,
    "sequence-classification": text_classification,
    "multi-label": text_classification,
    "regression": text_classification,
    "masked-lm": fill_mask,
    "rerank": rerank,
}


def record(spec: checkpoints.Spec, folder: Path) -> bool:
    """Writes folder/pipelines.json.gz where this transformers has the pipeline; says whether it did."""
    has_qa = "question-answering" in transformers.pipelines.SUPPORTED_TASKS
    if spec.head not in RECORDERS or (spec.head == "question-answering") != has_qa:
        return False
    common.seed_all(0)
    RECORDERS[spec.head](spec, folder)
    if spec.head == "question-answering" and spec.family in ("bert", "roberta"):
        question_answering_left(spec, folder)
    if spec.head == "sequence-classification" and spec.family in FULL_FAMILIES:
        zero_shot(spec, folder)
    return True
