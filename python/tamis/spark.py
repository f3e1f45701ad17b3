"""Models on a Spark cluster: a task of a model over columns, as a pandas UDF or in Arrow.

    >>> from tamis import spark as tamis_spark
    >>> embed = tamis_spark.embed("minilm-bundle", normalize=True)
    >>> rows = frame.withColumn("embedding", embed("text"))          # a pandas UDF over iterators
    >>> rows = embed.table(frame, "text", output="embedding")        # the same, in Arrow alone
    >>> _ = spark.udf.register("embed", embed.udf())                 # and in SQL
    >>> spark.sql("SELECT embed('A cat sleeps.') AS embedding").schema
    StructType([StructField('embedding', ArrayType(FloatType(), True), True)])

Each function of this module takes a model and options, and gives a Task; the driver loads nothing.
A Python worker loads the model at its first text and keeps it for later tasks: the last 4 models,
until their files change. A model has as many threads as ``spark.task.cpus`` says. Tamis must be
installed on the workers; ``ship()`` brings them a model.

A row with a null in one of the columns has a null for its answer. The same text gives the same bits
on every worker, whatever it is batched with: a task that Spark runs again changes nothing. An error
on a worker ends the job, with tamis' own message in Spark's exception.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tarfile
import tempfile
import threading
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from pyspark import SparkFiles, TaskContext
from pyspark.sql import functions
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import (
    ArrayType,
    DataType,
    FloatType,
    IntegerType,
    MapType,
    StringType,
    StructField,
    StructType,
)

from ._errors import InvalidArgument
from ._model import Model

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped, unused-ignore]
    from pyspark.sql import Column, DataFrame, SparkSession
    from typing_extensions import TypedDict, Unpack

    class Load(TypedDict, total=False):
        """Options of tamis.Model."""

        task: Optional[str]
        precision: Optional[str]
        threads: Optional[int]
        isa: Optional[str]
        device: Optional[str]

    Name = Union[str, Column]
    Batches = Iterator["pyarrow.RecordBatch"]

# Rows that are answered at a time, whatever the size of Spark's batches (10,000 by default): their
# vectors of 1024 floats take 4 MB.
_ROWS = 1024
# Models that a worker keeps. A query with several of them may hand any of them to any worker.
_MODELS = 4
_LOAD = ("task", "precision", "threads", "isa", "device")


@dataclass(frozen=True)
class SparkFile:
    """A model among the files that Spark hands to every worker: ``name`` is what
    ``SparkFiles.get()`` takes, of ``addFile``, of ``addArchive`` or of ``spark.archives``.

        >>> spark.sparkContext.addArchive(f"{folder}/minilm.zip#minilm")
        >>> embed = tamis_spark.embed(tamis_spark.SparkFile("minilm"))
    """

    name: str

    def path(self) -> str:
        """Where it lies on this machine."""
        return SparkFiles.get(self.name)


Source = Union[str, "os.PathLike[str]", SparkFile]


def ship(spark: "SparkSession", model: Union[str, "os.PathLike[str]"]) -> SparkFile:
    """Brings a model's folder or file from the driver to every worker, as an archive that Spark
    unpacks there once. Links in it are followed. Use it for models that lie on no file system that
    the workers share.

        >>> embed = tamis_spark.embed(tamis_spark.ship(spark, "minilm-bundle"))
    """
    source = os.path.abspath(os.fspath(model))
    if not os.path.exists(source):
        raise InvalidArgument(f"model: {source}: no such file or folder on the driver")
    base = os.path.basename(source)
    stage = tempfile.mkdtemp(prefix="tamis-spark-")
    atexit.register(shutil.rmtree, stage, ignore_errors=True)
    # Its own name, so that what was shipped before is not replaced under tasks that read it.
    name = f"tamis-{uuid.uuid4().hex}"
    archive = os.path.join(stage, f"{name}.tar")
    with tarfile.open(archive, "w", dereference=True) as out:
        out.add(source, base)
    spark.sparkContext.addArchive(f"{archive}#{name}")
    return SparkFile(f"{name}/{base}")


# ---- Tasks: what they take, give, and run -------------------------------------------------------


def _embed(model: Model, texts: Any, options: Dict[str, Any]) -> Any:
    return model.embed(texts, **options)


def _embed_sparse(model: Model, texts: Any, options: Dict[str, Any]) -> Sequence[Any]:
    rows: Sequence[Any] = model.embed_sparse(texts, **options)
    return rows


def _embed_multi(model: Model, texts: Any, options: Dict[str, Any]) -> Sequence[Any]:
    return [list(rows) for rows in model.embed_multi(texts, **options)]


def _embed_all(model: Model, texts: Any, options: Dict[str, Any]) -> Sequence[Any]:
    return [{"embedding": found.embedding, "sparse": found.sparse, "vectors": list(found.vectors)}
            for found in model.embed_all(texts, **options)]


def _scored(labels: Sequence[Any]) -> List[Dict[str, Any]]:
    return [{"label": label.label, "score": label.score} for label in labels]


def _classify(model: Model, inputs: Any, options: Dict[str, Any]) -> Sequence[Any]:
    if "top_k" in options:
        return [_scored(labels) for labels in model.classify(inputs, **options)]
    return [_scored(labels)[0] for labels in model.classify(inputs, top_k=1, **options)]


def _zero_shot(model: Model, texts: Any, options: Dict[str, Any]) -> Sequence[Any]:
    return [_scored(labels) for labels in model.zero_shot(texts, **options)]


def _score(model: Model, pairs: List[Any], options: Dict[str, Any]) -> Any:
    return model.score(pairs, **options)


def _rerank(model: Model, asked: List[Any], options: Dict[str, Any]) -> Sequence[Any]:
    found = []
    for query, texts in asked:
        places = [i for i, text in enumerate(texts) if text is not None]
        ranked = model.rerank(query, [texts[i] for i in places], **options)
        found.append([{"index": places[item.index], "score": item.score} for item in ranked])
    return found


def _ner(model: Model, texts: Any, options: Dict[str, Any]) -> Sequence[Any]:
    fields = _entity(options).names
    return [[{name: getattr(entity, name) for name in fields} for entity in entities]
            for entities in model.ner(texts, **options)]


def _answer(model: Model, asked: List[Any], options: Dict[str, Any]) -> Sequence[Any]:
    none = dict.fromkeys(("answer", "score", "start", "end"))
    if "top_k" in options:
        return [[span._asdict() for span in model.answer(question, context, **options)]
                for question, context in asked]
    found = (model.answer(question, context, **options) for question, context in asked)
    return [none if span is None else span._asdict() for span in found]


def _fill_mask(model: Model, texts: Any, options: Dict[str, Any]) -> Sequence[Any]:
    return [[[token._asdict() for token in mask] for mask in masks]
            for masks in model.fill_mask(texts, **options)]


def _struct(**fields: DataType) -> StructType:
    return StructType([StructField(name, kind) for name, kind in fields.items()])


_FLOATS = ArrayType(FloatType())
_WEIGHTS = MapType(StringType(), FloatType())
_LABEL = _struct(label=StringType(), score=FloatType())
_SPAN = _struct(answer=StringType(), score=FloatType(), start=IntegerType(), end=IntegerType())
_MASKED = _struct(token_str=StringType(), sequence=StringType(), score=FloatType(),
                  token=IntegerType())


def _entity(options: Dict[str, Any]) -> StructType:
    fields: Dict[str, DataType] = {
        "label": StringType(), "word": StringType(), "score": FloatType(), "start": IntegerType(),
        "end": IntegerType()}
    if options.get("aggregation") == "none":
        fields["index"] = IntegerType()
    return _struct(**fields)


def _one_or_list(kind: StructType) -> Callable[[Dict[str, Any]], DataType]:
    return lambda options: ArrayType(kind) if "top_k" in options else kind


class _Row(NamedTuple):
    """What a task is: the native task to load for, its columns (the last ``optional`` of them may
    be left out), the type of its answers, and what makes them of texts or tuples of texts.
    """

    native: str
    columns: Tuple[str, ...]
    type_of: Callable[[Dict[str, Any]], DataType]
    answer: Callable[[Model, Any, Dict[str, Any]], Sequence[Any]]
    optional: int = 0


_TASKS: Dict[str, _Row] = {
    "embed": _Row("embed", ("text",), lambda _: _FLOATS, _embed),
    "embed_sparse": _Row("embed-sparse", ("text",), lambda _: _WEIGHTS, _embed_sparse),
    "embed_multi": _Row("embed-multi", ("text",), lambda _: ArrayType(_FLOATS), _embed_multi),
    "embed_all": _Row("embed-all", ("text",), lambda _: _struct(
        embedding=_FLOATS, sparse=_WEIGHTS, vectors=ArrayType(_FLOATS)), _embed_all),
    "classify": _Row("classify", ("text", "pair"), _one_or_list(_LABEL), _classify, 1),
    "zero_shot": _Row("zero-shot", ("text",), lambda _: ArrayType(_LABEL), _zero_shot),
    "score": _Row("rerank", ("query", "text"), lambda _: FloatType(), _score),
    "rerank": _Row("rerank", ("query", "texts"), lambda _: ArrayType(
        _struct(index=IntegerType(), score=FloatType())), _rerank),
    "ner": _Row("ner", ("text",), lambda options: ArrayType(_entity(options)), _ner),
    "answer": _Row("qa", ("question", "context"), _one_or_list(_SPAN), _answer),
    "fill_mask": _Row("fill-mask", ("text",), lambda _: ArrayType(ArrayType(_MASKED)), _fill_mask),
}


class Task:
    """A task of a model, for columns of a frame; made by the functions of this module.

    It holds names and options alone, so it can be pickled, and used from several threads.
    """

    def __init__(self, name: str, model: Source, load: "Load", options: Dict[str, Any]) -> None:
        """``options`` are those of Model's method called ``name``."""
        unknown = sorted(set(load) - set(_LOAD))
        if unknown:
            raise InvalidArgument(f"{unknown[0]}: not an option of {name}; those of the model are "
                                  + ", ".join(_LOAD))
        self.name = name
        self.model = model if isinstance(model, SparkFile) else _on_workers(model)
        self.load: Dict[str, Any] = {"task": _TASKS[name].native, **load}
        self.options = options

    def __repr__(self) -> str:
        return f"tamis.spark.{self.name}({self.model!r})"

    @property
    def type(self) -> DataType:
        """Of its answers."""
        return _TASKS[self.name].type_of(self.options)

    def udf(self) -> Any:
        """The pandas UDF, from iterators to iterators, for ``spark.udf.register()``. Where its
        answer is a struct, that of a null has nulls in its fields.
        """
        import pandas

        task = self

        def run(batches: Any) -> Any:
            return _pandas_answers(task, batches)

        result: Any = pandas.DataFrame if isinstance(self.type, StructType) else pandas.Series
        run.__name__ = run.__qualname__ = self.name
        run.__annotations__ = {"batches": Iterator[Tuple[pandas.Series, ...]],
                               "return": Iterator[result]}
        make: Any = pandas_udf  # whose stubs know no types of answers made elsewhere
        return make(run, self.type)

    def __call__(self, *columns: "Name") -> "Column":
        """The answers for these columns, by name or as columns, as a column."""
        self._check_count(columns)
        found: "Column" = self.udf()(*columns)
        if not isinstance(self.type, StructType):
            return found
        given = [functions.col(column) if isinstance(column, str) else column
                 for column in columns]
        there = given[0].isNotNull()
        for column in given[1:]:
            there = there & column.isNotNull()
        return functions.when(there, found)

    def in_arrow(self, *columns: str, output: str) -> Callable[["Batches"], "Batches"]:
        """For ``DataFrame.mapInArrow()``: each batch with the answers for its columns as one more,
        ``output``, which takes the place of one of that name. Goes with ``schema()``.

            >>> made = frame.mapInArrow(embed.in_arrow("text", output="embedding"),
            ...                         embed.schema(frame.schema, output="embedding"))

        The batches are cut to 1024 rows. Texts are read where they lie in Arrow, vectors handed
        over as the model made them, and other columns handed on: without a copy.
        """
        self._check_count(columns)
        task = self

        def run(batches: "Batches") -> "Batches":
            return _arrow_answers(task, batches, columns, output)

        return run

    def schema(self, base: StructType, *, output: str) -> StructType:
        """That of a frame of schema ``base`` with the answers as ``output``: at its end, or in the
        place of a column of that name.
        """
        fields = list(base.fields)
        made = StructField(output, self.type)
        if output in base.names:
            fields[_only(base.names, output, "the frame")] = made
        else:
            fields.append(made)
        return StructType(fields)

    def table(self, frame: "DataFrame", *columns: str, output: str) -> "DataFrame":
        """The frame with the answers for its columns as ``output``, by ``mapInArrow()``."""
        for column in columns:
            _only(frame.columns, column, "the frame")
        return frame.mapInArrow(self.in_arrow(*columns, output=output),
                                self.schema(frame.schema, output=output))

    def _check_count(self, columns: Sequence[Any]) -> None:
        row = _TASKS[self.name]
        if not len(row.columns) - row.optional <= len(columns) <= len(row.columns):
            raise InvalidArgument(f"{self.name}: takes {' and '.join(row.columns)} as columns"
                                  f"{', the last if wanted' if row.optional else ''}; "
                                  f"found {len(columns)}")


