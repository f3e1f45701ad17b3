"""What deploy/ holds, held against the programs that read it.

    TAMIS_PROGRAM=build/release/tamis build/deploy/bin/python tests/deploy/deploy_test.py

nginx before two real servers while each of them ends and comes back; systemd's own check of the
unit; the Kubernetes manifests against their schemas. What is not installed is skipped by name.
"""

import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("TAMIS_PROGRAM", str(ROOT / "build/release/tamis"))
MODEL = ROOT / "testdata/models/bert-base"
CLIENTS = 8
# Flags that the files give the program.
FLAG = re.compile(r"--[a-z][a-z-]*")


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Replica:
    def __init__(self, port):
        self.port = port
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [PROGRAM, "serve", f"m={MODEL}", "--port", str(self.port), "--grpc-port", "-1",
             "--threads", "1", "--quiet"], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if "http://" not in line:
            raise AssertionError(f"the server said {line!r}")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=60)
        self.process.stdout.close()
        return status


class Load:
    """Clients that ask without pause, each on a connection of its own that it keeps."""

    def __init__(self, port):
        self.port = port
        self.stop = threading.Event()
        self.faults = []
        self.answers = set()
        self.count = 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.ask) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def ask(self):
        body = json.dumps({"model": "m", "input": "A cat sleeps."})
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while not self.stop.is_set():
            try:
                client.request("POST", "/v1/embeddings", body,
                               {"Content-Type": "application/json"})
                answer = client.getresponse()
                text = answer.read()
                fault = None if answer.status == 200 else (answer.status, text)
                vector = None if fault else str(json.loads(text)["data"][0]["embedding"])
            except OSError as error:
                fault, vector = repr(error), None
                client.close()
            with self.lock:
                self.count += 1
                if fault:
                    self.faults.append(fault)
                else:
                    self.answers.add(vector)
        client.close()

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(timeout=60)


