#!/usr/bin/env python3
"""Makes testdata/formats/: files as torch writes them, for src/formats/pytorch_bin_test.cc.

Needs torch. The values are those that the test expects; a second run gives the same files.
"""
import collections
import os
import pathlib
import sys

import torch


class Trap:
    """An object that runs a command when it is unpickled by something careless."""

    def __reduce__(self):
        return (Trap, ())


def tensors():
    base = torch.arange(6, dtype=torch.float32)
    state = collections.OrderedDict()
    state["matrix"] = base.view(2, 3)
    state["transposed"] = base.view(2, 3).t()
    state["slice"] = base[2:5]
    state["parameter"] = torch.nn.Parameter(torch.full((2,), 3.0))
    state["half"] = torch.tensor([1.5, -2], dtype=torch.float16)
    state["bfloat16"] = torch.tensor([1.5, -2], dtype=torch.bfloat16)
    state["double"] = torch.tensor([1.5], dtype=torch.float64)
    state["long"] = torch.tensor([-1, 2])
    state["byte"] = torch.tensor([255], dtype=torch.uint8)
    state["bool"] = torch.tensor([True, False])
    state["scalar"] = torch.tensor(5.0)
    state["empty"] = torch.zeros(0, 4)
    state["complex"] = torch.zeros(1, dtype=torch.complex64)
    state["uint16"] = torch.tensor([1], dtype=torch.uint16)
    state["epoch"] = 7
    state._metadata = collections.OrderedDict([("", {"version": 1})])
    return state


def main():
    out = pathlib.Path(__file__).resolve().parents[2] / "testdata" / "formats"
    out.mkdir(parents=True, exist_ok=True)
    os.chdir(out)
    torch.save(tensors(), "torch.bin")
    torch.save(tensors(), "torch_protocol4.bin", pickle_protocol=4)
    legacy = tensors()
    del legacy["uint16"]  # torch cannot read back its own
    torch.save(legacy, "torch_legacy.bin", _use_new_zipfile_serialization=False)
    torch.save(legacy, "torch_legacy4.bin", pickle_protocol=4, _use_new_zipfile_serialization=False)
    torch.save({"a": torch.zeros(2), "b": Trap()}, "torch_object.bin")
    return 0


if __name__ == "__main__":
    sys.exit(main())
