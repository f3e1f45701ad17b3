#!/usr/bin/env python3
"""Texts per second by workers: tamis alone with threads, multiprocessing, tamis.ray and tamis.spark.

usage: scale_out.py --bundle BUNDLE --texts FILE.tsv [--count N] [--rounds N] [--workers 1,2]
                    [--ways A,B] [--json FILE] [--texts-are TEXT] [--note TEXT]

Each way embeds the same texts (columns of the .tsv, over and over) with so many workers of one thread;
"threads" is one process with so many threads. Clusters are up, texts are where they are computed and
models are loaded before the first round; ways and numbers of workers take turns. A round ends when all
vectors are computed; multiprocessing's have come back by then, Spark's are dropped by its sink "noop".
Needs ray[data] and pyspark for the ways of that name, and a network with loopback only for Ray, which
binds the machine's address. TAMIS_LIBRARY names libtamis.
"""

import argparse
import datetime
import json
import multiprocessing
import os
import pathlib
import statistics
import subprocess
import sys
import time

import versions
from python_peers import cpu_name, texts_of

PACKAGES = ["ray", "pyspark", "pandas", "pyarrow"]
WAYS = ["threads", "multiprocessing", "ray", "spark-udf", "spark-arrow"]
CHUNK = 512  # texts of a task of multiprocessing's, and of a batch of Ray's


def threads_way(arguments, texts, most):
    import tamis

    models = {workers: tamis.Model(arguments.bundle, threads=workers)
              for workers in range(1, most + 1)}
    return lambda workers: models[workers].embed(texts)


def start_worker(bundle):
    global model
    import tamis

    model = tamis.Model(bundle, threads=1)


def embed_chunk(texts):
    return model.embed(texts)


def multiprocessing_way(arguments, texts, most):
    context = multiprocessing.get_context("spawn")
    pools = {workers: context.Pool(workers, start_worker, (arguments.bundle,))
             for workers in range(1, most + 1)}
    chunks = [texts[at: at + CHUNK] for at in range(0, len(texts), CHUNK)]
    return lambda workers: pools[workers].map(embed_chunk, chunks, chunksize=1)


def ray_way(arguments, texts, most):
    import ray

    import tamis.ray

    os.environ["RAY_worker_niceness"] = "0"  # it is 15 by default
    ray.init(num_cpus=most, include_dashboard=False, _node_ip_address="127.0.0.1",
             logging_level="ERROR", runtime_env={"env_vars": {
                 key: os.environ[key] for key in ("TAMIS_LIBRARY", "PYTHONPATH")}})
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = ray.data.from_items([{"text": text} for text in texts],
                               override_num_blocks=4 * most).materialize()

    def embed(workers):
        rows.map_batches(tamis.ray.Embed, fn_constructor_args=(arguments.bundle,),
                         batch_size=CHUNK, batch_format="numpy",
                         compute=ray.data.ActorPoolStrategy(size=workers)).materialize()

    return embed


def spark_way(arguments, texts, most):
    from pyspark.sql import SparkSession

    import tamis.spark

    settings = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
                "spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false",
                "spark.log.level": "OFF"}
    for key in ("TAMIS_LIBRARY", "PYTHONPATH"):
        settings[f"spark.executorEnv.{key}"] = os.path.abspath(os.environ[key])
    os.environ.update(PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1")
    builder = SparkSession.builder.master(f"local-cluster[{most},1,1024]")
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    rows = spark.createDataFrame([(text,) for text in texts], "text string")
    # A partition is a task, and each executor has one at a time.
    frames = {workers: rows.repartition(workers).cache() for workers in range(1, most + 1)}
    for frame in frames.values():
        frame.count()
    task = tamis.spark.embed(arguments.bundle)

    def embed(workers):
        frame = frames[workers]
        made = (frame.select(task("text").alias("vector")) if arguments.work == "spark-udf"
                else task.table(frame, "text", output="vector"))
        made.write.format("noop").mode("overwrite").save()

    return embed


def work(arguments):
    """The child: for each number of workers read, a line with the seconds that the texts took."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    way = {"threads": threads_way, "multiprocessing": multiprocessing_way, "ray": ray_way}
    texts = texts_of(arguments.texts, arguments.count)
    most = max(arguments.workers)
    embed = way.get(arguments.work, spark_way)(arguments, texts, most)
    for workers in arguments.workers:
        embed(workers)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        begin = time.perf_counter()
        embed(int(line))
        print(time.perf_counter() - begin, file=answers, flush=True)


def measured(arguments):
    """Seconds of each round, by way and number of workers."""
    seconds = {}
    children = {}
    for way in arguments.ways:
        children[way] = subprocess.Popen(
            [sys.executable, __file__, *sys.argv[1:], "--work", way], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        if children[way].stdout.readline() != "ready\n":
            sys.exit(f"{way}: does not start")
    for _ in range(arguments.rounds):
        for way, child in children.items():
            for workers in arguments.workers:
                print(workers, file=child.stdin, flush=True)
                seconds.setdefault((way, workers), []).append(float(child.stdout.readline()))
    for child in children.values():
        child.stdin.close()
        child.wait()
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", required=True, type=os.path.abspath)
    parser.add_argument("--texts", required=True)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=lambda given: [int(n) for n in given.split(",")],
                        default=[1, 2])
    parser.add_argument("--ways", type=lambda given: given.split(","), default=WAYS)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--texts-are", default="texts", help="what they are, for --json")
    parser.add_argument("--note", help="of the conditions, for --json")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments)
        return
    rows = [{"way": way, "workers": workers, "median_s": round(statistics.median(values), 3),
             "min_s": round(min(values), 3), "max_s": round(max(values), 3),
             "texts_per_s": round(arguments.count / statistics.median(values), 1)}
            for (way, workers), values in measured(arguments).items()]
    for row in rows:
        print(row)
    if arguments.json:
        record = {"date": str(datetime.date.today()), "cpu": cpu_name(), "cores": os.cpu_count(),
                  "texts": arguments.count, "texts_are": arguments.texts_are,
                  "rounds": arguments.rounds, "rows": rows,
                  "versions": versions.versions_of(sys.executable, PACKAGES)}
        if arguments.note:
            record["note"] = arguments.note
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
