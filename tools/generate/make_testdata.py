#!/usr/bin/env python3
"""Makes what lies under testdata/ with Hugging Face's own libraries; testdata/README.md describes it.

Example:
    python tools/generate/make_testdata.py --only models --filter 'bert-*'
"""

import argparse
import fnmatch
import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
sys.path.insert(0, str(Path(__file__).resolve().parent / "testdata"))
ROOT = Path(__file__).resolve().parents[2] / "testdata"


def make_models(pattern: str) -> None:
    """The tiny checkpoints and their golden.json.gz."""
    import checkpoints
    import golden

    for spec in checkpoints.specs():
        if not fnmatch.fnmatch(spec.name, pattern):
            continue
        folder = ROOT / "models" / spec.name
        shutil.rmtree(folder, ignore_errors=True)
        checkpoints.build(spec, folder)
        keep_recorded_offsets(spec, folder)
        golden.record_folder(folder, spec.head)
        print(folder.relative_to(ROOT.parent))


def keep_recorded_offsets(spec, folder: Path) -> None:
    """Spans are recorded with tokenizer.json as it stands. The SentencePiece classes of transformers 5
    cut at white space first, which moves a token's start behind the space; transformers 4 does not."""
    config = folder / "tokenizer_config.json"
    if spec.head not in ("question-answering", "token-classification") or not config.exists():
        return
    text = config.read_text()
    for name in ("AlbertTokenizer", "CamembertTokenizer", "XLMRobertaTokenizer"):
        text = text.replace(f'"{name}"', '"PreTrainedTokenizerFast"')
    config.write_text(text)


def make_relative_keys(pattern: str) -> None:
    """Checkpoints with relative positions. Needs transformers 4."""
    import relative_keys

    for name in relative_keys.ROWS:
        folder = ROOT / "models" / name
        if not fnmatch.fnmatch(name, pattern):
            continue
        shutil.rmtree(folder, ignore_errors=True)
        relative_keys.build(name, folder)
        print(folder.relative_to(ROOT.parent))


def make_pipelines(pattern: str) -> None:
    """pipelines.json.gz beside the checkpoints. Transformers 5 has no question-answering pipeline:
    with it everything else is recorded, with transformers 4 only question answering."""
    import checkpoints
    import pipelines

    for spec in checkpoints.specs():
        folder = ROOT / "models" / spec.name
        if fnmatch.fnmatch(spec.name, pattern) and pipelines.record(spec, folder):
            print((folder / "pipelines.json.gz").relative_to(ROOT.parent))


def make_variants(pattern: str) -> None:
    """Other spellings of checkpoints, with golden.json.gz."""
    import variants

    for name, build in variants.all_variants().items():
        folder = ROOT / "models" / "variants" / name
        if not fnmatch.fnmatch(name, pattern):
            continue
        shutil.rmtree(folder, ignore_errors=True)
        build(name, folder)
        print(folder.relative_to(ROOT.parent))


def make_sentence(pattern: str) -> None:
    """sentence-transformers folders and their golden.json.gz."""
    import sentence

    for name in sentence.FOLDERS:
        folder = ROOT / "sentence-transformers" / name
        if not fnmatch.fnmatch(name, pattern):
            continue
        shutil.rmtree(folder, ignore_errors=True)
        sentence.build(name, folder)
        sentence.record(name, folder)
        print(folder.relative_to(ROOT.parent))
    make_rerankers(pattern)


def make_rerankers(pattern: str) -> None:
    """CrossEncoders over the scores of next words, and their pipelines.json.gz."""
    import decoder_folders

    folder = ROOT / "sentence-transformers" / "qwen3-reranker"
    if fnmatch.fnmatch(folder.name, pattern):
        shutil.rmtree(folder, ignore_errors=True)
        decoder_folders.build_reranker(folder)
        print(folder.relative_to(ROOT.parent))


def make_retrieval(pattern: str) -> None:
    """Folders of sparse and multi-vector models and their golden.json.gz."""
    import retrieval

    for name in retrieval.FOLDERS:
        folder = ROOT / "retrieval" / name
        if not fnmatch.fnmatch(name, pattern):
            continue
        shutil.rmtree(folder, ignore_errors=True)
        retrieval.make(name, folder)
        print(folder.relative_to(ROOT.parent))


