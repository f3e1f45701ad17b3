#!/usr/bin/env python3
"""Storms a server of a sanitizer's build: what `make tsan` and `make asan` run behind the tests.

Load over HTTP and gRPC, while models are loaded and unloaded, metrics and statistics are read and
clients leave in the middle; then SIGTERM under load. Fails on a report of the sanitizer, an answer
that is neither right nor "not loaded", and an end that is not clean.

usage: serve_storm.py BUILD [--seconds 10]        BUILD/tamis is stormed by BUILD/tamis_load
"""

import argparse
import atexit
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = {"a": "bert-base", "b": "roberta-base"}
# The dialect, its model, and whether that may be away: HTTP's 404 and 503, gRPC's 5 and 14.
LOADS = [("openai", "a", False), ("kserve-binary", "b", True), ("grpc", "a", False),
         ("grpc", "b", True), ("tei", "id", False)]
AWAY = {"404", "503", "5", "14"}
FINE = {"200", "0"}


class Storm:
    def __init__(self, build, seconds, text):
        self.build, self.seconds, self.text = build, seconds, text
        arguments = [f"{name}={ROOT / 'testdata/models' / folder}"
                     for name, folder in MODELS.items()]
        self.process = subprocess.Popen(
            [build / "tamis", "serve", *arguments, "--identity-model", "id", "--port", "0",
             "--grpc-port", "0", "--threads", "2", "--max-queue-latency", "600000", "--quiet",
             "--model-control", "explicit"],
            stdout=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)
        self.http = self.port()
        self.grpc = self.port()
        self.over = threading.Event()
        self.faults = []

    def port(self):
        found = re.search(r":(\d+)\s*$", self.process.stdout.readline())
        if not found:
            sys.exit("serve_storm: the server does not say where it is")
        return int(found.group(1))

    def ask(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", data=body,
                                         method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def connections(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics", timeout=120) as answer:
            return int(re.search(rb"^tamis_http_connections (\d+)", answer.read(), re.M).group(1))

    def load(self, dialect, model, may_be_away):
        port = self.grpc if dialect == "grpc" else self.http
        out = subprocess.run(
            [self.build / "tamis_load", "--port", str(port), "--dialect", dialect, "--model", model,
             "--file", self.text, "--words", "1-40", "--texts", "100", "--connections", "8",
             "--warmup", "0", "--seconds", str(self.seconds), "--json"],
            capture_output=True, text=True, check=False)
        try:
            figures = json.loads(out.stdout)
        except json.JSONDecodeError:
            self.faults.append(f"{dialect}: {out.stderr}")
            return
        allowed = FINE | (AWAY if may_be_away else set())
        bad = {code: count for code, count in figures["statuses"].items() if code not in allowed}
        print(f"serve_storm: {dialect} {model}: {figures['statuses']}", flush=True)
        if bad or figures["unanswered"]:
            self.faults.append(f"{dialect} {model}: {bad}, {figures['unanswered']} unanswered")

    def until_over(self, *steps):
        """Takes the steps in turns; each is a function that says what it was answered."""
        while not self.over.is_set():
            for step, allowed in steps:
                status = step()
                if status not in allowed:
                    self.faults.append(f"{step.__name__}: {status}")

    def leave(self):
        """A client that goes before its answer."""
        body = b'{"inputs":["' + b"a b c d " * 50 + b'"],"model":"a"}'
        with socket.create_connection(("127.0.0.1", self.http), timeout=60) as client:
            client.sendall(b"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                           % len(body) + body)
        return 200

    def run(self):
        def load_a():
            return self.ask("POST", "/v2/repository/models/a/load", b"")

        def unload_b():
            return self.ask("POST", "/v2/repository/models/b/unload", b"")

        def load_b():
            return self.ask("POST", "/v2/repository/models/b/load", b"")

        def metrics():
            return self.ask("GET", "/metrics")

        def statistics():
            return self.ask("GET", "/v2/models/stats")

        def statistics_b():
            return self.ask("GET", "/v2/models/b/stats")

        def index():
            return self.ask("POST", "/v2/repository/index", b"")

        ok, maybe = (200,), (200, 404, 503)
        side = [threading.Thread(target=self.until_over, args=args) for args in (
            ((load_a, ok), (unload_b, ok), (load_b, ok)),
            ((metrics, ok), (statistics, ok), (statistics_b, maybe), (index, ok), (self.leave, ok)))]
        loads = [threading.Thread(target=self.load, args=row) for row in LOADS]
        for thread in side + loads:
            thread.start()
        for thread in loads:
            thread.join()
        self.over.set()
        for thread in side:
            thread.join()
        # Whoever is cut off then sees its connection end, or UNAVAILABLE.
        last = subprocess.Popen(
            [self.build / "tamis_load", "--port", str(self.http), "--dialect", "tei", "--model",
             "a", "--file", self.text, "--words", "1-40", "--texts", "100", "--connections", "8",
             "--warmup", "0", "--seconds", "2", "--json"], stdout=subprocess.PIPE, text=True)
        if self.ask("GET", "/v2/health/ready") != 200:
            self.faults.append("the server is not ready behind the load")
        while last.poll() is None and self.connections() <= 8:
            pass
        self.process.send_signal(signal.SIGTERM)
        last.communicate()
        return self.process.wait(timeout=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=10)
    options = parser.parse_args()
    suppressions = f"suppressions={ROOT / 'tools/run/tsan.supp'}"
    os.environ["TSAN_OPTIONS"] = f"halt_on_error=0 exitcode=66 {suppressions}"
    os.environ["LSAN_OPTIONS"] = f"suppressions={ROOT / 'tools/run/lsan.supp'} print_suppressions=0"
    with tempfile.TemporaryDirectory() as folder:
        text = pathlib.Path(folder) / "texts.txt"
        text.write_text("the cat sat on a mat while nobody knew of it\n" * 20)
        storm = Storm(options.build.resolve(), options.seconds, text)
        status = storm.run()
    for fault in storm.faults[:10]:
        print(f"serve_storm: {fault}")
    if status != 0:
        print(f"serve_storm: the server ended with {status}")
    if storm.faults or status != 0:
        sys.exit("serve_storm: failed")
    print("serve_storm: passed")


if __name__ == "__main__":
    main()