def _on_workers(model: Union[str, "os.PathLike[str]"]) -> str:
    """A path of the driver's, from the root: workers run in folders of their own."""
    path = os.fspath(model)
    return os.path.abspath(path) if os.path.exists(path) else path


# ---- On the workers -----------------------------------------------------------------------------

_lock = threading.Lock()
_models: "OrderedDict[Tuple[Any, ...], Model]" = OrderedDict()


def _state_of(path: str) -> Tuple[Any, ...]:
    """Names, sizes and times of a model's files; nothing for a hub id."""
    if os.path.isfile(path):
        found = [path]
    else:
        found = [os.path.join(folder, name) for folder, _, names in os.walk(path)
                 for name in names]
    states = []
    for name in sorted(found):
        try:
            state = os.stat(name)
        except OSError:
            continue  # the loader tells if it is needed
        states.append((name, state.st_size, state.st_mtime_ns))
    return tuple(states)


def _where(load: Dict[str, Any]) -> Dict[str, Any]:
    """Threads and device as Spark gave them to this task, where the options leave them open."""
    context = TaskContext.get()
    load = dict(load)
    if load.get("threads") is None:
        load["threads"] = 1 if context is None else context.cpus()
    if load.get("device") == "cuda" and context is not None and "gpu" in context.resources():
        load["device"] = f"cuda:{context.resources()['gpu'].addresses[0]}"
    return load


