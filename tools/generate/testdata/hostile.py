"""Bad pytorch_model.bin files. Pickles are put together from opcodes by hand; nothing here is ever unpickled."""

import io
import struct
import warnings
import zipfile
import zlib
from pathlib import Path

import common

PROTO = b"\x80\x02"
STOP = b"."
DATE = (2024, 1, 1, 0, 0, 0)


def text(value: str) -> bytes:
    """BINUNICODE."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def integer(value: int) -> bytes:
    """BININT, or LONG1 for what does not fit."""
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes(9, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def name(module: str, attribute: str) -> bytes:
    """GLOBAL."""
    return b"c" + f"{module}\n{attribute}\n".encode()


def items(*parts: bytes) -> bytes:
    """MARK ... TUPLE."""
    return b"(" + b"".join(parts) + b"t"


def call(function: bytes, *arguments: bytes) -> bytes:
    """function, arguments, REDUCE."""
    return function + items(*arguments) + b"R"


def storage(kind: str = "FloatStorage", key: str = "0", count: int = 4) -> bytes:
    """BINPERSID of torch's storage tuple."""
    return items(text("storage"), name("torch", kind), text(key), text("cpu"), integer(count)) + b"Q"


def tensor(source: bytes, offset: int = 0, shape=(2, 2), stride=(2, 1)) -> bytes:
    """torch._utils._rebuild_tensor_v2(storage, offset, shape, stride, requires_grad, hooks)."""
    hooks = call(name("collections", "OrderedDict"))
    sizes = items(*[integer(value) for value in shape])
    steps = items(*[integer(value) for value in stride])
    return call(name("torch._utils", "_rebuild_tensor_v2"), source, integer(offset), sizes, steps, b"\x89", hooks)


def state(*pairs: tuple[str, bytes]) -> bytes:
    """PROTO 2, a dict of the pairs, STOP."""
    return PROTO + b"}(" + b"".join(text(key) + value for key, value in pairs) + b"u" + STOP


def archive(pickle: bytes | None, records: dict[str, bytes] | None = None, compress: bool = False, root: str = "archive") -> bytes:
    """A zip file as torch.save lays it out."""
    out = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    content = {f"{root}/version": b"3\n", f"{root}/byteorder": b"little"}
    content.update({} if pickle is None else {f"{root}/data.pkl": pickle})
    content.update({f"{root}/data/0": struct.pack("<4f", 1, 2, 3, 4)} if records is None else records)
    with zipfile.ZipFile(out, "w", method) as file:
        for path, raw in content.items():
            file.writestr(zipfile.ZipInfo(path, DATE), raw, compress_type=method)
    return out.getvalue()


GOOD = state(("weight", tensor(storage())))


def _globals() -> dict[str, tuple[str, bytes]]:
    shell = text("echo this must never run")
    found = {}
    for module, attribute in [
        ("os", "system"), ("posix", "system"), ("builtins", "eval"), ("builtins", "exec"), ("builtins", "getattr"),
        ("__builtin__", "eval"), ("subprocess", "Popen"), ("torch", "load"), ("torch.hub", "load"), ("numpy", "load"),
        ("collections", "OrderedDict.fromkeys"), ("torch._utils", "_rebuild_tensor_v2.__globals__"), ("", ""),
    ]:
        label = f"global-{module}-{attribute}".replace(".", "_").replace("__", "").strip("-")
        found[label] = (f"names {module}.{attribute}", archive(PROTO + call(name(module, attribute), shell) + STOP))
    found["global-inside-state"] = ("os.system as a value of a good state dict", archive(
        state(("weight", tensor(storage())), ("extra", call(name("os", "system"), shell)))
    ))
    found["global-stack"] = ("STACK_GLOBAL os.system", archive(b"\x80\x04" + text("os") + text("system") + b"\x93" + items(shell) + b"R."))
    found["global-inst"] = ("INST os.system", archive(b"(" + shell + b"ios\nsystem\n."))
    found["global-obj"] = ("OBJ on os.system", archive(b"(" + name("os", "system") + shell + b"o."))
    found["global-newobj"] = ("NEWOBJ on subprocess.Popen", archive(PROTO + name("subprocess", "Popen") + items(shell) + b"\x81."))
    found["global-extension"] = ("EXT1", archive(PROTO + b"\x82\x01."))
    build = PROTO + call(name("collections", "OrderedDict")) + b"}" + text("__class__") + name("os", "system") + b"sb."
    found["build-class"] = ("BUILD that sets __class__ to os.system", archive(build))
    return found


