"""Runs every command of docs/migrate.md, chapter by chapter, on tiny models of the same kinds.

A `tamis serve` runs until its chapter or the next one ends; `curl localhost:8000` asks it. Nothing
reaches the network: ids of the Hub stand for folders of testdata.
"""

import os
import pathlib
import re
import shlex
import signal
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("TAMIS_PROGRAM", str(ROOT / "build/dev/tamis"))
PAGE = ROOT / "docs/migrate.md"
TESTDATA = ROOT / "testdata"

MODELS = {
    "philschmid/MiniLM-L6-H384-uncased-sst2": "models/bert-sequence-classification",
    "distilbert/distilbert-base-uncased-finetuned-sst-2-english":
        "models/distilbert-sequence-classification",
    "dslim/bert-base-NER": "models/bert-token-classification",
    "BAAI/bge-base-en-v1.5": "models/bert-base",
    "BAAI/bge-small-en-v1.5": "models/bert-base",
    "sentence-transformers/all-MiniLM-L6-v2": "models/bert-base",
    "mixedbread-ai/mxbai-rerank-xsmall-v1": "models/bert-rerank",
    "prithivida/Splade_PP_en_v1": "retrieval/splade",
}
# What a tiny model and a test have no time for.
MORE_FLAGS = {"bench": ["--seconds", "1", "--no-peak"], "optimize": ["--seconds", "0"]}
# `optimize` exits with 1 where fp32 is the fastest plan within the budget, as of tiny models.
STATUSES = {"optimize": (0, 1)}


COMMANDS = ("serve", "bench", "optimize", "export", "embed", "rerank", "eval", "inspect")
# The commands that a chapter's flags are for where a cell names none.
OF_CHAPTER = {
    "transformer-deploy": ("optimize", "bench", "serve"),
    "text-embeddings-inference": ("serve",),
    "Infinity": ("serve",),
    "Optimum": ("export", "optimize"),
    "fastembed": ("embed", "serve"),
    "ONNX Runtime": ("bench", "serve"),
    "PyTorch behind FastAPI": ("serve",),
    "Triton with Python tokenizers": ("serve",),
}
FLAG = re.compile(r"--[a-z][a-z-]*")
COMMAND_SPAN = re.compile(f"`(?:tamis )?(?:{'|'.join(COMMANDS)}) [^`]*`")


def sections(text):
    """{heading: what stands under it}."""
    return dict(part.split("\n", 1)
                for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:])


def chapters(text):
    """{heading: its commands}."""
    return {heading: re.findall(r"^    ((?:[A-Z_]+=\S+ )*(?:tamis|curl) .*)$", body,
                                flags=re.MULTILINE)
            for heading, body in sections(text).items()}


def flags_of_help(command):
    """All flags that `tamis COMMAND --help` declares, not those its example mentions."""
    text = subprocess.run([PROGRAM, command, "--help"], capture_output=True, text=True,
                          check=True).stdout
    return {flag for line in text.splitlines() if re.match(r"\s+-", line)
            for flag in FLAG.findall(line.strip().split("  ", 1)[0])}


def words_of(command):
    """The command's words with folders in place of ids, and its variables."""
    for name, folder in MODELS.items():
        command = command.replace(name, str(TESTDATA / folder))
    words = shlex.split(command)
    variables = {}
    while "=" in words[0]:
        name, value = words.pop(0).split("=", 1)
        variables[name] = value
    return words, variables


