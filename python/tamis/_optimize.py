"""From a checkpoint to a bundle."""

from __future__ import annotations

import contextlib
import ctypes as c
import html
import json
import os
import signal
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from . import _lib
from ._errors import InvalidArgument
from ._lib import Results, String, check, lib, optional_utf8, options_of, path_bytes, string
from ._model import _Inputs

Progress = Callable[[str, float], object]
"""Called with the stage and how far the whole is, 0..1; ``False`` ends the work."""


@dataclass(frozen=True)
class Plan:
    """A plan that was measured on held-out texts; ``loss`` is in the budget's metric."""

    name: str
    precision: str
    us_per_token: float
    loss: float
    loss_upper_95: float
    within_budget: bool
    on_front: bool


@dataclass(frozen=True)
class Report:
    """What optimize() did. ``data`` is report.json as a dict; a notebook draws the plans."""

    bundle: str
    precision: str
    succeeded: bool
    seconds: float
    bundle_bytes: int
    checkpoint_bytes: int
    budget: Optional[str]
    chosen: Optional[int]
    plans: Tuple[Plan, ...]
    data: Dict[str, Any] = field(repr=False)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr{' style=font-weight:bold' if i == self.chosen else ''}>"
            f"<td>{html.escape(plan.name)}</td><td>{plan.us_per_token:.2f}</td>"
            f"<td>{plan.loss:.3g}</td><td>{plan.loss_upper_95:.3g}</td>"
            f"<td>{'yes' if plan.within_budget else 'no'}</td></tr>"
            for i, plan in enumerate(self.plans))
        table = ("<table><tr><th>plan</th><th>us per token</th><th>loss</th><th>95 % bound</th>"
                 f"<th>within budget</th></tr>{rows}</table>") if rows else ""
        budget = f", budget {html.escape(self.budget)}" if self.budget else ""
        return (f"<p><b>{html.escape(self.bundle)}</b>: {self.precision}{budget}, "
                f"{self.bundle_bytes / 1e6:.1f} MB of {self.checkpoint_bytes / 1e6:.1f} MB, "
                f"{self.seconds:.0f} s</p>{table}")


# What a plan's microseconds are: by the clock, by the cost table, or an estimate where its integers
# are simulated.
_PRICES = ("clock_us_per_token", "table_us_per_token", "estimated_us_per_token")


def _number(value: Optional[float]) -> float:
    """JSON has no infinity: what is not bounded, or of answers that are not finite, is null."""
    return float("inf") if value is None else value


def _report(bundle: str, text: str) -> Report:
    data = json.loads(text)
    quantization = data.get("quantization", {})
    plans = tuple(
        Plan(row["name"], row["precision"],
             next(row[key] for key in _PRICES if key in row), _number(row["loss"]),
             _number(row["loss_upper_95"]), row["within_budget"], row["on_front"])
        for row in quantization.get("plans", []))
    budget = quantization.get("budget", {}).get("asked")
    return Report(bundle, data["precision"], data["succeeded"], data["seconds"],
                  data["bundle_bytes"], data["checkpoint_bytes"], budget,
                  quantization.get("chosen"), plans, data)