def _loaded(task: Task) -> Model:
    """The model of a task, loaded if this worker has not got it as it is now."""
    path = task.model.path() if isinstance(task.model, SparkFile) else task.model
    load = _where(task.load)
    options = tuple(sorted(load.items()))
    key = (path, options, _state_of(path))
    with _lock:
        model = _models.pop(key, None)
        if model is None:
            for stale in [other for other in _models if other[:2] == key[:2]]:
                del _models[stale]
            model = Model(path, **load)
        _models[key] = model
        while len(_models) > _MODELS:
            _models.popitem(last=False)
        return model


class _Answers:
    """Answers rows; loads the model at the first without a null: an empty partition loads none."""

    def __init__(self, task: Task, names: Sequence[str]) -> None:
        self._task = task
        self._names = names
        self._row = _TASKS[task.name]
        self._model: Optional[Model] = None

    def __call__(self, columns: Sequence[Sequence[Any]]) -> Tuple[Sequence[Any], List[int]]:
        """The answers of the rows that have no null, and which rows those are."""
        kept = [i for i, row in enumerate(zip(*columns)) if all(item is not None for item in row)]
        for name, column in zip(self._names, columns):
            for i in kept:
                self._check(name, column[i])
        return self._answers([columns[0][i] if len(columns) == 1 else
                              tuple(column[i] for column in columns) for i in kept]), kept

    def of_arrow(self, columns: Sequence[Any]) -> Tuple[Sequence[Any], List[int]]:
        """As with lists, for arrays of PyArrow's: one of texts alone is read where it lies."""
        texts = columns[0]
        if len(columns) > 1 or str(texts.type) not in ("string", "large_string"):
            return self([column.to_pylist() for column in columns])
        if texts.null_count == 0:
            return self._answers(texts), list(range(len(texts)))
        kept = [i for i, there in enumerate(texts.is_valid().to_pylist()) if there]
        return self._answers(texts.drop_null()), kept

    def _answers(self, inputs: Any) -> Sequence[Any]:
        if len(inputs) == 0:
            return []
        if self._model is None:
            self._model = _loaded(self._task)
        return self._row.answer(self._model, inputs, self._task.options)

    def _check(self, name: str, value: Any) -> None:
        """A text, or a list of texts and nulls in the column that has lists."""
        if self._task.name == "rerank" and name == self._names[1]:
            wanted = "array<string>"
            fits = isinstance(value, list) and all(
                item is None or isinstance(item, str) for item in value)
        else:
            wanted, fits = "string", isinstance(value, str)
        if not fits:
            raise InvalidArgument(f"{self._task.name}: column {name}: expected {wanted}, found "
                                  f"{type(value).__name__}; cast(\"{wanted}\") may make it one")


