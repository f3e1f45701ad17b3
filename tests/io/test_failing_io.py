"""Every call on the files that the program writes fails once: nothing is lost, and one line says it.

$TAMIS_FAILING_IO is failing_io.cc as a library. The Nth call fails, for every N until there are no
more.
"""

import errno
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/hub"))
import double  # noqa: E402

TAMIS = os.environ.get("TAMIS_PROGRAM", str(ROOT / "build/dev/tamis"))
FAILING_IO = os.environ.get("TAMIS_FAILING_IO", "")
MODELS = ROOT / "testdata/models"
# More calls than any of these commands makes: without an end something is done again and again.
MOST_CALLS = 2000


def contents(folder):
    """{path: hash, or a link's target} of everything below."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = "-> " + os.readlink(path)
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


class FailingIoTest(unittest.TestCase):
    def setUp(self):
        if not FAILING_IO:
            self.skipTest("TAMIS_FAILING_IO is not set")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tamis_io_"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.under = self.folder / "under"
        self.note = self.folder / "note"

    def environment(self, at, error, **more):
        kept = {key: os.environ[key] for key in ("PATH", "LD_LIBRARY_PATH") if key in os.environ}
        return {**kept, "HOME": str(self.folder), "LD_PRELOAD": FAILING_IO,
                "TAMIS_FAIL_UNDER": str(self.under), "TAMIS_FAIL_AT": str(at),
                "TAMIS_FAIL_ERRNO": str(error), "TAMIS_FAIL_NOTE": str(self.note), **more}

    def failures(self, arguments, begin, step=1, **more):
        """For each step-th call: (what failed, the ended command). `begin` makes the folder as it
        was."""
        for at in range(1, MOST_CALLS, step):
            shutil.rmtree(self.under, ignore_errors=True)
            self.under.mkdir()
            begin()
            self.note.unlink(missing_ok=True)
            error = errno.ENOSPC if at % 2 else errno.EIO
            done = subprocess.run([TAMIS, *arguments], env=self.environment(at, error, **more),
                                  capture_output=True, text=True, timeout=120)
            if not self.note.exists():
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertGreater(at, 10, "hardly anything was written")
                return
            call = f"{at}: {self.note.read_text().strip()}"
            self.assertGreaterEqual(done.returncode, 0, f"{call}: a signal: {done.stderr}")
            if done.returncode != 0:
                lines = done.stderr.splitlines()
                self.assertEqual(len(lines), 1, f"{call}: {done.stderr}")
                self.assertTrue(lines[0].startswith("tamis: "), done.stderr)
            yield call, done
        self.fail("there is no end of calls")


class BundleTest(FailingIoTest):
    """A bundle is replaced: what lies there is the old one or the new one, whole."""

    def make(self, model, folder):
        subprocess.run([TAMIS, "optimize", MODELS / model, "-o", folder, "--precision", "fp32",
                        "--seconds", "0", "--quiet"], capture_output=True, check=True, timeout=120)

    def test_replaced(self):
        old = self.folder / "old"
        self.make("bert-base", old)
        was = contents(old)
        out = self.under / "out"
        command = ["optimize", str(MODELS / "roberta-base"), "-o", str(out), "--force",
                   "--precision", "fp32", "--seconds", "0", "--quiet"]
        for call, done in self.failures(command, lambda: shutil.copytree(old, out)):
            names = sorted(path.name for path in self.under.iterdir())
            # An old folder that cannot be taken away is left to a later writer.
            if done.returncode != 0 or "/out.tmp-" not in call:
                self.assertEqual(names, ["out"], call)
            self.assertLessEqual(len(names), 2, call)
            if done.returncode != 0:
                self.assertEqual(contents(out), was, call)
            else:
                shown = subprocess.run([TAMIS, "embed", out, "a", "--quiet"], capture_output=True,
                                       text=True, timeout=60)
                self.assertEqual(shown.returncode, 0, f"{call}: {shown.stderr}")
                self.assertNotEqual(contents(out), was, call)

    def test_exported(self):
        # The same writer: a third of the calls.
        out = self.under / "model.onnx"
        command = ["export", str(MODELS / "bert-base"), "-o", str(out), "--quiet"]
        for call, done in self.failures(command, lambda: None, step=3):
            if done.returncode != 0:
                self.assertEqual(contents(self.under), {}, call)
            else:
                self.assertTrue(out.exists(), call)


class PullTest(FailingIoTest):
    """A download that failed is taken up again, and then all is there."""

    def test_pulled(self):
        names = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
                 "special_tokens_map.json", "vocab.txt")
        files = {name: double.File((MODELS / "bert-base" / name).read_bytes(),
                                   lfs=name.endswith(".safetensors"))
                 for name in names if (MODELS / "bert-base" / name).exists()}
        hub = self.enterContext(double.Hub())
        hub.repos["acme/tiny"] = double.Repo(files)
        more = {"HF_ENDPOINT": hub.endpoint, "HF_HUB_CACHE": str(self.under)}
        command = ["pull", "acme/tiny", "--quiet"]
        wanted = {name: hashlib.sha256(file.data).hexdigest() for name, file in files.items()}
        for call, done in self.failures(command, lambda: None, **more):
            if done.returncode != 0:
                again = subprocess.run([TAMIS, *command], env={**os.environ, **more},
                                       capture_output=True, text=True, timeout=120)
                self.assertEqual(again.returncode, 0, f"{call}: {again.stderr}")
            [snapshot] = (self.under / "models--acme--tiny/snapshots").iterdir()
            got = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                   for path in snapshot.iterdir()}
            self.assertEqual(got, wanted, call)


@unittest.skipIf(os.environ.get("TAMIS_SERVE") == "0", "the program was built without a server")
class LogTest(FailingIoTest):
    """A log that cannot be written costs lines, never an answer."""

    def test_served(self):
        lost = 0
        for at in range(1, 6):
            shutil.rmtree(self.under, ignore_errors=True)
            self.under.mkdir()
            self.note.unlink(missing_ok=True)
            with open(self.under / "log", "w") as log:
                server = subprocess.Popen(
                    [TAMIS, "serve", "--identity-model", "id", "--port", "0", "--grpc-port", "-1",
                     "--log-requests"], env=self.environment(at, errno.ENOSPC), stderr=log,
                    stdout=subprocess.PIPE, text=True)
            try:
                port = int(server.stdout.readline().rsplit(":", 1)[1])
                for _ in range(8):
                    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                    client.request("POST", "/embed", json.dumps({"inputs": "ab"}))
                    self.assertEqual(json.loads(client.getresponse().read()), [[2, 97, 98, 195]])
                    client.close()
            finally:
                server.send_signal(signal.SIGTERM)
                self.assertEqual(server.wait(timeout=60), 0)
                server.stdout.close()
            lost += self.note.exists()
        self.assertGreater(lost, 0, "the log was never written")


if __name__ == "__main__":
    unittest.main()
