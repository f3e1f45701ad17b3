#!/usr/bin/env python3
"""Holds how `tamis serve` frames HTTP/1 against nginx and Apache, byte stream by byte stream.

Each stream is a request that is odd in one or two places, and behind it a plain one. Every server
is sent the same bytes over a connection of its own, and what it makes of them is compared: how many
requests it answered, which it refused, and whether it then closed. Where Tamis differs from both,
the stream must be in EXPLAINED, else the run fails; where the two differ from each other, Tamis must
take the first request as one of them does.

usage: http_differential.py TAMIS [--pairs 1000] [--seed 1] [--show NAME]

nginx and Apache are started here on loopback (Debian: nginx-light, apache2-bin); without them the
status is 77.
"""

import argparse
import atexit
import concurrent.futures
import fnmatch
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

PATH = "/v2/health/live"
SECOND = f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
# Statuses of a request whose framing was taken, whatever the route made of it.
TAKEN = {200, 204, 304, 404, 405, 403}
# How long a silent connection is watched.
SILENCE_S = 1.0
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")

# Parts of a request by place: name to bytes. The first of each is the plain one.
LINES = {
    "plain": f"GET {PATH} HTTP/1.1\r\n", "post": f"POST {PATH} HTTP/1.1\r\n",
    "http-1.0": f"GET {PATH} HTTP/1.0\r\n", "http-1.2": f"GET {PATH} HTTP/1.2\r\n",
    "http-2.0": f"GET {PATH} HTTP/2.0\r\n", "http-0.9": f"GET {PATH}\r\n",
    "http-lower": f"GET {PATH} http/1.1\r\n", "http-short": f"GET {PATH} HTTP/1\r\n",
    "http-leading-zero": f"GET {PATH} HTTP/01.1\r\n", "two-spaces": f"GET  {PATH} HTTP/1.1\r\n",
    "space-at-end": f"GET {PATH} HTTP/1.1 \r\n", "tab": f"GET\t{PATH}\tHTTP/1.1\r\n",
    "leading-space": f" GET {PATH} HTTP/1.1\r\n", "empty-line-first": f"\r\nGET {PATH} HTTP/1.1\r\n",
    "absolute": f"GET http://localhost{PATH} HTTP/1.1\r\n",
    "absolute-other": f"GET http://other.example{PATH} HTTP/1.1\r\n",
    "no-slash": "GET v2 HTTP/1.1\r\n", "asterisk": "GET * HTTP/1.1\r\n",
    "lower-method": f"get {PATH} HTTP/1.1\r\n", "odd-method": f"G@T {PATH} HTTP/1.1\r\n",
    "control-in-path": f"GET {PATH}\x01 HTTP/1.1\r\n", "nul-in-path": f"GET {PATH}\0 HTTP/1.1\r\n",
    "high-in-path": f"GET {PATH}?\xe9 HTTP/1.1\r\n", "fragment": f"GET {PATH}#x HTTP/1.1\r\n",
    "bare-lf": f"GET {PATH} HTTP/1.1\n", "bare-cr": f"GET {PATH} HTTP/1.1\r",
    "bad-percent": f"GET {PATH}%zz HTTP/1.1\r\n", "nul-percent": f"GET {PATH}%00 HTTP/1.1\r\n",
    "space-in-path": f"GET {PATH} x HTTP/1.1\r\n",
}
HOSTS = {
    "plain": "Host: localhost\r\n", "none": "", "two": "Host: localhost\r\nHost: localhost\r\n",
    "two-different": "Host: localhost\r\nHost: other\r\n", "empty": "Host: \r\n",
    "space-before-colon": "Host : localhost\r\n", "port": "Host: localhost:80\r\n",
    "bad-port": "Host: localhost:x\r\n", "big-port": "Host: localhost:99999\r\n",
    "user": "Host: a@localhost\r\n", "path": "Host: localhost/x\r\n",
    "space": "Host: local host\r\n", "comma": "Host: localhost, other\r\n",
    "ipv6": "Host: [::1]\r\n", "ipv6-open": "Host: [::1\r\n", "nul": "Host: local\0host\r\n",
    "no-space": "Host:localhost\r\n", "tab": "Host:\tlocalhost\r\n", "bare-lf": "Host: localhost\n",
}
HEADERS = {
    "none": "", "x": "X: y\r\n", "fold": "X: y\r\n z\r\n", "fold-first": " X: y\r\n",
    "empty-name": ": y\r\n", "no-colon": "X\r\n", "space-before-colon": "X : y\r\n",
    "space-in-name": "X y: z\r\n", "nul-value": "X: a\0b\r\n", "control-value": "X: a\x01b\r\n",
    "bare-cr-value": "X: a\rb\r\n", "bare-lf": "X: y\n", "high-value": "X: \xe9\r\n",
    "high-name": "X\xe9: y\r\n", "underscore": "X_Y: z\r\n", "empty-value": "X:\r\n",
    "tab-value": "X: a\tb\r\n", "expect": "Expect: 100-continue\r\n", "expect-odd": "Expect: x\r\n",
    "upgrade": "Connection: upgrade\r\nUpgrade: h2c\r\n", "close": "Connection: close\r\n",
    "keep-alive": "Connection: keep-alive\r\n", "content-encoding": "Content-Encoding: x\r\n",
}
# Framing, and the body behind the head.
BODIES = {
    "none": ("", ""),
    "length": ("Content-Length: 5\r\n", "hello"), "length-0": ("Content-Length: 0\r\n", ""),
    "length-plus": ("Content-Length: +5\r\n", "hello"),
    "length-minus": ("Content-Length: -5\r\n", ""),
    "length-list-same": ("Content-Length: 5, 5\r\n", "hello"),
    "length-list": ("Content-Length: 5, 6\r\n", "hello"),
    "length-twice-same": ("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
    "length-twice": ("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"),
    "length-hex": ("Content-Length: 0x5\r\n", "hello"), "length-empty": ("Content-Length: \r\n", ""),
    "length-huge": ("Content-Length: 99999999999999999999999\r\n", "hello"),
    "length-wraps": ("Content-Length: 18446744073709551621\r\n", "hello"),
    "length-spaces": ("Content-Length:   5  \r\n", "hello"),
    "length-inner-space": ("Content-Length: 5 5\r\n", "hello"),
    "length-zeros": ("Content-Length: 00005\r\n", "hello"),
    "length-dot": ("Content-Length: 5.0\r\n", "hello"),
    "chunked": ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
    "chunked-case": ("transfer-encoding: CHUNKED\r\n", "5\r\nhello\r\n0\r\n\r\n"),
    "chunked-twice": ("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"),
    "chunked-two-fields": ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                           "0\r\n\r\n"),
    "gzip-chunked": ("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
    "chunked-gzip": ("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"),
    "identity": ("Transfer-Encoding: identity\r\n", ""), "te-empty": ("Transfer-Encoding: \r\n", ""),
    "te-unknown": ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
    "te-quoted": ("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"),
    "te-semicolon": ("Transfer-Encoding: chunked;x=1\r\n", "0\r\n\r\n"),
    "te-tab": ("Transfer-Encoding:\tchunked\r\n", "0\r\n\r\n"),
    "te-vertical-tab": ("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"),
    "te-space-before-colon": ("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
    "te-length": ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
    "length-te": ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    "chunk-extension": ("Transfer-Encoding: chunked\r\n", "5;a=b\r\nhello\r\n0\r\n\r\n"),
    "chunk-quoted-extension": ("Transfer-Encoding: chunked\r\n",
                               "5;a=\"b\"\r\nhello\r\n0\r\n\r\n"),
    "chunk-zeros": ("Transfer-Encoding: chunked\r\n", "0005\r\nhello\r\n000\r\n\r\n"),
    "chunk-0x": ("Transfer-Encoding: chunked\r\n", "0x5\r\nhello\r\n0\r\n\r\n"),
    "chunk-space": ("Transfer-Encoding: chunked\r\n", "5 \r\nhello\r\n0\r\n\r\n"),
    "chunk-leading-space": ("Transfer-Encoding: chunked\r\n", " 5\r\nhello\r\n0\r\n\r\n"),
    "chunk-plus": ("Transfer-Encoding: chunked\r\n", "+5\r\nhello\r\n0\r\n\r\n"),
    "chunk-minus": ("Transfer-Encoding: chunked\r\n", "-5\r\nhello\r\n0\r\n\r\n"),
    "chunk-bare-lf": ("Transfer-Encoding: chunked\r\n", "5\nhello\n0\n\n"),
    "chunk-no-crlf": ("Transfer-Encoding: chunked\r\n", "5\r\nhello0\r\n\r\n"),
    "chunk-short": ("Transfer-Encoding: chunked\r\n", "4\r\nhello\r\n0\r\n\r\n"),
    "chunk-wraps": ("Transfer-Encoding: chunked\r\n", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "chunk-empty": ("Transfer-Encoding: chunked\r\n", "\r\nhello\r\n0\r\n\r\n"),
    "chunk-not-hex": ("Transfer-Encoding: chunked\r\n", "g\r\nhello\r\n0\r\n\r\n"),
    "trailer": ("Transfer-Encoding: chunked\r\n", "0\r\nX: y\r\n\r\n"),
    "trailer-length": ("Transfer-Encoding: chunked\r\n", "0\r\nContent-Length: 5\r\n\r\n"),
    "trailer-fold": ("Transfer-Encoding: chunked\r\n", "0\r\nX: y\r\n z\r\n\r\n"),
    "trailer-no-colon": ("Transfer-Encoding: chunked\r\n", "0\r\nX\r\n\r\n"),
    "trailer-bare-lf": ("Transfer-Encoding: chunked\r\n", "0\r\nX: y\n\r\n"),
}
PLACES = {"line": LINES, "host": HOSTS, "header": HEADERS, "body": BODIES}
# Streams, as spelled() names them, that Tamis takes otherwise than both others, and why.
EXPLAINED = {
    "*line=lower-method*": "methods are told apart by case (RFC 9110 9.1): an unknown one gets 405, "
                           "and the connection goes on",
    "*line=bad-percent*": "400, but the request's end is not in doubt: the connection goes on",
    "*header=content-encoding*": "415: a body of an unknown encoding is not read as if it had none",
    "*body=trailer-fold*": "lines that go on are refused in trailers as in heads (RFC 9112 5.2)",
    "*line=nul-percent*": "as line=bad-percent",
    "host=* line=absolute*": "a Host that is none is 400 (RFC 9112 3.2), also where the target's "
                             "own is what counts",
}


def plain(place):
    return next(iter(PLACES[place]))


def stream(choice):
    """The bytes of a request with these parts, and a plain one behind it."""
    framing, body = BODIES[choice.get("body", plain("body"))]
    text = (LINES[choice.get("line", "plain")] + HOSTS[choice.get("host", "plain")] +
            HEADERS[choice.get("header", "none")] + framing + "\r\n" + body)
    return text.encode("latin-1") + SECOND


def singles():
    for place, parts in PLACES.items():
        for name in parts:
            yield {place: name}


def pairs(count, seed):
    """Two odd places, each pair of places as often, or one that is odd with a body that is not."""
    draw = random.Random(seed)
    for _ in range(count):
        places = draw.sample(list(PLACES), 2)
        yield {place: draw.choice(list(PLACES[place])) for place in places}


def spelled(choice):
    return " ".join(f"{place}={name}" for place, name in sorted(choice.items())
                    if name != plain(place)) or "plain"


def ask(port, data):
    """(how each request was answered, whether the connection then ended)."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.settimeout(SILENCE_S)
        ended = True
        try:
            client.sendall(data)
            while piece := client.recv(65536):
                answer += piece
        except TimeoutError:
            ended = False
        except OSError:
            pass  # reset: what it said before counts
    statuses = [int(status) for status in STATUS.findall(answer)]
    kinds = ["taken" if status in TAKEN else "refused" for status in statuses if status >= 200]
    if not kinds:
        # Without a status line: an answer of HTTP/0.9, an end, or waiting for more.
        kinds = ["unversioned"] if answer else (["refused"] if ended else ["waiting"])
    return tuple(kinds)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def wait_for(port):
    for _ in range(400):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"http_differential: nothing listens on {port}")


def run(command):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    atexit.register(lambda: (process.terminate(), process.wait(timeout=60)))


def start_nginx(program, folder):
    port = free_port()
    paths = " ".join(f"{name}_temp_path {folder}/{name};"
                     for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config = folder / "nginx.conf"
    config.write_text(f"""
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_processes 1;
events {{ }}
http {{ {paths} access_log off; server {{ listen 127.0.0.1:{port}; return 200; }} }}
""")
    run([program, "-c", str(config), "-p", str(folder)])
    return port


def start_apache(program, folder):
    port = free_port()
    modules = pathlib.Path("/usr/lib/apache2/modules")
    page = folder / "www" / PATH[1:]
    page.parent.mkdir(parents=True)
    page.write_text("")
    load = "\n".join(f"LoadModule {name}_module {modules}/mod_{name}.so"
                     for name in ("mpm_event", "authz_core") if (modules / f"mod_{name}.so").exists())
    config = folder / "apache.conf"
    config.write_text(f"""
{load}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {folder}/apache.pid
ErrorLog {folder}/apache.log
DocumentRoot {folder}/www
KeepAlive On
<Directory />
  Require all granted
</Directory>
""")
    run([program, "-X", "-f", str(config)])
    return port


def start_tamis(program):
    port = free_port()
    run([program, "serve", "--identity-model", "id", "--port", str(port), "--grpc-port", "-1",
         "--quiet"])
    return port


def verdict(text, found, alone):
    """What is wrong with Tamis' way; empty: nothing. ALONE: what was found for each odd place."""
    ours, others = found["tamis"], {found["nginx"], found["apache"]}
    if ours in others or any(fnmatch.fnmatchcase(text, pattern) for pattern in EXPLAINED):
        return ""
    # They differ in what becomes of the connection: the first request still counts.
    firsts = {other[0] for other in others}
    if len(others) > 1 and ours[0] in firsts:
        return ""
    # One refuses the one place and the other the other, of which Tamis refuses neither.
    if not any({each["nginx"][0], each["apache"][0]} == {"refused"} or each["tamis"][0] == "refused"
               for each in alone):
        return ""
    return "other than both"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tamis")
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", default="", help="print every stream whose parts hold this word")
    options = parser.parse_args()
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    apache = shutil.which("apache2", path="/usr/sbin:/usr/bin")
    if nginx is None or apache is None:
        print("skipped: apt-get install nginx-light apache2-bin")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        ports = {"tamis": start_tamis(options.tamis), "nginx": start_nginx(nginx, folder),
                 "apache": start_apache(apache, folder)}
        for port in ports.values():
            wait_for(port)
        choices = {spelled(choice): choice
                   for choice in [*singles(), *pairs(options.pairs, options.seed)]}
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            asked = {(text, server): pool.submit(ask, port, stream(choice))
                     for text, choice in choices.items() for server, port in ports.items()}

            def answers(text):
                return {server: asked[text, server].result() for server in ports}

            faults = 0
            for text in choices:
                found = answers(text)
                alone = [answers(spelled({place: part})) for place, part in choices[text].items()]
                wrong = verdict(text, found, alone)
                faults += bool(wrong)
                if wrong or (options.show and options.show in text):
                    print(f"{text}: {wrong or 'as expected'}: " + "; ".join(
                        f"{server} {' '.join(kinds)}" for server, kinds in found.items()))
    print(f"http_differential: {len(choices)} streams, {faults} differences that nothing explains")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