def _pandas_answers(task: Task, batches: Iterator[Any]) -> Iterator[Any]:
    answers = _Answers(task, _TASKS[task.name].columns)
    for batch in batches:
        columns = batch if isinstance(batch, tuple) else (batch,)
        for first in range(0, len(columns[0]), _ROWS):
            part = [_values(column.iloc[first: first + _ROWS]) for column in columns]
            yield _in_pandas(task.type, len(part[0]), *answers(part))


def _values(column: Any) -> List[Any]:
    """The values of a series; None for what is missing, a list for an array, and dictionaries for
    the frame that Spark makes of structs.
    """
    if column.ndim == 2:
        return list(column.to_dict("records"))
    return [None if gone else value.tolist() if hasattr(value, "tolist") else value
            for value, gone in zip(column, column.isna())]


def _in_pandas(kind: DataType, count: int, found: Sequence[Any], kept: List[int]) -> Any:
    import pandas

    rows: List[Any] = [None] * count
    for i, answer in zip(kept, found):
        rows[i] = answer
    if not isinstance(kind, StructType):
        return pandas.Series(rows, dtype="object")
    fields = {name: pandas.Series([None if row is None else row[name] for row in rows],
                                  dtype="object") for name in kind.names}
    return pandas.DataFrame(fields)


