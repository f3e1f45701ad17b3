"""Small trained tokenizers with the file layouts of the real Hub checkpoints.

WordPiece for BERT, DistilBERT and ELECTRA, byte-level BPE for RoBERTa, and SentencePiece Unigram
models converted by transformers' own converters for XLM-R, CamemBERT and ALBERT, so that the id
offsets are the real ones.
"""

import io
import json
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import sentencepiece
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, convert_slow_tokenizer

import corpus

BERT_SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
BERT_MAP = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"}
ROBERTA_MAP = {
    "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "sep_token": "</s>", "pad_token": "<pad>",
    "cls_token": "<s>", "mask_token": "<mask>",
}
# A few of the rules of nmt_nfkc. The whole map is 240 kB, so only one checkpoint carries it.
SMALL_RULES = {
    "\u00a0": " ", "\u3000": " ", "\u2003": " ", "\t": " ", "\n": " ", "\r": " ", "\u200b": " ", "\ufb01": "fi",
    "\ufb02": "fl", "\ufb03": "ffi", "\u2026": "...", "\u00bd": "1\u20442", "\u00bc": "1\u20444", "\u00be": "3\u20444",
    "\u00b2": "2", "\u00b9": "1", "\u2122": "TM", "e\u0301": "\u00e9", "a\u0300": "\u00e0", "c\u0327": "\u00e7",
    "\uff41": "a", "\uff21": "A", "\uff22": "B", "\uff23": "C", "\uff11": "1", "\uff12": "2", "\uff13": "3", "\u00ad": "",
    "\x07": "", "\x7f": "", "\ufeff": "",
}


@dataclass
class SmallTokenizer:
    """A tokenizer and the files that lie beside it in a Hub checkpoint."""

    fast: PreTrainedTokenizerFast
    files: dict[str, bytes]
    tokenizer_config: dict
    special_tokens_map: dict = field(default_factory=dict)

    @property
    def vocab_size(self) -> int:
        return self.fast.backend_tokenizer.get_vocab_size(with_added_tokens=True)

    def save(self, folder: Path, max_length: int) -> None:
        """Writes tokenizer.json, tokenizer_config.json, special_tokens_map.json and the vocabulary files."""
        folder.mkdir(parents=True, exist_ok=True)
        config = {"model_max_length": max_length, **self.tokenizer_config}
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        text = json.dumps(self.special_tokens_map, indent=2, ensure_ascii=False) + "\n"
        (folder / "special_tokens_map.json").write_text(text, encoding="utf-8")
        (folder / "tokenizer.json").write_text(self.fast.backend_tokenizer.to_str(), encoding="utf-8")
        for name, content in self.files.items():
            (folder / name).write_bytes(content)


def fast_from_folder(folder: Path, type_ids: bool) -> PreTrainedTokenizerFast:
    """The tokenizer exactly as tokenizer.json says, with the special tokens and maximum length beside it."""
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    names = json.loads((folder / "special_tokens_map.json").read_text(encoding="utf-8"))
    tokens = {key: AddedToken(**_added(value)) if isinstance(value, dict) else value for key, value in names.items()}
    inputs = ["input_ids", "token_type_ids", "attention_mask"] if type_ids else ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), model_max_length=config["model_max_length"],
        model_input_names=inputs, **tokens,
    )


def _added(value: dict) -> dict:
    return {key: item for key, item in value.items() if key != "__type"}


def _wrap(backend: Tokenizer, names: dict, mask_lstrip: bool) -> PreTrainedTokenizerFast:
    tokens = dict(names)
    if mask_lstrip:
        tokens["mask_token"] = AddedToken(names["mask_token"], lstrip=True, rstrip=False, normalized=False, special=True)
    return PreTrainedTokenizerFast(tokenizer_object=backend, **tokens)


def _map_with_lstrip_mask(names: dict) -> dict:
    mask = {"content": names["mask_token"], "lstrip": True, "normalized": False, "rstrip": False, "single_word": False}
    return {**names, "mask_token": mask}


