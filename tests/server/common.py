"""A `tamis serve` on loopback for the tests of real clients, and what the program itself answers."""

import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("TAMIS_PROGRAM", str(ROOT / "build/dev/tamis"))
MODELS = ROOT / "testdata/models"

TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    "Ada Lovelace lived in London.",
    "a",
    "naïve café, 東京 and an emoji: 🙂",
]


class Server:
    """Serves until close(); the models are {name: folder in testdata/models}."""

    def __init__(self, models, *flags, descriptors=None, stderr=None):
        arguments = [f"{name}={MODELS / folder}" for name, folder in models.items()]
        self.process = subprocess.Popen(
            [PROGRAM, "serve", *arguments, "--port", "0", "--grpc-port", "0", "--threads", "2",
             *flags],
            stdout=subprocess.PIPE, stderr=stderr, text=True,
            preexec_fn=descriptors and (lambda: resource.setrlimit(
                resource.RLIMIT_NOFILE, (descriptors, descriptors))))
        self.http_port = self._port("http")
        self.grpc_port = self._port("grpc")
        self.http = f"127.0.0.1:{self.http_port}"
        self.grpc = f"127.0.0.1:{self.grpc_port}"

    def _port(self, scheme):
        line = self.process.stdout.readline()
        found = re.search(rf"{scheme}://[^ ]*:(\d+)", line)
        if not found:
            self.process.kill()
            raise RuntimeError(f"the server says {line!r}, not where {scheme} is")
        return int(found.group(1))

    def close(self):
        """Ends it as a supervisor does; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=60)
        self.process.stdout.close()
        return status


class ServerTest(unittest.TestCase):
    """A server for all tests of the class."""

    models = {"embedder": "bert-base"}
    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(cls.models, *cls.flags)

    @classmethod
    def tearDownClass(cls):
        status = cls.server.close()
        if status != 0:
            raise AssertionError(f"the server ended with {status}")


def run_task(command, folder, *arguments):
    """What the program prints: an object a line."""
    out = subprocess.run([PROGRAM, command, str(MODELS / folder), *arguments],
                         capture_output=True, text=True, check=True)
    return [json.loads(line) for line in out.stdout.splitlines()]