def _arrow_answers(task: Task, batches: "Batches", columns: Sequence[str],
                   output: str) -> "Batches":
    import pyarrow

    answers = _Answers(task, [f'"{column}"' for column in columns])
    for whole in batches:
        names = whole.schema.names
        read = [_only(names, column, "the batch") for column in columns]
        kind = _arrow_type(task.type)
        for first in range(0, whole.num_rows, _ROWS):
            batch = whole.slice(first, _ROWS)
            found, kept = answers.of_arrow([batch.column(i) for i in read])
            made = _in_arrow(kind, batch.num_rows, found, kept)
            at = _only(names, output, "the batch") if output in names else len(names)
            yield pyarrow.RecordBatch.from_arrays(
                [*batch.columns[:at], made, *batch.columns[at + 1:]],
                [*names[:at], output, *names[at + 1:]])


def _only(names: Sequence[str], column: str, where: str) -> int:
    """The place of the one column of that name."""
    places = [i for i, name in enumerate(names) if name == column]
    if not places:
        raise InvalidArgument(f'{where} has no column "{column}"; it has {", ".join(names)}')
    if len(places) > 1:
        raise InvalidArgument(f'{where} has {len(places)} columns "{column}"; rename all but one')
    return places[0]


def _arrow_type(kind: DataType) -> Any:
    """As Spark reads it back."""
    import pyarrow

    if isinstance(kind, ArrayType):
        return pyarrow.list_(pyarrow.field("element", _arrow_type(kind.elementType)))
    if isinstance(kind, MapType):
        return pyarrow.map_(_arrow_type(kind.keyType), _arrow_type(kind.valueType))
    if isinstance(kind, StructType):
        return pyarrow.struct([pyarrow.field(field.name, _arrow_type(field.dataType))
                               for field in kind])
    if isinstance(kind, StringType):
        return pyarrow.string()
    return pyarrow.float32() if isinstance(kind, FloatType) else pyarrow.int32()


def _in_arrow(kind: Any, count: int, found: Sequence[Any], kept: List[int]) -> Any:
    import numpy
    import pyarrow

    if isinstance(found, numpy.ndarray) and found.ndim == 2:
        # A list of floats for each row: the floats of all rows are an array of Arrow's as they are.
        sizes = numpy.zeros(count + 1, numpy.int32)
        sizes[numpy.asarray(kept) + 1] = found.shape[1]
        missing = numpy.ones(count, bool)
        missing[kept] = False
        return pyarrow.ListArray.from_arrays(
            pyarrow.array(numpy.cumsum(sizes, dtype=numpy.int32)),
            pyarrow.array(found.reshape(-1)), type=kind, mask=pyarrow.array(missing))
    rows: List[Any] = [None] * count
    for i, answer in zip(kept, found):
        rows[i] = _arrow_value(kind, answer)
    return pyarrow.array(rows, kind)