def make_static(pattern: str) -> None:
    """Folders of StaticEmbedding and their golden.json. Needs model2vec for one of them."""
    import static_embedding

    for name in static_embedding.FOLDERS:
        folder = ROOT / "static" / name
        if not fnmatch.fnmatch(name, pattern):
            continue
        shutil.rmtree(folder, ignore_errors=True)
        static_embedding.make(name, folder)
        print(folder.relative_to(ROOT.parent))


def make_setfit(pattern: str) -> None:
    """Folders of SetFit, their golden.json.gz, and heads alone. Needs setfit and scikit-learn."""
    import setfit_folders

    for name in [*setfit_folders.FOLDERS, "heads"]:
        folder = ROOT / "setfit" / name
        if not fnmatch.fnmatch(name, pattern):
            continue
        shutil.rmtree(folder, ignore_errors=True)
        setfit_folders.build_heads(folder) if name == "heads" else setfit_folders.make(name, folder)
        print(folder.relative_to(ROOT.parent))


def make_gliner(pattern: str) -> None:
    """GLiNER models and their golden.json.gz. Needs gliner."""
    import gliner_folders

    for name in gliner_folders.FOLDERS:
        folder = ROOT / "gliner" / name
        if fnmatch.fnmatch(name, pattern):
            gliner_folders.make(name, folder)
            print(folder.relative_to(ROOT.parent))


def make_hostile() -> None:
    """Bad .bin files."""
    import hostile
    import packed

    with packed.edited(ROOT / "hostile" / "packed.tar.xz") as folder:
        shutil.rmtree(folder / "bin", ignore_errors=True)
        hostile.build(folder / "bin")
    print("testdata/hostile/bin")


def make_minilm(model: Path) -> None:
    """Embeddings of the real MiniLM."""
    import minilm

    minilm.record(model, ROOT / "minilm" / "golden.json.gz")


def make_metrics() -> None:
    """Values of the metrics of eval. Needs scikit-learn, scipy, seqeval and transformers 4, which
    still has SQuAD's functions."""
    import metrics

    metrics.record(ROOT / "metrics.json")


def make_tokenizer(pattern: str) -> None:
    """Small tokenizers and what they answer for hostile text."""
    import packed
    import tokenizer_vectors

    with packed.edited(ROOT / "tokenizer" / "packed.tar.xz") as folder:
        tokenizer_vectors.write(folder, pattern)


def make_tokenizer_classes() -> None:
    """Vocabularies of further tokenizer classes, and what transformers makes of them."""
    import tokenizer_classes

    tokenizer_classes.write(ROOT / "tokenizer-classes")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = ["models", "relative-keys", "pipelines", "variants", "sentence", "retrieval", "static", "setfit", "gliner", "hostile", "minilm", "tokenizer", "tokenizer-classes", "metrics"]
    parser.add_argument("--only", nargs="*", default=["models"], choices=kinds)
    parser.add_argument("--filter", default="*", help="glob over the names of folders")
    parser.add_argument("--minilm", type=Path, help="folder of the real all-MiniLM-L6-v2 checkpoint")
    arguments = parser.parse_args()
    if "models" in arguments.only:
        make_models(arguments.filter)
    if "relative-keys" in arguments.only:
        make_relative_keys(arguments.filter)
    if "pipelines" in arguments.only:
        make_pipelines(arguments.filter)
    if "variants" in arguments.only:
        make_variants(arguments.filter)
    if "sentence" in arguments.only:
        make_sentence(arguments.filter)
    if "retrieval" in arguments.only:
        make_retrieval(arguments.filter)
    if "static" in arguments.only:
        make_static(arguments.filter)
    if "setfit" in arguments.only:
        make_setfit(arguments.filter)
    if "gliner" in arguments.only:
        make_gliner(arguments.filter)
    if "hostile" in arguments.only:
        make_hostile()
    if "tokenizer" in arguments.only:
        make_tokenizer(arguments.filter)
    if "tokenizer-classes" in arguments.only:
        make_tokenizer_classes()
    if "metrics" in arguments.only:
        make_metrics()
    if "minilm" in arguments.only:
        if arguments.minilm is None:
            parser.error("--only minilm needs --minilm FOLDER")
        make_minilm(arguments.minilm)
    return 0


if __name__ == "__main__":
    sys.exit(main())
