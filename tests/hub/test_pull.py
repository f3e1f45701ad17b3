"""`tamis pull`, and MODEL arguments that are ids, against the Hub's double and huggingface_hub."""

import json
import os
import pathlib
import pty
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest
import urllib.error
import urllib.request

import double

ROOT = pathlib.Path(__file__).resolve().parents[2]
TAMIS = os.environ.get("TAMIS_PROGRAM", str(ROOT / "build/dev/tamis"))
CLIENTS = ROOT / "build/clients/bin/python"
MODEL = ROOT / "testdata/models/bert-base"

# What a repository holds beside what is needed.
NOISE = {".gitattributes": b"*.bin filter=lfs\n", "README.md": b"# A model\n",
         "onnx/model.onnx": double.File(b"onnx" * 9, lfs=True), "tf_model.h5": b"h5",
         "flax_model.msgpack": b"flax", "rust_model.ot": b"rust", "training_args.bin": b"args",
         "pytorch_model.bin": double.File(b"pickle", lfs=True), "trainer_state.json": b"{}"}


def model_files():
    return {path.name: double.File(path.read_bytes(), lfs=path.suffix == ".safetensors")
            for path in MODEL.iterdir() if path.name in (
                "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
                "special_tokens_map.json", "vocab.txt")}


def big_file(size, seed=b"seed"):
    import hashlib
    out = bytearray()
    while len(out) < size:
        seed = hashlib.sha512(seed).digest()
        out += seed * 64
    return double.File(bytes(out[:size]), lfs=True)


def layout(cache):
    """Every path below a cache with what it holds: link targets as they are, files by their bytes."""
    found = {}
    for path in sorted(pathlib.Path(cache).rglob("*")):
        name = path.relative_to(cache).as_posix()
        if path.is_symlink():
            found[name] = "-> " + os.readlink(path)
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


class HubTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tamis_hub_"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.cache = self.folder / "hub"
        self.hub = self.enterContext(double.Hub())
        self.hub.page = 3
        self.files = model_files()
        self.repo = self.hub.repos["acme/tiny"] = double.Repo({**self.files, **NOISE})
        self.commit = self.repo.refs["main"]

    def environment(self, **more):
        kept = {key: os.environ[key] for key in ("PATH", "LD_LIBRARY_PATH", "TMPDIR")
                if key in os.environ}
        return {**kept, "HOME": str(self.folder), "HF_ENDPOINT": self.hub.endpoint,
                "HF_HUB_CACHE": str(self.cache), **more}

    def tamis(self, *arguments, status=0, **environment):
        done = subprocess.run([TAMIS, *arguments], env=self.environment(**environment),
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertNotIn(double.TOKEN, done.stderr)
        return done

    def model_folder(self):
        return self.cache / "models--acme--tiny"

    def blobs(self):
        return sorted(os.listdir(self.model_folder() / "blobs"))

    def only_weights(self, size):
        """A repository whose weights are one large file; its name among the blobs."""
        file = big_file(size)
        self.repo = self.hub.repos["acme/tiny"] = double.Repo(
            {**self.files, "model.safetensors": file})
        return file


class Pull(HubTest):
    def test_brings_what_is_needed_and_prints_the_folder(self):
        done = self.tamis("pull", "acme/tiny")
        snapshot = self.model_folder() / "snapshots" / self.commit
        self.assertEqual(done.stdout, f"{snapshot}\n")
        self.assertEqual(sorted(os.listdir(snapshot)), sorted(self.files))
        self.assertEqual((self.model_folder() / "refs/main").read_text(), self.commit)
        self.assertIn("downloading acme/tiny@main: 100 %", done.stderr)
        self.assertEqual(self.tamis("pull", "acme/tiny", "--quiet").stderr, "")

    def test_json(self):
        line = json.loads(self.tamis("pull", "acme/tiny", "--json").stdout)
        self.assertEqual(line["model"], "acme/tiny")

    def test_every_model_argument_downloads(self):
        text = "A small text."
        here = self.tamis("embed", str(MODEL), text)
        there = self.tamis("embed", "acme/tiny", text)
        self.assertEqual(there.stdout, here.stdout)
        asked = len(self.hub.requests)
        again = self.tamis("embed", "acme/tiny", text)
        self.assertEqual(again.stdout, here.stdout)
        self.assertEqual(again.stderr, "")
        self.assertEqual(len(self.hub.requests), asked, "a whole snapshot needs no network")

    def test_a_tokenizer_alone_brings_no_weights(self):
        self.tamis("tokenize", "acme/tiny", "A text.")
        self.assertEqual(self.hub.count("cdn", "GET"), 0)
        self.tamis("embed", "acme/tiny", "A text.")
        self.assertEqual(self.hub.count("cdn", "GET"), 1)

    def test_revisions(self):
        files = {**self.files, "config.json": self.files["config.json"].data + b"\n"}
        other = self.repo.commit("refs/pr/1", files)
        self.tamis("pull", "acme/tiny", "--revision", "refs/pr/1")
        self.assertEqual((self.model_folder() / "refs/refs/pr/1").read_text(), other)
        done = self.tamis("pull", f"acme/tiny@{self.commit}")
        self.assertTrue(done.stdout.endswith(self.commit + "\n"))
        self.assertFalse((self.model_folder() / "refs/main").exists())
        done = self.tamis("pull", "acme/tiny@v9", status=4)
        self.assertIn("no revision v9", done.stderr)

    def test_a_moved_branch_is_followed_by_pull(self):
        self.tamis("pull", "acme/tiny")
        new = self.repo.commit("main", {**self.files, "vocab.txt": b"[UNK]\n"})
        self.assertIn(new, self.tamis("pull", "acme/tiny").stdout)

    def test_sentence_transformers_modules_and_shards(self):
        del self.files["model.safetensors"]
        index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
        modules = [{"idx": 0, "name": "0", "path": "", "type": "T"},
                   {"idx": 1, "name": "1", "path": "1_Pooling", "type": "P"}]
        self.hub.repos["acme/tiny"] = double.Repo({
            **self.files, **NOISE, "modules.json": json.dumps(modules).encode(),
            "1_Pooling/config.json": b"{}", "model.safetensors.index.json": json.dumps(index).encode(),
            "model-1.safetensors": double.File(b"1", lfs=True),
            "model-2.safetensors": double.File(b"2", lfs=True),
            "model-3.safetensors": double.File(b"3", lfs=True)})
        folder = pathlib.Path(self.tamis("pull", "acme/tiny").stdout.strip())
        self.assertEqual(sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()),
                         sorted([*self.files, "modules.json", "1_Pooling/config.json",
                                 "model.safetensors.index.json", "model-1.safetensors",
                                 "model-2.safetensors"]))

    def test_a_mirror_without_trees(self):
        self.hub.no_tree = True
        self.tamis("pull", "acme/tiny")
        self.assertFalse((self.model_folder() / "trees").exists())

    def test_a_name_without_an_organization(self):
        self.hub.repos["sentence-transformers/mini"] = self.repo
        self.tamis("embed", "mini", "A text.")
        self.assertTrue((self.cache / "models--sentence-transformers--mini/refs/main").exists())

    def test_progress_on_a_terminal(self):
        self.only_weights(4 << 20)
        self.hub.fault("signature", slow=1.5)
        main, worker = pty.openpty()
        run = subprocess.Popen([TAMIS, "pull", "acme/tiny"], env=self.environment(), stderr=worker,
                               stdout=subprocess.DEVNULL)
        os.close(worker)
        shown = b""
        while True:
            try:
                piece = os.read(main, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        os.close(main)
        self.assertEqual(run.wait(60), 0)
        self.assertRegex(shown, rb"\r\x1b\[Kmodel.safetensors \[#+ *\] +\d+% of 4.\d MB, \d.*B/s, about \d+ s left")


class Refusals(HubTest):
    def test_a_private_model_needs_the_token(self):
        self.repo.private = True
        done = self.tamis("pull", "acme/tiny", status=4)
        self.assertIn("401", done.stderr)
        self.assertIn("set HF_TOKEN", done.stderr)
        done = self.tamis("pull", "acme/tiny", status=4, HF_TOKEN="hf_other")
        self.assertIn("the token that was sent", done.stderr)
        self.tamis("pull", "acme/tiny", HF_TOKEN=double.TOKEN)
        for server, _, path, headers in self.hub.requests:
            if server == "cdn":
                self.assertNotIn("Authorization", headers, path)

    def test_the_token_file(self):
        self.repo.private = True
        (self.folder / "home").mkdir()
        (self.folder / "home/token").write_text(double.TOKEN + "\n")
        self.tamis("pull", "acme/tiny", HF_HOME=str(self.folder / "home"))

    def test_a_gated_model(self):
        self.repo.gated = True
        for token in ("", double.TOKEN):
            done = self.tamis("pull", "acme/tiny", status=9, HF_TOKEN=token)
            self.assertIn(f"accepted at {self.hub.endpoint}/acme/tiny", done.stderr)

    def test_a_model_that_is_not_there(self):
        done = self.tamis("embed", "acme/none", "x", status=4, HF_TOKEN=double.TOKEN)
        self.assertIn('"acme/none": no such folder, and no snapshot in', done.stderr)
        self.assertIn("404", done.stderr)

    def test_offline(self):
        done = self.tamis("embed", "acme/tiny", "x", status=4, HF_HUB_OFFLINE="1")
        self.assertIn("nothing is downloaded, as HF_HUB_OFFLINE is set", done.stderr)
        self.tamis("pull", "acme/tiny", status=9, HF_HUB_OFFLINE="1")
        self.assertEqual(self.hub.requests, [])
        self.tamis("pull", "acme/tiny")
        self.tamis("embed", "acme/tiny", "x", HF_HUB_OFFLINE="1", HF_ENDPOINT="")

    def test_a_hub_that_nobody_answers_for(self):
        done = self.tamis("embed", "acme/tiny", "x", status=4, HF_ENDPOINT="http://127.0.0.1:1")
        self.assertIn("cannot be downloaded from http://127.0.0.1:1", done.stderr)

    def test_file_names_that_leave_the_folder(self):
        for name in ("../evil", "/tmp/evil", "a\\b", "a/../../b", "a\nb"):
            self.hub.extra_names = [name]
            done = self.tamis("pull", "acme/tiny", status=3)
            self.assertIn("is refused", done.stderr)
        self.assertEqual(layout(self.folder), {})

    def test_no_space(self):
        self.files["model.safetensors"].size = 10**18
        done = self.tamis("pull", "acme/tiny", status=9)
        self.assertIn("no space in", done.stderr)

    def test_weights_of_other_frameworks_alone(self):
        self.hub.repos["acme/tiny"] = double.Repo({"config.json": b"{}", "tf_model.h5": b"h5"})
        done = self.tamis("pull", "acme/tiny", status=5)
        self.assertIn("accepted are model.safetensors", done.stderr)

    def test_a_revision_of_a_folder_is_refused(self):
        self.tamis("embed", str(MODEL), "x", "--revision", "main", status=2)
        self.tamis("embed", "acme/tiny@main", "x", "--revision", "main", status=2)


class Faults(HubTest):
    def test_429_and_5xx_are_tried_again(self):
        self.hub.fault("/revision/", status=429, headers={"Retry-After": "1"})
        self.hub.fault("/tree/", status=502)
        self.hub.fault("resolve/.*/config.json", method="HEAD", status=503)
        self.hub.fault("signature", times=2, status=500)
        self.tamis("pull", "acme/tiny")

    def test_connections_that_say_nothing_are_tried_again(self):
        for pattern in ("/revision/", "resolve", "signature"):
            self.hub.fault(pattern, times=2, drop=True)
        self.tamis("pull", "acme/tiny")

    def test_ten_cuts(self):
        file = self.only_weights(3 << 20)
        self.hub.fault("signature", times=10, cut=200_000)
        folder = pathlib.Path(self.tamis("pull", "acme/tiny").stdout.strip())
        self.assertEqual((folder / "model.safetensors").read_bytes(), file.data)
        self.assertEqual(self.hub.count("cdn", "GET"), 11)
        ranges = [headers.get("Range") for server, _, _, headers in self.hub.requests
                  if server == "cdn"]
        self.assertEqual(len(set(ranges)), 11, ranges)

    def test_cuts_at_a_server_that_does_not_resume(self):
        file = self.only_weights(1 << 20)
        self.hub.fault("signature", times=1, cut=200_000)
        self.hub.fault("signature", times=1, no_range=True)
        folder = pathlib.Path(self.tamis("pull", "acme/tiny").stdout.strip())
        self.assertEqual((folder / "model.safetensors").read_bytes(), file.data)

    def test_wrong_bytes(self):
        self.hub.fault("signature", times=9, wrong=True)
        done = self.tamis("pull", "acme/tiny", status=3)
        self.assertIn(f"but {self.files['model.safetensors'].sha256} was announced", done.stderr)
        self.assertNotIn("model.safetensors", os.listdir(self.model_folder() / "snapshots" / self.commit))
        self.assertEqual([name for name in self.blobs() if len(name) != 40], [])

    def test_an_interrupt_leaves_what_came_and_the_next_goes_on(self):
        file = self.only_weights(2 << 20)
        release = threading.Event()
        self.addCleanup(release.set)
        self.hub.fault("signature", hold=release)
        run = subprocess.Popen([TAMIS, "pull", "acme/tiny"], env=self.environment(),
                               stderr=subprocess.DEVNULL)
        self.assertTrue(self.hub.holding.wait(60))
        left = self.model_folder() / "blobs" / (file.sha256 + ".incomplete")
        while not left.exists() or left.stat().st_size < 1 << 20:
            self.assertIsNone(run.poll())
        run.send_signal(signal.SIGINT)
        self.assertEqual(run.wait(60), -signal.SIGINT)
        self.assertEqual([name for name in self.blobs() if len(name) != 40], [left.name])
        self.assertFalse((self.model_folder() / "refs").exists())
        folder = pathlib.Path(self.tamis("pull", "acme/tiny").stdout.strip())
        self.assertEqual((folder / "model.safetensors").read_bytes(), file.data)
        self.assertEqual(self.hub.requests[-1][3].get("Range"), f"bytes={1 << 20}-")

    def test_two_processes_download_once(self):
        self.only_weights(2 << 20)
        release = threading.Event()
        self.addCleanup(release.set)
        self.hub.fault("signature", hold=release)
        runs = [subprocess.Popen([TAMIS, "pull", "acme/tiny"], env=self.environment(),
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)]
        self.assertTrue(self.hub.holding.wait(60))
        runs.append(subprocess.Popen([TAMIS, "pull", "acme/tiny"], env=self.environment(),
                                     stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True))
        said = runs[1].stderr.readline()
        while "waiting for another process" not in said:
            self.assertNotEqual(said, "")
            said = runs[1].stderr.readline()
        release.set()
        for run in runs:
            run.communicate(timeout=60)
            self.assertEqual(run.returncode, 0)
        self.assertEqual(self.hub.count("cdn", "GET"), 1)


@unittest.skipUnless("\n  serve " in subprocess.run([TAMIS, "--help"], capture_output=True, text=True).stdout,
                     "the program is built without the server")
class Serve(HubTest):
    def get(self, port, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def start(self, model):
        """A server, and the port that it listens on before its model is there."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        run = subprocess.Popen([TAMIS, "serve", model, "--port", str(port), "--grpc-port", "-1"],
                               env=self.environment(), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
        self.addCleanup(run.wait)
        self.addCleanup(run.kill)
        return run, port

    def ask_until(self, run, port, path, good):
        """Asks until the answer is good, or the server ends."""
        while run.poll() is None:
            try:
                answer = self.get(port, path)
            except OSError:
                continue  # it does not listen yet
            if good(answer):
                return answer
        self.fail("the server has ended")

    def test_not_ready_while_it_downloads_then_ready(self):
        release = threading.Event()
        self.addCleanup(release.set)
        self.hub.fault("signature", hold=release)
        run, port = self.start("acme/tiny@main")
        status, text = self.ask_until(run, port, "/health", lambda answer: "downloading" in answer[1])
        self.assertEqual(status, 503)
        self.assertRegex(text, r"models are being loaded; tiny: downloading \d\d? %")
        status, text = self.get(port, "/v1/embeddings", b'{"model": "tiny", "input": "A text."}')
        self.assertEqual(status, 503)
        self.assertIn("downloading", text)
        release.set()
        self.ask_until(run, port, "/health", lambda answer: answer[0] == 200)
        status, text = self.get(port, "/v1/embeddings", b'{"model": "tiny", "input": "A text."}')
        self.assertEqual(status, 200, text)
        self.assertEqual(len(json.loads(text)["data"]), 1)

    def test_it_ends_when_told_to_while_it_downloads(self):
        release = threading.Event()
        self.addCleanup(release.set)
        self.hub.fault("signature", hold=release)
        run, port = self.start("acme/tiny")
        self.assertTrue(self.hub.holding.wait(60))
        run.send_signal(signal.SIGTERM)
        run.wait(60)
        self.assertTrue(all(len(name) == 40 or name.endswith(".incomplete") for name in self.blobs()))


@unittest.skipUnless(CLIENTS.exists(), f"no {CLIENTS}: `make clients` makes it")
class SameAsHuggingfaceHub(HubTest):
    def download(self, cache, **environment):
        patterns = sorted(self.files)
        code = ("import huggingface_hub, sys; print(huggingface_hub.snapshot_download("
                f"'acme/tiny', allow_patterns={patterns!r}))")
        done = subprocess.run([CLIENTS, "-c", code], capture_output=True, text=True, timeout=120,
                              env=self.environment(HF_HUB_CACHE=str(cache), HF_HUB_DISABLE_XET="1",
                                                   **environment))
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def test_the_same_cache(self):
        theirs = self.folder / "theirs"
        self.download(theirs)
        self.tamis("pull", "acme/tiny")
        self.maxDiff = None
        self.assertEqual(layout(self.cache), layout(theirs))

    def test_each_reads_what_the_other_wrote(self):
        theirs = self.folder / "theirs"
        self.download(theirs)
        asked = len(self.hub.requests)
        here = self.tamis("embed", str(MODEL), "A text.").stdout
        there = self.tamis("embed", "acme/tiny", "A text.", HF_HUB_CACHE=str(theirs)).stdout
        self.assertEqual(there, here)
        self.assertEqual(len(self.hub.requests), asked)
        pulled = self.tamis("pull", "acme/tiny").stdout.strip()
        self.assertEqual(self.download(self.cache, HF_HUB_OFFLINE="1"), pulled)

    def test_what_they_left_half_done_is_completed(self):
        self.download(self.cache)
        blob = self.model_folder() / "blobs" / self.files["model.safetensors"].sha256
        blob.unlink()
        self.tamis("embed", "acme/tiny", "A text.")
        self.assertTrue(blob.exists())


if __name__ == "__main__":
    unittest.main()