def _arrow_value(kind: Any, answer: Any) -> Any:
    """An answer as Arrow reads it: maps are lists of pairs there."""
    import pyarrow

    if isinstance(answer, dict):
        if pyarrow.types.is_map(kind):
            return list(answer.items())
        return {field.name: _arrow_value(field.type, answer[field.name]) for field in kind}
    return answer


# ---- The tasks ----------------------------------------------------------------------------------


def _given(**options: Any) -> Dict[str, Any]:
    """The options that were named: Model's methods know the defaults of the others."""
    return {name: value for name, value in options.items() if value is not None}


def embed(
    model: Source,
    *,
    normalize: Optional[bool] = None,
    dimensions: Optional[int] = None,
    prompt: Optional[str] = None,
    prompt_name: Optional[str] = None,
    max_length: Optional[int] = None,
    truncate: bool = True,
    truncation_side: Optional[str] = None,
    **load: "Unpack[Load]",
) -> Task:
    """Vectors of a column of texts: array<float>. Options as of Model.embed().

        >>> row = frame.select(tamis_spark.embed("minilm-bundle")("text").alias("vector")).first()
        >>> len(row.vector)
        32
    """
    return Task("embed", model, load, _given(
        normalize=normalize, dimensions=dimensions, prompt=prompt, prompt_name=prompt_name,
        max_length=max_length, truncate=truncate, truncation_side=truncation_side))


def embed_sparse(
    model: Source,
    *,
    query: bool = False,
    top_k: Optional[int] = None,
    prompt: Optional[str] = None,
    prompt_name: Optional[str] = None,
    max_length: Optional[int] = None,
    truncate: bool = True,
    **load: "Unpack[Load]",
) -> Task:
    """Weights of the vocabulary's tokens: map<string, float>. Options as of Model.embed_sparse().
    """
    return Task("embed_sparse", model, load, _given(
        query=query, top_k=top_k, prompt=prompt, prompt_name=prompt_name, max_length=max_length,
        truncate=truncate))


def embed_multi(
    model: Source,
    *,
    query: bool = False,
    prompt: Optional[str] = None,
    prompt_name: Optional[str] = None,
    max_length: Optional[int] = None,
    truncate: bool = True,
    **load: "Unpack[Load]",
) -> Task:
    """A vector for each token that counts: array<array<float>>. Options as of Model.embed_multi().
    """
    return Task("embed_multi", model, load, _given(
        query=query, prompt=prompt, prompt_name=prompt_name, max_length=max_length,
        truncate=truncate))


def embed_all(
    model: Source,
    *,
    query: bool = False,
    prompt: Optional[str] = None,
    prompt_name: Optional[str] = None,
    max_length: Optional[int] = None,
    truncate: bool = True,
    **load: "Unpack[Load]",
) -> Task:
    """All three of one run: struct<embedding: array<float>, sparse: map<string, float>, vectors:
    array<array<float>>>. Options as of Model.embed_all().
    """
    return Task("embed_all", model, load, _given(
        query=query, prompt=prompt, prompt_name=prompt_name, max_length=max_length,
        truncate=truncate))


def classify(
    model: Source,
    *,
    top_k: Optional[int] = None,
    function: Optional[str] = None,
    max_length: Optional[int] = None,
    truncate: bool = True,
    **load: "Unpack[Load]",
) -> Task:
    """The best label of each text, or of each text and its pair: struct<label: string, score:
    float>. With ``top_k`` the best so many: array<struct<label, score>>, which Spark's
    ``map_from_entries()`` makes a map. Options as of Model.classify().

        >>> label = tamis_spark.classify("classifier")
        >>> frame.select(label("text").label.alias("label")).first()
        Row(label='neutral')
        >>> _ = spark.udf.register("label", label.udf())
        >>> frame.createOrReplaceTempView("texts")
        >>> spark.sql("SELECT label(text).label AS label FROM texts").first()
        Row(label='neutral')
    """
    return Task("classify", model, load, _given(
        top_k=top_k, function=function, max_length=max_length, truncate=truncate))


