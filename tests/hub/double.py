"""A Hugging Face Hub on loopback, and a second port that stands for the host of its large files.

It answers what the real one does for models: listings, trees by pages, resolve with its relative
redirect (small files) or one to the other host (LFS), tokens, gates, errors with X-Error-Code.
Faults are planned by path: a status, a cut, wrong bytes, a slow body.

As a program it serves a folder:  double.py FOLDER ORG/NAME [PORT]
"""

import hashlib
import http.server
import json
import os
import pathlib
import re
import socket
import sys
import threading
import time
import urllib.parse

TOKEN = "hf_thisisthegoodone"


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class File:
    """The bytes of a file, in memory or on disk."""

    def __init__(self, data=None, path=None, lfs=False):
        self.data, self.path, self.lfs = data, path, lfs
        if path is None:
            self.size = len(data)
            self.sha256 = hashlib.sha256(data).hexdigest()
        else:
            self.size = os.path.getsize(path)
            with open(path, "rb") as file:
                self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        pointer = (f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\n"
                   f"size {self.size}\n").encode()
        contents = data if data is not None or lfs else pathlib.Path(path).read_bytes()
        self.blob_id = git_sha1(pointer if lfs else contents)
        self.etag = self.sha256 if lfs else self.blob_id


class Repo:
    def __init__(self, files, private=False, gated=False):
        self.private, self.gated = private, gated
        self.commits = {}
        self.refs = {}
        self.commit("main", files)

    def commit(self, revision, files):
        files = {name: file if isinstance(file, File) else File(file) for name, file in files.items()}
        text = "".join(f"{name} {file.etag}\n" for name, file in sorted(files.items()))
        commit = hashlib.sha1(text.encode()).hexdigest()
        self.commits[commit] = files
        self.refs[revision] = commit
        return commit


