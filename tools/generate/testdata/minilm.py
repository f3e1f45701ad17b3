"""Embeddings of the real all-MiniLM-L6-v2 for 50 varied texts."""

import random
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

import common
import corpus

WORDS = (
    "river copper engine window market silent theory garden planet bottle figure travel winter summer harbour paper "
    "signal letter number morning machine question answer history science kitchen forest bridge island doctor "
    "network database quantization transformer embedding tokenizer latency throughput gradient kernel"
).split()


def texts() -> list[str]:
    """50 texts: lengths 0 to 600 words, many scripts, code, control characters, emoji."""
    rng = random.Random(99)
    words = lambda count: " ".join(rng.choice(WORDS) for _ in range(count))
    found = [
        "", " ", "a", "lighthouse", "Hello, world!", "The cat sits on the mat.", "A feline rests upon a rug.",
        "How do I reset my password?", "I forgot my password; how can I change it?", "THE SHOUTING MAN SHOUTED.",
        "Interest rates rose by 0.25 percentage points on 3 May 2023.", "¿Dónde está la estación de autobuses?",
        "Die Straße ist wegen Bauarbeiten gesperrt.", "Le café près de l'église ferme à 18 h.",
        "Příliš žluťoučký kůň úpěl ďábelské ódy.", "Поезд прибывает в семь часов вечера.",
        "Η γάτα κοιμάται δίπλα στο παράθυρο.", "القطة تنام بجانب النافذة", "הרכבת לירושלים יוצאת בשבע",
        "बिल्ली खिड़की के पास सो रही है", "แมวนอนอยู่ข้างหน้าต่าง", "猫は窓のそばで寝ています。", "火车七点到达北京。",
        "고양이가 창문 옆에서 자고 있어요.", "Con mèo ngủ gần cửa sổ", "İstanbul'da yağmur yağıyor",
        "😀 👍🏽 👩‍👩‍👧 🇨🇭 🏴‍☠️", "I ❤️ pizza 🍕🍕🍕 so much!!!", "tab\tand\nnewline\r\nand\u00a0no-break",
        "zero\u200bwidth\u200djoiner and \ufeffbyte order mark", "control \x01\x02\x1b[31mred\x1b[0m \x7f characters",
        "e\u0301 and \u00e9 are the same, ﬁ is a ligature, ＡＢＣ is wide", "[CLS] literal [SEP] special [MASK] tokens [PAD]",
        "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)", "SELECT name, COUNT(*) FROM users GROUP BY name;",
        '{"key": [1, 2.5e-3, null], "path": "C:\\\\temp"}', "https://example.org/a/b?q=1&r=%20#frag",
        "user.name+tag@example.co.uk", "x" * 120, "ab" * 40 + " " + "word", "!?.,;:-_()[]{}<>/\\|@#$%^&*~`'\"",
        "1234567890 " * 12, words(20), words(50), words(120), words(200), words(254), words(300), words(600),
        corpus.paragraph(30, 5),
    ]
    if len(found) != 50 or len(set(found)) != 50:
        raise ValueError(f"{len(found)} texts, {len(set(found))} different, 50 are wanted")
    return found


def record(model_folder: Path, path: Path) -> None:
    """Writes golden.json.gz: normalised sentence embeddings, float32, one text at a time."""
    common.seed_all(0)
    options = {"attn_implementation": "eager"}
    model = SentenceTransformer(str(model_folder), device="cpu", model_kwargs=options, local_files_only=True)
    double = SentenceTransformer(str(model_folder), device="cpu", model_kwargs=options, local_files_only=True).double()
    cases = []
    for text in texts():
        embedding = model.encode(text, normalize_embeddings=True)
        reference = double.encode(text, normalize_embeddings=True).astype(np.float64)
        ids = model.preprocess([text])["input_ids"][0].tolist()
        cases.append({
            "text": text, "input_ids": ids, "outputs": {"sentence_embedding": common.shortest(embedding)},
            "outputs_f64_maxdiff": {"sentence_embedding": float(f"{np.abs(embedding - reference).max():.3g}")},
        })
    head = {"head": "base", "max_length": model.max_seq_length, "normalized": True, "versions": common.versions()}
    common.write_json(path, head, cases, limit_kb=400)