def zero_shot(
    model: Source,
    labels: Sequence[str],
    *,
    hypothesis_template: str = "This example is {}.",
    multi_label: bool = False,
    max_length: Optional[int] = None,
    truncate: bool = True,
    **load: "Unpack[Load]",
) -> Task:
    """These labels for each text, best first: array<struct<label: string, score: float>>. Options
    as of Model.zero_shot().
    """
    return Task("zero_shot", model, load, _given(
        labels=_list(labels), hypothesis_template=hypothesis_template, multi_label=multi_label,
        max_length=max_length, truncate=truncate))


def score(
    model: Source,
    *,
    raw_scores: bool = False,
    max_length: Optional[int] = None,
    truncate: bool = True,
    **load: "Unpack[Load]",
) -> Task:
    """How well the second column's text answers the first's query: float. Options as of
    Model.score().

        >>> score = tamis_spark.score("reranker")
        >>> ranked = pairs.orderBy(score("query", "text").desc())
    """
    return Task("score", model, load, _given(
        raw_scores=raw_scores, max_length=max_length, truncate=truncate))


def rerank(
    model: Source,
    *,
    top_k: Optional[int] = None,
    raw_scores: bool = False,
    max_length: Optional[int] = None,
    truncate: bool = True,
    **load: "Unpack[Load]",
) -> Task:
    """The texts of the second column, array<string>, by how well they answer the first's query,
    best first: array<struct<index: int, score: float>>, ``index`` from 0. A null among the texts is
    left out. Options as of Model.rerank().
    """
    return Task("rerank", model, load, _given(
        top_k=top_k, raw_scores=raw_scores, max_length=max_length, truncate=truncate))


def ner(
    model: Source,
    *,
    aggregation: str = "simple",
    ignore_labels: Sequence[str] = ("O",),
    stride: Optional[int] = None,
    labels: Optional[Sequence[str]] = None,
    threshold: Optional[float] = None,
    nested: bool = False,
    multi_label: bool = False,
    max_length: Optional[int] = None,
    truncate: bool = True,
    **load: "Unpack[Load]",
) -> Task:
    """The entities of each text: array<struct<label: string, word: string, score: float, start:
    int, end: int>>; with ``aggregation="none"`` also ``index``, of the token. Spark's
    ``substring(text, start + 1, end - start)`` is what an entity covers. Options as of Model.ner().
    """
    return Task("ner", model, load, _given(
        aggregation=aggregation, ignore_labels=_list(ignore_labels), stride=stride,
        labels=None if labels is None else _list(labels), threshold=threshold, nested=nested,
        multi_label=multi_label, max_length=max_length, truncate=truncate))


def answer(
    model: Source,
    *,
    top_k: Optional[int] = None,
    max_answer_len: Optional[int] = None,
    max_seq_len: Optional[int] = None,
    doc_stride: Optional[int] = None,
    max_question_len: Optional[int] = None,
    handle_impossible_answer: bool = False,
    align_to_words: bool = True,
    **load: "Unpack[Load]",
) -> Task:
    """The best answer of the second column's context to the first's question: struct<answer:
    string, score: float, start: int, end: int>, nulls in it for a context that has none. With
    ``top_k`` the best so many: an array of these. Options as of Model.answer().
    """
    return Task("answer", model, load, _given(
        top_k=top_k, max_answer_len=max_answer_len, max_seq_len=max_seq_len,
        doc_stride=doc_stride, max_question_len=max_question_len,
        handle_impossible_answer=handle_impossible_answer, align_to_words=align_to_words))


def fill_mask(
    model: Source,
    *,
    top_k: int = 5,
    targets: Sequence[str] = (),
    max_length: Optional[int] = None,
    truncate: bool = True,
    **load: "Unpack[Load]",
) -> Task:
    """For each mask of each text what may stand there, best first: array<array<struct<token_str:
    string, sequence: string, score: float, token: int>>>. Options as of Model.fill_mask().
    """
    return Task("fill_mask", model, load, _given(
        top_k=top_k, targets=_list(targets), max_length=max_length, truncate=truncate))


def _list(texts: Sequence[str]) -> List[str]:
    return [texts] if isinstance(texts, str) else list(texts)


__all__ = ["SparkFile", "Task", "answer", "classify", "embed", "embed_all", "embed_multi",
           "embed_sparse", "fill_mask", "ner", "rerank", "score", "ship", "zero_shot"]