def _wordpieces(words: Counter, count: int) -> list[str]:
    """`count` pieces: the commonest characters, then the strings that cover most of the text.

    WordPieceTrainer breaks ties in hash order; this gives the same vocabulary on every run.
    """
    chars, pieces = Counter(), Counter()
    for word, times in words.items():
        for start in range(len(word)):
            mark = "##" if start else ""
            chars[mark + word[start]] += times
            for end in range(start + 2, min(len(word), start + 9) + 1):
                pieces[mark + word[start:end]] += times * (end - start - 1)
    order = lambda counter: sorted(counter, key=lambda piece: (-counter[piece], piece))
    kept = order(chars)[: count // 2]
    return sorted(kept + order(pieces)[: count - len(kept)])


def wordpiece(lowercase: bool, vocab_size: int = 380) -> SmallTokenizer:
    """BERT's tokenizer; the special ids are 0..4 and the vocabulary ends with a few [unusedN]."""
    backend = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    backend.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")
    words = Counter()
    for line in corpus.lines():
        normal = backend.normalizer.normalize_str(line)
        words.update(word for word, _ in backend.pre_tokenizer.pre_tokenize_str(normal))
    head = BERT_SPECIALS + [f"[unused{i}]" for i in range(4)]
    tokens = head + _wordpieces(words, vocab_size - len(head))
    vocab = {token: index for index, token in enumerate(tokens)}
    backend.model = models.WordPiece(vocab=vocab, unk_token="[UNK]", max_input_chars_per_word=100)
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])],
    )
    config = {
        "do_lower_case": lowercase, **BERT_MAP, "tokenize_chinese_chars": True, "strip_accents": None,
        "tokenizer_class": "BertTokenizer",
    }
    files = {"vocab.txt": ("\n".join(tokens) + "\n").encode()}
    return SmallTokenizer(_wrap(backend, BERT_MAP, False), files, config, dict(BERT_MAP))


def mpnet(vocab_size: int = 120) -> SmallTokenizer:
    """MPNet: <s> 0, <pad> 1, </s> 2, <unk> 3 before BERT's vocabulary with its [UNK], <mask> last; pairs as RoBERTa's."""
    bert = wordpiece(True, vocab_size - 5)
    backend = bert.fast.backend_tokenizer
    pieces = sorted(backend.get_vocab(), key=backend.get_vocab().get)
    tokens = ["<s>", "<pad>", "</s>", "<unk>"] + pieces + ["<mask>"]
    vocab = {token: index for index, token in enumerate(tokens)}
    backend.model = models.WordPiece(vocab=vocab, unk_token="[UNK]", max_input_chars_per_word=100)
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    names = {**ROBERTA_MAP, "unk_token": "[UNK]"}
    config = {
        **names, "do_lower_case": True, "strip_accents": None, "tokenize_chinese_chars": True, "tokenizer_class": "MPNetTokenizer",
    }
    files = {"vocab.txt": ("\n".join(tokens) + "\n").encode()}
    return SmallTokenizer(_wrap(backend, names, True), files, config, _map_with_lstrip_mask(names))


def byte_bpe(vocab_size: int = 420) -> SmallTokenizer:
    """RoBERTa's tokenizer: <s> 0, <pad> 1, </s> 2, <unk> 3, <mask> last."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - 5, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    backend.train_from_iterator(corpus.lines(), trainer)
    learned = json.loads(backend.to_str())["model"]
    merges = [tuple(pair) for pair in learned["merges"]]
    by_id = sorted(learned["vocab"], key=learned["vocab"].get)
    vocab = {token: index for index, token in enumerate(["<s>", "<pad>", "</s>", "<unk>"] + by_id + ["<mask>"])}
    backend.model = models.BPE(vocab=vocab, merges=merges)
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False
    )
    header = "#version: 0.2\n"
    files = {
        "vocab.json": json.dumps(vocab, ensure_ascii=False).encode(),
        "merges.txt": (header + "".join(f"{a} {b}\n" for a, b in merges)).encode(),
    }
    config = {**ROBERTA_MAP, "add_prefix_space": False, "trim_offsets": True, "errors": "replace", "tokenizer_class": "RobertaTokenizer"}
    return SmallTokenizer(_wrap(backend, ROBERTA_MAP, True), files, config, _map_with_lstrip_mask(ROBERTA_MAP))


def _train_sentencepiece(full_charsmap: bool, vocab_size: int, **options) -> bytes:
    out = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        if full_charsmap:
            options["normalization_rule_name"] = "nmt_nfkc"
        else:
            rules = Path(folder) / "rules.tsv"
            code = lambda text: " ".join(f"{ord(char):04X}" for char in text)
            rules.write_text("".join(f"{code(a)}\t{code(b)}\n" for a, b in SMALL_RULES.items()))
            options["normalization_rule_tsv"] = str(rules)
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(corpus.lines()), model_writer=out, model_type="unigram", vocab_size=vocab_size,
            character_coverage=0.985, hard_vocab_limit=False, num_threads=1, minloglevel=2, **options,
        )
    return _without_paths(out.getvalue())


def _without_paths(model: bytes) -> bytes:
    """The model without the trainer's temporary paths, so that a second run gives the same bytes."""
    proto = convert_slow_tokenizer.import_protobuf().ModelProto()
    proto.ParseFromString(model)
    proto.normalizer_spec.normalization_rule_tsv = ""
    return proto.SerializeToString(deterministic=True)


