"""tamis.ray on a cluster of this machine; run it where there is only a loopback interface, as Ray
binds the machine's address whatever it is told (full_test.sh does).

    TAMIS_LIBRARY=... TAMIS_TESTDATA=testdata PYTHONPATH=python python3 tests/python/test_ray.py

TAMIS_RAY_ROWS: how many texts go through (100,000).
"""

import os
import signal
import tempfile
import unittest
from pathlib import Path

import numpy as np
import ray
import tamis

from tamis import ray as tamis_ray

TESTDATA = Path(os.environ["TAMIS_TESTDATA"]).resolve()
ROWS = int(os.environ.get("TAMIS_RAY_ROWS", "100000"))
MODEL = str(TESTDATA / "models" / "bert-base")


class KilledOnce(tamis_ray.Embed):
    """One of the workers is killed in its third batch, as by the system."""

    def __init__(self, model, marker, **options):
        super().__init__(model, **options)
        self._marker, self._batches = marker, 0

    def __call__(self, batch):
        self._batches += 1
        if self._batches == 3:
            try:
                os.close(os.open(self._marker, os.O_CREAT | os.O_EXCL))
                os.kill(os.getpid(), signal.SIGKILL)
            except FileExistsError:
                pass
        return super().__call__(batch)


def actors(count):
    return ray.data.ActorPoolStrategy(size=count)


def texts(count):
    return [f"Text {i % 997} of {i % 13} words." for i in range(count)]


class Data(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1",
                 logging_level="ERROR", runtime_env={"env_vars": {
                     key: os.environ[key] for key in ("TAMIS_LIBRARY", "PYTHONPATH")}})
        ray.data.DataContext.get_current().enable_progress_bars = False

    @classmethod
    def tearDownClass(cls):
        ray.shutdown()

    def test_no_row_is_lost_or_doubled_when_a_worker_is_killed(self):
        rows = [{"id": i, "text": text} for i, text in enumerate(texts(ROWS))]
        with tempfile.TemporaryDirectory() as folder:
            marker = os.path.join(folder, "killed")
            made = ray.data.from_items(rows, override_num_blocks=20).map_batches(
                KilledOnce, fn_constructor_args=(MODEL, marker), batch_size=512, compute=actors(2),
                batch_format="numpy")
            found = [(batch["id"], batch["embedding"])
                     for batch in made.iter_batches(batch_size=4096, batch_format="numpy")]
            self.assertTrue(os.path.exists(marker), "a worker was killed")
        ids = np.concatenate([part for part, _ in found])
        embeddings = np.concatenate([part for _, part in found])
        self.assertEqual(len(ids), ROWS)
        self.assertTrue((np.sort(ids) == np.arange(ROWS)).all())
        expected = tamis.Model(MODEL, threads=1).embed(texts(ROWS))
        np.testing.assert_array_equal(embeddings[np.argsort(ids)], expected)

    def test_labels(self):
        name = str(TESTDATA / "models" / "bert-sequence-classification")
        made = ray.data.from_items([{"text": text} for text in texts(50)]).map_batches(
            tamis_ray.Classify, fn_constructor_args=(name,), batch_size=16, compute=actors(1),
            batch_format="numpy")
        rows = {row["text"]: row["label"] for row in made.take_all()}
        best = tamis.Model(name, threads=1).classify(texts(50), top_k=1)
        self.assertEqual(rows, {text: labels[0].label for text, labels in zip(texts(50), best)})

    def test_vectors_are_normalized_as_the_folder_says(self):
        folders = TESTDATA / "sentence-transformers"
        for name, unit in (("mean", True), ("no-normalize", False)):
            folder = str(folders / name)
            made = ray.data.from_items([{"text": text} for text in texts(20)]).map_batches(
                tamis_ray.Embed, fn_constructor_args=(folder,), batch_size=8, compute=actors(1),
                batch_format="numpy")
            rows = {row["text"]: row["embedding"] for row in made.take_all()}
            found = np.array([rows[text] for text in texts(20)])
            np.testing.assert_array_equal(found, tamis.Model(folder, threads=1).embed(texts(20)))
            lengths = np.linalg.norm(found, axis=1)
            self.assertEqual(bool(np.allclose(lengths, 1, atol=1e-5)), unit, name)

    def test_a_batch_without_the_column(self):
        with self.assertRaisesRegex(tamis.InvalidArgument, 'no column "body"; it has id, text'):
            tamis_ray.Embed(MODEL, column="body")({"id": np.arange(1), "text": np.array(["a"])})


class Serving(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        Data.setUpClass()

    @classmethod
    def tearDownClass(cls):
        from ray import serve

        serve.shutdown()
        ray.shutdown()

    def test_batches_streams_and_replicas(self):
        from ray import serve

        application = tamis_ray.deployment(MODEL, num_replicas=2, max_batch_size=16)
        limit = application._bound_deployment.max_ongoing_requests
        self.assertGreaterEqual(limit, 16, "a batch can fill up")
        handle = serve.run(application, name="tamis", route_prefix="/embed")
        some = texts(64)
        expected = tamis.Model(MODEL, threads=1).embed(some)
        answers = [handle.embed.remote(text) for text in some]
        np.testing.assert_array_equal(
            np.float32([answer.result() for answer in answers]), expected)
        parts = list(handle.options(stream=True).stream.remote(some))
        self.assertEqual([len(part) for part in parts], [16] * 4)
        np.testing.assert_array_equal(np.float32(sum(parts, [])), expected)


if __name__ == "__main__":
    unittest.main()
