#!/usr/bin/env python3
"""Loads a server for long and watches its memory: what `make soak` runs.

Two parts, each of which fails loudly:
  load    CONNECTIONS connections for MINUTES minutes: no error, memory flat within 5 %, and of 200
          GET /health a minute 99 % are answered within 50 ms, each over a connection of its own
  reload  CYCLES times unload and load of one model while another and the same one are asked: no
          failed request but "not loaded", memory back to where it began

usage: soak.py [--minutes 10] [--connections 256] [--cycles 1000] [--build build/release]
"""

import argparse
import atexit
import json
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SMALL = ROOT / "testdata/models"
# Memory may differ by so much between the first and the last measurement: what the allocator keeps
# and gives back.
MEMORY_SHARE = 0.05
# Of so many GET /health in a minute, 99 % are answered within so long, whatever else is asked.
HEALTH_ASKED = 200
HEALTH_P99_S = 0.050


class Server:
    """`tamis serve` on free ports."""

    def __init__(self, build, models):
        self.process = subprocess.Popen(
            [build / "tamis", "serve", *models, "--port", "0", "--grpc-port", "0", "--quiet",
             "--model-control", "explicit",
             # All connections wait at once; none is to be refused.
             "--max-queue-latency", "600000"],
            stdout=subprocess.PIPE, text=True)
        # Also when a check fails.
        atexit.register(self.process.kill)
        self.http_port = self.port()
        self.grpc_port = self.port()

    def port(self):
        return int(re.search(r":(\d+)\s*$", self.process.stdout.readline()).group(1))

    def memory_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024

    def post(self, path, body=b""):
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", data=body,
                                         method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


def load(build, port, dialect, seconds, connections, model, text):
    """What tamis_load measured."""
    out = subprocess.run(
        [build / "tamis_load", "--port", str(port), "--dialect", dialect, "--model", model,
         "--file", text, "--words", "4-216", "--texts", "500", "--connections", str(connections),
         "--seconds", str(seconds), "--json",
         # A machine that does other work too makes them wait; what counts is that they come.
         "--grace", "300"], capture_output=True, text=True, check=False)
    if out.returncode != 0:
        sys.exit(f"soak: tamis_load: {out.stderr}")
    return json.loads(out.stdout)


def health_p99(server, seconds):
    """In seconds, of HEALTH_ASKED requests spread evenly over SECONDS."""
    took = []
    for _ in range(HEALTH_ASKED):
        start = time.monotonic()
        with urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}/health",
                                    timeout=60) as answer:
            answer.read()
        took.append(time.monotonic() - start)
        time.sleep(max(0.0, seconds / HEALTH_ASKED - took[-1]))
    return sorted(took)[HEALTH_ASKED * 99 // 100 - 1]


def check_memory(what, before, after):
    share = (after - before) / before
    print(f"soak: {what}: memory {before >> 20} MiB, then {after >> 20} MiB ({share:+.1%})")
    if abs(share) > MEMORY_SHARE:
        sys.exit(f"soak: {what}: memory is not flat within {MEMORY_SHARE:.0%}")


def soak_load(options, text):
    server = Server(options.build, [f"m={options.model}"])
    # Half of the connections ask over gRPC. The first minute fills caches and arenas.
    each = max(1, options.connections // 2)
    def minute(seconds):
        found = []
        threads = [threading.Thread(target=lambda p=port, d=dialect: found.append(
            load(options.build, p, d, seconds, each, "m", text)))
            for port, dialect in ((server.http_port, "openai"), (server.grpc_port, "grpc"))]
        for thread in threads:
            thread.start()
        health = health_p99(server, seconds)
        for thread in threads:
            thread.join()
        if len(found) != len(threads):
            sys.exit("soak: load: a generator failed")
        return found, health
    minute(60)
    before = server.memory_bytes()
    for i in range(options.minutes):
        loads, health = minute(60)
        print(f"soak: minute {i + 1}: /health p99 {health * 1e3:.1f} ms", flush=True)
        if health > HEALTH_P99_S:
            sys.exit(f"soak: load: /health p99 over {HEALTH_P99_S * 1e3:.0f} ms")
        for figures in loads:
            bad = {status: count for status, count in figures["statuses"].items()
                   if status not in ("200", "0")}
            rate = figures["requests_per_s"]
            print(f"soak: minute {i + 1}: {figures['dialect']} {rate:.0f} requests/s, "
                  f"p99 {figures['success']['p99_ms']:.1f} ms, "
                  f"memory {server.memory_bytes() >> 20} MiB", flush=True)
            if bad or figures["unanswered"]:
                sys.exit(f"soak: load: errors: {bad}, unanswered: {figures['unanswered']}")
    check_memory("load", before, server.memory_bytes())
    if server.close() != 0:
        sys.exit("soak: load: the server did not end well")


class Traffic(threading.Thread):
    """Asks a model until told to stop; keeps what went wrong."""

    def __init__(self, server, model, may_be_away):
        super().__init__()
        self.server, self.model, self.may_be_away = server, model, may_be_away
        self.stop, self.answered, self.away, self.failed = threading.Event(), 0, 0, []

    def run(self):
        body = json.dumps({"inputs": ["some words to embed"], "model": self.model}).encode()
        while not self.stop.is_set():
            try:
                self.server.post("/embed", body)
                self.answered += 1
            except urllib.error.HTTPError as error:
                if self.may_be_away and error.code in (404, 503):
                    self.away += 1
                else:
                    self.failed.append(f"{error.code} {error.read()[:200]}")
            except OSError as error:
                self.failed.append(str(error))


def soak_reload(options):
    server = Server(options.build, [f"a={SMALL / 'bert-base'}", f"b={SMALL / 'roberta-base'}"])
    # "a" is loaded anew while it serves and must never be away; "b" comes and goes.
    traffic = [Traffic(server, "a", False), Traffic(server, "b", True)]
    for thread in traffic:
        thread.start()
    before = 0
    for cycle in range(options.cycles):
        if cycle == options.cycles // 10:
            before = server.memory_bytes()
        server.post("/v2/repository/models/a/load")
        server.post("/v2/repository/models/b/unload")
        server.post("/v2/repository/models/b/load")
    for thread in traffic:
        thread.stop.set()
        thread.join()
    after = server.memory_bytes()
    print(f"soak: reload: {options.cycles} cycles, {traffic[0].answered} + {traffic[1].answered} "
          f"answers, {traffic[1].away} while b was away")
    for thread in traffic:
        if thread.failed:
            sys.exit(f"soak: reload: {len(thread.failed)} failed, first: {thread.failed[0]}")
    check_memory("reload", before, after)
    if server.close() != 0:
        sys.exit("soak: reload: the server did not end well")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--connections", type=int, default=256)
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "build/models/minilm")
    options = parser.parse_args()
    text = ROOT / "build/soak_texts.txt"
    text.parent.mkdir(exist_ok=True)
    # Words that every vocabulary knows, of many lengths.
    text.write_text("the cat sat on a mat while nobody knew of extraordinary circumstances\n" * 50)
    if options.minutes > 0:
        soak_load(options, text)
    if options.cycles > 0:
        soak_reload(options)
    print("soak: passed")


if __name__ == "__main__":
    main()
