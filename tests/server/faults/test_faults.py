"""What clients and systems do to a server: leaving, crowding, ending it. Needs Python alone."""

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from common import MODELS, PROGRAM, Server, ServerTest

IDENTITY = ("--identity-model", "echo")
# The client's preface and an empty SETTINGS frame, and the type byte of the server's first frame.
HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
HTTP2_SETTINGS = 4


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def blocks(pid, number):
    """Whether the process has blocked that signal."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        masks = [line.split()[1] for line in status if line.startswith("SigBlk:")]
    return bool(masks) and bool(int(masks[0], 16) >> (number - 1) & 1)


def request_bytes(path, body=None):
    if body is None:
        return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    data = json.dumps(body).encode()
    return (f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n").encode() + data


EMBED = request_bytes("/embed", {"inputs": ["some text"]})


def read_answer(connection):
    """(status, body), or None if the connection ended first."""
    data = b""
    while b"\r\n\r\n" not in data:
        try:
            more = connection.recv(65536)
        except (ConnectionError, socket.timeout):
            return None
        if not more:
            return None
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        more = connection.recv(65536)
        if not more:
            return None
        body += more
    return int(head.split()[1]), body


def ask(port, data):
    with connect(port) as connection:
        connection.sendall(data)
        return read_answer(connection)


def ask_or_none(port, data):
    try:
        return ask(port, data)
    except ConnectionError:
        return None


def greeted(connection):
    """Whether HTTP/2 is spoken there; False if the connection is refused."""
    try:
        connection.sendall(HTTP2_HELLO)
        frame = connection.recv(9)
    except (ConnectionError, socket.timeout):
        return False
    return len(frame) == 9 and frame[3] == HTTP2_SETTINGS


def speaks_http2(port):
    with connect(port) as connection:
        return greeted(connection)


def talking_http2(port):
    """A connection that is served. One that has just ended may still hold a place: then again."""
    for _ in range(1000):
        connection = connect(port)
        if greeted(connection):
            return connection
        connection.close()
    raise AssertionError("no connection is served")


def wait_until_queued(port, count):
    while True:
        _, body = ask(port, request_bytes("/metrics"))
        lines = [line for line in body.decode().splitlines()
                 if line.startswith("nv_inference_pending_request_count{")]
        if lines and float(lines[0].split()[-1]) == count:
            return


class IdentityTest(ServerTest):
    models = {}
    flags = IDENTITY

    def stat(self, name):
        _, body = ask(self.server.http_port, request_bytes("/v2/models/echo/stats"))
        return json.loads(body)["model_stats"][0]["inference_stats"][name]["count"]


class CrowdTest(IdentityTest):
    def test_five_thousand_idle_connections(self):
        count = 5000
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < count + 100:
            self.skipTest(f"the system allows {hard} descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        idle = [connect(self.server.http_port) for _ in range(count)]
        try:
            idle[0].sendall(EMBED)
            self.assertEqual(read_answer(idle[0])[0], 200)
            self.assertEqual(ask(self.server.http_port, EMBED)[0], 200)
            idle[-1].sendall(EMBED)
            self.assertEqual(read_answer(idle[-1])[0], 200)
        finally:
            for connection in idle:
                connection.close()
        self.assertEqual(ask(self.server.http_port, EMBED)[0], 200)

    def test_garbage_on_the_grpc_port(self):
        for garbage in (b"", b"\0" * 100, b"GET / HTTP/1.1\r\n\r\n", HTTP2_HELLO + b"\xff" * 200):
            with connect(self.server.grpc_port) as connection:
                connection.sendall(garbage)
        self.assertTrue(speaks_http2(self.server.grpc_port))


class DescriptorTest(unittest.TestCase):
    def test_no_descriptor_left(self):
        server = Server({}, *IDENTITY, descriptors=160)
        try:
            for port in (server.http_port, server.grpc_port):
                crowd = []
                for _ in range(250):
                    crowd.append(connect(port))
                    try:
                        crowd[-1].sendall(HTTP2_HELLO)
                    except ConnectionError:
                        pass  # refused at once, which is as good as later
                for connection in crowd:
                    connection.close()
                # Those before it in the queue end first; a refused one is tried again.
                for _ in range(1000):
                    if speaks_http2(server.grpc_port):
                        break
                self.assertTrue(speaks_http2(server.grpc_port))
                answers = (ask_or_none(server.http_port, EMBED) for _ in range(1000))
                self.assertEqual(next(a for a in answers if a is not None)[0], 200)
        finally:
            self.assertEqual(server.close(), 0)


class LimitTest(unittest.TestCase):
    def test_connections_of_the_grpc_port_have_a_limit(self):
        server = Server({}, *IDENTITY, "--max-connections", "4")
        try:
            silent = [connect(server.grpc_port) for _ in range(4)]
            # The oldest that has said nothing makes room.
            self.assertTrue(speaks_http2(server.grpc_port))
            self.assertEqual(silent[0].recv(1), b"")
            talking = [talking_http2(server.grpc_port) for _ in range(4)]
            # All four places are taken by those who are served.
            self.assertFalse(speaks_http2(server.grpc_port))
            talking.pop().close()
            while not speaks_http2(server.grpc_port):
                pass
            for connection in silent + talking:
                connection.close()
        finally:
            self.assertEqual(server.close(), 0)


class EndTest(unittest.TestCase):
    def test_what_waits_is_answered_at_the_end(self):
        server = Server({}, *IDENTITY, "--hold-queue", "1000")
        waiting = [connect(server.http_port) for _ in range(20)]
        for connection in waiting:
            connection.sendall(EMBED)
        wait_until_queued(server.http_port, len(waiting))
        status = []
        ending = threading.Thread(target=lambda: status.append(server.close()))
        ending.start()
        for connection in waiting:
            self.assertEqual(read_answer(connection)[0], 200)
            connection.close()
        ending.join()
        self.assertEqual(status, [0])

    def test_requests_sent_before_the_end_are_answered(self):
        server = Server({}, *IDENTITY)
        ended = threading.Event()
        lost = []
        started = threading.Semaphore(0)

        def send_until_the_end():
            with connect(server.http_port) as connection:
                sent = 0
                while True:
                    before = not ended.is_set()
                    try:
                        connection.sendall(EMBED)
                    except ConnectionError:
                        return
                    answer = read_answer(connection)
                    if answer is None:
                        if before and not ended.is_set():
                            lost.append("no answer before the end")
                        return
                    if answer[0] != 200 and before and not ended.is_set():
                        lost.append(answer)
                    sent += 1
                    if sent == 50:
                        started.release()

        threads = [threading.Thread(target=send_until_the_end) for _ in range(16)]
        for thread in threads:
            thread.start()
        for _ in threads:
            started.acquire()
        ended.set()
        status = server.close()
        for thread in threads:
            thread.join()
        self.assertEqual(status, 0)
        self.assertEqual(lost, [])

    def test_a_port_in_use(self):
        server = Server({}, *IDENTITY)
        try:
            for flags in (("--port", str(server.http_port), "--grpc-port", "0"),
                          ("--port", "0", "--grpc-port", str(server.grpc_port))):
                second = subprocess.run([PROGRAM, "serve", *IDENTITY, *flags],
                                        capture_output=True, text=True, timeout=60)
                self.assertEqual(second.returncode, 9, second.stderr)
                self.assertIn("in use", second.stderr)
        finally:
            server.close()


    def test_a_second_signal_ends_at_once(self):
        server = Server({}, *IDENTITY)
        with connect(server.http_port) as unfinished:
            unfinished.sendall(b"POST /embed HTTP/1.1\r\n")
            # Read behind it.
            self.assertEqual(ask(server.http_port, EMBED)[0], 200)
            server.process.send_signal(signal.SIGTERM)
            while ask_or_none(server.http_port, EMBED) is not None:
                pass
            self.assertIsNone(server.process.poll())
            self.assertEqual(server.close(), 128 + signal.SIGTERM)

    def test_a_signal_counts_while_models_are_read(self):
        # So many that they are not all read by the time the signals are blocked.
        models = [f"m{i}={MODELS / 'bert-base'}" for i in range(300)]
        process = subprocess.Popen([PROGRAM, "serve", *models, "--port", "0", "--grpc-port", "0"],
                                   stdout=subprocess.PIPE, text=True)
        while not blocks(process.pid, signal.SIGTERM):
            time.sleep(0.001)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 0)
        self.assertEqual(process.stdout.read(), "")
        process.stdout.close()


class LogTest(unittest.TestCase):
    LONG = request_bytes("/" + "x" * 8000)

    def test_nobody_reads_standard_error(self):
        reader, writer = os.pipe()
        server = Server({}, *IDENTITY, "--log-requests", stderr=writer)
        os.close(writer)
        with connect(server.http_port) as connection:
            for _ in range(300):  # 2.4 MB: more than the pipe and what waits for it hold
                connection.sendall(self.LONG)
                self.assertEqual(read_answer(connection)[0], 404)
        self.assertEqual(server.close(), 0)
        os.close(reader)

    def test_the_reader_of_standard_error_has_gone(self):
        reader, writer = os.pipe()
        server = Server({}, *IDENTITY, "--log-requests", stderr=writer)
        os.close(writer)
        os.close(reader)
        for _ in range(3):
            self.assertEqual(ask(server.http_port, EMBED)[0], 200)
        self.assertEqual(server.close(), 0)

    def test_log_lines_are_json_whatever_is_sent(self):
        with tempfile.TemporaryFile() as log:
            server = Server({}, *IDENTITY, "--log-requests", stderr=log)
            ids = (b"a\xff\"b", b"\xc3\x28", b"\xed\xa0\x80", b"\\")
            for one in ids:
                ask(server.http_port, b"GET /%0a%7b%ff%e2%80%a8 HTTP/1.1\r\nHost: x\r\n"
                    b"X-Request-Id: " + one + b"\r\ntraceparent: \xfe\r\n\r\n")
            self.assertEqual(server.close(), 0)
            log.seek(0)
            lines = [json.loads(line) for line in log.read().decode("utf-8").split("\n")
                     if line.startswith("{")]
            self.assertEqual(len(lines), len(ids))
            self.assertEqual({line["status"] for line in lines}, {404})


class ReadyTest(unittest.TestCase):
    def test_a_model_that_cannot_be_loaded(self):
        for mode, status in (("all", 503), ("any", 200)):
            with tempfile.TemporaryDirectory() as folder:
                shutil.copytree(MODELS / "bert-base", os.path.join(folder, "good"))
                os.mkdir(os.path.join(folder, "bad"))
                server = Server({}, "--model-repository", folder, "--ready", mode)
                for path in ("/health", "/v2/health/ready"):
                    self.assertEqual(ask(server.http_port, request_bytes(path))[0], status, mode)
                self.assertEqual(server.close(), 0)


    def test_a_model_argument_that_cannot_be_loaded(self):
        with tempfile.TemporaryDirectory() as bad:
            server = Server({"good": "bert-base", "bad": bad}, "--ready", "any")
            self.assertEqual(ask(server.http_port, request_bytes("/health"))[0], 200)
            self.assertEqual(ask(server.http_port, EMBED)[0], 200)
            self.assertEqual(server.close(), 0)
            ended = subprocess.run(
                [PROGRAM, "serve", f"good={MODELS / 'bert-base'}", f"bad={bad}", "--port", "0", "--grpc-port", "0"],
                capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(ended.returncode, 4, ended.stderr)
            self.assertIn(bad, ended.stderr)


class GoneTest(IdentityTest):
    flags = (*IDENTITY, "--hold-queue", "2")

    def test_a_client_that_goes_leaves_the_queue(self):
        port = self.server.http_port
        gone = connect(port)
        gone.sendall(EMBED)
        wait_until_queued(port, 1)
        gone.close()
        wait_until_queued(port, 0)
        self.assertEqual(self.stat("fail"), 1)
        stays = [connect(port) for _ in range(2)]
        for connection in stays:
            connection.sendall(EMBED)
        for connection in stays:
            self.assertEqual(read_answer(connection)[0], 200)
            connection.close()


if __name__ == "__main__":
    unittest.main()
