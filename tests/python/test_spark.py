"""tamis.spark on a cluster of this machine: two executors, each a process of its own with its Python
workers; run it where there is only a loopback interface (full_test.sh does).

    TAMIS_LIBRARY=... TAMIS_TESTDATA=testdata PYTHONPATH=python python3 tests/python/test_spark.py

TAMIS_SPARK_ROWS: how many texts go through (100,000).
"""

import doctest
import json
import os
import pickle
import shutil
import signal
import sys
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pyspark
import tamis
from pyspark.errors import PySparkException
from pyspark.sql import Row, SparkSession, functions
from pyspark.sql.types import FloatType, StructType

from tamis import spark as tamis_spark

TESTDATA = Path(os.environ["TAMIS_TESTDATA"]).resolve()
ROWS = int(os.environ.get("TAMIS_SPARK_ROWS", "100000"))
MODELS = TESTDATA / "models"
MODEL = str(MODELS / "bert-base")
CLASSIFIER = str(MODELS / "bert-sequence-classification")
RERANKER = str(MODELS / "bert-rerank")
TEXTS = ["Ada in London.", None, "A cat sleeps.", ""]

spark = None
stage = None


def setUpModule():
    global spark, stage
    os.environ.update(PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1")
    builder = SparkSession.builder.master("local-cluster[2,1,1024]").appName("tamis")
    settings = {
        "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "4", "spark.log.level": "OFF",
        # Batches of 1000 in partitions of 5000: a worker is killed amid its rows.
        "spark.sql.execution.arrow.maxRecordsPerBatch": "1000",
        "spark.sql.execution.arrow.pyspark.enabled": "true"}
    for key in ("TAMIS_LIBRARY", "PYTHONPATH"):
        settings[f"spark.executorEnv.{key}"] = os.path.abspath(os.environ[key])
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    stage = tempfile.TemporaryDirectory()


def tearDownModule():
    application = spark.sparkContext.applicationId
    spark.stop()
    stage.cleanup()
    # Where a cluster of this machine keeps its executors' files.
    shutil.rmtree(Path(pyspark.__file__).parent / "work" / application, ignore_errors=True)


def frame_of(texts, partitions=2):
    rows = list(enumerate(texts))
    return spark.createDataFrame(rows, "id int, text string").repartition(partitions, "id")


def many():
    """ROWS texts in 20 partitions, none of them on the driver."""
    word = functions.concat_ws(" ", functions.lit("Text"), functions.col("id") % 997,
                               functions.lit("of"), functions.col("id") % 13,
                               functions.lit("words."))
    return spark.range(0, ROWS, 1, 20).withColumn("text", word)


def many_texts():
    return [f"Text {i % 997} of {i % 13} words." for i in range(ROWS)]


def killed_once(marker, whole_executor):
    """Hands its batches on; in the third of the first partition that gets there the Python worker,
    or the executor that it belongs to, is killed as by the system."""

    def run(batches):
        for count, batch in enumerate(batches):
            if count == 2:
                try:
                    os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
                    killed = os.getpid()
                    if whole_executor:
                        # A worker is a child of Python's daemon, and that is the executor's.
                        status = Path(f"/proc/{os.getppid()}/status").read_text().split()
                        killed = int(status[status.index("PPid:") + 1])
                    Path(marker).write_bytes(Path(f"/proc/{killed}/cmdline").read_bytes())
                    os.kill(killed, signal.SIGKILL)
                    signal.pause()
                except FileExistsError:
                    pass
            yield batch

    return run


def native_answers(task, *columns):
    """What the model itself answers in this process, as Python objects."""
    model = tamis.Model(task.model, threads=1, **task.load)
    return getattr(model, task.name)(*columns, **task.options)


def values(found):
    """Rows, arrays and named tuples as plain lists and dictionaries."""
    if isinstance(found, Row) or hasattr(found, "_asdict"):
        fields = found.asDict() if isinstance(found, Row) else found._asdict()
        return {name: values(value) for name, value in fields.items()}
    if isinstance(found, np.ndarray):
        return found.tolist()
    if isinstance(found, (list, tuple)):
        return [values(item) for item in found]
    return found


class Scale(unittest.TestCase):
    def check_all(self, made, marker, killed):
        found = made.select("id", "embedding").toPandas()
        self.assertIn(killed, Path(marker).read_bytes(), "which process was killed")
        self.assertEqual(len(found), ROWS)
        found = found.sort_values("id")
        self.assertTrue((found["id"].to_numpy() == np.arange(ROWS)).all())
        expected = tamis.Model(MODEL, threads=1).embed(many_texts())
        np.testing.assert_array_equal(np.stack(found["embedding"].to_numpy()), expected)

    def test_no_row_is_lost_or_doubled_when_an_executor_is_killed(self):
        marker = os.path.join(stage.name, "executor")
        rows = many()
        rows = rows.mapInArrow(killed_once(marker, True), rows.schema)
        self.check_all(tamis_spark.embed(MODEL).table(rows, "text", output="embedding"), marker,
                       b"CoarseGrainedExecutorBackend")

    def test_no_row_is_lost_or_doubled_when_a_python_worker_is_killed(self):
        marker = os.path.join(stage.name, "worker")
        rows = many()
        rows = rows.mapInArrow(killed_once(marker, False), rows.schema)
        embed = tamis_spark.embed(MODEL)
        self.check_all(rows.withColumn("embedding", embed("text")), marker,
                       b"pyspark.daemon")


class Answers(unittest.TestCase):
    """Each task, as a pandas UDF and in Arrow, against the model in this process."""

    def both(self, task, frame, *columns):
        """The answers by id, of both ways, which must be the same."""
        column = frame.select("id", task(*columns).alias("answer"))
        table = task.table(frame, *columns, output="answer")
        self.assertEqual(column.schema["answer"].dataType, task.type)
        self.assertEqual(table.schema["answer"].dataType, task.type)
        found = {row.id: values(row.answer) for row in column.collect()}
        self.assertEqual({row.id: values(row.answer) for row in table.collect()}, found)
        return found

    def check(self, task, *more, texts=TEXTS):
        """Against answers for a column of texts; a null has a null."""
        there = [text for text in texts if text is not None]
        native = iter(values(native_answers(task, there, *more)))
        expected = {i: None if text is None else next(native) for i, text in enumerate(texts)}
        self.assertEqual(self.both(task, frame_of(texts), "text"), expected)

    def test_embeddings(self):
        self.check(tamis_spark.embed(MODEL))
        self.check(tamis_spark.embed(MODEL, normalize=True, dimensions=8, prompt="query: "))
        self.check(tamis_spark.embed(TESTDATA / "sentence-transformers" / "no-normalize"))
        self.check(tamis_spark.embed_sparse(str(TESTDATA / "retrieval" / "splade"), top_k=3))
        self.check(tamis_spark.embed_multi(str(TESTDATA / "retrieval" / "colbert"), query=True))

    def test_all_of_one_run(self):
        task = tamis_spark.embed_all(str(TESTDATA / "retrieval" / "bge-m3"))
        self.check(task)

    def test_labels(self):
        task = tamis_spark.classify(CLASSIFIER, top_k=2)
        model = tamis.Model(CLASSIFIER, threads=1)
        there = [text for text in TEXTS if text is not None]
        labels = iter([[{"label": label.label, "score": label.score} for label in found]
                       for found in model.classify(there, top_k=2)])
        expected = {i: None if text is None else next(labels) for i, text in enumerate(TEXTS)}
        self.assertEqual(self.both(task, frame_of(TEXTS), "text"), expected)
        best = {i: labels and labels[0] for i, labels in expected.items()}
        self.assertEqual(self.both(tamis_spark.classify(CLASSIFIER), frame_of(TEXTS), "text"), best)

    def test_pairs(self):
        pairs = [("A cat.", "It sleeps."), ("A cat.", None), (None, "It sleeps.")]
        frame = spark.createDataFrame([(i, *pair) for i, pair in enumerate(pairs)],
                                      "id int, first string, second string")
        label = native_answers(tamis_spark.classify(CLASSIFIER), pairs[:1])[0][0]
        expected = {0: {"label": label.label, "score": label.score}, 1: None, 2: None}
        self.assertEqual(
            self.both(tamis_spark.classify(CLASSIFIER), frame, "first", "second"), expected)
        score = tamis_spark.score(RERANKER)
        native = float(native_answers(score, pairs[:1])[0])
        self.assertEqual(self.both(score, frame, "first", "second"), {0: native, 1: None, 2: None})

    def test_labels_of_the_call(self):
        folder = Path(stage.name) / "inference"
        shutil.copytree(CLASSIFIER, folder)
        config = json.loads((folder / "config.json").read_text())
        config["id2label"] = {"0": "entailment", "1": "neutral", "2": "contradiction"}
        config["label2id"] = {name: int(i) for i, name in config["id2label"].items()}
        (folder / "config.json").write_text(json.dumps(config))
        task = tamis_spark.zero_shot(folder, ["sport", "politics"])
        there = [text for text in TEXTS if text]
        native = tamis.Model(folder, task="zero-shot", threads=1).zero_shot(
            there, ["sport", "politics"])
        expected = dict(enumerate([{"label": label.label, "score": label.score}
                                   for label in labels] for labels in native))
        self.assertEqual(self.both(task, frame_of(there), "text"), expected)

    def test_ranks(self):
        rows = [(0, "cat", ["A cat.", None, "A dog."]), (1, "cat", []), (2, None, ["A cat."]),
                (3, "cat", None), (4, "cat", [None])]
        frame = spark.createDataFrame(rows, "id int, query string, texts array<string>")
        task = tamis_spark.rerank(RERANKER)
        ranked = native_answers(task, "cat", ["A cat.", "A dog."])
        places = [{"index": 2 * item.index, "score": item.score} for item in ranked]
        self.assertEqual(self.both(task, frame, "query", "texts"),
                         {0: places, 1: [], 2: None, 3: None, 4: []})

    def test_entities(self):
        name = str(MODELS / "bert-token-classification")
        for aggregation in ("simple", "none"):
            task = tamis_spark.ner(name, aggregation=aggregation)
            fields = ["label", "word", "score", "start", "end"]
            fields += ["index"] if aggregation == "none" else []
            expected = {
                i: None if text is None else [
                    {field: getattr(entity, field) for field in fields}
                    for entity in native_answers(task, text)]
                for i, text in enumerate(TEXTS)}
            self.assertEqual(self.both(task, frame_of(TEXTS), "text"), expected)
        gliner = tamis_spark.ner(str(TESTDATA / "gliner" / "bert"), labels="person", threshold=0.0)
        found = self.both(gliner, frame_of(["Ada in London"]), "text")[0]
        self.assertEqual([entity["word"] for entity in found],
                         [entity.word for entity in native_answers(gliner, "Ada in London")])

    def test_answers_and_masks(self):
        name = str(MODELS / "bert-question-answering")
        frame = frame_of(["Ada in London", None])
        for options in ({}, {"top_k": 2}):
            task = tamis_spark.answer(name, **options)
            expected = {0: values(native_answers(task, "Ada in London", "Ada in London")), 1: None}
            self.assertEqual(self.both(task, frame, "text", "text"), expected)
        task = tamis_spark.fill_mask(str(MODELS / "bert-masked-lm"), top_k=2)
        self.check(task, texts=["A [MASK] [MASK].", None])

    def test_sql(self):
        spark.udf.register("label", tamis_spark.classify(CLASSIFIER).udf())
        row = spark.sql("SELECT label('A cat.').label AS one, label(NULL).label AS none").first()
        best = tamis.Model(CLASSIFIER, threads=1).classify("A cat.", top_k=1)[0].label
        self.assertEqual(row, Row(one=best, none=None))

    def test_several_models_in_one_plan(self):
        made = frame_of(TEXTS).select(
            "id", tamis_spark.embed(MODEL)("text").alias("vector"),
            tamis_spark.classify(CLASSIFIER)("text").label.alias("label")).where("label != ''")
        self.assertEqual(sorted(row.id for row in made.collect()), [0, 2, 3])

    def test_partitions_without_rows(self):
        task = tamis_spark.embed("/nowhere")  # which no worker loads for no text
        for frame in (frame_of([], 3), frame_of([None, None], 8)):
            self.assertEqual([row.answer for row in frame.select(
                task("text").alias("answer")).collect()], [None] * frame.count())
            self.assertEqual(task.table(frame, "text", output="answer").where(
                "answer IS NOT NULL").count(), 0)
        frame = frame_of(["A cat."], 8)
        self.check(tamis_spark.embed(MODEL), texts=["A cat."])
        self.assertEqual(frame.rdd.getNumPartitions(), 8)

    def test_large_offsets(self):
        spark.conf.set("spark.sql.execution.arrow.useLargeVarTypes", "true")
        self.addCleanup(spark.conf.unset, "spark.sql.execution.arrow.useLargeVarTypes")
        self.both(tamis_spark.classify(CLASSIFIER), frame_of(TEXTS), "text")
        self.check(tamis_spark.embed_sparse(str(TESTDATA / "retrieval" / "splade")))


class Schemas(unittest.TestCase):
    def test_a_column_at_the_end_or_in_the_place_of_one(self):
        frame = frame_of(["A cat."])
        task = tamis_spark.score(RERANKER)
        self.assertEqual(task.schema(frame.schema, output="score").names, ["id", "text", "score"])
        self.assertEqual(task.schema(StructType(), output="score")["score"].dataType, FloatType())
        made = task.table(frame, "text", "text", output="id")
        self.assertEqual(made.columns, ["id", "text"])
        self.assertEqual(made.first().id, float(native_answers(task, [("A cat.", "A cat.")])[0]))

    def test_names(self):
        frame = frame_of(["A cat."])
        task = tamis_spark.embed(MODEL)
        with self.assertRaisesRegex(tamis.InvalidArgument, 'no column "body"; it has id, text'):
            task.table(frame, "body", output="vector")
        twice = frame.select("text", "text")
        with self.assertRaisesRegex(tamis.InvalidArgument, '2 columns "text"; rename all but one'):
            task.table(twice, "text", output="vector")
        with self.assertRaisesRegex(tamis.InvalidArgument, "takes text as columns; found 2"):
            task("text", "id")
        with self.assertRaisesRegex(tamis.InvalidArgument, "takes text and pair as columns, the "
                                    "last if wanted; found 0"):
            tamis_spark.classify(CLASSIFIER).in_arrow(output="label")

    def test_options(self):
        with self.assertRaisesRegex(tamis.InvalidArgument, "batch: not an option of embed; those "
                                    "of the model are task, precision, threads, isa, device"):
            tamis_spark.embed(MODEL, batch=3)


class Faults(unittest.TestCase):
    def message(self, column_or_frame):
        frame = column_or_frame
        with self.assertRaises(PySparkException) as caught:
            frame.collect()
        return str(caught.exception)

    def test_the_message_of_tamis_is_in_the_exception_of_spark(self):
        frame = frame_of(["A cat."])
        for task, column, message in (
                (tamis_spark.embed("/nowhere"), "text", 'NotFound: "/nowhere": no such folder'),
                (tamis_spark.embed(MODEL, truncate=False, max_length=3), "text",
                 "InvalidArgument: the text has"),
                (tamis_spark.embed(MODEL, dimensions=0), "text",
                 "dimensions: 0; must be at least 1"),
                (tamis_spark.ner(CLASSIFIER), "text", "Unsupported"),
                (tamis_spark.embed(tamis_spark.SparkFile("nothing")), "text", "NotFound")):
            self.assertIn(message, self.message(frame.select(task(column))))
            self.assertIn(message, self.message(task.table(frame, column, output="x")))

    def test_columns_of_other_types(self):
        frame = frame_of(["A cat."]).select(
            "id", functions.struct("text").alias("struct"), functions.array("text").alias("array"),
            functions.col("text").cast("binary").alias("bytes"))
        task = tamis_spark.embed(MODEL)
        for column, kind in (("id", "int"), ("struct", "dict"), ("array", "list"),
                             ("bytes", "bytes")):
            message = f"expected string, found {kind}"
            self.assertIn(message, self.message(frame.select(task(column))))
            self.assertIn(f'column "{column}": {message}',
                          self.message(task.table(frame, column, output="x")))
        ranks = tamis_spark.rerank(RERANKER)
        self.assertIn("expected array<string>, found str", self.message(
            frame.select(ranks(functions.lit("a"), functions.lit("b")))))


class Workers(unittest.TestCase):
    def test_a_worker_loads_a_model_once(self):
        task = tamis_spark.embed(MODEL)

        def seen(batches):
            import pyarrow

            for batch in batches:
                model = tamis_spark._loaded(task)
                yield pyarrow.RecordBatch.from_pydict(
                    {"process": [os.getpid()], "model": [id(model)],
                     "threads": [model._arguments[3]]})

        rows = [row for _ in range(3) for row in frame_of(["A cat."] * 8, 4).mapInArrow(
            seen, "process long, model long, threads long").collect()]
        models = {row.process: row.model for row in rows}
        self.assertGreater(len(rows), len(models), "workers are used again")
        for row in rows:
            self.assertEqual(row.model, models[row.process])
            self.assertEqual(row.threads, 1, "spark.task.cpus")

    def test_models_are_kept_until_their_files_change(self):
        folder = Path(stage.name) / "changing"
        shutil.copytree(MODEL, folder)
        task = tamis_spark.embed(folder)
        tamis_spark._models.clear()
        model = tamis_spark._loaded(task)
        self.assertIs(tamis_spark._loaded(pickle.loads(pickle.dumps(task))), model)
        self.assertIsNot(tamis_spark._loaded(tamis_spark.embed(folder, precision="bf16")), model)
        os.utime(folder / "config.json", ns=(1, 1))
        self.assertIsNot(tamis_spark._loaded(task), model)
        self.assertEqual(len(tamis_spark._models), 2, "the one of before is gone")
        for threads in range(1, 7):
            tamis_spark._loaded(tamis_spark.embed(folder, threads=threads))
        self.assertEqual(len(tamis_spark._models), 4)
        self.assertEqual(next(reversed(tamis_spark._models.values()))._arguments[3], 6)

    def test_threads_and_device_are_those_of_the_task(self):
        self.assertEqual(tamis_spark._where({})["threads"], 1)
        context = SimpleNamespace(cpus=lambda: 3, resources=lambda: {
            "gpu": SimpleNamespace(addresses=["2"])})
        with mock.patch.object(tamis_spark.TaskContext, "get", return_value=context):
            self.assertEqual(tamis_spark._where({"device": "cuda"}),
                             {"threads": 3, "device": "cuda:2"})
            self.assertEqual(tamis_spark._where({"device": "cuda:0", "threads": 2}),
                             {"threads": 2, "device": "cuda:0"})

    def test_models_by_path_and_among_the_files_of_spark(self):
        frame = frame_of(["A cat."])
        expected = native_answers(tamis_spark.embed(MODEL), "A cat.").tolist()
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        os.chdir(MODELS)
        archive = shutil.make_archive(os.path.join(stage.name, "files"), "zip", MODEL)
        spark.sparkContext.addArchive(f"{archive}#unpacked")
        linked = Path(stage.name) / "linked"
        linked.mkdir()
        for file in Path(MODEL).iterdir():
            (linked / file.name).symlink_to(file)
        shipped = tamis_spark.ship(spark, linked)
        shutil.rmtree(linked)
        for source in ("bert-base", tamis_spark.SparkFile("unpacked"), shipped):
            row = frame.select(tamis_spark.embed(source)("text").alias("vector")).first()
            self.assertEqual(row.vector, expected, source)
        with self.assertRaisesRegex(tamis.InvalidArgument, "/nowhere: no such file or folder"):
            tamis_spark.ship(spark, "/nowhere")


class Examples(unittest.TestCase):
    def test_the_examples_of_the_docstrings_run(self):
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        os.chdir(stage.name)
        for name, folder in (("minilm-bundle", MODEL), ("classifier", CLASSIFIER),
                             ("reranker", RERANKER)):
            os.symlink(folder, name)
        shutil.make_archive("minilm", "zip", MODEL)
        frame = frame_of(["Ada in London"])
        pairs = spark.createDataFrame([("cat", "A cat.")], "query string, text string")
        failed, run = doctest.testmod(tamis_spark, verbose=False, extraglobs={
            "folder": stage.name, "spark": spark, "frame": frame, "pairs": pairs, "tamis_spark": tamis_spark,
            "embed": tamis_spark.embed("minilm-bundle")})
        self.assertEqual(failed, 0)
        self.assertGreater(run, 10)


if __name__ == "__main__":
    unittest.main()
