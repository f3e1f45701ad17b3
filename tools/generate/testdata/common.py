"""What every step of the generator shares: JSON with shortest float32 numbers, seeds, versions."""

import gzip
import importlib.metadata
import json
from pathlib import Path

import numpy as np
import torch

PACKAGES = ["transformers", "tokenizers", "sentence-transformers", "sentencepiece", "torch", "safetensors"]


def versions() -> dict[str, str]:
    """Versions of the packages whose answers are recorded, of those that are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package).split("+")[0]
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def shortest(values):
    """Nested lists of the shortest decimals that read back as the same float32 numbers."""
    array = np.asarray(values, dtype=np.float32)
    if not np.isfinite(array).all():
        raise ValueError("a recorded value is not finite")

    def convert(item):
        if isinstance(item, np.ndarray):
            return [convert(part) for part in item]
        return float(str(item))

    return convert(array) if array.ndim else float(str(array[()]))


def plain(value):
    """`value` as JSON types: float32 shortest, numpy integers as int, tuples as lists."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, torch.Tensor):
        return plain(value.detach().cpu().numpy())
    if isinstance(value, np.ndarray):
        return shortest(value) if value.dtype.kind == "f" else value.tolist()
    if isinstance(value, np.floating):
        return float(str(np.float32(value)))
    if isinstance(value, np.integer):
        return int(value)
    return value


def write_json(path: Path, head: dict, cases: list[dict], limit_kb: int = 150) -> None:
    """Writes {head..., "cases": [...]} with one case a line, so that a change shows in a diff; compressed if
    the name says so, without a time: equal answers give equal files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in head.items()]
    rows = ",\n".join(json.dumps(case, ensure_ascii=False, allow_nan=False, separators=(",", ":")) for case in cases)
    text = "{" + ",\n".join(parts) + ',\n"cases": [\n' + rows + "\n]}\n"
    json.loads(text)
    data = text.encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    if limit_kb and len(data) > limit_kb * 1024:
        raise ValueError(f"{path}: {len(data)} bytes, the limit is {limit_kb} KiB")


def seed_all(seed: int) -> None:
    """Seeds torch and numpy; one thread, so that sums keep their order on every machine."""
    torch.manual_seed(seed)
    np.random.seed(seed % (1 << 32))
    torch.set_num_threads(1)
