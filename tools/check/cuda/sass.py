"""What nvcc's report and the disassembly of a cubin say of each kernel.

Reads text only: the report of `nvcc -Xptxas -v` and the output of `nvdisasm -c`. Nothing here starts a
program, so that tests need neither.
"""

import re
from typing import NamedTuple

TENSOR = ("IMMA", "HMMA", "IGMMA", "HGMMA", "QMMA", "OMMA")
GLOBAL = ("LDG", "LDGSTS", "STG", "STS")


class Resources(NamedTuple):
    """What ptxas gave a kernel."""
    registers: int
    spill_bytes: int
    stack_bytes: int


class Instruction(NamedTuple):
    name: str          # IMMA, LDSM...: before the first dot
    conditional: bool  # under a predicate
    target: str        # the label that a branch goes to, or ""


class Function(NamedTuple):
    """A kernel's instructions, and its labels by the index of what follows them. Functions that it
    calls stand behind `body` instructions."""
    instructions: list
    labels: dict
    body: int


class Loop(NamedTuple):
    """Instructions [first, end) of a function."""
    first: int
    end: int
    counts: dict

    @property
    def tensor(self):
        return sum(self.counts.get(name, 0) for name in TENSOR)

    @property
    def all(self):
        return sum(self.counts.values())


def read_report(text):
    """Kernel -> Resources, from what `nvcc -Xptxas -v` prints."""
    found, name, stack, spill = {}, None, 0, 0
    for line in text.splitlines():
        entry = re.search(r"Compiling entry function '(\w+)'", line)
        if entry:
            name, stack, spill = entry.group(1), 0, 0
            continue
        frame = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, "
                          r"(\d+) bytes spill loads", line)
        if frame and name:
            stack = max(stack, int(frame.group(1)))
            spill += int(frame.group(2)) + int(frame.group(3))
            continue
        used = re.search(r"Used (\d+) registers", line)
        if used and name:
            found[name] = Resources(int(used.group(1)), spill, stack)
            name = None
    return found


def read_serialized(text):
    """Kernel -> why ptxas lets each of its wgmma wait for the one before, from the same report."""
    return {match.group(2): match.group(1) for match in
            re.finditer(r"(\(C75\d\d\).*) in (?:the )?function '(\w+)'", text)}


def read_instruction(line):
    """The instruction of a line of disassembly; None where there is none."""
    match = re.match(r"\s*/\*[0-9a-f]{4,}\*/\s+(@!?U?P\w+\s+)?([A-Z][A-Z0-9_]*)(.*)", line)
    if not match:
        return None
    target = re.search(r"`\((\.L_\w+)\)", match.group(3))
    return Instruction(match.group(2), bool(match.group(1)), target.group(1) if target else "")


def read_disassembly(text):
    """Kernel -> Function, from what `nvdisasm -c` prints."""
    found, name = {}, None
    for line in text.splitlines():
        section = re.match(r"\.text\.(\w+):", line)
        if section:
            name = section.group(1)
            found[name] = Function([], {}, 0)
        elif line.startswith("\t.section"):
            name = None
        if name is None or section:
            continue
        function = found[name]
        label = re.match(r"(\.L_\w+):", line)
        if label:
            function.labels[label.group(1)] = len(function.instructions)
        elif re.match(r"\s*\.type\s+\$\S+,@function", line) and function.body == 0:
            found[name] = function._replace(body=len(function.instructions))
        else:
            instruction = read_instruction(line)
            if instruction:
                function.instructions.append(instruction)
    return {name: (f if f.body else f._replace(body=len(f.instructions)))
            for name, f in found.items()}


def count(instructions):
    """Name -> how many, NOP left out."""
    counts = {}
    for instruction in instructions:
        if instruction.name != "NOP":
            counts[instruction.name] = counts.get(instruction.name, 0) + 1
    return counts


def main_loop(function):
    """Of the loops with tensor instructions that hold no other such, the one with most; None where
    there is none."""
    ends = {}  # two branches back to one label are one loop
    for i, instruction in enumerate(function.instructions):
        first = function.labels.get(instruction.target)
        if instruction.name == "BRA" and first is not None and first <= i:
            ends[first] = max(ends.get(first, 0), i + 1)
    loops = [Loop(first, end, count(function.instructions[first:end]))
             for first, end in ends.items()]
    loops = [loop for loop in loops if loop.tensor]
    inner = [loop for loop in loops
             if not any(loop.first <= other.first and other.end <= loop.end and other != loop
                        for other in loops)]
    return max(inner, key=lambda loop: loop.tensor, default=None)


def longest_way(function, first):
    """Instructions of the longest way from `first` to the kernel's end that goes back nowhere: of
    branches that exclude each other it takes the longer, of a loop one turn. What calls lead to is
    left out."""
    best = [0] * (function.body + 1)
    for i in range(function.body - 1, first - 1, -1):
        instruction = function.instructions[i]
        ways = []
        target = function.labels.get(instruction.target)
        goes = instruction.name in ("BRA", "EXIT", "RET")
        if not goes or instruction.conditional:
            ways.append(best[i + 1])
        if instruction.name == "BRA" and target is not None and i < target <= function.body:
            ways.append(best[target])
        best[i] = (instruction.name != "NOP") + max(ways, default=0)
    return best[first]
