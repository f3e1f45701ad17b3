#!/usr/bin/env python3
"""Fails on an include that the architecture does not allow.

  * between modules: only what tools/layers.txt allows (the transitive closure of a row). Rows may
    name folders inside each other, of which the longest counts; `private` arrows are not passed on;
    rows with "(tests)" are for *_test* files alone;
  * CMake: tamis_module() reads the same rows and links nothing outside them by hand;
  * the diagram in docs/architecture.md is drawn from the rows (--write-diagram draws it anew);
  * third-party headers: only in the files THIRD_PARTY names, so that each stays replaceable;
  * per-ISA kernel files: their contract header, -inl.h files and three standard headers, or the
    linker could hand AVX-512 code of a shared inline function to a machine without it.

usage: check_layers.py [--root FOLDER] [--write-diagram]
"""

import argparse
import fnmatch
import pathlib
import re
import sys

TEST_FILES = ("src/*_test.cc", "src/*test*.h", "src/*test*.cc", "tests/*")

# Header prefix: files that may include it, as fnmatch patterns ("*" also crosses folders).
THIRD_PARTY = {
    "simdjson": ("src/base/json_reader.cc",),
    "oniguruma.h": ("src/tokenizer/*.cc",),
    "mecab.h": ("src/tokenizer/mecab/mecab_debian.cc",),
    "openssl/": ("src/base/sha256.cc", "src/hub/blob_hash.cc", "src/serve/*.cc"),
    "curl/": ("src/hub/transport_curl.cc",),
    "zlib.h": ("src/formats/*.cc", "src/serve/http/compression.cc", "tests/support/gzip_file.h",
               "tests/hostile/mutations.cc"),
    "boost/": ("src/serve/http/http_hub.*", "src/serve/http/http_exchange.h",
               "src/serve/http/http_connection.cc", "src/serve/http/http_server.cc"),
    "arrow/": ("src/formats/tables/arrow_*",),
    "parquet/": ("src/formats/tables/arrow_*",),
    "grpc": ("src/serve/grpc/*.cc", "src/serve/grpc/*.h", "bench/load/grpc_*.cc",
             "tests/server/grpc_*.cc"),
    "google/protobuf/": ("src/serve/grpc/*.cc", "src/onnx/*.cc"),
    "gtest/": TEST_FILES,
    "gmock/": TEST_FILES,
    "benchmark/": ("src/*_bench.cc", "src/*bench*.cc", "bench/*"),
}

# Public headers of plain types, which any module may use: what users give and get is not written
# down twice.
PUBLIC_TYPES = ("tamis/error.h", "tamis/input_error.h", "tamis/log.h", "tamis/options.h", "tamis/results.h")

# Angle includes that are the platform's: no dot (C++), C headers, POSIX, Linux, the compiler's.
PLATFORM = re.compile(
    r"^([a-z0-9_]+|(sys|linux|arpa|netinet|sanitizer)/[a-z0-9_]+\.h|"
    r"(cpuid|cxxabi|dirent|dlfcn|errno|execinfo|fcntl|fnmatch|immintrin|malloc|netdb|poll|pthread|pwd|sched|signal|stddef|stdint|stdlib|string|"
    r"termios|time|ucontext|unistd|x86intrin)\.h)$")