class Chapter:
    """One chapter's folder and server."""

    def __init__(self, folder):
        self.folder = folder
        self.server = None
        (folder / "texts.txt").write_text("A cat sleeps.\nA kitten naps.\n")

    def environment(self, variables):
        return {**os.environ, "HF_HUB_OFFLINE": "1", "TAMIS_THREADS": "2", **variables}

    def serve(self, words, variables):
        self.close()
        port = words.index("--port") + 1
        words[port] = "0"
        self.server = subprocess.Popen(
            [PROGRAM, *words[1:], "--grpc-port", "-1"], cwd=self.folder, text=True,
            env=self.environment(variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.server.stdout.readline()
        found = re.search(r"http://[^ ]*:(\d+)", line)
        if not found:
            raise AssertionError(f"{words}: {line}{self.server.communicate(timeout=60)[1]}")
        self.port = int(found.group(1))

    def run(self, words, variables):
        command = words[1]
        result = subprocess.run(
            [PROGRAM, *words[1:], *MORE_FLAGS.get(command, [])], cwd=self.folder, text=True,
            env=self.environment(variables), capture_output=True, timeout=240, check=False)
        if result.returncode not in STATUSES.get(command, (0,)):
            raise AssertionError(f"{shlex.join(words)}: {result.returncode}: {result.stderr}")
        if "-o" in words and not (self.folder / words[words.index("-o") + 1]).is_dir():
            raise AssertionError(f"{shlex.join(words)} has written nothing: {result.stderr}")

    def ask(self, words):
        words = words[1:]
        method, body = None, None
        while words[0] == "-X":
            method, words = words[1], words[2:]
        if len(words) == 3 and words[1] == "-d":
            body = words[2].encode()
        elif len(words) != 1:
            raise AssertionError(f"curl {words} is not understood")
        path = words[0].removeprefix("localhost:8000")
        if path == words[0] or self.server is None:
            raise AssertionError(f"{words[0]} is not the chapter's server")
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body,
                                         method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{words}: {error.code} {error.read()!r}") from error

    def close(self):
        if self.server is None:
            return
        self.server.send_signal(signal.SIGTERM)
        status = self.server.wait(timeout=60)
        self.server.stdout.close()
        self.server.stderr.close()
        self.server = None
        if status != 0:
            raise AssertionError(f"the server ended with {status}")


class MigrateTest(unittest.TestCase):
    def test_every_command_works(self):
        found = chapters(PAGE.read_text())
        self.assertGreaterEqual(len(found), 8)
        with tempfile.TemporaryDirectory() as folder:
            chapter = Chapter(pathlib.Path(folder))
            try:
                for heading, commands in found.items():
                    self.assertGreater(len(commands), 0, heading)
                    for command in commands:
                        with self.subTest(chapter=heading, command=command):
                            self.do(chapter, command)
                    chapter.close()
            finally:
                chapter.close()

    def do(self, chapter, command):
        words, variables = words_of(command)
        if words[0] == "curl":
            chapter.ask(words)
        elif words[1] == "serve":
            chapter.serve(words, variables)
        else:
            chapter.run(words, variables)

    def test_every_flag_of_the_tables_exists(self):
        """Flags in the last column are ones of the commands that the cell names; where it names
        none, of one of the chapter's."""
        flags = {command: flags_of_help(command) for command in COMMANDS}
        for heading, body in sections(PAGE.read_text()).items():
            for line in body.splitlines():
                if not line.startswith("|"):
                    continue
                cell = line.rstrip("|").rsplit(" | ", 1)[-1]
                with self.subTest(line):
                    self.check_cell(cell, flags, OF_CHAPTER[heading])

    def check_cell(self, cell, flags, of_chapter):
        spans = re.findall(r"`([^`]+)`", cell)
        named = set(spans) & set(COMMANDS)
        begun = set()  # commands with words behind them
        for span in spans:
            word = span.removeprefix("tamis ").split(" ", 1)[0]
            if word in COMMANDS and word not in named:
                begun.add(word)
            for flag in FLAG.findall(span) if word in COMMANDS else ():
                self.assertIn(flag, flags[word], word)
        for flag in FLAG.findall(re.sub(COMMAND_SPAN, "", cell)):
            for command in named:
                self.assertIn(flag, flags[command], command)
            if not named:
                some = begun or of_chapter
                self.assertTrue(any(flag in flags[command] for command in some), f"{flag}: {some}")


if __name__ == "__main__":
    unittest.main()
