#!/usr/bin/env python3
"""Parquet and Arrow files in and out, against pyarrow, pandas and polars.

Needs a program built with TAMIS_ARROW, TAMIS_PROGRAM, and pyarrow: that beside TAMIS_ARROW_ROOT, or
the interpreter's own. Exit status 77 and the reason where one lacks.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
root = os.environ.get("TAMIS_ARROW_ROOT", "")
if root and (pathlib.Path(root) / "__init__.py").exists():
    sys.path.insert(0, str(pathlib.Path(root).parent))
try:
    import pyarrow as pa
    import pyarrow.feather
    import pyarrow.parquet as pq
except ImportError as error:
    print(f"needs pyarrow: {error}")
    sys.exit(77)
try:
    import pandas
except ImportError:
    pandas = None
try:
    import polars
except ImportError:
    polars = None

PROGRAM = os.environ["TAMIS_PROGRAM"]
MODELS = pathlib.Path(os.environ["TAMIS_TESTDATA"]) / "models"
RETRIEVAL = MODELS.parent / "retrieval"
EMBEDDER = MODELS / "bert-base"
WIDTH = 32
TEXTS = ["A fine film.", "Où est-il ?", "", "One\ttwo\nthree", "數學"]


def tamis(*arguments, given=None):
    done = subprocess.run([PROGRAM, *map(str, arguments)], input=given, capture_output=True,
                          check=False)
    return done.returncode, done.stdout, done.stderr.decode()


def good(*arguments, given=None):
    status, out, err = tamis(*arguments, given=given)
    assert status == 0, err
    return out


def read_table(path):
    if path.suffix == ".parquet":
        return pq.read_table(path)
    if path.suffix == ".arrows":
        with pa.ipc.open_stream(path) as stream:
            return stream.read_all()
    return pa.feather.read_table(path)


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def refused(self, status, part, *arguments):
        own, _, err = tamis(*arguments)
        self.assertEqual(own, status, err)
        self.assertIn(part, err)
        self.assertEqual(err.count("\n"), 1, err)


class Input(Folder):
    def setUp(self):
        super().setUp()
        lines = self.folder / "texts.jsonl"
        lines.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
        self.expected = good("embed", EMBEDDER, "--input", lines)

    def embedded(self, path):
        self.assertEqual(good("embed", EMBEDDER, "--input", path), self.expected, path)

    def table(self, kind=None):
        array = pa.array(TEXTS, kind or pa.string())
        return pa.table({"id": list(range(len(TEXTS))), "text": array,
                         "nested": [{"a": [1]}] * len(TEXTS)})

    def test_codecs_and_encodings_of_parquet(self):
        path = self.folder / "x.parquet"
        for codec in ("none", "snappy", "zstd", "gzip", "brotli", "lz4"):
            for options in ({}, {"use_dictionary": False}, {"data_page_version": "2.0"},
                            {"row_group_size": 2}, {"write_page_checksum": True},
                            {"version": "1.0"}):
                pq.write_table(self.table(), path, compression=codec, **options)
                self.embedded(path)

    def test_kinds_of_text(self):
        kinds = [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string()),
                 pa.dictionary(pa.int32(), pa.large_string()), pa.string_view()]
        for kind in kinds:
            table = self.table(kind)
            pq.write_table(table, self.folder / "x.parquet")
            self.embedded(self.folder / "x.parquet")
            for name in ("x.arrow", "x.feather", "x.arrows"):
                new = pa.ipc.new_stream if name == "x.arrows" else pa.ipc.new_file
                with new(str(self.folder / name), table.schema) as writer:
                    writer.write_table(table, max_chunksize=2)
                self.embedded(self.folder / name)

    def test_compressed_arrow(self):
        for codec in ("lz4", "zstd", "uncompressed"):
            pa.feather.write_feather(self.table(), self.folder / "x.feather", compression=codec)
            self.embedded(self.folder / "x.feather")

    def test_an_arrow_name_may_hold_a_stream(self):  # as datasets writes its .arrow files
        path = self.folder / "x.arrow"
        with pa.ipc.new_stream(str(path), self.table().schema) as writer:
            writer.write_table(self.table())
        self.embedded(path)

    def test_standard_input(self):
        for name in ("x.parquet", "x.arrow"):
            path = self.folder / name
            (pq.write_table if name == "x.parquet" else pa.feather.write_feather)(
                self.table(), path)
            self.assertEqual(good("embed", EMBEDDER, "--input", "-", given=path.read_bytes()),
                             self.expected)

    @unittest.skipUnless(pandas, "pandas is not installed")
    def test_pandas(self):
        frame = pandas.DataFrame({"text": TEXTS, "n": range(len(TEXTS))}, index=list("abcde"))
        frame.to_parquet(self.folder / "x.parquet")
        self.embedded(self.folder / "x.parquet")
        frame["text"] = frame["text"].astype("category")
        frame.reset_index().to_feather(self.folder / "x.feather")
        self.embedded(self.folder / "x.feather")

    @unittest.skipUnless(polars, "polars is not installed")
    def test_polars(self):
        frame = polars.DataFrame({"text": TEXTS, "n": range(len(TEXTS))})
        frame.write_parquet(self.folder / "x.parquet")
        self.embedded(self.folder / "x.parquet")
        frame.write_ipc(self.folder / "x.arrow")
        self.embedded(self.folder / "x.arrow")
        frame.write_ipc_stream(self.folder / "x.arrows")
        self.embedded(self.folder / "x.arrows")

    def test_other_rows(self):
        path, lines = self.folder / "x.parquet", self.folder / "x.jsonl"
        cases = [
            ("bert-sequence-classification", "classify",
             {"text": ["a", "b"], "text_pair": ["c", None]}),
            ("bert-question-answering", "qa",
             {"question": ["What?"], "context": ["It is a cat."]}),
            ("bert-rerank", "rerank", {"query": ["cat"], "texts": [["a cat", "a dog"]]}),
        ]
        for model, command, columns in cases:
            pq.write_table(pa.table(columns), path)
            rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
            lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
            self.assertEqual(good(command, MODELS / model, "--input", path),
                             good(command, MODELS / model, "--input", lines))
        labeled = {"text": ["a", "b"], "label": [0, 1]}
        pq.write_table(pa.table(labeled), path)
        lines.write_text('{"text":"a","label":0}\n{"text":"b","label":1}\n')
        model = MODELS / "bert-sequence-classification"
        self.assertEqual(good("eval", model, "--data", path, "--json"),
                         good("eval", model, "--data", lines, "--json"))

    def test_what_cannot_be_read_is_named(self):
        path = self.folder / "x.parquet"
        cases = [
            ({"text": ["a", None]}, ":2: text is null"),
            ({"text": pa.array([None, None], pa.null())}, ":1: text is null"),
            ({"text": [["a"]]}, "the column text is of list<"),
            ({"text": [{"a": 1}]}, "the column text is of struct<"),
            ({"text": [b"a"]}, "the column text is of binary"),
            ({"text": [1]}, "the column text is of int64"),
            ({"title": ["a"]}, "has the columns \"title\""),
            ({"text": ["a"], "score": [float("nan")]}, ":1: a number is not finite"),
            ({"text": ["a"], "label": pa.array([{"a": 1}])}, ":1: label must be a name"),
            ({"text": ["a"], "label": pa.array([b"x"])}, "the column label is of binary"),
        ]
        for columns, part in cases:
            pq.write_table(pa.table(columns), path)
            self.refused(3, part, "embed", EMBEDDER, "--input", path)
        bad = pa.Array.from_buffers(pa.string(), 3, [None, pa.py_buffer(
            b"\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0"), pa.py_buffer(b"a\xffb")])
        pa.feather.write_feather(pa.table({"text": bad}), self.folder / "x.arrow",
                                 compression="uncompressed")
        self.refused(3, "x.arrow:2: ", "embed", EMBEDDER, "--input", self.folder / "x.arrow")
        pq.write_table(pa.table({"text": bad}), path)
        self.refused(3, "x.parquet:2: ", "embed", EMBEDDER, "--input", path)

    def test_no_rows(self):
        pq.write_table(pa.table({"text": pa.array([], pa.string())}), self.folder / "x.parquet")
        self.assertEqual(good("embed", EMBEDDER, "--input", self.folder / "x.parquet"), b"")
        (self.folder / "empty.parquet").write_bytes(b"")
        self.refused(3, "is neither a Parquet file", "embed", EMBEDDER, "--input",
                     self.folder / "empty.parquet")


class Output(Folder):
    NAMES = ("x.parquet", "x.arrow", "x.feather", "x.arrows")

    def written(self, name, *arguments):
        path = self.folder / name
        self.assertEqual(good(*arguments, "--output", path), b"")
        table = read_table(path)
        table.validate(full=True)
        return table

    def lines(self, *arguments):
        return [json.loads(line) for line in good(*arguments).splitlines()]

    def test_vectors(self):
        kinds = {"float32": pa.float32(), "int8": pa.int8(), "uint8": pa.uint8(),
                 "binary": pa.int8(), "ubinary": pa.uint8()}
        for dtype, kind in kinds.items():
            run = ("embed", EMBEDDER, *TEXTS[:2], "--dtype", dtype)
            rows = self.lines(*run)
            for name in self.NAMES:
                table = self.written(name, *run)
                length = WIDTH // 8 if dtype.endswith("binary") else WIDTH
                self.assertEqual(table.schema.names, ["embedding", "truncated"])
                self.assertEqual(table.schema.field(0).type, pa.list_(kind, length))
                got = table.column("embedding").to_pylist()
                for own, row in zip(got, rows):
                    wanted = pa.array(row["embedding"], kind).to_pylist()
                    self.assertEqual(own, wanted)
                self.assertEqual(table.column("truncated").to_pylist(), [False, False])

    def test_integers_take_a_byte_in_parquet(self):
        texts = self.folder / "t.txt"
        texts.write_text("".join(f"text {i}\n" for i in range(2000)))
        path = self.folder / "x.parquet"
        good("embed", EMBEDDER, "--input", texts, "--dtype", "int8", "--output", path)
        self.assertLess(path.stat().st_size, 2000 * WIDTH * 1.6)

    def test_truncated(self):
        texts = ["short", "long " * 5000]
        table = self.written("x.parquet", "embed", EMBEDDER, *texts)
        self.assertEqual(table.column("truncated").to_pylist(), [False, True])

    def test_no_rows(self):
        empty = self.folder / "t.txt"
        empty.write_text("")
        for name in self.NAMES:
            table = self.written(name, "embed", EMBEDDER, "--input", empty)
            self.assertEqual(table.num_rows, 0)
            self.assertEqual(table.schema.field(0).type, pa.list_(pa.float32(), WIDTH))

    def test_other_tasks_have_the_members_of_json_lines(self):
        pairs = {"scores", "sparse"}  # lists of two, by label or token
        runs = [
            ("classify", MODELS / "bert-sequence-classification", "One.", "Two."),
            ("ner", MODELS / "bert-token-classification", "Ada in London.", ""),
            ("ner", MODELS / "bert-token-classification", "Ada", "--aggregation", "none"),
            ("qa", MODELS / "bert-question-answering", "--question", "Who?", "--context", "Ada."),
            ("qa", MODELS / "bert-question-answering", "--question", "Who?", "--context", "Ada.",
             "--top-k", "2"),
            ("rerank", MODELS / "bert-rerank", "--query", "cat", "a cat", "a dog"),
            ("tokenize", EMBEDDER, "A fine film.", "Où ?"),
            ("embed", RETRIEVAL / "splade", "A lighthouse.", "", "--sparse"),
            ("embed", RETRIEVAL / "colbert", "A lighthouse.", "One.", "--multi"),
            ("embed", RETRIEVAL / "bge-m3", "A lighthouse.", "--all"),
            ("fill-mask", MODELS / "bert-masked-lm", "a [MASK] b [MASK]"),
            ("zero-shot", MODELS / "bert-sequence-classification", "Cats.", "--label", "animals",
             "--label", "plants"),
        ]
        for run in runs:
            status, out, err = tamis(*run)
            if status != 0:
                print(f"passed over, as the model cannot: {' '.join(map(str, run))}: {err.strip()}")
                continue
            for name in self.NAMES:
                table = self.written(name, *run)
                for own, line in zip(table.to_pylist(), out.splitlines(), strict=True):
                    row = json.loads(line)
                    if "truncated" in own:
                        row.setdefault("truncated", False)
                    for key in pairs & row.keys():
                        if isinstance(row[key], dict):
                            own[key] = {list(p.values())[0]: list(p.values())[1] for p in own[key]}
                    self.assertEqual(own.keys(), row.keys())
                    self.same(own, row)

    def same(self, own, row):
        if isinstance(row, dict):
            self.assertEqual(own.keys(), row.keys())
            for key in row:
                self.same(own[key], row[key])
        elif isinstance(row, list):
            self.assertEqual(len(own), len(row))
            for a, b in zip(own, row):
                self.same(a, b)
        elif isinstance(row, float):
            self.assertEqual(pa.scalar(own, pa.float32()), pa.scalar(row, pa.float32()))
        else:
            self.assertEqual(own, row)

    @unittest.skipUnless(pandas, "pandas is not installed")
    def test_pandas(self):
        self.written("x.parquet", "embed", EMBEDDER, *TEXTS[:2])
        frame = pandas.read_parquet(self.folder / "x.parquet")
        self.assertEqual([len(row) for row in frame["embedding"]], [WIDTH, WIDTH])
        self.assertEqual(str(frame["embedding"][0].dtype), "float32")

    @unittest.skipUnless(polars, "polars is not installed")
    def test_polars(self):
        self.written("x.parquet", "embed", EMBEDDER, *TEXTS[:2])
        frame = polars.read_parquet(self.folder / "x.parquet")
        self.assertEqual(frame.schema["embedding"], polars.Array(polars.Float32, WIDTH))
        self.written("x.arrow", "embed", EMBEDDER, *TEXTS[:2])
        self.assertTrue(polars.read_ipc(self.folder / "x.arrow").equals(frame))


class Resume(Folder):
    def test_a_killed_run_goes_on_to_the_same_bytes(self):
        texts = self.folder / "t.parquet"
        pq.write_table(pa.table({"text": [f"Text {i} of many." for i in range(60000)]}), texts)
        for name in ("x.parquet", "x.arrow", "x.arrows"):
            path = self.folder / name
            run = [PROGRAM, "embed", EMBEDDER, "--input", texts, "--output", path]
            subprocess.run(run, check=True)
            whole = path.read_bytes()
            path.unlink()
            partial = pathlib.Path(f"{path}.partial")
            kills = 0
            while True:
                process = subprocess.Popen([*run, "--resume"], stderr=subprocess.PIPE)
                before = self.rows(partial)
                while self.runs(process) and (kills > 2 or self.rows(partial) <= before):
                    pass
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)
                    kills += 1
                err = process.communicate()[1].decode()
                if process.returncode == 0:
                    break
                self.assertEqual(process.returncode, -signal.SIGKILL, err)
            print(f"{name}: killed {kills} times")
            self.assertEqual(path.read_bytes(), whole)
            self.assertFalse(partial.exists())

    @staticmethod
    def runs(process):
        try:
            process.wait(timeout=0.02)
            return False
        except subprocess.TimeoutExpired:
            return True

    @staticmethod
    def rows(partial):
        try:
            return json.loads(pathlib.Path(f"{partial}.json").read_text())["rows"]
        except (OSError, ValueError):
            return 0


if __name__ == "__main__":
    if tamis("embed", EMBEDDER, "a", "--output", "/dev/null/x.parquet")[0] == 5:
        print("needs a program built with TAMIS_ARROW")
        sys.exit(77)
    unittest.main()
