#!/usr/bin/env python3
"""Tiny Longformer files as torch's TorchScript exporter writes them, with what ONNX Runtime answers.

Such a file holds for texts of one window: the strides of its chunks are those of the exported length. So the
example that it is traced with is shorter than the window, and so are the recorded batches. Heads with tokens
that all others see are not among the rows, as files of those hold for the traced batch alone. It needs
transformers 4 and writes FILE.onnx and FILE.json of each row into FOLDER, for testdata/onnx/packed.tar.xz.

Example: PYTHON tools/generate/testdata/longformer_exports.py FOLDER
"""

import json
import sys
import zlib
from pathlib import Path

import numpy
import onnxruntime
import torch
import transformers

# Name: class, opset, windows of the layers, what else the configuration has.
ROWS = {
    "longformer-token-legacy-op14-tf457": ("LongformerForTokenClassification", 14, [16, 8], {"num_labels": 3}),
}
SEPARATOR = 2
PADDING = 1


class Logits(torch.nn.Module):
    """The model under the names that its modules have in it, with its logits alone."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.m = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        answer = self.m(input_ids=input_ids, attention_mask=attention_mask)
        return answer["logits"]


def _model(name: str) -> torch.nn.Module:
    cls, _, windows, options = ROWS[name]
    torch.manual_seed(zlib.crc32(name.encode()))
    config = transformers.LongformerConfig(
        vocab_size=48, hidden_size=12, num_attention_heads=2, num_hidden_layers=2, intermediate_size=8,
        max_position_embeddings=34, attention_window=windows, type_vocab_size=1, sep_token_id=SEPARATOR,
        pad_token_id=PADDING, bos_token_id=0, eos_token_id=SEPARATOR, onnx_export=True, **options,
    )
    model = getattr(transformers, cls)(config).eval()
    for parameter in model.parameters():
        parameter.data += torch.randn_like(parameter) * 0.3
    return model


def _batch(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A row of 15 tokens and one of 9."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(4, 48, (2, 15), generator=generator)
    ids[:, 0] = 0
    for row, places in enumerate([(5, 6, 14), (2, 3, 8)]):
        ids[row, list(places)] = SEPARATOR
    mask = torch.ones_like(ids)
    ids[1, 9:] = PADDING
    mask[1, 9:] = 0
    return ids, mask


def _answers(session: onnxruntime.InferenceSession, ids: torch.Tensor, mask: torch.Tensor) -> numpy.ndarray:
    return session.run(["logits"], {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]


def build(name: str, folder: Path) -> None:
    """Exports the row's model and records what the file answers."""
    _, opset, _, _ = ROWS[name]
    path = folder / f"{name}.onnx"
    ids, mask = _batch(7)
    batch = {0: "batch_size", 1: "sequence_length"}
    axes = {key: batch for key in ["input_ids", "attention_mask", "logits"]}
    torch.onnx.export(
        Logits(_model(name)), (ids, torch.ones_like(mask)), path, opset_version=opset, dynamo=False, dynamic_axes=axes,
        input_names=["input_ids", "attention_mask"], output_names=["logits"],
    )
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    ids, mask = _batch(11)
    count = int(mask[1].sum())
    record = {
        "inputs": {"input_ids": ids.tolist(), "attention_mask": mask.tolist()},
        "outputs": {"logits": _answers(session, ids, mask).tolist()},
        "row1_alone": {"logits": _answers(session, ids[1:, :count], mask[1:, :count]).tolist()},
    }
    path.with_suffix(".json").write_text(json.dumps(record))


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    for name in ROWS:
        build(name, Path(sys.argv[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