ISA_FILE = re.compile(r"_(avx2|avx_vnni|avx512|avx512_vnni|avx512_bf16|amx)\.cc$")
ISA_HEADERS = {"immintrin.h", "cstddef", "cstdint"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
SOURCE_SUFFIXES = {".h", ".cc", ".inc"}


class Layers:
    """The rows of layers.txt: public and private arrows of modules, and what their tests add."""

    def __init__(self):
        self.uses = {}      # module -> modules that its row names, in file order
        self.private = {}   # module -> those of them that are not passed on
        self.tests = {}     # module -> modules that its tests may use as well

    def __contains__(self, module):
        return module in self.uses

    def module_of(self, path):
        """The longest row that `path`, below src/, lies in; None if none."""
        parts = path.split("/")[:-1]
        for count in range(len(parts), 0, -1):
            if "/".join(parts[:count]) in self.uses:
                return "/".join(parts[:count])
        return None


def read_layers(text):
    """The rows of layers.txt."""
    layers = Layers()
    for line in text.splitlines():
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        name, _, words = line.partition(":")
        name, words = name.strip(), words.split()
        if name.endswith("(tests)"):
            layers.tests[name.removesuffix("(tests)").strip()] = words
            continue
        private = {word for before, word in zip(words, words[1:]) if before == "private"}
        layers.uses[name] = [word for word in words if word != "private"]
        layers.private[name] = private
    return layers


def closure(layers, module, tests=False):
    """All modules that `module` may include, itself among them; with those of its tests."""
    seen = {module}
    pending = list(layers.uses.get(module, []))
    if tests:
        pending += layers.tests.get(module, [])
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            hidden = layers.private.get(name, set())
            pending.extend(used for used in layers.uses.get(name, []) if used not in hidden)
    return seen


def reaches(layers, start, target):
    """Whether `start` uses `target` over any arrows, private ones too."""
    seen, pending = set(), [start]
    while pending:
        name = pending.pop()
        if name == target:
            return True
        if name not in seen:
            seen.add(name)
            pending.extend(layers.uses.get(name, []))
    return False


def check_rows(layers):
    """Faults of layers.txt itself: unknown names, circles."""
    faults = []
    for module, uses in layers.uses.items():
        for used in uses:
            if used not in layers:
                faults.append(f"tools/layers.txt: '{module}' uses '{used}', which has no row")
            elif reaches(layers, used, module):
                faults.append(f"tools/layers.txt: '{module}' and '{used}' use each other")
    for module, uses in layers.tests.items():
        for used in [module] + uses:
            if used not in layers:
                faults.append(f"tools/layers.txt: '{module} (tests)' names '{used}', which has no "
                              "row")
    return faults


def diagram(layers):
    """The rows as a mermaid flowchart, an arrow a pair; dotted where it is private."""
    lines = ["```mermaid", "flowchart BT"]
    for module, uses in layers.uses.items():
        for used in uses:
            arrow = "-.->" if used in layers.private[module] else "-->"
            lines.append(f"  {module} {arrow} {used}")
    return "\n".join(lines + ["```"])


ARCHITECTURE = "docs/architecture.md"
DIAGRAM = re.compile(r"```mermaid\nflowchart BT\n.*?\n```", re.DOTALL)


def check_diagram(path, text, layers):
    """Faults of the document that shows the rows."""
    found = DIAGRAM.search(text)
    if found and found.group(0) == diagram(layers):
        return []
    return [f"{path}: the diagram is not that of tools/layers.txt; run tools/check/check_layers.py "
            "--write-diagram"]


def matches(path, patterns):
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def check_third_party(path, header):
    for prefix, allowed in THIRD_PARTY.items():
        if header.startswith(prefix):
            if matches(path, allowed):
                return None
            return f"{path}: <{header}> may be included only in {', '.join(allowed)}"
    if PLATFORM.match(header):
        return None
    return f"{path}: <{header}> is not in THIRD_PARTY or PLATFORM of tools/check/check_layers.py"


def check_isa_file(path, includes):
    """Faults of a kernel file compiled for one instruction set."""
    folder = pathlib.PurePosixPath(path).parent
    contract = f"{folder.name}.h"
    faults = []
    for _, header in includes:
        name = pathlib.PurePosixPath(header).name
        if header in ISA_HEADERS or name == contract or name.endswith("-inl.h"):
            continue
        faults.append(f"{path}: a per-ISA file includes only {contract}, -inl.h files, "
                      f"{', '.join(sorted(ISA_HEADERS))}; not {header}")
    return faults


def check_source(path, text, layers):
    """Faults of one file; `path` is relative to the tree's root, with slashes."""
    includes = INCLUDE.findall(text)
    module = None
    if path.startswith("src/") and path.count("/") > 1:
        module = layers.module_of(path.removeprefix("src/"))
        if module is None:
            folder = path.split("/")[1]
            return [f"{path}: module '{folder}' has no row in tools/layers.txt"]
    faults = []
    if "/kernels/cpu/" in path and ISA_FILE.search(path):
        faults += check_isa_file(path, includes)
    in_tests = matches(path, TEST_FILES)
    allowed = closure(layers, module, in_tests) if module else set(layers.uses)
    for bracket, header in includes:
        first = header.split("/", 1)[0]
        if bracket == "<" and first != "tamis":
            fault = check_third_party(path, header)
            if fault:
                faults.append(fault)
            continue
        target = layers.module_of(header)
        if target is not None and target not in allowed:
            faults.append(f"{path}: '{module}' may not include {header}: tools/layers.txt allows "
                          f"{' '.join(sorted(allowed - {module})) or 'nothing'}")
        elif first == "tamis" and header not in PUBLIC_TYPES and module not in (
                None, "api", "serve", "cli"):
            faults.append(f"{path}: {header} is the public API, for api and above")
        elif first == "tests" and not matches(path, TEST_FILES):
            faults.append(f"{path}: {header} is for tests")
        if path.startswith("include/") and first != "tamis":
            faults.append(f"{path}: a public header includes only tamis/ and the standard library, "
                          f"not {header}")
    return faults


def check_cmake(path, text, layers):
    """Faults of the tamis_module() calls of one CMakeLists.txt."""
    faults = []
    text = re.sub(r"#.*", "", text)
    for call in re.findall(r"\btamis_module\(([^)]*)\)", text):
        words = call.split()
        name, lists, current = words[0], {}, None
        for word in words[1:]:
            if word in ("SOURCES", "TESTS", "BENCHES", "USES", "LIBRARIES", "TEST_LIBRARIES"):
                current = lists.setdefault(word, [])
            elif current is not None:
                current.append(word)
        if name not in layers:
            faults.append(f"{path}: module '{name}' has no row in tools/layers.txt")
            continue
        if "USES" in words:
            faults.append(f"{path}: '{name}' links what its row in tools/layers.txt names; no USES")
        modules = {f"tamis_{module.replace('/', '_')}": module for module in layers.uses}
        for kind, tests in (("LIBRARIES", False), ("TEST_LIBRARIES", True)):
            allowed = closure(layers, name, tests)
            for library in lists.get(kind, []):
                if library in modules and modules[library] not in allowed:
                    faults.append(f"{path}: '{name}' may not link {library}")
    return faults


def check_tree(root):
    """All faults under `root`."""
    layers = read_layers((root / "tools/layers.txt").read_text())
    faults = check_rows(layers)
    faults += check_diagram(ARCHITECTURE, (root / ARCHITECTURE).read_text(), layers)
    for top in ("include", "src", "tests", "examples", "integrations"):
        for file in sorted((root / top).rglob("*")):
            path = file.relative_to(root).as_posix()
            if file.suffix in SOURCE_SUFFIXES:
                faults += check_source(path, file.read_text(), layers)
            elif file.name == "CMakeLists.txt":
                faults += check_cmake(path, file.read_text(), layers)
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--write-diagram", action="store_true",
                        help="draw the diagram of docs/architecture.md from the rows")
    arguments = parser.parse_args()
    if arguments.write_diagram:
        page = arguments.root / ARCHITECTURE
        layers = read_layers((arguments.root / "tools/layers.txt").read_text())
        page.write_text(DIAGRAM.sub(lambda _: diagram(layers), page.read_text()))
    faults = check_tree(arguments.root)
    for fault in faults:
        print(fault)
    print(f"check_layers: {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
