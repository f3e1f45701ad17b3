"""Folders that SetFit writes, what it answers, and heads of other kinds that must be refused."""

import warnings
from pathlib import Path

import joblib
import numpy as np
from sentence_transformers import SentenceTransformer
from setfit import SetFitModel
from setfit.modeling import SetFitHead
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier

import common
import corpus
import sentence
import static_embedding

TEXTS = ["lighthouse", "The lighthouse keeper counted 12 ships, then slept.", "Кот спит 😀", corpus.paragraph(9, 31)]


def _classes(embeddings: np.ndarray, count: int) -> np.ndarray:
    """Classes that the first column tells apart, about as many texts in each."""
    edges = np.quantile(embeddings[:, 0], [(i + 1) / count for i in range(count - 1)])
    return np.digitize(embeddings[:, 0], edges)


def _save(folder: Path, body: SentenceTransformer, head, **options) -> None:
    SetFitModel(model_body=body, model_head=head, **options)._save_pretrained(str(folder))
    for name in ("README.md", "config.json.bak"):
        (folder / name).unlink(missing_ok=True)
    for file in folder.rglob("*.safetensors"):
        file.chmod(0o644)


def _body(folder: Path, name: str, options: dict) -> SentenceTransformer:
    sentence.small_bert(folder, f"setfit-{name}")
    sentence._write_modules(folder, options)
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def _lines() -> list[str]:
    return [line for line in corpus.lines() if line.strip()][:60]


def build_binary(folder: Path) -> None:
    """Two classes by number, named by config_setfit.json; a Normalize of the body's own."""
    body = _body(folder, "binary", {"poolings": ["mean"]})
    x = body.encode(_lines())
    head = LogisticRegression(C=50).fit(x, _classes(x, 2))
    _save(folder, body, head, labels=["negative", "positive"], normalize_embeddings=False)


def build_multi(folder: Path) -> None:
    """Three classes by name, coefficients in double, embeddings that SetFit normalizes."""
    body = _body(folder, "multi", {"poolings": ["cls"], "normalize": False})
    x = body.encode(_lines(), normalize_embeddings=True).astype(np.float64)
    head = LogisticRegression(C=50).fit(x, np.array(["a", "größer", "c"])[_classes(x, 3)])
    _save(folder, body, head, normalize_embeddings=True)


def build_static(folder: Path) -> None:
    """A StaticEmbedding as the body."""
    static_embedding.build_today(folder)
    body = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    x = body.encode(_lines())
    head = LogisticRegression(C=50).fit(x, _classes(x, 3))
    _save(folder, body, head, labels=["low", "middle", "high"], normalize_embeddings=False)


def record(folder: Path) -> None:
    model = SetFitModel.from_pretrained(str(folder), device="cpu", local_files_only=True)
    cases = []
    for text in TEXTS + ([""] if folder.name == "static" else []):
        scores = model.predict_proba([text], as_numpy=True)[0]
        cases.append({"text": text, "label": str(model.predict([text])[0]), "probabilities": common.shortest(scores)})
    common.write_json(folder / "golden.json.gz", {"kind": "setfit", "versions": common.versions()}, cases)


def build_heads(folder: Path) -> None:
    """Heads alone: of scikit-learn before 1.8, which had multi_class, and what is not built."""
    folder.mkdir(parents=True)
    x = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    two, three = _classes(x, 2), _classes(x, 3)
    for name, classes, attributes in [
        ("two", two, {}), ("two-multinomial", two, {"multi_class": "multinomial"}),
        ("two-ovr", two, {"multi_class": "ovr"}), ("three-auto", three, {"multi_class": "auto"}),
        ("three-ovr", three, {"multi_class": "ovr"}), ("three-liblinear", three, {"multi_class": "auto", "solver": "liblinear"}),
    ]:
        head = LogisticRegression().fit(x, classes)
        vars(head).update(attributes)
        joblib.dump(head, folder / f"{name}.pkl")
    many = np.stack([two, 1 - two], 1)
    joblib.dump(OneVsRestClassifier(LogisticRegression()).fit(x, many), folder / "one-vs-rest.pkl")
    joblib.dump(MultiOutputClassifier(LogisticRegression()).fit(x, many), folder / "multi-output.pkl")
    joblib.dump(SetFitHead(3, 2), folder / "torch.pkl")
    joblib.dump(LogisticRegression(), folder / "not-fitted.pkl")
    joblib.dump(LogisticRegression().fit(x, two.astype(object).astype(str).astype(object)), folder / "objects.pkl")
    joblib.dump(LogisticRegression().fit(x, two), folder / "compressed.pkl", compress=3)


FOLDERS = {"binary": build_binary, "multi": build_multi, "static": build_static}


def make(name: str, folder: Path) -> None:
    """One folder with its golden.json.gz."""
    warnings.simplefilter("ignore")
    FOLDERS[name](folder)
    record(folder)
