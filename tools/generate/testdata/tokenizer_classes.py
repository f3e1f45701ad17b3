"""Vocabularies of the tokenizer classes that are no BERT's, and what transformers makes of them.

testdata/tokenizer-classes holds one small vocabulary a kind, with and without tokenizer.json, and
cases.json: folders of these files under each class that reads them, and the ids of its texts.
"""

import base64
import io
import json
import random
import shutil
import tempfile
from pathlib import Path

import corpus
import tokenizer_lines as lines
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

HERE = Path(__file__).resolve().parents[3] / "testdata" / "tokenizer-classes"
CONTROLS = ["[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "<s>", "<cls>", "<sep>", "<mask>", "<eop>"]
BYTE_SPECIALS = ["<|endoftext|>", "<|padding|>", "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]", "<s>", "</s>", "<pad>", "<unk>", "<mask>"]
RULES = {"\u00a0": " ", "\t": " ", "\n": " ", "\u200b": " ", "\ufb01": "fi", "\u2026": "...", "a\u0301": "\u00e1", "\u00ad": ""}
LETTERS = ["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO.-", "<null_1>", "<mask>"]

# Kind of vocabulary: files without tokenizer.json, and the classes that read it.
KINDS = {
    "bytes": (["vocab.json", "merges.txt"], ["GPT2Tokenizer", "GPTNeoXTokenizer", "Qwen2Tokenizer", "Qwen3_5Tokenizer", "DebertaTokenizer", "RobertaTokenizer"]),
    "suffix": (["vocab.json", "merges.txt"], ["HerbertTokenizer"]),
    "unigram": (["pieces.model"], ["T5Tokenizer", "DebertaV2Tokenizer", "BigBirdTokenizer", "RemBertTokenizer", "XLNetTokenizer", "AlbertTokenizer", "XLMRobertaTokenizer", "TokenizersBackend"]),
    "pieces-bpe": (["tokenizer.model"], ["LlamaTokenizer", "GemmaTokenizer", "TokenizersBackend"]),
    "letters": (["vocab.txt"], ["EsmTokenizer"]),
    "words": (["vocab.txt"], ["FunnelTokenizer", "BertTokenizer", "DistilBertTokenizer"]),
}
# Needs fugashi and ipadic, and Debian's mecab-ipadic-utf8 where the program reads it.
JAPANESE = list(dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"東京都に住む人は明日も元気です。、行かないとカタナ1２2(", *(f"##{c}" for c in "都ま京すたい日タカナ2者"),
            "東京", "人々", "明日", "元気", "です", "カタカナ", "abc", "キロ", "学", "生", "学生", "た", "会社", "##会社"]))
JAPANESE_TEXTS = ["東京都に住んでいる人々は、明日も元気です。", "ｶﾀｶﾅ１２abc㌔ 学生(東京)\n会社", "[MASK]都 は[UNK]京。new会社", "か\u3099\u3000\u2028元気\U0001f600\x00明日", ""]
PIECES_FILES = {
    "T5Tokenizer": "spiece.model", "DebertaV2Tokenizer": "spm.model", "BigBirdTokenizer": "spiece.model",
    "RemBertTokenizer": "sentencepiece.model", "XLNetTokenizer": "spiece.model", "AlbertTokenizer": "spiece.model",
    "XLMRobertaTokenizer": "sentencepiece.bpe.model", "TokenizersBackend": "tokenizer.model",
    "MBartTokenizer": "sentencepiece.bpe.model", "MBart50Tokenizer": "sentencepiece.bpe.model",
}
MBART = ("MBartTokenizer", "MBart50Tokenizer")
ONLY_JSON = {"Qwen3_5Tokenizer"}  # no file of older names
# Options of each class that change ids.
OPTIONS = {
    "GPT2Tokenizer": ["add_prefix_space", "add_bos_token"], "GPTNeoXTokenizer": ["add_prefix_space", "add_bos_token", "add_eos_token"],
    "Qwen2Tokenizer": ["add_prefix_space"], "Qwen3_5Tokenizer": ["add_prefix_space"], "DebertaTokenizer": ["add_prefix_space"],
    "RobertaTokenizer": ["add_prefix_space"], "DebertaV2Tokenizer": ["do_lower_case", "split_by_punct", "add_prefix_space"],
    "BigBirdTokenizer": ["add_prefix_space"], "RemBertTokenizer": ["do_lower_case", "keep_accents", "add_prefix_space"],
    "XLNetTokenizer": ["do_lower_case"], "AlbertTokenizer": ["do_lower_case", "keep_accents", "add_prefix_space"],
    "XLMRobertaTokenizer": ["add_prefix_space"], "LlamaTokenizer": ["legacy", "add_prefix_space", "add_bos_token", "add_eos_token"],
    "GemmaTokenizer": ["add_bos_token", "add_eos_token"], "TokenizersBackend": ["add_bos_token", "add_eos_token"],
    "FunnelTokenizer": ["do_lower_case", "clean_text", "tokenize_chinese_chars", "strip_accents"],
    "BertTokenizer": ["do_lower_case", "tokenize_chinese_chars", "strip_accents"],
    "DistilBertTokenizer": ["do_lower_case"],
}


