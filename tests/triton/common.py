"""What the tests of a real tritonserver share: exporting, starting it, clients, traffic."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time

import numpy
import tritonclient.grpc
import tritonclient.http

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TAMIS_BUILD", SOURCE / "build/dev"))
SERVER = os.environ.get("TAMIS_TRITON", "")
START_SECONDS = 120
SETTLE_SECONDS = 10


def tamis(*arguments):
    """What the program prints; fails with what it said otherwise."""
    done = subprocess.run([BUILD / "tamis", *map(str, arguments)], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise RuntimeError(f"tamis {arguments}: {done.returncode}: {done.stderr}")
    return done.stdout


def answers(task, model, *texts, flags=()):
    """The program's own answers."""
    return [json.loads(line) for line in tamis(task, model, *texts, *flags).splitlines()]


def testdata(name):
    return SOURCE / "testdata" / (name if "/" in name else f"models/{name}")


def free_ports(count):
    """Free ports of the loopback interface, different ones."""
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


class Server:
    """A tritonserver over repositories, on loopback; stop() ends it."""

    def __init__(self, repositories, *flags):
        self.http_port, self.grpc_port = free_ports(2)
        caches = pathlib.Path(SERVER).parent.parent / "caches"
        command = [SERVER, f"--backend-directory={BUILD}/backends",
                   "--http-address=127.0.0.1", f"--http-port={self.http_port}",
                   "--grpc-address=127.0.0.1", f"--grpc-port={self.grpc_port}",
                   "--allow-metrics=false", "--model-control-mode=explicit", "--load-model=*",
                   f"--cache-directory={caches}", *flags]
        command += [f"--model-repository={folder}" for folder in repositories]
        self.log = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT)
        self.wait()

    def wait(self):
        client = self.http()
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if client.is_server_ready():
                    return
            except OSError:
                pass
            time.sleep(0.1)
        said = self.text()
        self.stop()
        raise RuntimeError("tritonserver did not start:\n" + said)

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def http(self, **options):
        return tritonclient.http.InferenceServerClient(f"127.0.0.1:{self.http_port}", **options)

    def grpc(self):
        return tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{self.grpc_port}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


class Folder:
    """A temporary folder with exported repositories."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="tamis-triton-"))

    def export(self, model, name, *flags):
        repository = self.path / name
        tamis("export", model, "--format", "triton", "-o", repository, "--name", name, *flags)
        return repository

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


def text_tensor(module, texts, name="text"):
    tensor = module.InferInput(name, [len(texts), 1], "BYTES")
    array = numpy.array([[text if isinstance(text, bytes) else text.encode()] for text in texts],
                        dtype=object)
    tensor.set_data_from_numpy(array)
    return tensor


class Traffic:
    """Clients that ask one text after the other until stop(); what failed is kept."""

    def __init__(self, server, model, output, texts, clients, check=None):
        self.failures, self.done = [], 0
        self._stop, self._answered = threading.Event(), threading.Condition()
        self._threads = [threading.Thread(target=self._run, args=(server, model, output, texts, i,
                                                                  check))
                         for i in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self, server, model, output, texts, index, check):
        client = server.grpc()
        at = index
        while not self._stop.is_set():
            text = texts[at % len(texts)]
            try:
                result = client.infer(model, [text_tensor(tritonclient.grpc, [text])])
                if check is not None:
                    check(text, result.as_numpy(output)[0])
            except Exception as error:  # pylint: disable=broad-except  # all of them are counted
                self.failures.append(f"{type(error).__name__}: {error}")
            with self._answered:
                self.done += 1
                self._answered.notify_all()
            at += 1
        client.close()

    def wait(self, count):
        """Until so many were answered, or have failed."""
        with self._answered:
            self._answered.wait_for(lambda: self.done >= count)

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def counts(client, model):
    """(texts answered, runs of the model, hits of the cache) of the statistics."""
    stats = client.get_inference_statistics(model)["model_stats"][0]
    return (int(stats["inference_count"]), int(stats["execution_count"]),
            int(stats["inference_stats"].get("cache_hit", {}).get("count", 0)))


def counts_since(client, model, before, answered):
    """counts() less `before`, once they tell of so many answers: statistics follow an answer."""
    end = time.monotonic() + SETTLE_SECONDS
    while True:
        since = tuple(now - then for now, then in zip(counts(client, model), before))
        if since[0] + since[2] >= answered or time.monotonic() > end:
            return since
        time.sleep(0.05)