def _tensors() -> dict[str, tuple[str, bytes]]:
    huge = 1 << 62
    pickles = {
        "offset-past-end": ("storage offset past the end", tensor(storage(), offset=1)),
        "offset-negative": ("negative storage offset", tensor(storage(), offset=-1)),
        "shape-past-end": ("shape larger than the storage", tensor(storage(), shape=(2, 3), stride=(3, 1))),
        "shape-negative": ("negative size", tensor(storage(), shape=(-2, 2))),
        "shape-terabytes": ("size times stride overflows", tensor(storage(), shape=(huge, 2), stride=(2, 1))),
        "stride-past-end": ("stride reaches past the storage", tensor(storage(), stride=(4, 1))),
        "stride-negative": ("negative stride", tensor(storage(), stride=(-2, 1))),
        "stride-expanded": ("a petabyte made of one number with stride 0", tensor(storage(), shape=(1 << 25, 1 << 25), stride=(0, 0))),
        "stride-missing": ("two sizes, one stride", tensor(storage(), stride=(1,))),
        "storage-count": ("storage says more elements than its record has", tensor(storage(count=400))),
        "storage-record-absent": ("record data/7 is absent", tensor(storage(key="7"))),
        "storage-key-path": ("storage key leaves the archive", tensor(storage(key="../data/0"))),
        "storage-kind": ("complex numbers", tensor(storage(kind="ComplexFloatStorage"))),
        "storage-is-text": ("text where the storage stands", tensor(text("storage"))),
        "storage-tuple-short": ("persistent id of one item", tensor(items(text("storage")) + b"Q")),
        "value-is-number": ("a number where a tensor is expected in the rebuild call", call(name("torch._utils", "_rebuild_tensor_v2"), integer(1))),
    }
    return {key: (why, archive(state(("weight", value)))) for key, (why, value) in pickles.items()}