def _trained(model, pre_tokenizer, trainer, specials):
    """Vocabulary and merges of a BPE, the special tokens before all others."""
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(corpus.lines() + lines.CODE, trainer)
    learned = json.loads(tokenizer.to_str())["model"]
    by_id = sorted(learned["vocab"], key=learned["vocab"].get)
    vocab = {token: index for index, token in enumerate([*specials, *by_id])}
    return vocab, [tuple(pair) for pair in learned["merges"]]


def _bytes():
    trainer = trainers.BpeTrainer(vocab_size=420, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    return _trained(models.BPE(), pre_tokenizers.ByteLevel(add_prefix_space=False), trainer, BYTE_SPECIALS)


def _suffix():
    trainer = trainers.BpeTrainer(vocab_size=420, end_of_word_suffix="</w>", limit_alphabet=120, show_progress=False)
    return _trained(models.BPE(end_of_word_suffix="</w>"), pre_tokenizers.BertPreTokenizer(), trainer, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])


def _pieces(model_type, **options):
    import sentencepiece

    out = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "rules.tsv"
        code = lambda text: " ".join(f"{ord(char):04X}" for char in text)  # noqa: E731
        rules.write_text("".join(f"{code(a)}\t{code(b)}\n" for a, b in RULES.items()))
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(corpus.lines()), model_writer=out, model_type=model_type, character_coverage=0.98,
            hard_vocab_limit=False, num_threads=1, minloglevel=2, normalization_rule_tsv=str(rules), **options,
        )
    proto = parsed(out.getvalue())
    proto.normalizer_spec.normalization_rule_tsv = ""  # a temporary path
    return proto.SerializeToString(deterministic=True)


def parsed(model):
    from transformers.convert_slow_tokenizer import import_protobuf

    proto = import_protobuf().ModelProto()
    proto.ParseFromString(model)
    return proto


def _write_bpe(folder, vocab, merges):
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    text = "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges)
    (folder / "merges.txt").write_text(text, encoding="utf-8")
    return {"type": "BPE", "vocab": vocab, "merges": [list(pair) for pair in merges]}


def _write_json(folder, model, normalizer=None, specials=()):
    """A tokenizer.json whose parts no class shares, so that each class's own show."""
    ids = model["vocab"] if isinstance(model["vocab"], dict) else {piece: i for i, (piece, _) in enumerate(model["vocab"])}
    token = lambda content: {"id": ids[content], "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}  # noqa: E731
    first = sorted(ids, key=ids.get)[0]
    template = {
        "type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": first, "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": first, "type_id": 0}}],
        "special_tokens": {first: {"id": first, "ids": [ids[first]], "tokens": [first]}},
    }
    document = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": sorted((token(s) for s in specials if s in ids), key=lambda t: t["id"]),
        "normalizer": normalizer, "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
        "post_processor": template, "decoder": None, "model": model,
    }
    (folder / "tokenizer.json").write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