def _convert(model: bytes, converter, ids: dict[str, int], **attributes) -> Tokenizer:
    """transformers' slow-to-fast conversion; `ids` are those that the slow tokenizer gives its special tokens."""
    with tempfile.NamedTemporaryFile(suffix=".model") as file:
        file.write(model)
        file.flush()
        slow = SimpleNamespace(vocab_file=file.name, convert_tokens_to_ids=ids.get, legacy=True, **attributes)
        return converter(slow).converted()


def xlm_roberta(full_charsmap: bool = False, hub_style: bool = False, vocab_size: int = 700) -> SmallTokenizer:
    """XLM-R: <s> 0, <pad> 1, </s> 2, <unk> 3, then piece i of the SentencePiece model is id i + 1, <mask> last.

    hub_style: WhitespaceSplit + Metaspace as in the files on the Hub, instead of today's converter.
    """
    model = _train_sentencepiece(full_charsmap, vocab_size)
    backend = _convert(model, convert_slow_tokenizer.XLMRobertaConverter, {"<s>": 0, "</s>": 2})
    if hub_style:
        backend.normalizer = backend.normalizer[0]
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
        )
    config = {**ROBERTA_MAP, "tokenizer_class": "XLMRobertaTokenizer"}
    files = {"sentencepiece.bpe.model": model}
    return SmallTokenizer(_wrap(backend, ROBERTA_MAP, True), files, config, _map_with_lstrip_mask(ROBERTA_MAP))


def camembert(full_charsmap: bool = False, vocab_size: int = 700) -> SmallTokenizer:
    """CamemBERT: <s>NOTUSED 0, <pad> 1, </s>NOTUSED 2, <unk> 3, <unk>NOTUSED 4, <s> 5, </s> 6, <mask> last."""
    model = _train_sentencepiece(full_charsmap, vocab_size)
    backend = _convert(model, convert_slow_tokenizer.CamembertConverter, {"<s>": 5, "</s>": 6})
    config = {
        **ROBERTA_MAP, "additional_special_tokens": ["<s>NOTUSED", "</s>NOTUSED"], "tokenizer_class": "CamembertTokenizer",
    }
    files = {"sentencepiece.bpe.model": model}
    return SmallTokenizer(_wrap(backend, ROBERTA_MAP, True), files, config, _map_with_lstrip_mask(ROBERTA_MAP))


def albert(full_charsmap: bool = False, vocab_size: int = 700) -> SmallTokenizer:
    """ALBERT: <pad> 0, <unk> 1, [CLS] 2, [SEP] 3, [MASK] 4 are pieces of the SentencePiece model itself."""
    model = _train_sentencepiece(
        full_charsmap, vocab_size, pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, control_symbols=["[CLS]", "[SEP]", "[MASK]"],
        user_defined_symbols=["(", ")", '"', "-", ".", "–", "£", "€"],
    )
    ids = {"[CLS]": 2, "[SEP]": 3}
    backend = _convert(model, convert_slow_tokenizer.AlbertConverter, ids, keep_accents=False, do_lower_case=True)
    # The converter adds [MASK] as a plain control symbol; AlbertTokenizerFast's strips the space before it.
    content = json.loads(backend.to_str())
    for token in content["added_tokens"]:
        token["lstrip"] = token["content"] == "[MASK]"
    backend = Tokenizer.from_str(json.dumps(content))
    names = {
        "bos_token": "[CLS]", "eos_token": "[SEP]", "unk_token": "<unk>", "sep_token": "[SEP]", "pad_token": "<pad>",
        "cls_token": "[CLS]", "mask_token": "[MASK]",
    }
    config = {"do_lower_case": True, "remove_space": True, "keep_accents": False, **names, "tokenizer_class": "AlbertTokenizer"}
    return SmallTokenizer(_wrap(backend, names, True), {"spiece.model": model}, config, _map_with_lstrip_mask(names))
