"""metrics.json: what scikit-learn, seqeval, scipy and transformers' SQuAD functions say of random answers."""

import importlib.metadata
import random
from pathlib import Path

import numpy as np
import scipy.special
import scipy.stats
import seqeval.metrics
import sklearn.metrics
from transformers.data.metrics import squad_metrics

import common

TAGS = ["O", "O", "O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]
SQUAD_PAIRS = [
    ("the cat", "cat"), ("The  Cat!", "cat"), ("a an the", "the"), ("", ""), ("", "cat"), ("cat", ""), ("an apple a day", "apple day"),
    ("in 1887, at Orléans", "1887 Orléans"), ("theatre", "the theatre"), ("U.S.A.", "USA"), ("new york city", "york new"),
    ("x x x y", "x y y"), ("état-major", "ÉTAT MAJOR"), ("猫 は", "猫"), ("the_cat", "the_cat a"), ("ΟΔΟΣ", "οδος"), ("a\u3000b", "b"),
    ("\u00bfa? the.", "\u00bf"), ("a\u0301 b", "b"),
]


def labels(seed: int, count: int, classes: int) -> dict:
    """Accuracy and macro F1; some classes occur on one side only."""
    rng = random.Random(seed)
    truth = [rng.randrange(classes) for _ in range(count)]
    predicted = [t if rng.random() < 0.7 else rng.randrange(classes + 1) for t in truth]
    return {
        "metric": "labels", "truth": truth, "predicted": predicted,
        "accuracy": sklearn.metrics.accuracy_score(truth, predicted),
        "macro_f1": sklearn.metrics.f1_score(truth, predicted, average="macro", zero_division=0),
    }


def entities(seed: int, texts: int) -> dict:
    """Entity F1 over tags that also begin with I- and change their type inside."""
    rng = random.Random(seed)
    truth = [[rng.choice(TAGS) for _ in range(rng.randrange(0, 12))] for _ in range(texts)]
    predicted = [[t if rng.random() < 0.8 else rng.choice(TAGS) for t in row] for row in truth]
    return {
        "metric": "entities", "truth": truth, "predicted": predicted,
        "precision": seqeval.metrics.precision_score(truth, predicted, zero_division=0),
        "recall": seqeval.metrics.recall_score(truth, predicted, zero_division=0),
        "f1": seqeval.metrics.f1_score(truth, predicted, zero_division=0),
    }


def squad() -> list[dict]:
    """Exact match and F1 of one prediction against one answer."""
    return [
        {
            "metric": "squad", "predicted": predicted, "truth": truth,
            "exact": int(squad_metrics.compute_exact(truth, predicted)),
            "f1": float(squad_metrics.compute_f1(truth, predicted)),
        }
        for predicted, truth in SQUAD_PAIRS
    ]


def spearman(seed: int, count: int, ties: int) -> dict:
    rng = random.Random(seed)
    x = [rng.randrange(ties) / 4 for _ in range(count)]
    y = [round(value + rng.gauss(0, ties / 8), 2) for value in x]
    return {"metric": "spearman", "x": x, "y": y, "value": float(scipy.stats.spearmanr(x, y).statistic)}


def clopper_pearson(failures: int, count: int) -> dict:
    """The one-sided upper bound: the share at which so few failures have a chance of 5 %."""
    value = 1.0 if failures == count else float(scipy.stats.beta.ppf(0.95, failures + 1, count - failures))
    return {"metric": "clopper_pearson", "failures": failures, "count": count, "value": value}


def divergence(seed: int, width: int) -> dict:
    rng = np.random.default_rng(seed)
    p = rng.normal(0, 3, width).astype(np.float32)
    q = (p + rng.normal(0, 0.5, width)).astype(np.float32)
    p64, q64 = p.astype(np.float64), q.astype(np.float64)
    softmax_kl = float(scipy.special.rel_entr(scipy.special.softmax(p64), scipy.special.softmax(q64)).sum())
    a, b = scipy.special.expit(p64), scipy.special.expit(q64)
    sigmoid_kl = float((scipy.special.rel_entr(a, b) + scipy.special.rel_entr(1 - a, 1 - b)).sum())
    cosine = float(p64 @ q64 / np.sqrt((p64 @ p64) * (q64 @ q64)))
    return {
        "metric": "divergence", "p": common.shortest(p), "q": common.shortest(q),
        "softmax_kl": softmax_kl, "sigmoid_kl": sigmoid_kl, "cosine": cosine,
    }


def quantiles(seed: int, count: int) -> dict:
    values = [round(value, 3) for value in np.random.default_rng(seed).uniform(0, 1, count).tolist()]
    return {
        "metric": "quantiles", "values": values,
        "p01": float(np.quantile(values, 0.01)), "median": float(np.median(values)), "p90": float(np.quantile(values, 0.9)),
    }


def record(path: Path) -> None:
    cases = [labels(1, 40, 3), labels(2, 100, 7), labels(3, 5, 2)]
    cases += [entities(1, 12), entities(2, 40), {"metric": "entities", "truth": [["O"]], "predicted": [["O"]], "precision": 0, "recall": 0, "f1": 0}]
    cases += squad()
    cases += [spearman(1, 12, 4), spearman(2, 60, 40), spearman(3, 3, 99)]
    pairs = [(0, 1), (1, 1), (0, 200), (1, 200), (7, 1821), (200, 200), (199, 200), (500, 1000), (0, 1000000), (5300, 1000000)]
    cases += [clopper_pearson(*pair) for pair in pairs]
    cases += [divergence(1, 2), divergence(2, 3), divergence(3, 40)]
    cases += [quantiles(1, 1), quantiles(2, 7), quantiles(3, 250)]
    packages = ("scikit-learn", "scipy", "seqeval", "transformers")
    common.write_json(path, {"versions": {package: importlib.metadata.version(package) for package in packages}}, cases)