class Fault:
    """What goes wrong with the next `times` requests whose path matches."""

    def __init__(self, pattern, times=1, method="GET", **what):
        self.pattern, self.times, self.method, self.what = re.compile(pattern), times, method, what


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 0
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        hub = self.server.hub
        hub.note(self.server.name, self.command, self.path, dict(self.headers))
        self.fault = hub.take_fault(self.command, self.path)
        if "drop" in self.fault:
            self.close_connection = True
            return None
        if "status" in self.fault:
            return self.send(self.fault["status"], b"as planned", self.fault.get("headers", {}))
        path = urllib.parse.urlsplit(self.path).path
        if self.server.name == "cdn":
            return self.answer_cdn(path)
        for pattern, method in ((r"/api/models/(.+?)/revision/([^/]+)", self.listing),
                                (r"/api/models/(.+?)/tree/([^/]+)", self.tree),
                                (r"/api/resolve-cache/models/(.+?)/([0-9a-f]{40})/(.+)", self.cached),
                                (r"/(.+?)/resolve/([^/]+)/(.+)", self.resolve)):
            match = re.fullmatch(pattern, path)
            if match:
                return method(*(urllib.parse.unquote(part) for part in match.groups()))
        self.send(404, b"no such route")

    def send(self, status, body=b"", headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code, message):
        self.send(status, json.dumps({"error": message}).encode(),
                  {"X-Error-Code": code, "X-Error-Message": message})

    def find(self, repo_id, revision):
        """The repository's files and commit, or nothing after a refusal."""
        repo = self.server.hub.repos.get(repo_id)
        good = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if repo is None or (repo.private and not good):
            self.refuse(404 if good else 401, "RepoNotFound", "Repository not found")
            return None
        if repo.gated:
            self.refuse(403 if good else 401, "GatedRepo", "Access to this model is restricted")
            return None
        commit = repo.refs.get(revision, revision)
        if commit not in repo.commits:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return None
        return repo.commits[commit], commit

    def listing(self, repo_id, revision):
        found = self.find(repo_id, revision)
        if found is None:
            return
        files, commit = found
        names = self.server.hub.extra_names + sorted(files)
        body = {"id": repo_id, "modelId": repo_id, "sha": commit, "private": False, "tags": [],
                "siblings": [{"rfilename": name} for name in names]}
        self.send(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def tree(self, repo_id, revision):
        if self.server.hub.no_tree:
            return self.send(404, b"no such route")
        found = self.find(repo_id, revision)
        if found is None:
            return
        entries = []
        for name, file in sorted(found[0].items()):
            entry = {"type": "file", "oid": file.blob_id, "size": file.size, "path": name}
            if file.lfs:
                entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": 134}
            entries.append(entry)
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        begin, page = int(query.get("cursor", ["0"])[0]), self.server.hub.page
        headers = {"Content-Type": "application/json"}
        if begin + page < len(entries):
            address = f"{self.server.hub.endpoint}/api/models/{repo_id}/tree/{revision}"
            headers["Link"] = f'<{address}?recursive=true&cursor={begin + page}>; rel="next"'
        self.send(200, json.dumps(entries[begin:begin + page]).encode(), headers)

    def resolve(self, repo_id, revision, name):
        found = self.find(repo_id, revision)
        if found is None:
            return
        files, commit = found
        if name not in files:
            return self.send(404, b"Entry not found",
                             {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        file = files[name]
        headers = {"X-Repo-Commit": commit, "X-Linked-Size": str(file.size),
                   "X-Linked-ETag": f'"{file.etag}"'}
        if file.lfs:
            headers["Location"] = f"{self.server.hub.cdn}/{file.sha256}?signature=once"
        else:
            quoted = urllib.parse.quote(name)
            headers["Location"] = f"/api/resolve-cache/models/{repo_id}/{commit}/{quoted}"
        self.send(302 if file.lfs else 307, b"Redirecting", headers)

    def cached(self, repo_id, commit, name):
        found = self.find(repo_id, commit)
        if found is None:
            return
        file = found[0][name]
        self.contents(file, {"X-Repo-Commit": commit, "ETag": f'"{file.etag}"'})

    def answer_cdn(self, path):
        # As S3 does: a signed address and a token together are an error.
        if "Authorization" in self.headers:
            return self.send(400, b"only one kind of authorization is allowed")
        file = self.server.hub.large(path.strip("/"))
        if file is None:
            return self.send(404, b"no such object")
        self.contents(file, {"ETag": f'"{file.sha256}"'})

    def contents(self, file, headers):
        begin, status = 0, 200
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if match and not self.fault.get("no_range"):
            begin, status = int(match[1]), 206
            if begin >= file.size:
                return self.send(416, b"", {"Content-Range": f"bytes */{file.size}"})
            headers["Content-Range"] = f"bytes {begin}-{file.size - 1}/{file.size}"
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(file.size - begin))
        self.end_headers()
        if self.command == "HEAD":
            return
        if file.path is not None and not self.fault:
            with open(file.path, "rb") as source:
                self.connection.sendfile(source, begin)
            return
        data = file.data if file.path is None else pathlib.Path(file.path).read_bytes()
        self.send_data(data[begin:])

    def send_data(self, data):
        if "wrong" in self.fault:
            data = bytes([data[0] ^ 1]) + data[1:]
        if "cut" in self.fault:
            self.connection.sendall(data[:self.fault["cut"]])
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if "hold" in self.fault:
            # The first half, and the rest when the test says so.
            self.connection.sendall(data[:len(data) // 2])
            self.server.hub.holding.set()
            self.fault["hold"].wait(60)
            data = data[len(data) // 2:]
        if "slow" in self.fault:
            piece = max(1, len(data) // 20)
            for at in range(0, len(data), piece):
                self.connection.sendall(data[at:at + piece])
                time.sleep(self.fault["slow"] / 20)
            return
        self.connection.sendall(data)


class QuietServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a client that went away


class Hub:
    """Start it with `with Hub() as hub`."""

    def __init__(self, port=0):
        self.repos, self.faults, self.requests = {}, [], []
        self.extra_names, self.no_tree, self.page = [], False, 1000
        self.holding = threading.Event()
        self.lock = threading.Lock()
        self.servers = {}
        for name, number in (("hub", port), ("cdn", 0)):
            server = QuietServer(("127.0.0.1", number), Handler)
            server.hub, server.name = self, name
            self.servers[name] = server
        self.endpoint, self.cdn = (f"http://127.0.0.1:{self.servers[name].server_port}"
                                   for name in ("hub", "cdn"))

    def __enter__(self):
        for server in self.servers.values():
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error):
        for server in self.servers.values():
            server.shutdown()
            server.server_close()

    def fault(self, pattern, times=1, method="GET", **what):
        self.faults.append(Fault(pattern, times, method, **what))

    def take_fault(self, method, path):
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and fault.method == method and fault.pattern.search(path):
                    fault.times -= 1
                    return fault.what
        return {}

    def note(self, server, method, path, headers):
        with self.lock:
            self.requests.append((server, method, path, headers))

    def count(self, server, method, pattern=""):
        return sum(1 for request in self.requests
                   if request[:2] == (server, method) and re.search(pattern, request[2]))

    def large(self, sha256):
        for repo in self.repos.values():
            for files in repo.commits.values():
                for file in files.values():
                    if file.lfs and file.sha256 == sha256:
                        return file
        return None


def folder_files(folder, large=(".safetensors", ".bin", ".model")):
    folder = pathlib.Path(folder)
    return {path.relative_to(folder).as_posix(): File(path=path, lfs=path.suffix in large)
            for path in sorted(folder.rglob("*")) if path.is_file()}


def main():
    with Hub(int(sys.argv[3]) if len(sys.argv) > 3 else 0) as hub:
        hub.repos[sys.argv[2]] = Repo(folder_files(sys.argv[1]))
        print(f"HF_ENDPOINT={hub.endpoint}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