class _Watch:
    """The progress callback of the native side; what it raises is raised by optimize()."""

    def __init__(self, progress: Union[bool, Progress]) -> None:
        self._progress = progress
        self.raised: Optional[BaseException] = None
        self.function = _lib.ProgressFunction(self._call)

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Within it Ctrl-C ends the work at the next progress, and is raised by optimize(): Python's
        own handler would run on entry of the callback, where ctypes drops what is raised."""
        ours = (threading.current_thread() is threading.main_thread()
                and signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        if not ours:
            yield
            return

        def interrupt(_number: int, _frame: Any) -> None:
            self.raised = KeyboardInterrupt()

        signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _call(self, _context: Any, stage: String, fraction: float) -> int:
        if self.raised is not None:
            return 0
        try:
            if callable(self._progress):
                return 0 if self._progress(string(stage), fraction) is False else 1
            if self._progress:
                sys.stderr.write(f"\r{fraction:4.0%} {string(stage):<30}")
                sys.stderr.write("\n" if fraction >= 1 else "")
                sys.stderr.flush()
            return 1
        except BaseException as error:  # KeyboardInterrupt too
            self.raised = error
            return 0


def _is_torch_module(model: Any) -> bool:
    torch = sys.modules.get("torch")  # without it there is none
    return torch is not None and isinstance(model, torch.nn.Module)


@contextlib.contextmanager
def _folder_of(model: Any, tokenizer: Any) -> Iterator[Union[str, "os.PathLike[str]"]]:
    """The folder of a model: its own, or one that a live module is saved to meanwhile."""
    if not _is_torch_module(model):
        if tokenizer is not None:
            raise InvalidArgument("tokenizer: is taken with a live torch module alone")
        yield model
        return
    if tokenizer is None:
        raise InvalidArgument("optimize: a live torch module needs tokenizer=, which is saved beside it")
    with tempfile.TemporaryDirectory(prefix="tamis-") as folder:
        if any(name.endswith("._amax") for name in model.state_dict()):
            from . import torch as bridge

            bridge.save(model, folder)
        else:
            model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        yield folder


def _c_strings(texts: Sequence[str], what: str) -> Any:
    if isinstance(texts, str):
        raise TypeError(f"{what}: expected a sequence of str, found str")
    values: List[Optional[bytes]] = [optional_utf8(text, what) for text in texts]
    return (c.c_char_p * max(1, len(values)))(*values)


def _take_texts(options: Any, name: str,
                texts: Union[None, str, "os.PathLike[str]", Sequence[Any]]) -> Optional[_Inputs]:
    if isinstance(texts, (str, os.PathLike)):
        setattr(options, f"{name}_file", path_bytes(texts, name))
        return None
    if texts is None:
        return None
    inputs = _Inputs(list(texts))
    if inputs.count == 0:
        raise InvalidArgument(f"{name}: no texts; None takes the built-in ones")
    setattr(options, name, inputs.array)
    setattr(options, f"{name}_count", inputs.count)
    return inputs


def optimize(
    model: Any,
    bundle: Union[str, "os.PathLike[str]"],
    *,
    tokenizer: Any = None,
    precision: Optional[str] = None,
    budget: Optional[str] = None,
    certify: bool = False,
    calibration: Union[None, str, "os.PathLike[str]", Sequence[Any]] = None,
    certify_on: Union[None, str, "os.PathLike[str]", Sequence[Any]] = None,
    scheme: Optional[str] = None,
    embeddings: Optional[str] = None,
    enable: Sequence[str] = (),
    disable: Sequence[str] = (),
    task: Optional[str] = None,
    threads: int = 0,
    max_length: int = 0,
    measure: bool = False,
    seconds: float = 0,
    force: bool = False,
    progress: Union[bool, Progress] = False,
) -> Report:
    """Makes a bundle of a model: fused, quantized within ``budget`` ("flips=0.5%", "cosine=0.999",
    ...; default: by the task), measured on held-out texts, self-tested.

    ``model``: a folder, a hub id, an .onnx file, or a live module of transformers together with its
    ``tokenizer``.

    ``calibration``: a list of texts or (text, pair), or the path of a .txt, .tsv or .jsonl file;
    default: built-in texts, of which every second one is held out to measure on. ``certify_on``: the
    same, to measure on in place of those; the 95 % bound must then keep the budget, as with
    ``certify``. ``precision``: None or "auto", "int8", "bf16", "fp32".
    ``embeddings``: how embedding tables are stored, "fp16", "int8" or "fp32" (as the checkpoint has
    them); None: "fp16", with precision="fp32" and where the checkpoint has trained ranges "fp32".
    ``progress``: True writes to standard error; a
    callable may end the work by returning False. Ctrl-C leaves no bundle and no thread behind.
    """
    options = options_of(_lib.OptimizeOptions)
    options.load.precision = optional_utf8(precision, "precision")
    options.load.task = optional_utf8(task, "task")
    options.load.threads = threads
    options.load.max_length = max_length
    options.force = int(force)
    options.budget = optional_utf8(budget, "budget")
    options.certify = int(certify)
    options.scheme = optional_utf8(scheme, "scheme")
    options.embeddings = optional_utf8(embeddings, "embeddings")
    kept = [_take_texts(options, "calibration", calibration),  # alive as long as they are read
            _take_texts(options, "certify_on", certify_on)]
    enabled, disabled = _c_strings(enable, "enable"), _c_strings(disable, "disable")
    options.enable, options.enable_count = enabled, len(enable)
    options.disable, options.disable_count = disabled, len(disable)
    options.measure = int(measure)
    options.seconds = seconds
    watch = _Watch(progress)
    options.progress = watch.function
    results = Results()
    with _folder_of(model, tokenizer) as folder, watch.signals():
        status = lib.tamis_optimize(path_bytes(folder, "model"), path_bytes(bundle, "bundle"),
                                    c.byref(options), c.byref(results.pointer))
    if watch.raised is not None:
        raise watch.raised
    check(status)
    del kept
    text = String()
    check(lib.tamis_results_text(results.pointer, c.byref(text)))
    return _report(os.fspath(bundle), string(text))