class NginxTest(unittest.TestCase):
    def setUp(self):
        self.nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if self.nginx is None:
            self.skipTest("nginx is not installed: apt-get install nginx-light")

    def start_nginx(self, folder, front, ports):
        text = (ROOT / "deploy/nginx.conf").read_text()
        for was, now in (("8080", front), ("8000", ports[0]), ("8010", ports[1])):
            text = text.replace(f"127.0.0.1:{was}", f"127.0.0.1:{now}")
        own = [f"pid {folder}/pid;", f"error_log {folder}/error.log;", "daemon off;"]
        paths = [f"  {name}_temp_path {folder}/{name};"
                 for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")]
        text = text.replace("http {", "\n".join(["http {", "  access_log off;", *paths]))
        (folder / "nginx.conf").write_text("\n".join(own) + "\n" + text)
        process = subprocess.Popen([self.nginx, "-p", str(folder), "-c", str(folder / "nginx.conf")],
                                   stderr=subprocess.PIPE, text=True)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", front), timeout=1).close()
                return process
            except OSError:
                time.sleep(0.1)
        process.terminate()
        raise AssertionError(process.communicate()[1])

    def test_nothing_is_lost_while_a_replica_restarts(self):
        front, *ports = free_ports(3)
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            os.chmod(folder, 0o777)
            replicas = [Replica(port) for port in ports]
            nginx = self.start_nginx(folder, front, ports)
            load = Load(front)
            try:
                for _ in range(3):
                    for replica in replicas:
                        time.sleep(0.7)
                        self.assertEqual(replica.end(), 0)
                        time.sleep(0.3)
                        replica.start()
                time.sleep(0.7)
            finally:
                load.end()
                nginx.terminate()
                nginx.wait(timeout=60)
                nginx.stderr.close()
                statuses = [replica.end() for replica in replicas]
            self.assertEqual(load.faults, [], (folder / "error.log").read_text()[-2000:])
            self.assertGreater(load.count, 100)
            self.assertEqual(len(load.answers), 1)
            self.assertEqual(statuses, [0, 0])


class SystemdTest(unittest.TestCase):
    def test_the_unit_is_understood(self):
        analyze = shutil.which("systemd-analyze")
        if analyze is None:
            self.skipTest("systemd is not installed")
        text = (ROOT / "deploy/systemd/tamis.service").read_text()
        with tempfile.TemporaryDirectory() as name:
            unit = pathlib.Path(name) / "tamis.service"
            # The program as it is here, for the check that it is there.
            unit.write_text(text.replace("/usr/bin/tamis", str(pathlib.Path(PROGRAM).resolve())))
            socket_unit = shutil.copy(ROOT / "deploy/systemd/tamis.socket", name)
            done = subprocess.run([analyze, "verify", "--man=no", str(unit), socket_unit],
                                  capture_output=True, text=True, check=False)
        said = [line for line in done.stderr.splitlines() if "tamis." in line]
        self.assertEqual(said, [])
        self.assertEqual(done.returncode, 0, done.stderr)


class SocketActivationTest(unittest.TestCase):
    """systemd's own program opens sockets and starts the server at the first connection."""

    def setUp(self):
        self.activate = shutil.which("systemd-socket-activate")
        if self.activate is None:
            self.skipTest("systemd is not installed")
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def start(self, listen, *options):
        command = [self.activate, *(f"--listen={each}" for each in listen), *options, PROGRAM,
                   "serve", f"m={MODEL}", "--threads", "1", "--quiet"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                   text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait, timeout=60)
        self.addCleanup(process.send_signal, signal.SIGTERM)
        return process

    def ask(self, kind, address):
        # The listener may not be there yet; once it is, its queue keeps the request.
        for _ in range(200):
            client = socket.socket(kind, socket.SOCK_STREAM)
            client.settimeout(60)
            try:
                client.connect(address)
                break
            except OSError:
                client.close()
                time.sleep(0.05)
        with client:
            client.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return client.recv(100)

    def test_a_port(self):
        [port, grpc] = free_ports(2)
        process = self.start([f"127.0.0.1:{port}", f"127.0.0.1:{grpc}"], "--fdname=http:grpc")
        self.assertIn(b"HTTP/1.1 200", self.ask(socket.AF_INET, ("127.0.0.1", port)))
        self.assertEqual(process.stdout.readline(), "tamis serves http on 1 of systemd's sockets\n")
        self.assertEqual(process.stdout.readline(), f"tamis serves grpc://127.0.0.1:{grpc}\n")

    def test_a_path(self):
        path = f"{self.folder.name}/http.sock"
        self.start([path], "--fdname=http")
        self.assertIn(b"HTTP/1.1 200", self.ask(socket.AF_UNIX, path))


class ManifestTest(unittest.TestCase):
    def test_they_fit_their_schemas(self):
        try:
            import kubernetes_validate
            import yaml
        except ImportError:
            self.skipTest("kubernetes-validate is not installed: run `make test-deploy`")
        checked = 0
        for path in sorted((ROOT / "deploy/kubernetes").glob("*.yaml")):
            for document in yaml.safe_load_all(path.read_text()):
                if "kserve.io" in document["apiVersion"]:
                    continue  # a resource of KServe's own, which has no schema there
                kubernetes_validate.validate(document, "1.29", strict=True)
                checked += 1
        self.assertEqual(checked, 2)


class FlagsTest(unittest.TestCase):
    def test_the_program_has_them(self):
        known = set(FLAG.findall(subprocess.run([PROGRAM, "serve", "--help"], capture_output=True,
                                                text=True, check=True).stdout))
        texts = {}
        for path in [*(ROOT / "deploy/kubernetes").glob("*.yaml"),
                     ROOT / "deploy/systemd/tamis.service"]:
            texts[path.name] = path.read_text()
        entry = re.search(r"^ENTRYPOINT (.*)$", (ROOT / "deploy/Dockerfile").read_text(),
                          flags=re.MULTILINE)
        texts["Dockerfile"] = entry.group(1)
        for name, text in texts.items():
            for flag in FLAG.findall(text):
                self.assertIn(flag, known, name)


if __name__ == "__main__":
    unittest.main()