def write_vocabularies(root):
    shutil.rmtree(root, ignore_errors=True)
    _write_json(root / "bytes", _write_bpe(root / "bytes", *_bytes()), None, BYTE_SPECIALS[:2])
    _write_json(root / "suffix", _write_bpe(root / "suffix", *_suffix()), None, ["<s>"])
    unigram = _pieces("unigram", vocab_size=420, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, control_symbols=CONTROLS, user_defined_symbols=["(", "e.g."])
    bpe = _pieces("bpe", vocab_size=640, byte_fallback=True, user_defined_symbols=["(", "<bos>"], remove_extra_whitespaces=False)
    for name, file, content in (("unigram", "pieces.model", unigram), ("pieces-bpe", "tokenizer.model", bpe)):
        (root / name).mkdir()
        (root / name / file).write_bytes(content)
    proto = parsed(unigram)
    charsmap = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()}
    pieces = [[piece.piece, piece.score] for piece in proto.pieces]
    _write_json(root / "unigram", {"type": "Unigram", "unk_id": 2, "vocab": pieces}, {"type": "Sequence", "normalizers": [{"type": "NFC"}, charsmap]}, CONTROLS[:2])
    proto = parsed(bpe)
    vocab = {piece.piece: index for index, piece in enumerate(proto.pieces)}
    merges = [[m[:i], m[i:]] for m in vocab for i in range(1, len(m)) if m[:i] in vocab and m[i:] in vocab]
    _write_json(root / "pieces-bpe", {"type": "BPE", "vocab": vocab, "merges": merges, "byte_fallback": True}, None, ["<s>", "</s>"])
    (root / "letters").mkdir()
    (root / "letters" / "vocab.txt").write_text("\n".join(LETTERS) + "\n")
    vocab = (HERE.parent / "models" / "bert-base" / "vocab.txt").read_text(encoding="utf-8").split()
    vocab += [token for token in ("<unk>", "<sep>", "<pad>", "<cls>", "<mask>") if token not in vocab]
    (root / "words").mkdir()
    (root / "words" / "vocab.txt").write_text("\n".join(vocab) + "\n", encoding="utf-8")
    (root / "japanese").mkdir()
    (root / "japanese" / "vocab.txt").write_text("\n".join(JAPANESE) + "\n", encoding="utf-8")
    model = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 9}
    _write_json(root / "words", {**model, "vocab": {token: i for i, token in enumerate(vocab)}}, {"type": "NFC"}, ["[CLS]"])


def make_folder(folder, kind, name, config, with_json, model_type="", root=HERE):
    """A checkpoint's tokenizer files: the vocabulary of `kind` under the class `name`."""
    folder.mkdir(parents=True, exist_ok=True)
    files = ["tokenizer.json"] if with_json else KINDS[kind][0] if kind in KINDS else ["vocab.txt"]
    for file in files:
        target = PIECES_FILES[name] if file == "pieces.model" else file
        shutil.copy(root / kind / file, folder / target)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name, **config}), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps({"model_type": model_type} if model_type else {}), encoding="utf-8")


def japanese_cases():
    """Rows of folders under BertJapaneseTokenizer, with a vocabulary of their own."""
    import transformers

    plain = {"do_lower_case": False, "word_tokenizer_type": "mecab", "mecab_kwargs": {"mecab_dic": "ipadic"}}
    new = {str(len(JAPANESE)): {"content": "new", "special": False}}
    for config in (plain, {**plain, "subword_tokenizer_type": "character"},
                   {**plain, "mecab_kwargs": {"mecab_dic": "ipadic", "normalize_text": False}},
                   {**plain, "added_tokens_decoder": new, "additional_special_tokens": ["会社"]}):
        with tempfile.TemporaryDirectory() as folder:
            make_folder(Path(folder) / "m", "japanese", "BertJapaneseTokenizer", config, False)
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder + "/m")
            ids = [tokenizer(text)["input_ids"] for text in JAPANESE_TEXTS]
            pair = tokenizer(JAPANESE_TEXTS[0], JAPANESE_TEXTS[1])["input_ids"]
        yield {"kind": "japanese", "class": "BertJapaneseTokenizer", "config": config, "json": False, "pair": pair, "ids": ids}