def _streams() -> dict[str, tuple[str, bytes]]:
    pickles = {
        "empty-pickle": ("no opcode at all", b""),
        "no-stop": ("no STOP", GOOD[:-1]),
        "truncated": ("cut in the middle of an argument", GOOD[: len(GOOD) // 2]),
        "unknown-opcode": ("opcode 0xff", PROTO + b"\xff."),
        "protocol-99": ("protocol 99", b"\x80\x63N."),
        "stack-underflow": ("REDUCE on an empty stack", PROTO + b"R."),
        "mark-missing": ("TUPLE without MARK", PROTO + b"Nt."),
        "memo-absent": ("BINGET of what was never stored", PROTO + b"h\x05."),
        "memo-huge": ("LONG_BINPUT at index 4294967295", PROTO + b"Nr\xff\xff\xff\xff."),
        "text-4-gb": ("text of 4 GB in a file of 20 bytes", PROTO + b"X\xff\xff\xff\xffabc."),
        "text-8-eb": ("BINUNICODE8 of 2^63 bytes", b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7fabc."),
        "text-not-utf8": ("text that is not UTF-8", PROTO + b"X\x02\x00\x00\x00\xff\xfe."),
        "long-4-gb": ("LONG4 of 2 GB", PROTO + b"\x8b\xff\xff\xff\x7f\x01."),
        "frame-huge": ("FRAME longer than the file", b"\x80\x04\x95" + b"\xff" * 7 + b"\x7fN."),
        "int-text": ("INT whose digits are not digits", b"Iabc\n."),
        "unhashable-key": ("a dict as key of a dict", PROTO + b"}}Ns."),
        "odd-setitems": ("SETITEMS with an odd number of values", PROTO + b"}(" + text("a") + b"u."),
        "recursive": ("a list that holds itself", PROTO + b"]q\x00h\x00a."),
        "deep-tuples": ("100,000 nested tuples", PROTO + b")" + b"\x85" * 100_000 + STOP),
        "deep-marks": ("100,000 marks", PROTO + b"(" * 100_000 + STOP),
        "memo-doubling": ("tuples that double 60 times when walked", PROTO + b")" + b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(60)) + STOP),
        "not-a-dict": ("the whole is a number", PROTO + integer(5) + STOP),
        "key-not-text": ("a number as tensor name", PROTO + b"}" + integer(5) + tensor(storage()) + b"s."),
    }
    return {f"pickle-{key}": (why, archive(value)) for key, (why, value) in pickles.items()}


def _archives() -> dict[str, tuple[str, bytes]]:
    good = archive(GOOD)
    zeros = {"archive/data/0": bytes(8 << 20)}
    end = good.rindex(b"PK\x05\x06")
    far = good[: end + 16] + struct.pack("<I", 0x7FFFFFFF) + good[end + 20 :]
    crc = bytearray(good)
    crc[good.index(struct.pack("<4f", 1, 2, 3, 4))] ^= 0xFF
    return {
        "zip-empty": ("a file of 0 bytes", b""),
        "zip-cut": ("the first half of a good file", good[: len(good) // 2]),
        "zip-no-pickle": ("no data.pkl", archive(None)),
        "zip-directory-far": ("central directory offset past the end", far),
        "zip-crc": ("a record whose CRC-32 is wrong", bytes(crc)),
        "zip-bomb": ("a deflated record of 8 MiB zeros; torch stores records uncompressed", archive(GOOD, zeros, compress=True)),
        "zip-big-endian": ("byteorder record says big", archive(GOOD, {"archive/data/0": bytes(16), "archive/byteorder": b"big"})),
        "zip-text": ("a text file", b"version https://git-lfs.example/spec/v1\noid sha256:00\nsize 12345\n"),
        "zip-random": ("noise", zlib.compress(b"noise" * 50)),
        "legacy-cut": ("the first half of a file of PyTorch before 1.6", _legacy_whole()[:150]),
    }


def _legacy_whole() -> bytes:
    """What torch.save wrote before zip files: magic, protocol, system, the pickle, storage keys, storages."""
    magic = PROTO + b"\x8a\n" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little") + STOP
    protocol = PROTO + integer(1001) + STOP
    sizes = b"}(" + text("short") + integer(2) + text("int") + integer(4) + text("long") + integer(4) + b"u"
    system = b"}(" + text("protocol_version") + integer(1001) + text("little_endian") + b"\x88" + text("type_sizes") + sizes + b"u"
    source = items(text("storage"), name("torch", "FloatStorage"), text("7"), text("cpu"), integer(4), b"N") + b"Q"
    keys = PROTO + b"](" + text("7") + b"e" + STOP
    data = struct.pack("<q4f", 4, 1, 2, 3, 4)
    return magic + protocol + PROTO + system + STOP + state(("weight", tensor(source))) + keys + data


def _torch_answer(path: Path) -> str:
    """What torch.load(weights_only=True), which runs no code of the file, does with it."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.load(path, weights_only=True)
        except Exception:  # every kind of refusal counts
            return "refuses"
    return "loads"


def build(folder: Path) -> None:
    """Writes every file and cases.json; good.bin shows that the same builder makes what must load."""
    files = {**_globals(), **_tensors(), **_streams(), **_archives()}
    files["legacy-whole"] = ("a whole file of PyTorch before 1.6", _legacy_whole())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "good.bin").write_bytes(archive(GOOD))
    cases = []
    for key, (why, content) in sorted(files.items()):
        (folder / f"{key}.bin").write_bytes(content)
        cases.append({"file": f"{key}.bin", "why": why, "torch": _torch_answer(folder / f"{key}.bin")})
    common.write_json(folder / "cases.json", {"good": "good.bin"}, cases)