def texts():
    rng = random.Random(11)
    words = ["the \u00c9t\u00e9's 1,234 caf\u00e9s\u2026", "  two  spaces\n\nand\tlines  ", "[MASK] <mask> [CLS]</s><s> <|endoftext|>x", "<extra_id_0>a (e.g. b)",
             "MKTAYIAKQR<mask>QISFVKSHFSRQ", "\u6771\u4eac \u00a0\ufb01ne\u200b", "can't WE'LL I'D ``quoted''", "\U0001f600\U0001f469\u200d\U0001f4bb a\u0301e\u0301"]
    return [*words, *[line for line in lines.random_lines(rng, 40) if len(line) < 40][:8], ""]


def cases():
    rng = random.Random(3)
    for kind, (_, classes) in KINDS.items():
        for name in classes:
            for with_json in (False, True):
                if (name in ONLY_JSON and not with_json) or (kind == "letters" and with_json):
                    continue
                yield kind, name, {}, with_json
                options = OPTIONS.get(name, [])
                if options:
                    yield kind, name, {option: rng.random() < 0.6 for option in options}, with_json
    # What the model's own settings make of a text, and tokens that files list.
    listed = {"9": {"content": "[MASK]", "lstrip": True, "special": False}, "20": {"content": "the", "rstrip": True, "special": False}}
    yield "pieces-bpe", "TokenizersBackend", {"legacy": None}, False
    for legacy in (False, True):
        yield "pieces-bpe", "TokenizersBackend", {"legacy": legacy, "added_tokens_decoder": listed}, False
        yield "unigram", "TokenizersBackend", {"legacy": legacy, "added_tokens_decoder": listed}, False
    yield "unigram", "RemBertTokenizer", {"added_tokens_decoder": listed, "mask_token": {"content": "[MASK]", "rstrip": True, "__type": "AddedToken"}}, False
    yield "unigram", "RemBertTokenizer", {"added_tokens_decoder": listed, "extra_special_tokens": ["the"]}, False
    # The tokenizer.json here has no languages; what the classes write themselves is checked.
    for name in MBART:
        yield "unigram", name, {}, False
        yield "unigram", name, {"src_lang": "ro_RO", "eos_token": "[SEP]", "additional_special_tokens": ["(", "new"]}, False


def check_saved(tokenizer, folder, all_texts, ids):
    """That the class gives the same ids from the tokenizer.json that it writes."""
    import transformers

    tokenizer.save_pretrained(folder)
    again = transformers.AutoTokenizer.from_pretrained(folder).backend_tokenizer
    if [again.encode(text).ids for text in all_texts] != ids:
        raise AssertionError(f"{type(tokenizer).__name__} gives other ids from its own tokenizer.json")


def write(root=HERE):
    """testdata/tokenizer-classes."""
    import transformers

    write_vocabularies(root)
    rows, skipped, all_texts = [], 0, texts()
    for kind, name, config, with_json in cases():
        with tempfile.TemporaryDirectory() as scratch:
            make_folder(Path(scratch) / "m", kind, name, config, with_json, root=root)
            try:
                tokenizer = transformers.AutoTokenizer.from_pretrained(scratch + "/m")
                backend = getattr(tokenizer, "backend_tokenizer", None)
                encode = (lambda a, b=None: backend.encode(a, b).ids) if backend else (lambda a, b=None: tokenizer(a, b)["input_ids"])
                ids = [encode(text) for text in all_texts]
                pair = encode(all_texts[0], all_texts[3])
                if name in MBART:
                    check_saved(tokenizer, Path(scratch) / "saved", all_texts, ids)
            except Exception as error:  # some classes cannot be made from some files
                skipped += 1
                print(f"{kind} {name} {config} {with_json}: {str(error)[:200]}")
                continue
        rows.append({"kind": kind, "class": name, "config": config, "json": with_json, "pair": pair, "ids": ids})
    rows += japanese_cases()
    body = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    head = json.dumps({"texts": all_texts, "japanese_texts": JAPANESE_TEXTS, "pieces_files": PIECES_FILES})[:-1]
    (root / "cases.json").write_text(f'{head},"cases":[\n{body}\n]}}\n', encoding="utf-8")
    print(f"testdata/tokenizer-classes: {len(rows)} cases, {skipped} that transformers refuses")
